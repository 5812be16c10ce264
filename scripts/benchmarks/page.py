"""Benchmark of the page that `sayso export MODEL -o page.html` writes: its size, and a decision in headless Chromium.

Words of the demo corpus, a second apart, go through the page's own worker in pieces of one step. A step in which the
network sees a word also scores the newest part of the window, which takes about twice as long; both kinds are told.
With another program on the machine, the least time tells more than the median. Needs Debian's Chromium, and playwright
as in sayso[dev].

Example: python scripts/benchmarks/page.py --model commands-tiny
"""

import base64
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright

from benchmarking import parser, save
from sayso.errors import SaysoError
from sayso.export.formats import export
from sayso.model import model_file, shipped
from sayso.sound import audio

# A name in the worker is that of the page's own script.
TIME = """
text => {
  const sound = new Float32Array(Uint8Array.from(atob(text), character => character.charCodeAt(0)).buffer);
  const step = recognizer.model.step_samples, times = {quiet: [], word: []};
  const stream = recognizer.stream();
  for (let start = 0; start + step <= sound.length; start += step) {
    const begin = performance.now(), steps = stream.push(sound.subarray(start, start + step));
    const took = performance.now() - begin;
    const seen = steps.some(({probabilities, newest}) => newest && newest !== probabilities);
    times[seen ? "word" : "quiet"].push(took);
  }
  return times;
}
"""


def main() -> None:
    """Run the benchmark and print its table."""
    options = parser(__doc__)
    options.add_argument("--model", default=shipped.DEFAULT, help="a model's name or file (default: %(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="times that the sound is heard (default: %(default)s)")
    options.add_argument("--int8", action="store_true", help="weights of 8 bits")
    arguments = options.parse_args()
    path = shipped.find(arguments.model)
    sound = base64.b64encode(spoken(model_file.load(path).features.sample_rate).tobytes()).decode()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        start = time.perf_counter()
        export(path, page, arguments.int8)
        took, size = time.perf_counter() - start, page.stat().st_size
        times = rounds(page, sound, arguments.rounds)
    print(f"{arguments.model}: {size / 1e6:.2f} MB, exported in {took:.1f} s")
    results: dict[str, Any] = {"model": arguments.model, "bytes": size, "export_seconds": took}
    print(f"{'milliseconds per decision':28}{'median':>8}{'least':>8}{'p95':>8}{'count':>8}")
    for kind, values in {**times, "all": times["quiet"] + times["word"]}.items():
        row = {"median": statistics.median(values), "least": min(values), "p95": float(np.percentile(values, 95))}
        print(f"  {kind:26}" + "".join(f"{value:8.2f}" for value in row.values()) + f"{len(values):8}")
        results[kind] = row
    save(results, arguments.json)


def spoken(rate: int) -> NDArray[np.float32]:
    """Return words of the demo corpus with faint noise, a second apart."""
    words = sorted(path for path in shipped.bundled("demo").iterdir() if not path.name.startswith("_"))[:10]
    pause = np.zeros(rate, np.float32)
    parts = [part for word in words for part in (audio.load(min(word.iterdir()), rate), pause)]
    sound = np.concatenate(parts)
    return sound + np.random.default_rng(0).normal(0, 1e-4, len(sound)).astype(np.float32)


def rounds(page: Path, sound: str, count: int) -> dict[str, list[float]]:
    """Time the decisions in Chromium; the first round, in which the browser compiles, does not count."""
    program = shutil.which("chromium")
    if not program:
        sys.exit("error: needs the program chromium, as in Debian's package of that name")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page()
        view.goto(page.as_uri())
        view.get_by_text("Ready.").wait_for()
        (worker,) = view.workers
        found = [worker.evaluate(TIME, sound) for _ in range(count + 1)][1:]
        browser.close()
    return {kind: [each for times in found for each in times[kind]] for kind in ("quiet", "word")}


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
