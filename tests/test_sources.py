"""Sound from anywhere: formats that libsndfile cannot read, standard input, addresses."""

import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from file_server import FileServer
from sayso.errors import AudioError, FormatError
from sayso.sound import audio
from sayso.sound.audio import read_chunks

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


def read(name: object, chunk: float = 1.0) -> np.ndarray:
    return np.concatenate(list(read_chunks(str(name), sounds.RATE, chunk)))


def film(path: Path, rate: int = 44_100, channels: int = 2, options: str = "-c:a aac") -> np.ndarray:
    """Let ffmpeg write a film or another format; return its samples, before they were compressed."""
    samples = np.stack([sounds.stream(["yes", "no"])[0]] * channels, axis=1)
    soundfile.write(path.with_suffix(".wav"), samples, sounds.RATE)
    picture = "-f lavfi -i color=s=32x32:d=1 -c:v mpeg4" if path.suffix in (".mp4", ".mkv") else ""
    command = f"ffmpeg -v error -y -i {path.with_suffix('.wav')} {picture} {options} -ar {rate} -ac {channels} {path}"
    subprocess.run(command.split(), check=True)
    return samples[:, 0]


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "rate", "channels", "options"),
    [
        ("a.m4a", 44_100, 2, "-c:a aac -b:a 192k"),
        ("film.mp4", 16_000, 1, "-c:a aac -b:a 192k"),
        ("film.mkv", 48_000, 6, "-c:a pcm_s16le"),
    ],
)
def test_what_libsndfile_cannot_read_is_read_by_ffmpeg(
    name: str, rate: int, channels: int, options: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    truth = film(path, rate, channels, options)
    found = read(path)
    # The encoder of AAC puts some samples in front, and adds some at the end.
    assert len(truth) <= len(found) <= len(truth) + 4_000
    lag = int(np.correlate(found[: len(truth)], truth[2_000:-2_000], "valid").argmax()) - 2_000
    assert abs(lag) < 2_000
    np.testing.assert_array_equal(read(path, chunk=0.13), found)


@needs_ffmpeg
def test_names_are_never_options_or_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "a.m4a")
    for name in ("-i.m4a", "http:x.m4a", "a b%d.m4a"):
        shutil.copy("a.m4a", name)
        assert len(read(name)) > sounds.RATE
    # A playlist may not fetch anything.
    Path("list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    with pytest.raises(FormatError, match=r"list.m3u8 is no sound file.*; ffmpeg cannot read it either: "):
        read("list.m3u8")


@needs_ffmpeg
def test_a_film_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4")
    content = (tmp_path / "film.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match=r"cut.mp4 is no sound file.*; ffmpeg cannot read it either: "):
        read(tmp_path / "cut.mp4")


@needs_ffmpeg
def test_leaving_early_ends_ffmpeg(tmp_path: Path) -> None:
    film(tmp_path / "a.mkv", options="-c:a pcm_s16le")
    chunks = read_chunks(str(tmp_path / "a.mkv"), sounds.RATE, 0.1)
    assert len(next(chunks))
    chunks.close()  # type: ignore[attr-defined]


def test_without_ffmpeg_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1_000))
    with pytest.raises(FormatError, match=r"a.m4a is no sound file.*; or install ffmpeg, with which sayso reads more"):
        read(tmp_path / "a.m4a")


def test_sound_on_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = sounds.clip("yes")
    soundfile.write(tmp_path / "a.flac", truth, sounds.RATE)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "a.flac").read_bytes())))
    np.testing.assert_array_equal(read("-"), audio.load(tmp_path / "a.flac", sounds.RATE))
    with pytest.raises(AudioError, match=r"^standard input is empty \(0 bytes\)"):
        read("-")


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer()
    yield server
    server.stop()


def test_sound_at_an_address(server: FileServer, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    soundfile.write(tmp_path / "a.wav", sounds.clip("no"), sounds.RATE)
    server.files = {"a.wav": (tmp_path / "a.wav").read_bytes(), "b.wav": b"no sound"}
    expected = audio.load(tmp_path / "a.wav", sounds.RATE)
    np.testing.assert_array_equal(read(f"{server.address}/a.wav"), expected)
    np.testing.assert_array_equal(read((tmp_path / "a.wav").as_uri()), expected)
    with pytest.raises(FormatError, match=rf"^{server.address}/b.wav is no sound file"):
        read(f"{server.address}/b.wav")
    with pytest.raises(AudioError, match=rf"^cannot fetch {server.address}/c.wav: .*c.wav"):
        read(f"{server.address}/c.wav")
    with pytest.raises(AudioError, match=r"^cannot fetch nothing://c.wav: .*correct the address"):
        read("nothing://c.wav")
