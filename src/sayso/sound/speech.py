"""Find the speech in a recording."""

import numpy as np

from sayso.sound.stream import Samples

# Length of a frame in seconds.
FRAME = 0.01
# A frame is speech if its level is above this fraction of the way from the quiet frames of a recording to the loudest
# one, and no more than this many decibels below the loudest one.
RISE = 0.35
RANGE = 25.0
# Speech fainter than this, in decibels relative to full scale, is taken for the noise of a recording without speech.
# Every large corpus has some of these.
FAINTEST = -60.0


def is_audible(speech: Samples) -> bool:
    """Return whether what `speech_bounds` found is loud enough to be speech."""
    return bool(speech.size) and float(np.sqrt(np.mean(np.square(speech)))) >= 10 ** (FAINTEST / 20)


def speech_bounds(samples: Samples, sample_rate: int) -> tuple[int, int]:
    """Find where speech begins and ends, by energy.

    The energy is that of the differences between successive samples, in which rumble and an offset count little and the
    faint consonants of speech count more; it is taken in frames of 10 ms and smoothed over three.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        A recording.
    sample_rate : int
        Sample rate in Hz.

    Returns
    -------
    start, end : int
        The speech is ``samples[start:end]``; all of it if nothing stands out.
    """
    frame = max(round(FRAME * sample_rate), 1)
    count = len(samples) // frame
    if count < 3:
        return 0, len(samples)
    differences = np.diff(samples[: count * frame], prepend=samples[:1]).reshape(count, frame)
    powers = np.convolve(np.einsum("ij,ij->i", differences, differences), np.ones(3) / 3, "same")
    decibels = 10 * np.log10(np.maximum(powers, 1e-12))
    quiet, loudest = np.percentile(decibels, 10), decibels.max()
    loud = np.flatnonzero(decibels >= max(loudest - RANGE, quiet + RISE * (loudest - quiet)))
    return int(loud[0]) * frame, (int(loud[-1]) + 1) * frame


def fit_window(samples: Samples, length: int) -> tuple[Samples, int]:
    """Cut or pad a clip of any length to the window that the network sees, with the word in its middle.

    Training and recognition share this rule. It looks for the window with the most energy; as many neighbouring windows
    hold a whole word equally well, it takes the middle one of those around the best that have at least 99 % of its
    energy. The energy is that of the differences between successive samples, in which an offset counts nothing and
    rumble little; it is summed over grains of a thousandth of the window. To bring a word at the edge of a clip to the
    middle, the window may extend beyond the ends of the clip by a quarter of its length, and is zero there; a clip
    shorter than half a window is put in its middle.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), dtype float32
        The clip.
    length : int
        Samples of the window.

    Returns
    -------
    window : numpy.ndarray, shape (length,), dtype float32
        The window, a new array.
    start : int
        Where the window starts in the clip, in samples; negative if the window begins with zeros.
    """
    grain = max(length // 1000, 1)
    grains, wide = -(-len(samples) // grain), -(-length // grain)
    differences = np.zeros(grains * grain, np.float32)
    np.subtract(samples[1:], samples[:-1], out=differences[1 : len(samples)])
    parts = differences.reshape(grains, grain)
    powers = np.einsum("ij,ij->i", parts, parts, dtype=np.float64)
    running = np.concatenate((np.zeros(wide + 1), np.cumsum(powers), np.full(wide, powers.sum())))
    energies = running[wide:] - running[:-wide]  # of the windows that start at -wide, -wide + 1, ... grains
    best = int(energies.argmax())
    poorer = np.flatnonzero(energies < 0.99 * energies[best])
    position = int(np.searchsorted(poorer, best))
    first = int(poorer[position - 1]) + 1 if position > 0 else 0
    last = int(poorer[position]) - 1 if position < len(poorer) else len(energies) - 1
    surplus, reach = len(samples) - length, length // 4
    earliest, latest = min(-reach, surplus // 2), max(surplus + reach, surplus // 2)
    start = min(max(((first + last) // 2 - wide) * grain, earliest), latest)
    window = np.zeros(length, np.float32)
    part = samples[max(start, 0) : start + length]
    window[max(-start, 0) : max(-start, 0) + len(part)] = part
    return window, start
