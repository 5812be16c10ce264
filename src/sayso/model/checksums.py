"""The SHA-256 of each shipped model and pack; `python scripts/shipped_models/hashes.py` writes this file."""

SHIPPED: dict[str, str] = {
    "commands": "eb451f572fb9d8a8b00dce27a769a9a9e536f35a8d498ab574cb1fdcde719791",
    "commands-tiny": "a137c1b524b5df261672a8e57b43089f52cbdb65ce890a14a424659c64d1b3a1",
    "dense": "4bf44eb98dadbdda1ee03b78f18592c987c352ea7579592d8529cbb50d191523",
}
