"""The SHA-256 of each model that comes with heed; `python scripts/hash_models.py` writes this file anew."""

SHIPPED: dict[str, str] = {
    "commands": "82212b016d31ed4cb5f604a0fad7ef5aa1ee22ece702fd7d4e6937be90c3206a",
    "commands-tiny": "99d2b9c6cd81e3d33c17aad804e1d83257dc74b2a53bed3d5d98a7d13fd73e4f",
    "dense": "ff29947c4bb5a6abaf35e76e4bb3ed1c58d590df008bcd8326a5bcc2cdde446d",
}
