"""heed: spoken commands, small and offline.

`heed.load("model").classify("clip.wav")` tells the word in a recording; `heed.listen()` those that the microphone
hears; `heed.FeedForwardClassifier` learns from any numbers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heed.classifier import FeedForwardClassifier
    from heed.decision import Detection
    from heed.errors import HeedError
    from heed.listening import BackgroundListener, listen
    from heed.recognizer import Recognizer, load

__version__ = "0.1.0"

# Each name is imported when it is first used, so that `import heed` costs next to nothing.
_HOMES = {
    "BackgroundListener": "heed.listening",
    "Detection": "heed.decision",
    "FeedForwardClassifier": "heed.classifier",
    "HeedError": "heed.errors",
    "Recognizer": "heed.recognizer",
    "listen": "heed.listening",
    "load": "heed.recognizer",
}

__all__ = ["BackgroundListener", "Detection", "FeedForwardClassifier", "HeedError", "Recognizer", "listen", "load"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'heed' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
