"""`sayso data` on the command line, and data sets found by their names."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from command_line import Result
from file_server import FileServer
from sayso.cli import data as cli_data
from sayso.corpus import survey
from sayso.corpus.corpus import scan
from sayso.download import catalogue, download, http
from sayso.download.catalogue import DataSet


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the data folder of a user who has no data sets yet."""
    for name in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return catalogue.data_folder()


@pytest.fixture
def server(tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serve the tiny corpus in place of each data set."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as archive:
        archive.add(tiny_corpus, ".")
    files = FileServer()
    monkeypatch.setattr(http, "PAUSES", ())
    for name, known in catalogue.KNOWN.items():
        served = DataSet(
            **vars(known) | {"size": len(content.getvalue()), "sha256": None, "unpacked": 20_000_000},
        )
        monkeypatch.setitem(catalogue.KNOWN, name, served)
        files.files[served.archive] = content.getvalue()
    yield files
    files.stop()


def test_the_known_sets_are_listed(sayso: Callable[..., Result], home: Path) -> None:
    facts = {fact["name"]: fact for fact in json.loads(sayso("data", "list", "--format", "json").out)}
    assert list(facts) == [
        "speech-commands", "speech-commands-v1", "speech-commands-test", "mini-speech-commands",
        "librispeech-dev-clean", "librispeech-train-clean-100", "librispeech-test-clean",
    ]  # fmt: skip
    full = facts["speech-commands"]
    assert full["url"] == "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
    assert full["bytes"] == 2_428_923_189
    assert [len(fact["sha256"] or "") for fact in facts.values()] == [64, 64, 64, 0, 64, 64, 64]
    assert not any(fact["folder"] for fact in facts.values())
    (home / "speech-commands").mkdir(parents=True)
    (home / "speech-commands" / catalogue.MARKER).touch()
    header, first, rest = sayso("data", "list").out.split("\n", 2)
    assert header.split() == ["name", "content", "state", "download", "unpacked"]
    assert "2,429 MB" in first
    assert "  downloaded" in first
    assert "not downloaded" in rest
    assert str(home / "speech-commands") in rest


def test_a_data_set_is_downloaded_and_used_by_its_name(
    sayso: Callable[..., Result], server: FileServer, home: Path, tmp_path: Path
) -> None:
    fetched = sayso("data", "download", "speech-commands", "--mirror", server.address)
    assert fetched.status == 0, fetched
    assert fetched.out.splitlines() == [
        str(home / "speech-commands"), "next: sayso train speech-commands -o model.safetensors",
    ]  # fmt: skip
    assert "downloading speech_commands_v0.02.tar.gz" in fetched.err
    assert "warning: the SHA-256 of speech_commands_v0.02.tar.gz is not known" in fetched.err
    # What a process leaves that is killed just before it ends.
    (home / "speech_commands_v0.02.tar.gz.part.json").write_text("{}")
    (home / ".speech-commands.unpacking").mkdir()
    again = sayso("data", "download", "speech-commands", "--version", "2", "--mirror", server.address)
    assert {path.name for path in home.iterdir()} <= {"speech-commands", ".speech-commands.lock"}
    assert (again.status, again.err) == (0, "speech-commands is already downloaded\n")
    assert len(server.requests) == 1

    assert json.loads(sayso("evaluate", "speech-commands", "-m", "commands", "--format", "json").out)["clips"] > 0
    model = tmp_path / "model.safetensors"
    trained = sayso("train", "speech-commands", "-o", model, "--config", "quickstart", "--epochs", 1)
    assert trained.status == 0, trained
    assert "next: sayso evaluate" in trained.out
    facts = json.loads(sayso("data", "info", "speech-commands", "--format", "json").out)
    assert facts["folder"] == str(home / "speech-commands")
    assert facts["clips"] == 96


def test_version_folder_and_mirror_can_be_chosen(
    sayso: Callable[..., Result], server: FileServer, tmp_path: Path
) -> None:
    options = ("--dir", tmp_path / "here", "--mirror", f"{server.address}/")
    first = sayso("data", "download", "speech-commands", "--version", "1", *options)
    assert (
        first.out.splitlines()[1]
        == f"next: sayso train {tmp_path / 'here' / 'speech-commands-v1'} -o model.safetensors"
    )
    test = sayso("data", "download", "speech-commands-test", *options)
    assert test.out.splitlines()[1] == f"next: sayso evaluate {tmp_path / 'here' / 'speech-commands-test'}"
    assert [address for address, _ in server.requests] == [
        "/data/speech_commands_v0.01.tar.gz", "/data/speech_commands_test_set_v0.02.tar.gz",
    ]  # fmt: skip


def test_unknown_data_sets_and_versions_are_wrong_usage(sayso: Callable[..., Result]) -> None:
    for arguments, message in (
        (["nonsense"], "no data set nonsense; the data sets are: speech-commands, speech-commands-v1"),
        (["mini-speech-commands", "--version", "1"], "--version is only for speech-commands"),
        (["speech-commands", "--version", "3"], "1<=x<=2"),
    ):
        with case(*arguments):
            result = sayso("data", "download", *arguments)
            assert result.status == 2
            assert message in result.err


def test_a_download_that_fails_is_reported_in_one_line(
    sayso: Callable[..., Result], server: FileServer, tmp_path: Path
) -> None:
    server.files.clear()
    result = sayso("data", "download", "speech-commands", "--dir", tmp_path, "--mirror", server.address)
    assert result.status == 1
    assert result.err.splitlines()[-1].startswith("error: http://127.0.0.1:")
    assert "answers 404 Not Found" in result.err


def test_ctrl_c_reports_how_to_resume(
    sayso: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "download", stop)
    result = sayso("data", "download", "speech-commands", "--dir", tmp_path)
    assert result.status == 1
    assert result.err.splitlines()[-1] == "stopped; what was downloaded is kept; run the same command to resume"


def test_a_missing_data_set_is_reported_in_one_line(
    sayso: Callable[..., Result], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    incomplete = home / "speech-commands" / "yes"
    for command in (["train", "speech-commands", "-o", "x"], ["evaluate", "speech-commands", "-m", "commands"]):
        shutil.rmtree(home, ignore_errors=True)
        for exists in (False, True):
            # A part of a data set, without the sign that it is complete, does not count.
            if exists:
                incomplete.mkdir(parents=True)
            with case(*command, exists):
                result = sayso(*command)
                assert result.status == 1
                assert result.err == (
                    "error: the data set speech-commands is not on this machine; "
                    "run `sayso data download speech-commands`\n"
                )


def test_a_folder_takes_precedence_over_a_data_set_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("speech-commands").mkdir()
    assert catalogue.find(Path("speech-commands")) == Path("speech-commands")
    assert catalogue.find(Path("anything")) == Path("anything")


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_person_is_offered_the_download(
    answer: str, server: FileServer, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO(f"{answer}\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    known = catalogue.KNOWN["speech-commands"]
    monkeypatch.setitem(catalogue.KNOWN, known.name, DataSet(**vars(known) | {"address": server.address}))
    if answer == "y":
        assert cli_data.located(Path(known.name)) == home / known.name
        assert catalogue.is_complete(home / known.name)
    else:
        with pytest.raises(catalogue.DownloadError, match="is not on this machine"):
            cli_data.located(Path(known.name))
        assert not home.exists()
    assert "download it now (" in capsys.readouterr().err


def test_info_reports_what_a_corpus_contains(sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path) -> None:
    corpus = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    clip = sounds.clip("yes")
    soundfile.write(corpus / "yes" / "own.flac", np.stack([clip, clip], axis=1), 2 * sounds.RATE)
    soundfile.write(corpus / "yes" / "none.wav", clip[:0], sounds.RATE)
    (corpus / "yes" / "fake.wav").write_bytes(b"this is no sound")
    (corpus / "yes" / "notes.doc").write_text("no sound")
    whole = next((corpus / "no").iterdir())
    (corpus / "no" / "cut_nohash_0.wav").write_bytes(whole.read_bytes()[:20_000])
    quiet = next((corpus / "up").iterdir())
    soundfile.write(quiet, sounds.hiss(sounds.RATE, np.random.default_rng(0), 3e-4), sounds.RATE)

    facts = json.loads(sayso("data", "info", corpus, "--format", "json").out)
    assert facts["clips"] == 97
    assert facts["hours"] == pytest.approx(96.5 / 3600)
    assert (facts["speakers"], facts["without_speaker"]) == (12, 1)
    assert facts["splits"] == {"training": 65, "validation": 16, "testing": 16}
    assert facts["words"]["no"] == {"training": 16, "validation": 4, "testing": 4}
    assert facts["noises"] == {"files": 2, "hours": pytest.approx(10 / 3600)}
    assert facts["sample_rates"] == {"16000": 98, "32000": 1}
    reasons = {Path(item["path"]).name: item["reason"] for item in facts["broken"]}
    assert set(reasons) == {"notes.doc", "fake.wav", "none.wav", "cut_nohash_0.wav"}
    assert "is not a sound file" in reasons["fake.wav"]
    assert "is truncated" in reasons["cut_nohash_0.wav"]
    assert "holds no samples" in reasons["none.wav"]
    assert reasons["notes.doc"] == "not an audio file"
    assert facts["faint"] == [str(quiet)]

    result = sayso("data", "info", corpus)
    assert result.status == 0
    assert "97 of 4 words, 0.03 hours" in result.out
    assert "98 at 16000 Hz, 1 at 32000 Hz" in result.out
    assert "fake.wav is not a sound file" in result.out
    lines = result.out.splitlines()
    # The files are listed below the line that counts them.
    assert lines[lines.index("broken        4 files") + 5 :][:2] == [
        "no speech     1 file", f"  {quiet}: fainter than -60 dB",
    ]  # fmt: skip
    # A recording of silence needs no speech.
    (corpus / "_silence_").mkdir()
    quiet.rename(corpus / "_silence_" / quiet.name)
    assert json.loads(sayso("data", "info", corpus, "--format", "json").out)["faint"] == []
    assert [line.split() for line in result.out.splitlines()[-5:-3]] == [
        ["word", "clips", "training", "validation", "testing"], ["no", "24", "16", "4", "4"],
    ]  # fmt: skip
    assert "do not name their speaker" in result.err


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_a_clip_that_only_ffmpeg_reads_is_not_broken(tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    soundfile.write(tmp_path / "a.wav", sounds.clip("yes", rate=44_100), 44_100)
    command = f"ffmpeg -v error -i {tmp_path / 'a.wav'} -c:a aac {tmp_path / 'yes' / 'a.m4a'}"
    subprocess.run(command.split(), check=True)
    (tmp_path / "a.wav").unlink()
    facts = survey.survey(scan(tmp_path), 1, lambda: None).to_dict()
    assert (facts["clips"], facts["broken"], facts["faint"], facts["sample_rates"]) == (1, [], [], {"44100": 1})


def test_several_processes_find_the_same_as_one(tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "GROUP", 16)
    monkeypatch.setattr(survey, "FEW_GROUPS", 1)
    corpus, seen = scan(tiny_corpus), []
    assert survey.survey(corpus, 2, lambda: seen.append(1)) == survey.survey(corpus, 1, lambda: None)
    assert len(seen) == len(corpus.clips) + len(corpus.noises)


def test_info_on_a_folder_that_is_not_a_corpus_is_an_error(sayso: Callable[..., Result], tmp_path: Path) -> None:
    result = sayso("data", "info", tmp_path)
    assert result.status == 1
    assert "holds no word folders" in result.err


@pytest.mark.skipif(os.name == "nt", reason="needs file names that are not valid text")
def test_file_names_that_are_not_valid_text_are_reported(
    sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path
) -> None:
    corpus = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    some_clip = next((corpus / "yes").iterdir())
    for name, content in ((b"/yes/\xff.wav", b"this is no sound"), (b"/yes/\xfe.wav", some_clip.read_bytes())):
        Path(os.fsdecode(bytes(corpus) + name)).write_bytes(content)
    facts = json.loads(sayso("data", "info", corpus, "--format", "json").out)
    assert facts["clips"] == 97
    assert len(facts["broken"]) == 1
    assert "broken        1 file\n" in sayso("data", "info", corpus).out
