"""The SHA-256 of each shipped model and pack; `python scripts/shipped_models/hashes.py` writes this file."""

SHIPPED: dict[str, str] = {
    "commands": "eb072c98ea1138358ea844945c6091cf7c1fec2a97d08dd63e1b1ee32a414387",
    "commands-tiny": "9bc84c757d9542f438bf62299c31fc96bdb8d24d4d33561fa180029b9a9303b2",
    "dense": "b1950e83460cb703c87885bbb75ec5b773b7cbcc891381df420aa00b03f65a30",
    "commands-tiny.pack": "8ccecaed18bd705dad752cc92c205508bc6ca6f23a3354f9d0639a6f9f225557",
    "commands.pack": "2e5e8c7e3dab6147ea0153b9d737d443b6370043dd90d435c2b6efa9b5133068",
}
