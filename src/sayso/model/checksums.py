"""The SHA-256 of each model that comes with sayso; `python scripts/shipped_models/hashes.py` writes this file."""

SHIPPED: dict[str, str] = {
    "commands": "0b0208a201fe3a3de85259cce84762c070688ae1e9b01f73344b8e4f07f1c9b3",
    "commands-tiny": "761f515cb4e43ed9b30f39bf00962c6f9fd24d4f9d73dd6c9b0224e8d461775d",
    "dense": "4bf44eb98dadbdda1ee03b78f18592c987c352ea7579592d8529cbb50d191523",
}
