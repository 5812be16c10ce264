"""Benchmark of feature extraction against librosa, and python_speech_features if it is installed, on the same clips.

All take turns in one process with the same number of threads, after a check that the results of sayso and librosa
agree.
"""

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarking import parser, save
from sayso.config import FeatureSettings
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import MfccExtractor

FloatArray = NDArray[np.float32]
Contender = Callable[[], Any]

# As usual with librosa and python_speech_features: 25 ms windows every 10 ms, and mel filters over the whole range.
CUSTOMARY = FeatureSettings(window=0.025, hop=0.010, fft_size=400, low_frequency=0.0, high_frequency=8_000.0)
# The windows and the transform of sayso, every 10 ms as well.
PADDED = FeatureSettings(window=0.030, hop=0.010, fft_size=512)

# Timed calls in one turn, after a warm-up call.
CALLS = 3


def main() -> None:
    """Run the benchmark and print its table."""
    options = parser(__doc__)
    options.add_argument("--clips", type=int, default=512, help="clips of one second (default: %(default)s)")
    options.add_argument("--threads", type=int, default=2, help="threads for each contender (default: %(default)s)")
    options.add_argument("--repeat", type=int, default=7, help="turns of each contender (default: %(default)s)")
    arguments = options.parse_args()

    rng = np.random.default_rng(0)
    results = []
    with threadpool_limits(arguments.threads):
        for settings in (CUSTOMARY, PADDED):
            clips = _clips(arguments.clips, settings, rng)
            contenders = _contenders(settings, clips, arguments.threads)
            seconds = _take_turns(contenders, arguments.repeat)
            results.append(_summary(settings, seconds, arguments))
            _print(results[-1])
    save(results, arguments.json)


def _clips(count: int, settings: FeatureSettings, rng: np.random.Generator) -> FloatArray:
    """Make noise that rises and falls, as loud as speech; the time of no contender depends on the sound."""
    noise = rng.standard_normal((count, settings.clip_samples), dtype=np.float32)
    return noise * np.hanning(settings.clip_samples).astype(np.float32) * 0.1


def _contenders(settings: FeatureSettings, clips: FloatArray, threads: int) -> dict[str, Contender]:
    """Return the contenders by name, after checking that sayso's results equal librosa's."""
    extractor = MfccExtractor(settings, FeatureTables.from_settings(settings))
    options: dict[str, Any] = {
        "sr": settings.sample_rate,
        "n_fft": settings.fft_size,
        "win_length": settings.window_samples,
        "hop_length": settings.hop_samples,
        "n_mels": settings.mel_bands,
        "fmin": settings.low_frequency,
        "fmax": settings.high_frequency,
        "center": False,
    }

    def librosa_mfcc(samples: FloatArray) -> Any:
        return librosa.feature.mfcc(y=samples, n_mfcc=settings.coefficients, **options)

    # librosa's mfcc always clips at 80 dB below the peak; so the comparison calls its parts.
    energies = librosa.feature.melspectrogram(y=clips, **options)
    decibels = librosa.power_to_db(energies, amin=settings.floor, top_db=None)
    expected = librosa.feature.mfcc(S=decibels, n_mfcc=settings.coefficients).swapaxes(1, 2)
    difference = np.abs(extractor(clips, threads) - expected).max() / np.abs(expected).max()
    if difference > 1e-4:
        raise SystemExit(f"error: sayso differs from librosa by {difference:.1e} of the largest coefficient")

    contenders: dict[str, Contender] = {
        "sayso": lambda: extractor(clips, threads),
        "sayso, one thread": lambda: extractor(clips),
        "librosa, clip by clip": lambda: [librosa_mfcc(clip) for clip in clips],
        "librosa, whole batch": lambda: librosa_mfcc(clips),
    }
    try:
        import python_speech_features  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return contenders
    # It warns of each window longer than its default transform. Its filters differ, so it is timed but not compared.
    logging.getLogger().setLevel(logging.ERROR)
    contenders["python_speech_features"] = lambda: [
        python_speech_features.mfcc(
            clip, settings.sample_rate, settings.window, settings.hop, settings.coefficients, settings.mel_bands,
            settings.fft_size, settings.low_frequency, settings.high_frequency, winfunc=np.hanning,
        )
        for clip in clips
    ]  # fmt: skip
    return contenders


def _take_turns(contenders: dict[str, Contender], turns: int) -> dict[str, list[float]]:
    """Time the contenders in turns; a turn is the median of its calls, in seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, contender in contenders.items():
            # BLAS threads keep a core busy for a while after the previous contender is done.
            time.sleep(0.1)
            contender()
            calls = []
            for _ in range(CALLS):
                start = time.perf_counter()
                contender()
                calls.append(time.perf_counter() - start)
            seconds[name].append(statistics.median(calls))
    return seconds


def _summary(
    settings: FeatureSettings, seconds: dict[str, list[float]], arguments: argparse.Namespace
) -> dict[str, Any]:
    own = statistics.median(seconds["sayso"])
    return {
        "window_samples": settings.window_samples,
        "fft_size": settings.fft_size,
        "frames": settings.frames,
        "clips": arguments.clips,
        "threads": arguments.threads,
        "turns": arguments.repeat,
        "contenders": {
            name: {
                "median_ms_per_clip": 1e3 * statistics.median(turns) / arguments.clips,
                "best_ms_per_clip": 1e3 * min(turns) / arguments.clips,
                "median_ratio": statistics.median(turns) / own,
            }
            for name, turns in seconds.items()
        },
    }


def _print(summary: dict[str, Any]) -> None:
    print(
        f"\nwindow {summary['window_samples']}, transform {summary['fft_size']}, {summary['frames']} frames; "
        f"{summary['clips']} clips, {summary['threads']} threads, {summary['turns']} turns"
    )
    print(f"{'':26}{'median ms':>10}{'best ms':>10}{'times sayso':>12}")
    for name, figures in summary["contenders"].items():
        print(
            f"{name:26}{figures['median_ms_per_clip']:10.4f}{figures['best_ms_per_clip']:10.4f}"
            f"{figures['median_ratio']:12.1f}"
        )


if __name__ == "__main__":
    main()
