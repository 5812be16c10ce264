"""Write the SHA-256 of every shipped model and pack into the code, which then refuses any other file.

Example: python scripts/shipped_models/hashes.py
"""

import hashlib
from pathlib import Path

from sayso.model import checksums, shipped
from sayso.system.atomic_files import write_atomically


def write() -> None:
    """Update src/sayso/model/checksums.py from the files in models/."""
    path = Path(checksums.__file__)
    head, _, _ = path.read_text(encoding="utf-8").partition("SHIPPED")
    entries = "".join(
        f'    "{name}": "{hashlib.sha256(model.read_bytes()).hexdigest()}",\n'
        for name, model in {**shipped.models(), **shipped.packs()}.items()
    )
    write_atomically(path, f"{head}SHIPPED: dict[str, str] = {{\n{entries}}}\n".encode())
    print(f"{path}:\n{entries}", end="")


if __name__ == "__main__":
    write()
