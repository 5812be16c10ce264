"""Recorded sessions: sound and detections are written, nothing is overwritten, and a kill leaves readable files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.errors import StorageError
from sayso.live.session import SessionRecorder
from sayso.recognition.decision import Detection
from sayso.sound import audio

DETECTION = Detection("yes", 0.98765, 0.5, 1.5, (("no", 0.01),))


def test_sound_and_detections_are_saved(tmp_path: Path) -> None:
    clip = sounds.clip("yes")
    for name in ("room.wav", "room.flac"):
        with case(name):
            with SessionRecorder(tmp_path / name, sounds.RATE) as session:
                for part in np.array_split(clip, 7):
                    session.write_chunk(part)
                session.write_detection(DETECTION)
            samples, rate = soundfile.read(tmp_path / name, dtype="float32")
            assert rate == sounds.RATE
            np.testing.assert_allclose(samples, clip, atol=2**-15)
            assert json.loads((tmp_path / f"{name}.jsonl").read_text()) == {
                "label": "yes", "confidence": 0.9877, "start": 0.5, "end": 1.5, "runners_up": {"no": 0.01},
            }  # fmt: skip


def test_samples_beyond_full_scale_are_clipped_not_wrapped(tmp_path: Path) -> None:
    with SessionRecorder(tmp_path / "loud.wav", sounds.RATE) as session:
        session.write_chunk(np.full(100, 1.5, np.float32))
    assert soundfile.read(tmp_path / "loud.wav")[0].min() > 0.99


def test_neither_file_is_overwritten(tmp_path: Path) -> None:
    for folder, existing in (("sound", "room.wav"), ("detections", "room.wav.jsonl")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / existing).write_text("mine")
        with (
            case(existing),
            pytest.raises(StorageError, match=f"{existing} exists; give another name"),
            SessionRecorder(tmp_path / folder / "room.wav", sounds.RATE),
        ):
            pass
        assert (tmp_path / folder / existing).read_text() == "mine"


def test_files_that_cannot_be_recorded_to_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"give a name that ends in .wav or .flac"):
        SessionRecorder(tmp_path / "room.mp3", sounds.RATE)
    with (
        pytest.raises(StorageError, match=r"No such file or directory; give a folder that exists"),
        SessionRecorder(tmp_path / "none" / "room.wav", sounds.RATE),
    ):
        pass


def test_a_killed_recording_can_be_read(tmp_path: Path) -> None:
    script = (
        "import sys, os, signal, numpy, pathlib\nfrom sayso.live.session import SessionRecorder\n"
        "with SessionRecorder(pathlib.Path(sys.argv[1]), 16000) as session:\n"
        "    for _ in range(400):\n"
        "        session.write_chunk(numpy.random.default_rng(0).normal(0, .1, 800).astype('float32'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for name in ("room.wav", "room.flac"):
        with case(name):
            subprocess.run([sys.executable, "-c", script, tmp_path / name], check=False, timeout=60)
            # At most a second is lost with the buffers.
            assert len(audio.load(tmp_path / name, 16_000)) > 400 * 800 - 16_000
