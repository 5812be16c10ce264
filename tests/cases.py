"""Cases of one kind, looped inside one test: the failing one is named."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def case(*what: object) -> Iterator[None]:
    """Name the case in whatever fails inside, as in ``with case(layer, "float32"):``."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"case: {', '.join(map(str, what))}")
        raise
