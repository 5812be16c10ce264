"""What sayso needs for training and for pages, and recognition does not: it is installed with an extra.

`pip install sayso` is all that listening, classifying and teaching need; `pip install "sayso[train]"` adds the rest.
"""

from importlib.util import find_spec
from typing import Literal

from sayso.errors import SaysoError

Extra = Literal["train", "report"]

# The packages of each extra, as they are imported.
PACKAGES: dict[Extra, tuple[str, ...]] = {
    "train": ("librosa", "scipy", "sklearn"),
    "report": ("matplotlib", "PIL"),
}


class MissingPackageError(SaysoError, ImportError):
    """A package that is installed with an extra of sayso only; also an ImportError, as is usual in Python."""


def require(extra: Extra, purpose: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Parameters
    ----------
    extra : {"train", "report"}
        The extra.
    purpose : str
        What needs it, at the start of the message.

    Raises
    ------
    MissingPackageError
        If one is not installed. It says what to type.
    """
    if missing := [name for name in PACKAGES[extra] if find_spec(name) is None]:
        raise MissingPackageError(f'{purpose} needs {", ".join(missing)}: pip install "sayso[{extra}]"')
