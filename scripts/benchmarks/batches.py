"""Benchmark of `sayso classify` on many clips, on an hour of sound and on a single file.

Clips are WAV files of one second, in the disk cache. All contenders use the same cores and are timed from start to end:
- decoding: only reads the files with soundfile, in as many processes; sayso should have at least half its speed;
- threads: the same work as sayso, in threads of one process instead of processes;
- librosa + scikit-learn: a script as a user might write it, with MFCC by librosa and an MLPClassifier by scikit-learn,
  in as many processes by joblib.
Parts of a clip: the time of each step on one core, in this process, at its fastest of several rounds.
An hour: should be processed at 500 times real time, in 300 MB. One file: should take at most six times as long as
`python -c "import numpy"`.

Example: python scripts/benchmarks/batches.py --clips 8192 --cores 2
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from benchmarking import Run, measure, parser, pin, ratio, save

RATE = 16_000
HOUR = 3600
# Files per task of a process, as in sayso.
TOGETHER = 64
ROUNDS = 3
STARTS = 9
DECODING_BAR, HOUR_BAR, MEMORY_BAR, START_BAR = 0.5, 500, 300, 6


def main() -> None:
    """Run the benchmark and print its results, or run one of the contenders."""
    options = parser(__doc__)
    options.add_argument("--clips", type=int, default=4096, help="clips to classify (default: %(default)s)")
    options.add_argument("--cores", type=int, default=2, help="cores to use (default: %(default)s)")
    options.add_argument("--model", default="commands", help="a model (default: %(default)s)")
    options.add_argument("--be", choices=CONTENDERS, help="run only this contender, in the folder --work")
    options.add_argument("--work", type=Path)
    arguments = options.parse_args()
    pin(arguments.cores)
    if arguments.be:
        CONTENDERS[arguments.be](arguments.work, arguments.cores, arguments.model)
        return
    with tempfile.TemporaryDirectory(prefix="sayso.") as folder:
        work = Path(folder)
        write_clips(work / "clips", arguments.clips)
        train_peer(work)
        results = {
            "clips": clips(work, arguments.clips, arguments.cores, arguments.model),
            "parts": parts(work, arguments.model),
            "hour": hour(work, arguments.cores, arguments.model),
            "start": start(work, arguments.model),
        }
    save(results, arguments.json)


def write_clips(folder: Path, count: int) -> None:
    """Write clips from the bundled corpus, each with different faint noise."""
    from sayso.corpus.corpus import scan
    from sayso.model.shipped import bundled
    from sayso.sound import audio
    from sayso.sound.speech import fit_window

    folder.mkdir()
    rng = np.random.default_rng(0)
    spoken = [fit_window(audio.load(clip.path, RATE), RATE)[0] for clip in scan(bundled("demo")).clips]
    for number in range(count):
        clip = spoken[number % len(spoken)] + rng.normal(0, 1e-3, RATE).astype(np.float32)
        soundfile.write(folder / f"{number:06}.wav", clip, RATE, subtype="PCM_16")


def clips(work: Path, count: int, cores: int, model: str) -> dict[str, float]:
    """Time sayso and the other contenders in turns."""
    contender = [sys.executable, __file__, "--work", str(work), "--cores", str(cores), "--model", model, "--be"]
    sayso = [sys.executable, "-m", "sayso", "classify", str(work / "clips"), "-m", model, "--workers", str(cores)]
    commands = {"sayso": [*sayso, "-o", str(work / "rows.csv")], **{name: [*contender, name] for name in CONTENDERS}}
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            runs[name].append(measure(command))
    seconds = {name: [run.seconds for run in each] for name, each in runs.items()}
    print(f"{count:,} clips of one second on {cores} cores, {model}:")
    for name, times in seconds.items():
        took, against = statistics.median(times), ratio(times, seconds["sayso"])
        print(f"  {name:24}{took:7.2f} s  {count / took:8,.0f} clips/s   sayso is {against:.2f} times as fast")
    print(f"  target: sayso at least {DECODING_BAR} times as fast as decoding")
    return {name: statistics.median(times) for name, times in seconds.items()}


def parts(work: Path, model: str) -> dict[str, float]:
    """Time each step of classifying a clip on one core."""
    from threadpoolctl import threadpool_limits

    from sayso.features.mfcc import MfccExtractor
    from sayso.model.model_file import load
    from sayso.model.shipped import find
    from sayso.nn.folding import folded
    from sayso.recognition.recognizer import TOGETHER as WINDOWS
    from sayso.sound import audio
    from sayso.sound.speech import fit_window

    loaded = load(find(model))
    extractor, network = MfccExtractor(loaded.features, loaded.tables), folded(loaded.network)
    paths = sorted((work / "clips").iterdir())[: 16 * WINDOWS]
    sounds = [audio.load(path, RATE) for path in paths]
    fitted = np.stack([fit_window(sound, RATE)[0] for sound in sounds])
    windows = [fitted[first : first + WINDOWS] for first in range(0, len(fitted), WINDOWS)]
    features = [loaded.standardizer.apply(extractor(some)) for some in windows]
    steps: dict[str, Callable[[], object]] = {
        "soundfile alone": lambda: [soundfile.read(path, dtype="float32") for path in paths],
        "opening, decoding, checking": lambda: [audio.load(path, RATE) for path in paths],
        "finding the word": lambda: [fit_window(sound, RATE) for sound in sounds],
        "features": lambda: [loaded.standardizer.apply(extractor(some)) for some in windows],
        "network": lambda: [network.probabilities(some) for some in features],
    }
    with threadpool_limits(1, "blas"):
        microseconds = {name: 1e6 * fastest(step) / len(paths) for name, step in steps.items()}
    print(f"per clip, on one core: {', '.join(f'{name} {cost:.0f} µs' for name, cost in microseconds.items())}")
    return microseconds


def fastest(step: Callable[[], object]) -> float:
    """Return the shortest time of a step in seconds."""
    times = []
    for _ in range(2 * ROUNDS):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return min(times)


def hour(work: Path, cores: int, model: str) -> dict[str, float]:
    """Find the words in an hour of sound."""
    rng = np.random.default_rng(0)
    some = [soundfile.read(path, dtype="float32")[0] for path in sorted((work / "clips").iterdir())[:500]]
    with soundfile.SoundFile(work / "hour.wav", "w", RATE, 1, "PCM_16") as file:
        for _ in range(HOUR // 4):
            file.write(np.concatenate([some[rng.integers(len(some))], rng.normal(0, 1e-3, 3 * RATE)]))
    command = [sys.executable, "-m", "sayso", "classify", str(work / "hour.wav"), "-m", model]
    command += ["--workers", str(cores), "--format", "jsonl"]
    runs = [measure(command) for _ in range(ROUNDS)]
    seconds = statistics.median(run.seconds for run in runs)
    megabytes = max(run.megabytes for run in runs)
    print(
        f"an hour of sound on {cores} cores: {seconds:.2f} s, {HOUR / seconds:.0f} times real time "
        f"(target: {HOUR_BAR}), peak memory {megabytes:.0f} MB (target: {MEMORY_BAR})"
    )
    return {"seconds": seconds, "megabytes": megabytes}


def start(work: Path, model: str) -> dict[str, float]:
    """Time the classification of one file and an import of NumPy, in turns."""
    one = str(min((work / "clips").iterdir()))
    seconds: dict[str, list[float]] = {"numpy": [], "sayso": []}
    for _ in range(STARTS):
        seconds["numpy"].append(measure([sys.executable, "-c", "import numpy"]).seconds)
        command = [sys.executable, "-m", "sayso", "classify", one, "-m", model, "--format", "jsonl"]
        seconds["sayso"].append(measure(command).seconds)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(
        f"one file: {medians['sayso']:.2f} s, {ratio(seconds['sayso'], seconds['numpy']):.1f} times "
        f"`import numpy` (target: {START_BAR})"
    )
    return medians


def groups(work: Path) -> Iterator[list[str]]:
    """Yield the clips in groups."""
    paths = sorted(map(str, (work / "clips").iterdir()))
    return (paths[first : first + TOGETHER] for first in range(0, len(paths), TOGETHER))


def read(paths: list[str]) -> int:
    """Decode files."""
    return sum(len(soundfile.read(path, dtype="float32")[0]) for path in paths)


def decoding(work: Path, cores: int, model: str) -> None:
    """Read all clips with soundfile."""
    with ProcessPoolExecutor(cores) as pool:
        print(sum(pool.map(read, groups(work))))


def threads(work: Path, cores: int, model: str) -> None:
    """Do the same work as sayso, in threads."""
    from sayso.batch.classify import Job, classify_files
    from sayso.batch.rows import csv_line
    from sayso.recognition.recognizer import load
    from sayso.system.workers import in_order

    job = Job(load(model))
    with (work / "threads.csv").open("w", encoding="utf-8") as file:
        for group in in_order(lambda paths: classify_files(job, paths), groups(work), cores):
            file.writelines(csv_line(row) for result in group for row in result.rows())


def features(path: str) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Compute the input of scikit-learn's network with librosa."""
    import librosa

    samples, _ = librosa.load(path, sr=RATE)
    samples = librosa.util.fix_length(samples, size=RATE)
    return np.asarray(librosa.feature.mfcc(y=samples, sr=RATE, n_mfcc=40, n_fft=512, hop_length=320).ravel())


def train_peer(work: Path) -> None:
    """Train scikit-learn's network briefly; its accuracy has no effect on its speed."""
    import joblib
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    paths = sorted(map(str, (work / "clips").iterdir()))[:240]
    labels = [f"word {number % 12}" for number in range(len(paths))]
    network = make_pipeline(StandardScaler(), MLPClassifier((256,), max_iter=3, random_state=0))
    joblib.dump(network.fit(np.stack([features(path) for path in paths]), labels), work / "peer.joblib")


def librosa_and_sklearn(work: Path, cores: int, model: str) -> None:
    """Classify with librosa and scikit-learn, in processes by joblib."""
    import joblib

    network = joblib.load(work / "peer.joblib")
    paths = sorted(map(str, (work / "clips").iterdir()))
    rows = joblib.Parallel(cores)(joblib.delayed(features)(path) for path in paths)
    probabilities = network.predict_proba(np.stack(rows))
    with (work / "peer.csv").open("w", encoding="utf-8") as file:
        for path, row in zip(paths, probabilities, strict=True):
            file.write(f"{path},{network.classes_[row.argmax()]},{row.max():.4f}\n")


CONTENDERS = {"decoding": decoding, "threads": threads, "librosa + scikit-learn": librosa_and_sklearn}

if __name__ == "__main__":
    main()
