"""Run what `sayso export` writes: a graph in ONNX Runtime, a header with a C compiler, JSON in Node or in a browser."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sayso.export import json_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser

STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wconversion", "-Wdouble-promotion")
# Reads samples and prints the probabilities: of each window, or (with "stream") of each step of a stream and of the
# newest part of its window; or (with "detect") the words in a stream that is pushed in pieces of several sizes; or
# (with "decide") reads the probabilities of each step and prints which words are detected.
DRIVER = """
#include <stdio.h>
#include <string.h>
#define SAYSO_IMPLEMENTATION
#include "model.h"
static sayso_stream stream;
static float window[SAYSO_WINDOW], probabilities[SAYSO_LABELS];
static void show(void) { fwrite(probabilities, sizeof probabilities, 1, stdout); }
static void tell(const sayso_detection *found, int count)
{
    int i;
    for (i = 0; i < count; i++) {
        printf("%d %.9g %.17g %.17g\\n", found[i].label, (double)found[i].confidence, found[i].start, found[i].end);
    }
}
static int detect(void)
{
    /* Exactly as large as is promised, so that a sanitizer finds what is written behind it. */
    sayso_detection found[SAYSO_DETECTIONS(SAYSO_WINDOW)];
    size_t size = 1, read;
    sayso_start(&stream);
    while ((read = fread(window, sizeof *window, size, stdin)) > 0) {
        tell(found, sayso_push(&stream, window, (int)read, found));
        size = size * 7 % SAYSO_WINDOW + 1;
    }
    tell(found, sayso_finish(&stream, found));
    fprintf(stderr, "%lu", (unsigned long)sizeof stream);
    return 0;
}
static int decide(void)
{
    static sayso_decision decision;
    float row[2 * SAYSO_LABELS];
    sayso_detection found;
    int64_t end = 0;
    sayso_start_decision(&decision);
    while (fread(row, sizeof row, 1, stdin) == 1) {
#ifdef SAYSO_NEWEST
        tell(&found, sayso_decide(&decision, row, row + SAYSO_LABELS, end, &found));
#else
        tell(&found, sayso_decide(&decision, row, end, &found));
#endif
        end += SAYSO_STEP;
    }
    return 0;
}
int main(int count, char **arguments)
{
    if (count == 2 && !strcmp(arguments[1], "detect")) {
        return detect();
    }
    if (count == 2 && !strcmp(arguments[1], "decide")) {
        return decide();
    }
    while (count == 1 && fread(window, sizeof window, 1, stdin) == 1) {
        sayso_recognize_window(&stream, window, probabilities);
        show();
    }
    sayso_start(&stream);
    while (count == 2 && fread(window, sizeof *window, 1, stdin) == 1) {
        if (sayso_feed(&stream, *window)) {
            sayso_recognize(&stream, probabilities);
            show();
#ifdef SAYSO_NEWEST
            sayso_recognize_newest(&stream, probabilities);
#endif
            show();
        }
    }
    for (count = 0; count < SAYSO_LABELS; count++) {
        fputs(sayso_labels[count], stderr);
        fputc('\\n', stderr);
    }
    return 0;
}
"""
# The same for a model of JSON; a stream is pushed in pieces of several sizes.
SCRIPT = """
const numbers = text => new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
async function run({library, model, samples, stream}) {
  const {Recognizer} = await import("data:text/javascript;base64," + library);
  const recognizer = new Recognizer(JSON.parse(model)), sound = numbers(samples), rows = [];
  const steps = recognizer.stream();
  const add = found => found.forEach(step => rows.push([...step.probabilities, ...step.newest, step.end]));
  for (let start = 0, length = stream ? 1 : recognizer.windowSamples; start < sound.length; start += length) {
    if (stream) length = start % 977 + 1;
    const piece = sound.subarray(start, start + length);
    if (stream) add(steps.push(piece));
    else rows.push([...recognizer.probabilities(piece)]);
  }
  if (stream) add(steps.close());
  return {rows, labels: recognizer.labels, check: recognizer.check()};
}
async function resample({library, samples, rates, length}) {
  const {Resampler} = await import("data:text/javascript;base64," + library);
  const resampler = new Resampler(...rates), sound = numbers(samples), found = [];
  for (let start = 0; start < sound.length; start += length) {
    found.push(...resampler.push(sound.subarray(start, start + length)));
  }
  return [...found, ...resampler.close()];
}
async function decide({library, model, scores, sensitivity}) {
  const {Decision} = await import("data:text/javascript;base64," + library);
  const decision = new Decision(model);
  decision.sensitivity = sensitivity;
  return scores.map(([end, probabilities, newest]) => decision.update(probabilities, end, newest));
}
"""


def onnx_rows(content: bytes, windows: np.ndarray) -> np.ndarray:
    """Return the probabilities that ONNX Runtime computes for windows."""
    return session(content).run(None, {"samples": windows})[0]


def session(content: bytes) -> Any:
    runtime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime, as in sayso[test]")
    return runtime.InferenceSession(content, providers=["CPUExecutionProvider"])


def c_program(folder: Path, header: bytes, compiler: str = "gcc", *options: str) -> Path:
    """Compile the driver with a header."""
    if not shutil.which(compiler):
        pytest.skip(f"needs the compiler {compiler}")
    (folder / "model.h").write_bytes(header)
    source = folder / f"driver{'.cpp' if 'g++' in compiler else '.c'}"
    source.write_text(DRIVER)
    program = folder / "driver"
    subprocess.run([compiler, *(options or ("-std=c99",)), *STRICT, "-O1", source, "-o", program, "-lm"], check=True)
    return program


def c_rows(program: Path, samples: np.ndarray, labels: int, stream: bool = False) -> np.ndarray:
    """Return the probabilities that the driver prints."""
    run = subprocess.run([program, *["stream"] * stream], input=samples.tobytes(), capture_output=True, check=True)
    return np.frombuffer(run.stdout, np.float32).copy().reshape(-1, (1 + stream) * labels)


def c_detections(program: Path, what: str, numbers: np.ndarray) -> list[list[float]]:
    """Return the detections that the driver prints: label, confidence, start and end."""
    run = subprocess.run([program, what], input=numbers.tobytes(), capture_output=True, text=False, check=True)
    return [list(map(float, line.split())) for line in run.stdout.splitlines()]


Run = Callable[..., Any]


def in_node(function: str, **argument: Any) -> Any:
    script = f"{SCRIPT}\nlet text = ''; for await (const part of process.stdin) text += part;"
    script += f"console.log(JSON.stringify(await {function}(JSON.parse(text))));"
    run = subprocess.run(
        ["node", "--input-type=module", "-e", script], input=json.dumps(argument), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def in_browser(browser: "Browser") -> Run:
    def run(function: str, **argument: Any) -> Any:
        page = browser.new_page()
        try:
            return page.evaluate(f"async argument => {{ {SCRIPT} return {function}(argument); }}", argument)
        finally:
            page.close()

    return run


def javascript(run: Run, model: bytes, samples: np.ndarray, stream: bool = False) -> dict[str, Any]:
    """Return what the library computes: its rows, labels and check."""
    return run("run", library=library(), model=model.decode("ascii"), samples=in_base64(samples), stream=stream)


def in_base64(samples: np.ndarray) -> str:
    """Return samples as the scripts take them."""
    return base64.b64encode(samples.tobytes()).decode()


def library() -> str:
    """Return the JavaScript library in base64."""
    return base64.b64encode(json_file.library()).decode()
