"""The SHA-256 of each model that comes with sayso; `python scripts/shipped_models/hashes.py` writes this file."""

SHIPPED: dict[str, str] = {
    "commands": "0b0208a201fe3a3de85259cce84762c070688ae1e9b01f73344b8e4f07f1c9b3",
    "commands-tiny": "a137c1b524b5df261672a8e57b43089f52cbdb65ce890a14a424659c64d1b3a1",
    "dense": "4bf44eb98dadbdda1ee03b78f18592c987c352ea7579592d8529cbb50d191523",
}
