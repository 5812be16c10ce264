"""Benchmark of reading the clips of a corpus into arrays for training, from the files and from the cache.

For comparison soundfile alone decodes the same files in one process; the ratio shows the cost of checking, fitting and
transferring. All files are read once before, so that the speed of the disk has no effect.

Example: python scripts/benchmarks/reading.py speech_commands_v0.02
"""

import sys
import tempfile
import time
from pathlib import Path

import soundfile

from benchmarking import parser, save
from sayso.config import FeatureSettings
from sayso.corpus.clip_cache import ClipCache
from sayso.corpus.clips import load_clips
from sayso.corpus.corpus import scan
from sayso.errors import SaysoError
from sayso.system.workers import cores


def main() -> None:
    """Run the benchmark and print its results."""
    options = parser(__doc__)
    options.add_argument("corpus", type=Path, help="folder of recordings, at least a thousand")
    options.add_argument("--repeat", type=int, default=3, help="repetitions, the fastest counts (default: %(default)s)")
    arguments = options.parse_args()

    corpus, features, workers = scan(arguments.corpus), FeatureSettings(), cores()
    rows = [clip for clip in corpus.clips if clip.split != "testing"]

    def decode() -> None:
        for row in rows:
            soundfile.read(row.path, dtype="float32")

    decode()
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = ClipCache(Path(folder), corpus.root, features)
        cache.load(rows, workers)
        for name, work in (
            ("soundfile alone, one process", decode),
            (f"read, {workers} processes", lambda: load_clips(rows, features, workers)),
            ("from the cache", lambda: cache.load(rows, workers)),
        ):
            times = []
            for _ in range(arguments.repeat):
                start = time.perf_counter()
                work()
                times.append(time.perf_counter() - start)
            seconds[name] = min(times)
    print(f"{len(rows)} clips")
    for name, took in seconds.items():
        print(f"  {name:<30} {took:7.2f} s  {len(rows) / took:9,.0f} clips/s")
    save({"clips": len(rows), "seconds": seconds}, arguments.json)


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
