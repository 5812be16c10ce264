"""The SHA-256 of each model that comes with heed; `python scripts/hash_models.py` writes this file anew."""

SHIPPED: dict[str, str] = {
    "commands": "9ca6b6426c020a0bc3d4ee61c32a2f56b741e62a046e82c86ea88181011fc759",
    "commands-tiny": "1ebd7198080796c3a98112d08debd74b889c74ee66c9ca0b248867cb781d4c2e",
    "dense": "13de5afcf6565a3a35d7e545be502a4da77a2661423f98ef8f3e3dbdd5c72f16",
}
