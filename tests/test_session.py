"""Recordings of a listening: what is written, what is never overwritten, and what a kill leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from sayso.errors import StorageError
from sayso.live.session import SessionRecorder
from sayso.recognition.decision import Detection
from sayso.sound import audio

FOUND = Detection("yes", 0.98765, 0.5, 1.5, (("no", 0.01),))


@pytest.mark.parametrize("name", ["heard.wav", "heard.flac"])
def test_sound_and_detections_are_kept(name: str, tmp_path: Path) -> None:
    clip = sounds.clip("yes")
    with SessionRecorder(tmp_path / name, sounds.RATE) as session:
        for part in np.array_split(clip, 7):
            session.hear(part)
        session.detect(FOUND)
    samples, rate = soundfile.read(tmp_path / name, dtype="float32")
    assert rate == sounds.RATE
    np.testing.assert_allclose(samples, clip, atol=2**-15)
    assert json.loads((tmp_path / f"{name}.jsonl").read_text()) == {
        "label": "yes", "confidence": 0.9877, "start": 0.5, "end": 1.5, "runners_up": {"no": 0.01},
    }  # fmt: skip


def test_too_loud_samples_are_cut_off_not_wrapped(tmp_path: Path) -> None:
    with SessionRecorder(tmp_path / "loud.wav", sounds.RATE) as session:
        session.hear(np.full(100, 1.5, np.float32))
    assert soundfile.read(tmp_path / "loud.wav")[0].min() > 0.99


@pytest.mark.parametrize("taken", ["heard.wav", "heard.wav.jsonl"])
def test_nothing_is_overwritten(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).write_text("mine")
    with (
        pytest.raises(StorageError, match=f"{taken} exists; give another name"),
        SessionRecorder(tmp_path / "heard.wav", sounds.RATE),
    ):
        pass
    assert (tmp_path / taken).read_text() == "mine"


def test_places_that_cannot_be_recorded_to(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"give a name that ends in .wav or .flac"):
        SessionRecorder(tmp_path / "heard.mp3", sounds.RATE)
    with (
        pytest.raises(StorageError, match=r"No such file or directory; give a folder to write to"),
        SessionRecorder(tmp_path / "none" / "heard.wav", sounds.RATE),
    ):
        pass


@pytest.mark.parametrize("name", ["heard.wav", "heard.flac"])
def test_a_killed_recording_can_be_read(name: str, tmp_path: Path) -> None:
    script = (
        "import sys, os, signal, numpy, pathlib\nfrom sayso.live.session import SessionRecorder\n"
        "with SessionRecorder(pathlib.Path(sys.argv[1]), 16000) as session:\n"
        "    for _ in range(400): session.hear(numpy.random.default_rng(0).normal(0, .1, 800).astype('float32'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / name], check=False, timeout=60)
    samples = audio.load(tmp_path / name, 16_000)
    # What the buffers held is lost, a second at most.
    assert len(samples) > 400 * 800 - 16_000
