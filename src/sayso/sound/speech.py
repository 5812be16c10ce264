"""Where in a recording the speech lies."""

import numpy as np

from sayso.sound.stream import Samples

FRAME = 0.01
# Speech is what rises above this part of the way from the quiet of a recording to its loudest moment, in decibels; and
# what lies further below the loudest moment than the second number is not heard as part of the word.
RISE = 0.35
RANGE = 25.0
# What is fainter than this, in decibels below full scale, is no speech but the noise of a recording in which there is
# none. There are such in every large corpus.
FAINTEST = -60.0


def is_heard(speech: Samples) -> bool:
    """Tell whether what `speech_bounds` found is loud enough to be speech."""
    return bool(speech.size) and float(np.sqrt(np.mean(np.square(speech)))) >= 10 ** (FAINTEST / 20)


def speech_bounds(samples: Samples, sample_rate: int) -> tuple[int, int]:
    """Find the first and the last moment of speech by their energy.

    The energy is that of the differences from sample to sample, in which rumble and an offset count little and the
    faint consonants of speech more; taken in frames of 10 ms, smoothed over three.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        A recording.
    sample_rate : int
        Samples a second.

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
    """Make a clip of any length the window that the network sees, the word in its middle.

    Training and recognition both use this rule. The window with the most energy is sought; many neighbouring windows
    hold a whole word equally well, so among those around the best that hold at least 99 % of its energy, the middle
    one is taken. The energy is that of the differences from sample to sample: an offset of the microphone has none,
    and rumble little; it is summed up in grains of a thousandth of the window. To bring a word at the edge of a clip
    to the middle, the window may reach beyond the clip's ends by a quarter of its length, and holds zeros there; a
    clip shorter than half a window just stands in its middle.

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
        Where the window starts in the clip, in samples; negative if zeros were put in front.
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
