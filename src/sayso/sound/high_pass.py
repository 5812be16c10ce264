"""A high-pass filter for streams: it removes an offset, hum and rumble below the voice."""

from typing import Any

from sayso.sound.stream import Samples


class HighPass:
    """Filters a stream with a Butterworth high-pass of second order.

    The filter starts as if the first sample had been there for ever, so that an offset makes no click. Each sample
    depends on those before it only, and not on how the stream is cut.

    Parameters
    ----------
    cutoff : float
        Frequency in Hz at which the level falls by 3 dB; 0 leaves the stream as it is.
    sample_rate : int
        Samples per second.
    """

    def __init__(self, cutoff: float, sample_rate: int) -> None:
        self._sections: Any = None
        if cutoff:
            from scipy.signal import butter

            self._sections = butter(2, cutoff, "highpass", fs=sample_rate, output="sos")
        self._state: Any = None

    def push(self, samples: Samples) -> Samples:
        """Filter the next samples of the stream, of shape (n,)."""
        if self._sections is None or not len(samples):
            return samples
        from scipy.signal import sosfilt, sosfilt_zi

        if self._state is None:
            self._state = sosfilt_zi(self._sections) * float(samples[0])
        filtered, self._state = sosfilt(self._sections, samples.astype("float64"), zi=self._state)
        result: Samples = filtered.astype("float32")
        return result


def high_passed_clip(samples: Samples, cutoff: float, sample_rate: int) -> Samples:
    """Return a whole sound filtered as a stream of it would be."""
    return HighPass(cutoff, sample_rate).push(samples)
