"""The SHA-256 of each model that comes with heed; `python scripts/hash_models.py` writes this file anew."""

SHIPPED: dict[str, str] = {
    "commands": "f16387852e1d20078c05daaa3b02261a30d812215bbc9677534423b8a49ea824",
    "commands-tiny": "a31948e2aac2a2064fcd8ff8c2375ac520928a18e9b45f8aff56e118d0479158",
    "dense": "9a93a6a1f09c81748d4b01f74576ddbc838dcdcf6ff3314f4042ad70c5e40a31",
}
