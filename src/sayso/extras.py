"""What sayso needs for training, pages and `serve web`, and recognition does not: it is installed with an extra.

`pip install sayso` is all that listening, classifying and teaching need; `pip install "sayso[train]"` adds the rest.
"""

from importlib.util import find_spec
from typing import Literal

from sayso.errors import SaysoError

Extra = Literal["train", "report", "web"]

# The packages of each extra, and the modules by which they are imported.
PACKAGES: dict[Extra, dict[str, str]] = {
    "train": {"librosa": "librosa", "scipy": "scipy", "scikit-learn": "sklearn"},
    "report": {"matplotlib": "matplotlib", "pillow": "PIL"},
    "web": {"aiohttp": "aiohttp"},
}


class MissingPackageError(SaysoError, ImportError):
    """A package that is installed with an extra of sayso only; also an ImportError, as is usual in Python."""


def require(purpose: str, *extras: Extra) -> None:
    """Check that the packages of extras are installed, without importing them.

    Parameters
    ----------
    purpose : str
        What needs them, at the start of the message.
    *extras : {"train", "report", "web"}
        The extras.

    Raises
    ------
    MissingPackageError
        If one is not installed. It says what to type.
    """
    missing = {
        extra: absent
        for extra in extras
        if (absent := [name for name, module in PACKAGES[extra].items() if find_spec(module) is None])
    }
    if missing:
        names = ", ".join(name for absent in missing.values() for name in absent)
        raise MissingPackageError(f'{purpose} needs {names}: pip install "sayso[{",".join(missing)}]"')
