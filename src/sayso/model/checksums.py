"""The SHA-256 of each shipped model and pack; `python scripts/shipped_models/hashes.py` writes this file."""

SHIPPED: dict[str, str] = {
    "commands": "63364a25bfc2b76ff286d92a3e37bdc8db1dc7901c7251a1e0913faf0ce89d56",
    "commands-tiny": "3351c82816efc50c59868bdea83e6b69c82f640eb9abcfe4aba4703d5e26a098",
    "dense": "b1950e83460cb703c87885bbb75ec5b773b7cbcc891381df420aa00b03f65a30",
    "commands.pack": "8002f2b8c8636c05d8710edf99962324f24ddfe3c8d83d35dc0e884df112eb8a",
}
