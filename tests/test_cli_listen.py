"""`sayso listen` on files and pipes, as `sayso classify` detects it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import soundfile

import sounds
from cases import case
from command_line import Result, one_line_error


def long_sound(path: Path, *words: str) -> Path:
    soundfile.write(path, sounds.stream(list(words))[0], sounds.RATE)
    return path


def test_listening_to_a_file_or_a_pipe_detects_what_classify_detects(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    path = long_sound(tmp_path / "long.wav", "yes", "zero", "no")
    classified = sayso("classify", path, "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    expected = [{key: row[key] for key in row if key not in ("path", "error")} for row in map(json.loads, classified)]
    assert [row["label"] for row in expected] == ["yes", "no"]
    result = sayso("listen", "--input", path, "-m", tiny_model_path, "--format", "jsonl")
    assert result.status == 0
    piped = subprocess.run(
        [sys.executable, "-m", "sayso", "listen", "--input", "-", "-m", tiny_model_path, "--format", "jsonl"],
        input=path.read_bytes(),
        capture_output=True,
        check=True,
    )
    for out in (result.out, piped.stdout.decode()):
        rows = [json.loads(line) for line in out.splitlines()]
        assert [{key: row[key] for key in row if key != "time"} for row in rows] == expected
    assert "steps of" in result.err
    text = sayso("listen", "--input", path, "-m", tiny_model_path)
    assert [line.split()[2] for line in text.out.splitlines()] == ["yes", "no"]


def test_a_session_is_recorded_and_can_be_replayed(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    path, kept = long_sound(tmp_path / "long.wav", "yes", "no"), tmp_path / "kept.flac"
    assert sayso("listen", "--input", path, "-m", tiny_model_path, "--record", kept).status == 0
    rows = [json.loads(line) for line in (tmp_path / "kept.flac.jsonl").read_text().splitlines()]
    replayed = sayso("classify", kept, "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    assert [row["end"] for row in rows] == [json.loads(line)["end"] for line in replayed]
    assert "exists" in one_line_error(sayso("listen", "--input", path, "-m", tiny_model_path, "--record", kept))


def test_impossible_options_of_listen_are_refused(sayso: Callable[..., Result], tiny_model_path: Path) -> None:
    cases: list[tuple[list[str], int, str]] = [
        (["--input", "none.wav"], 1, "cannot read none.wav"),
        (["--input", "none.wav", "--device", "x"], 2, "--device and --input exclude each other"),
        (["--input", "none.wav", "--shell"], 2, "--shell says how to read --exec"),
        (["--input", "none.wav", "--exec", "maybe=x"], 1, "is for no word of the model"),
        (["--input", "none.wav", "--exec", "yes='x"], 1, "mend its quotes"),
        (["--input", "none.wav", "--record", "x.mp3"], 1, "ends in .wav or .flac"),
    ]
    for arguments, status, message in cases:
        with case(arguments):
            result = sayso("listen", "-m", tiny_model_path, *arguments)
            assert result.status == status
            assert message in result.err
            assert "Traceback" not in result.err
