"""What happens to a voice between the mouth and the recogniser: channels, codecs, rooms, levels, speed, noise.

Each degradation changes clips as they were recorded, before a window is cut out of them.
"""

import functools
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.errors import SaysoError
from sayso.sound.noise import snr_gain
from sayso.sound.stream import Samples

Degradation = Callable[[Sequence[Samples], int, np.random.Generator], list[Samples]]
"""Degrades clips of a sample rate."""

# Seconds of silence between clips that go through a codec together.
GAP = 0.3
# Volume of a living room in cubic metres, and the distance of a speaker from the microphone in metres.
VOLUME, DISTANCE = 60.0, 1.0


def each(change: Callable[[Samples, int, np.random.Generator], NDArray[Any]]) -> Degradation:
    """Make a degradation of a function that changes one clip."""
    return lambda clips, rate, rng: [change(clip, rate, rng).astype(np.float32) for clip in clips]


def coded(*options: str, suffix: str, tempo: float = 1.0) -> Degradation:
    """Make a degradation that encodes clips with ffmpeg and decodes them again.

    The clips are joined, with silence between them, as a codec needs some time to start. They must be found again at
    their places, `tempo` times as early.
    """

    def degrade(clips: Sequence[Samples], rate: int, rng: np.random.Generator) -> list[Samples]:
        gap = np.zeros(round(GAP * rate), np.float32)
        joined = np.concatenate([part for clip in clips for part in (gap, clip)] + [gap])
        raw = ("-f", "f32le", "-ar", str(rate), "-ac", "1")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"coded{suffix}"
            _ffmpeg(*raw, "-i", "-", *options, str(file), sound=joined.tobytes())
            decoded = np.frombuffer(_ffmpeg("-i", str(file), *raw, "-"), np.float32)
        ends = np.cumsum([len(gap) + len(clip) for clip in clips])
        starts = ends - [len(clip) for clip in clips]
        return [
            decoded[round(start / tempo) : round(end / tempo)].copy() for start, end in zip(starts, ends, strict=True)
        ]

    return degrade


def _ffmpeg(*arguments: str, sound: bytes = b"") -> bytes:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *arguments]
    try:
        return subprocess.run(command, input=sound, capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise SaysoError("ffmpeg is not installed; the codecs need it") from error
    except subprocess.CalledProcessError as error:
        raise SaysoError(f"ffmpeg failed at {' '.join(arguments)}: {error.stderr.decode().strip()}") from error


@functools.cache
def can_encode(encoder: str) -> bool:
    """Return whether this ffmpeg has an encoder."""
    return f" {encoder} " in _ffmpeg("-encoders").decode()


def band(low: float | None, high: float | None) -> Degradation:
    """Make a degradation that keeps frequencies above `low` and below `high`, in Hz."""
    from scipy.signal import butter, sosfilt

    def change(clip: Samples, rate: int, rng: np.random.Generator) -> NDArray[Any]:
        filtered: NDArray[Any] = clip
        for limit, kind in ((low, "high"), (high, "low")):
            if limit:
                filtered = sosfilt(butter(4, limit, kind, fs=rate, output="sos"), filtered)
        return filtered

    return each(change)


def room(reverberation_time: float) -> Degradation:
    """Make a degradation by rooms whose sound falls by 60 dB in this time in seconds (T60).

    The speaker is a metre away in a living room. From 5 ms after the direct sound on, noise falls exponentially: the
    textbook model of diffuse reverberation (H. Kuttruff, "Room acoustics"), and not the mirror images with which the
    models are trained.
    """
    # At this distance in metres, reverberation is as loud as the direct sound.
    critical = 0.057 * np.sqrt(VOLUME / reverberation_time)

    def response(rate: int, rng: np.random.Generator) -> NDArray[Any]:
        times = np.arange(round(reverberation_time * rate)) / rate
        tail = rng.standard_normal(len(times)) * np.exp(-np.log(1000) * times / reverberation_time)
        tail[: round(0.005 * rate)] = 0
        tail /= np.linalg.norm(tail)
        tail[0] = critical / DISTANCE
        return np.asarray(tail)

    return each(lambda clip, rate, rng: convolved(clip, response(rate, rng), rate))


def measured_rooms(responses: Sequence[Samples]) -> Degradation:
    """Make a degradation by measured rooms, for each clip one of their impulse responses."""
    return each(lambda clip, rate, rng: convolved(clip, responses[int(rng.integers(len(responses)))], rate))


def convolved(clip: Samples, response: NDArray[Any], rate: int) -> NDArray[Any]:
    """Return a clip in a room, with half a second of what follows it, at the level of the clip."""
    from scipy.signal import fftconvolve

    heard: NDArray[Any] = fftconvolve(clip, response)[: len(clip) + rate // 2]
    level = np.linalg.norm(heard)
    return heard * (np.linalg.norm(clip) / level) if level else heard


def clipped(decibels: float) -> Degradation:
    """Make a degradation by a gain that brings the peak so far above full scale, where it is cut off."""
    gain = 10 ** (decibels / 20)
    return each(lambda clip, rate, rng: np.clip(clip * (gain / max(float(np.abs(clip).max()), 1e-9)), -1, 1))


def louder(decibels: float, bits: int = 16) -> Degradation:
    """Make a degradation by a gain, kept in integers of so many bits."""
    steps = 2 ** (bits - 1)
    return each(lambda clip, rate, rng: np.round(clip * 10 ** (decibels / 20) * steps) / steps)


def hum(frequency: float, snr: float) -> Degradation:
    """Make a degradation by the hum of the mains with some harmonics, so many decibels below the clip."""

    def change(clip: Samples, rate: int, rng: np.random.Generator) -> NDArray[Any]:
        times = np.arange(len(clip)) / rate
        phases = rng.uniform(0, 2 * np.pi, 4)
        waves = [np.sin(2 * np.pi * frequency * n * times + phase) / n for n, phase in enumerate(phases, 1)]
        return _over(clip, np.sum(waves, axis=0), snr)

    return each(change)


def white_noise(snr: float) -> Degradation:
    """Make a degradation by white noise, so many decibels below the clip."""
    return each(lambda clip, rate, rng: _over(clip, rng.standard_normal(len(clip)), snr))


def _over(clip: Samples, noise: NDArray[Any], snr: float) -> NDArray[Any]:
    gain = snr_gain(float(np.dot(clip, clip)), float(np.dot(noise, noise)), snr)
    return np.asarray(clip + np.sqrt(gain) * noise)


def faster(factor: float) -> Degradation:
    """Make a degradation that plays a clip so many times as fast, with its pitch."""
    import soxr

    return each(lambda clip, rate, rng: np.asarray(soxr.resample(clip, rate * factor, rate)))


def tempo(factor: float) -> Degradation:
    """Make a degradation that makes a clip so many times as fast at its pitch."""
    return coded("-filter:a", f"atempo={factor:g}", suffix=".wav", tempo=factor)


# By name: the degradation, and the encoder of ffmpeg that it needs. From the second MP3 on, they are variants.
DEGRADATIONS: dict[str, tuple[Degradation, str | None]] = {
    "8 kHz": (coded("-ar", "8000", "-c:a", "pcm_s16le", suffix=".wav"), "pcm_s16le"),
    "mu-law, 8 kHz": (coded("-ar", "8000", "-c:a", "pcm_mulaw", suffix=".wav"), "pcm_mulaw"),
    "MP3, 16 kbit/s": (coded("-c:a", "libmp3lame", "-b:a", "16k", suffix=".mp3"), "libmp3lame"),
    "Opus, 6 kbit/s": (coded("-c:a", "libopus", "-b:a", "6k", suffix=".opus"), "libopus"),
    "room, T60 0.6 s": (room(0.6), None),
    "room, T60 1 s": (room(1.0), None),
    "clipped, +12 dB": (clipped(12), None),
    "clipped, +24 dB": (clipped(24), None),
    "-20 dB": (louder(-20), None),
    "-40 dB": (louder(-40), None),
    "hum, 50 Hz, at 10 dB": (hum(50, 10), None),
    "offset of 0.1": (each(lambda clip, rate, rng: clip + 0.1), None),
    "speed 0.8": (faster(0.8), None),
    "speed 1.25": (faster(1.25), None),
    "below 2 kHz": (band(None, 2000), None),
    "white noise, 20 dB": (white_noise(20), None),
    "white noise, 10 dB": (white_noise(10), None),
    "MP3, 8 kbit/s": (coded("-c:a", "libmp3lame", "-b:a", "8k", suffix=".mp3"), "libmp3lame"),
    "hum, 100 Hz, at 0 dB": (hum(100, 0), None),
    "above 500 Hz": (band(500, None), None),
    "300 to 3400 Hz": (band(300, 3400), None),
    "tempo 0.8": (tempo(0.8), "pcm_s16le"),
    "tempo 1.25": (tempo(1.25), "pcm_s16le"),
    "8 bits": (louder(0, 8), None),
    "GSM": (coded("-ar", "8000", "-c:a", "libgsm", suffix=".gsm"), "libgsm"),
    "AMR, 4.75 kbit/s": (coded("-ar", "8000", "-c:a", "libopencore_amrnb", "-b:a", "4.75k", suffix=".amr"),
                         "libopencore_amrnb"),
    "Speex, 8 kHz, 4 kbit/s": (coded("-ar", "8000", "-c:a", "libspeex", "-b:a", "4k", suffix=".spx"), "libspeex"),
}  # fmt: skip
