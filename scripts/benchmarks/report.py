"""Benchmark of the report on a model: its size, and the time to open it in a browser, on a desktop and on a phone.

A page should have at most 3 MB and open within 1 s. Needs Debian's Chromium, and playwright as in sayso[dev].

Example: python scripts/benchmarks/report.py commands data/demo
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

MOST_MEGABYTES, MOST_SECONDS = 3.0, 1.0
TIMES = 7
SCREENS = {"desktop": (1280, 800), "phone": (360, 800)}
# From the start of the navigation to the end of the load event, in milliseconds.
LOADED = (
    "() => { const [page] = performance.getEntriesByType('navigation'); return page.loadEventEnd - page.startTime; }"
)


def main() -> None:
    """Write a report, open it several times, and print the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model")
    options.add_argument("directory", nargs="?")
    options.add_argument("--split", default="testing")
    arguments = options.parse_args()
    program = shutil.which("chromium")
    if not program:
        sys.exit("error: needs the program chromium, as in Debian's package of that name")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "report.html"
        where = [arguments.directory] if arguments.directory else []
        command = ["report", *where, "-m", arguments.model, "--split", arguments.split, "-o", str(path)]
        subprocess.run([sys.executable, "-m", "sayso", *command], check=True)
        print(f"size: {path.stat().st_size / 1e6:.2f} MB (at most {MOST_MEGABYTES:g})")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for name, (width, height) in SCREENS.items():
            seconds = []
            for _ in range(TIMES):
                page = browser.new_page(viewport={"width": width, "height": height})
                page.goto(path.as_uri(), wait_until="load")
                page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
                seconds.append(page.evaluate(LOADED) / 1e3)
                page.close()
            median, most = statistics.median(seconds), max(seconds)
            print(f"opened on a {name}: median {median:.2f} s, at most {most:.2f} s (target {MOST_SECONDS:g} s)")
        browser.close()


if __name__ == "__main__":
    main()
