"""The SHA-256 of each model that comes with heed; `python scripts/hash_models.py` writes this file anew."""

SHIPPED: dict[str, str] = {
    "commands": "08c9ece14579dcbfc877f50e41076b958d8142124acf4014fb336db39f6395fb",
    "commands-tiny": "9d61340902a0517f9c86dd4845aa5aa634a54f3c8e422953ff77e5b7685aad38",
    "dense": "262ddf07932a982e38b40ca3e1a2ce7476d80ad927e9d94f4ae0639bb712a9c1",
}
