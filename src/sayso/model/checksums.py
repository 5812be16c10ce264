"""The SHA-256 of each shipped model and pack; `python scripts/shipped_models/hashes.py` writes this file."""

SHIPPED: dict[str, str] = {
    "commands": "63364a25bfc2b76ff286d92a3e37bdc8db1dc7901c7251a1e0913faf0ce89d56",
    "commands-tiny": "3351c82816efc50c59868bdea83e6b69c82f640eb9abcfe4aba4703d5e26a098",
    "dense": "b1950e83460cb703c87885bbb75ec5b773b7cbcc891381df420aa00b03f65a30",
    "commands-tiny.pack": "7821178e5dda7f015cc15c39d7d2d3ff776ef1d99e268752b1ac1553341ec2aa",
    "commands.pack": "45cf9e1bdd920b451cc347b426c1fbd30077a7981a87408e761c9ddc0eb468b4",
}
