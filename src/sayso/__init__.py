"""sayso: spoken commands, small and offline.

`sayso.load("model").classify("clip.wav")` classifies a recording; `sayso.listen()` detects words in the sound of the
microphone; `sayso.train`, `sayso.teach`, `sayso.evaluate` and `sayso.classify_files` do what the commands do;
`sayso.FeedForwardClassifier` learns from any numbers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sayso.version import __version__

if TYPE_CHECKING:
    from sayso.classifier import FeedForwardClassifier
    from sayso.errors import SaysoError
    from sayso.live.listening import BackgroundListener, listen
    from sayso.recognition.decision import Detection
    from sayso.recognition.recognizer import Recognizer, load
    from sayso.recognition.stream import Stream
    from sayso.tasks import Trained, classify_files, evaluate, teach, train

# Each name is imported when it is first used, so that `import sayso` costs next to nothing.
_HOMES = {
    "BackgroundListener": "sayso.live.listening",
    "Detection": "sayso.recognition.decision",
    "FeedForwardClassifier": "sayso.classifier",
    "SaysoError": "sayso.errors",
    "Recognizer": "sayso.recognition.recognizer",
    "Stream": "sayso.recognition.stream",
    "Trained": "sayso.tasks",
    "classify_files": "sayso.tasks",
    "evaluate": "sayso.tasks",
    "listen": "sayso.live.listening",
    "teach": "sayso.tasks",
    "train": "sayso.tasks",
    "load": "sayso.recognition.recognizer",
}

__all__ = [
    "BackgroundListener",
    "Detection",
    "FeedForwardClassifier",
    "Recognizer",
    "SaysoError",
    "Stream",
    "Trained",
    "__version__",
    "classify_files",
    "evaluate",
    "listen",
    "load",
    "teach",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sayso' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
