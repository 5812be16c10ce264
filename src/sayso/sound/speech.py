"""Where in a recording the speech lies."""

import numpy as np

from sayso.sound.audio import Samples

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
