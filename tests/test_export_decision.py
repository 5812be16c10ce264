"""Exported models that decide themselves detect the words that Python detects."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exports
from cases import case
from sayso.config import DecisionSettings
from sayso.export import c_header, json_file
from sayso.export.exported import Exported
from sayso.model import model_file, shipped
from sayso.nn import Dense, Flatten
from sayso.nn.loss import softmax
from sayso.recognition import decision, limits, scoring
from sayso.recognition.decision import Decision
from sayso.sound import audio
from test_export import MFCC, exported, javascript_of, model_of

LABELS = ("yes", "no", "go", "_unknown_", "_silence_")
BASE = DecisionSettings(words={"go": 0.6})
# Flags with which what is undefined in C ends the program.
SANITIZED = ("-std=c99", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Samples from one step to the next.
STEP = 1_600


def decided(sensitivities: Sequence[float]) -> Iterator[tuple[Exported, np.ndarray, float, list[list[Any] | None]]]:
    """Yield models of several settings, the probabilities of many steps, and what Python detects at each of them.

    Each has one of the sensitivities, in turn.

    The probabilities have shape (steps, 2, labels): those of a window, and those of its newest part.
    """
    for number, (settings, labels) in enumerate((
        (BASE, LABELS), (replace(BASE, patient=True), LABELS), (replace(BASE, alone=False), LABELS),
        (replace(BASE, newest=0.0), LABELS), (replace(BASE, anywhere=("yes", "go")), LABELS),
        (replace(BASE, anywhere=("go",), newest=0.0), LABELS), (BASE, ("yes", "no", "go", "_unknown_", "left")),
        (replace(BASE, smoothing=2, threshold=0.95, ease=4.0, hysteresis=0.2, refractory=1.5), LABELS),
        (replace(BASE, smoothing=1, threshold=0.1, refractory=0.0), LABELS),
    )):  # fmt: skip
        with case(settings, labels):
            features = replace(MFCC, clip=1.0)
            parts = exported(replace(model_of(features, [Flatten(), Dense(5)], labels), decision=settings), int8=True)
            rng = np.random.default_rng(number)
            # Labels that hold for some steps, and pauses between them; the newest part of a window is ahead of it.
            held = rng.integers(1, 16, 200)
            said = np.where(rng.random(200) < 0.4, 4, rng.integers(0, 5, 200)).repeat(held)
            logits = rng.normal(0, 1.5, (len(said), 5)) + 6 * np.eye(5)[said]
            rows = softmax(logits.T).T.astype(np.float32)
            # A network that is certain.
            rows[5], rows[50] = np.eye(5)[3], np.eye(5)[0]
            both = np.stack([rows[:-3], rows[3:]], axis=1)
            sensitivity = sensitivities[number % len(sensitivities)]
            decides, found = Decision(settings.at_sensitivity(sensitivity), labels, 16_000, 1.0), []
            for step, (whole, newest) in enumerate(both):
                detection = decides.update(whole, STEP * step, newest if settings.newest else None)
                found.append(detection and [detection.label, detection.confidence, detection.start, detection.end])
            yield parts, both, sensitivity, found


def test_javascript_detects_what_python_detects(request: pytest.FixtureRequest) -> None:
    run, count = javascript_of(request), 0
    for parts, both, sensitivity, expected in decided((0.5, 0.1, 0.9)):
        scores = [
            (STEP * step, whole.tolist(), newest.tolist() if parts.newest else None)
            for step, (whole, newest) in enumerate(both)
        ]
        content = json.loads(json_file.write(parts))
        results = run("decide", library=exports.library(), model=content, scores=scores, sensitivity=sensitivity)
        assert [each and each["label"] for each in results] == [each and each[0] for each in expected]
        for result, detection in zip(results, expected, strict=True):
            if detection:
                assert [result[key] for key in ("confidence", "start", "end")] == pytest.approx(detection[1:])
                count += 1
    assert count > 100


def test_c_detects_what_python_detects(tmp_path: Path) -> None:
    count = 0
    for parts, both, _, expected in decided((0.5,)):
        program = exports.c_program(tmp_path, c_header.write(parts))
        found = exports.c_detections(program, "decide", both)
        words = [each for each in expected if each]
        assert [parts.model.labels[int(row[0])] for row in found] == [each[0] for each in words]
        np.testing.assert_allclose([row[1:] for row in found], [each[1:] for each in words], rtol=1e-4, atol=1e-9)
        count += len(words)
    assert count > 100


def said() -> np.ndarray:
    """Return a stream of words of the demo corpus: alone, in one breath, among other words, and up to the very end."""
    silence, gap = np.zeros(20_000, np.float32), np.zeros(3_000, np.float32)
    parts = []
    for number, word in enumerate(("yes", "go", "bed", "left", "left", "seven", "right", "stop", "tree", "up", "no")):
        clips = sorted((shipped.bundled("demo") / word).iterdir())
        # An offset, as cheap microphones have it.
        clip = audio.load(clips[number % len(clips)], 16_000) + np.float32(0.02)
        parts += [clip, gap if number % 3 else silence]
    return np.concatenate(parts[:-1])[:-777]


def test_a_c_program_hears_the_words_in_a_stream(tmp_path: Path) -> None:
    samples = said()
    for name, options, high_pass, alone in (
        ("commands", ("-std=c99",), 60.0, True),
        ("commands-tiny", SANITIZED, 0.0, False),
    ):
        with case(name):
            model = model_file.load(shipped.find(name))
            features, settings = replace(model.features, high_pass=high_pass), replace(model.decision, alone=alone)
            parts = exported(replace(model, features=features, decision=settings), int8=True)
            program = exports.c_program(tmp_path, c_header.write(parts), "gcc", *options)
            found = exports.c_detections(program, "detect", samples)
            expected = list(parts.recognizer.detect([samples]))
            assert len(expected) > 4
            assert [model.labels[int(row[0])] for row in found] == [detection.label for detection in expected]
            for row, detection in zip(found, expected, strict=True):
                assert row[1:] == pytest.approx([detection.confidence, detection.start, detection.end], abs=1e-4)


def test_the_numbers_of_the_decision_are_those_of_python() -> None:
    script = json_file.library().decode()
    numbers = vars(decision) | vars(limits)
    for name in ("LARGEST", "STEPS", "EASE_NEWEST", "STEPS_AGAIN", "EASE_AGAIN", "COMPANY", "PAUSE", "AFTER"):
        with case(name):
            found = re.search(rf"\b{name} = ([0-9.]+)", script)
            assert found
            assert float(found[1]) == numbers[name]
    assert f"BEFORE = {list(decision.BEFORE)}" in script
    assert f"LEAST_WORDS = {scoring.LEAST_WORDS}" in script
