"""A recording of a live session: its sound, and next to it the detections, so that errors can be examined later."""

import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import soundfile

from sayso.errors import StorageError
from sayso.live.wav import WavWriter
from sayso.recognition.decision import Detection
from sayso.sound.stream import Samples

# Lossless formats that can be read even if the program was killed while writing.
FORMATS = (".wav", ".flac")


def detection_to_dict(detection: Detection) -> dict[str, Any]:
    """Return a detection as plain values, rounded for printing.

    Where a wake word is waited for, the first value says whether it is that word or a command.
    """
    since = detection.since_wake
    event = {} if since is None else {"event": "command" if since else "wake"}
    return {
        **event,
        "label": detection.label,
        "confidence": round(detection.confidence, 4),
        "start": round(detection.start, 3),
        "end": round(detection.end, 3),
        "runners_up": {label: round(probability, 4) for label, probability in detection.runners_up},
        **({"since_wake": round(since, 3)} if since else {}),
    }


class SessionRecorder:
    """Writes sound to one file and detections to another, as a context manager.

    Parameters
    ----------
    path : Path
        A WAV or FLAC file that does not exist yet; beyond 4 GiB, WAV becomes RF64, which most programs read alike. The
        detections go to the same name with `.jsonl` added, one per line, with times in seconds from the beginning of
        the sound.
    sample_rate : int
        Samples per second.

    Raises
    ------
    StorageError
        If the name has another suffix; on entering, if one of the files exists or cannot be created; later, if they
        cannot be written.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self.path, self.detections_path = path, path.with_name(f"{path.name}.jsonl")
        self._rate = sample_rate
        if path.suffix.lower() not in FORMATS:
            raise StorageError(f"cannot record to {path}: give a name that ends in {' or '.join(FORMATS)}")

    def __enter__(self) -> Self:
        """Create both files."""
        try:
            # Where one exists, the other is not even created.
            for path in (self.path, self.detections_path):
                if path.exists() or path.is_symlink():
                    raise StorageError(f"{path} exists; give another name, or move it away")
            self._sound: WavWriter | soundfile.SoundFile = (
                WavWriter(self.path, self._rate)
                if self.path.suffix.lower() == ".wav"
                else soundfile.SoundFile(self.path, "w", self._rate, 1, "PCM_16")
            )
            self._lines: TextIO = self.detections_path.open("x", encoding="utf-8")
        except (OSError, soundfile.SoundFileError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StorageError(
                f"cannot record to {self.path}: {reason}; give a folder that exists and can be written to"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both files."""
        with self._lines:
            self._checked(self._sound.close)

    def write_chunk(self, chunk: Samples) -> None:
        """Write the next samples; those beyond full scale are clipped."""
        self._checked(lambda: self._sound.write(chunk))

    def write_detection(self, detection: Detection) -> None:
        """Write a detection."""
        try:
            print(json.dumps(detection_to_dict(detection), ensure_ascii=False), file=self._lines, flush=True)
        except OSError as error:
            raise StorageError(f"cannot write to {self.detections_path}: {error.strerror}; free some space") from error

    def _checked(self, act: Callable[[], object]) -> None:
        """Do something with the file of the sound."""
        try:
            act()
        except (OSError, soundfile.SoundFileError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StorageError(f"cannot write to {self.path}: {reason}; free some space") from error
