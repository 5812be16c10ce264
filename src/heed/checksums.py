"""The SHA-256 of each model that comes with heed; `python scripts/hash_models.py` writes this file anew."""

SHIPPED: dict[str, str] = {
    "commands": "eb52652fe245fabec0c089de97e358945d92befd3d3390982bad77fa42c07d7f",
    "commands-tiny": "1ebd7198080796c3a98112d08debd74b889c74ee66c9ca0b248867cb781d4c2e",
    "dense": "13de5afcf6565a3a35d7e545be502a4da77a2661423f98ef8f3e3dbdd5c72f16",
}
