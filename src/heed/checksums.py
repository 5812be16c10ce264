"""The SHA-256 of each model that comes with heed; `python scripts/hash_models.py` writes this file anew."""

SHIPPED: dict[str, str] = {
    "commands": "6e136cdf3e7ca11951a9fc6bc6928e1625eba884903efc831157652ccdd5b106",
    "commands-tiny": "f4a26aa1b322ff929df146f158b20349a69f2893bd4ce43c09df38f0922136e4",
    "dense": "ff29947c4bb5a6abaf35e76e4bb3ed1c58d590df008bcd8326a5bcc2cdde446d",
}
