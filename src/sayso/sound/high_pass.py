"""A high-pass filter for streams: it removes an offset, hum and rumble below the voice."""

from collections.abc import Iterable, Iterator

from sayso.sound.stream import Samples


def high_passed(chunks: Iterable[Samples], cutoff: float, sample_rate: int) -> Iterator[Samples]:
    """Filter a stream with a Butterworth high-pass of second order.

    The filter starts as if the first sample had been there for ever, so that an offset makes no click. Each sample
    depends on those before it only, and not on how the stream is cut.

    Parameters
    ----------
    chunks : iterable of ndarray of float32, shape (n,)
        The stream.
    cutoff : float
        Frequency in Hz at which the level falls by 3 dB; 0 leaves the stream as it is.
    sample_rate : int
        Samples per second.

    Yields
    ------
    ndarray of float32, shape (n,)
        The filtered chunks, one for each.
    """
    if cutoff == 0:
        yield from chunks
        return
    from scipy.signal import butter, sosfilt, sosfilt_zi

    sections = butter(2, cutoff, "highpass", fs=sample_rate, output="sos")
    state = None
    for chunk in chunks:
        if len(chunk) == 0:
            yield chunk
            continue
        if state is None:
            state = sosfilt_zi(sections) * float(chunk[0])
        filtered, state = sosfilt(sections, chunk.astype("float64"), zi=state)
        yield filtered.astype("float32")


def high_passed_clip(samples: Samples, cutoff: float, sample_rate: int) -> Samples:
    """Return a whole sound filtered as a stream of it would be."""
    return next(high_passed([samples], cutoff, sample_rate))
