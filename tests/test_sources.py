"""Sound from every kind of source: paths, bytes, open files, pipes, standard input, addresses."""

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from file_server import FileServer
from sayso.errors import AudioError, FormatError
from sayso.sound import audio


def read(name: object, chunk: float = 1.0) -> np.ndarray:
    return np.concatenate(list(audio.read_chunks(str(name), sounds.RATE, chunk)))


def written(path: Path, rate: int = sounds.RATE) -> Path:
    soundfile.write(path, sounds.clip("yes", rate=rate), rate)
    return path


class Pipe(io.BytesIO):
    """A file object that cannot seek, like standard input."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("seek")


@pytest.mark.timeout(30)  # a pipe that is opened a second time would wait for a writer for ever
def test_every_kind_of_source_gives_the_same_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "Klänge mit Leerzeichen.WAV", rate=44_100)
    content, expected = path.read_bytes(), audio.load(path, sounds.RATE)
    for source in (str(path), content, Pipe(content)):
        with case(type(source).__name__):
            np.testing.assert_array_equal(audio.load(source, sounds.RATE), expected)
    with case("open file"), path.open("rb") as file:
        file.read(10)
        np.testing.assert_array_equal(audio.load(file, sounds.RATE), expected)
        assert not file.closed
    if hasattr(os, "mkfifo"):
        with case("named pipe"):
            os.mkfifo(tmp_path / "pipe.wav")
            writer = threading.Thread(target=(tmp_path / "pipe.wav").write_bytes, args=(content,), daemon=True)
            writer.start()
            np.testing.assert_array_equal(audio.load(tmp_path / "pipe.wav", sounds.RATE), expected)
            writer.join()


def test_standard_input_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.flac")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    np.testing.assert_array_equal(read("-"), audio.load(path, sounds.RATE))
    with pytest.raises(AudioError, match=r"^standard input is empty \(0 bytes\)"):
        read("-")


def test_a_file_called_dash_is_read_as_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "a.wav").rename("-")
    np.testing.assert_array_equal(audio.load(Path("-"), sounds.RATE), audio.load("./-", sounds.RATE))


def test_a_closed_or_text_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "sound.wav")
    with path.open("rb") as file:
        pass
    with pytest.raises(AudioError, match=r"cannot read the given sound: .*closed"):
        audio.load(file, sounds.RATE)
    with path.open(encoding="latin-1") as text, pytest.raises(AudioError, match='mode "rb"'):
        audio.load(text, sounds.RATE)


def test_a_file_object_that_fails_is_refused() -> None:
    class Broken(Pipe):
        def read(self, size: int | None = -1) -> bytes:
            if size == 0:
                return b""
            raise OSError(5, "Input/output error")

    with pytest.raises(AudioError, match="cannot read the given sound: Input/output error"):
        audio.load(Broken(b"RIFF"), sounds.RATE)


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer()
    yield server
    server.stop()


def test_sound_is_read_from_addresses(server: FileServer, tmp_path: Path) -> None:
    pytest.importorskip("fsspec.implementations.http", reason="fsspec or aiohttp is not installed")
    path = written(tmp_path / "a.wav")
    server.files = {"a.wav": path.read_bytes(), "b.wav": b"no sound"}
    expected = audio.load(path, sounds.RATE)
    # A signed address may be longer than a file name may be.
    signed = f"{server.address}/a.wav?signature={'0123456789abcdef' * 20}.x"
    for address in (f"{server.address}/a.wav", path.as_uri(), signed):
        with case(address):
            np.testing.assert_array_equal(read(address), expected)
    with pytest.raises(FormatError, match=rf"^{server.address}/b.wav is not a sound file"):
        read(f"{server.address}/b.wav")
    with pytest.raises(AudioError, match=rf"^cannot fetch {server.address}/c.wav: .*c.wav"):
        read(f"{server.address}/c.wav")
    with pytest.raises(AudioError, match=r"^cannot fetch nothing://c.wav: .*correct the address"):
        read("nothing://c.wav")


def test_temporary_copies_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    content = written(tmp_path / "a.flac").read_bytes()
    chunks = audio.read_chunks(Pipe(content), sounds.RATE, 0.1)
    next(chunks)
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    chunks.close()
    assert list((tmp_path / "temporary").iterdir()) == []
