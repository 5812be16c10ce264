"""The SHA-256 of each model that comes with heed; `python scripts/hash_models.py` writes this file anew."""

SHIPPED: dict[str, str] = {
    "commands": "79527cb711b7877cbd546e3d72f6718f479be6e4de262258e40fbf02c0c643a0",
    "commands-tiny": "10419bf6685a3524338782670f0fe080a892ebc328f38baa11087497a8a460f6",
    "dense": "daf833ad98e2357c7d163f7c94919b58afe8637664695de45585fe00a7de8b56",
}
