"""The SHA-256 of each model that comes with heed; `python scripts/hash_models.py` writes this file anew."""

SHIPPED: dict[str, str] = {
    "commands": "9624c3e5e4ab3ada9d753a2cb1d9e81e4f9163d90b643252d228433c1be723ad",
    "commands-tiny": "3b37bc6b70bafb596853ae205c9b27566257385e513330e1fbc69b873f6bca6b",
    "dense": "262ddf07932a982e38b40ca3e1a2ce7476d80ad927e9d94f4ae0639bb712a9c1",
}
