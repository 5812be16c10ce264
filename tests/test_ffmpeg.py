"""Formats that libsndfile cannot read are read by ffmpeg, from every kind of source."""

import io
import os
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.errors import FormatError
from sayso.sound import audio
from sayso.sound.stream import MOST_AT_ONCE
from test_sources import Pipe, read

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


def film(path: Path, rate: int = 44_100, channels: int = 2, options: str = "-c:a aac") -> np.ndarray:
    """Let ffmpeg write a video or another format; return the samples before they were compressed."""
    samples = np.stack([sounds.stream(["yes", "no"])[0]] * channels, axis=1)
    soundfile.write(path.with_suffix(".wav"), samples, sounds.RATE)
    picture = "-f lavfi -i color=s=32x32:d=1 -c:v mpeg4" if path.suffix in (".mp4", ".mkv") else ""
    command = f"ffmpeg -v error -y -i {path.with_suffix('.wav')} {picture} {options} -ar {rate} -ac {channels} {path}"
    subprocess.run(command.split(), check=True)
    return samples[:, 0]


@needs_ffmpeg
def test_what_libsndfile_cannot_read_is_read_by_ffmpeg(tmp_path: Path) -> None:
    for name, rate, channels, options in (
        ("a.m4a", 44_100, 2, "-c:a aac -b:a 192k"),
        ("film.mp4", 16_000, 1, "-c:a aac -b:a 192k"),
        ("film.mkv", 48_000, 6, "-c:a pcm_s16le"),
    ):
        with case(name):
            path = tmp_path / name
            truth = film(path, rate, channels, options)
            samples = read(path)
            # An AAC encoder puts some samples in front, and adds some at the end.
            assert len(truth) <= len(samples) <= len(truth) + 4_000
            lag = int(np.correlate(samples[: len(truth)], truth[2_000:-2_000], "valid").argmax()) - 2_000
            assert abs(lag) < 2_000
            np.testing.assert_array_equal(read(path, chunk=0.13), samples)
            assert audio.info(path) == (pytest.approx(len(samples) / sounds.RATE, abs=1e-4), rate)


@needs_ffmpeg
@pytest.mark.timeout(30)  # a pipe that is opened a second time would wait for a writer for ever
def test_ffmpeg_reads_from_every_kind_of_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.m4a"
    film(path)
    content, expected = path.read_bytes(), read(path)
    with case("bytes"):
        np.testing.assert_array_equal(audio.load(content, sounds.RATE), expected)
        assert audio.info(content) == audio.info(path)
    with case("open file"), path.open("rb") as file:
        file.read(10)
        np.testing.assert_array_equal(audio.load(file, sounds.RATE), expected)
        assert not file.closed
        assert audio.info(file) == audio.info(path)
    with case("file object that cannot seek"):
        np.testing.assert_array_equal(audio.load(Pipe(content), sounds.RATE), expected)
    with case("standard input"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        np.testing.assert_array_equal(read("-"), expected)
    if hasattr(os, "mkfifo"):
        with case("named pipe"):
            os.mkfifo(tmp_path / "pipe.m4a")
            writer = threading.Thread(target=(tmp_path / "pipe.m4a").write_bytes, args=(content,), daemon=True)
            writer.start()
            np.testing.assert_array_equal(read(tmp_path / "pipe.m4a"), expected)
            writer.join()


@needs_ffmpeg
def test_names_are_never_options_or_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "a.m4a")
    for name in ("-i.m4a", "http:x.m4a", "a b%d.m4a"):
        shutil.copy("a.m4a", name)
        assert len(read(name)) > sounds.RATE, name
    # A playlist may not fetch anything.
    Path("list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    with pytest.raises(FormatError, match=r"list.m3u8 is not a sound file.*; ffmpeg cannot read it either: "):
        read("list.m3u8")


@needs_ffmpeg
def test_a_truncated_video_is_refused(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4")
    content = (tmp_path / "film.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match=r"cut.mp4 is not a sound file.*; ffmpeg cannot read it either: "):
        read(tmp_path / "cut.mp4")


@needs_ffmpeg
def test_a_large_chunk_is_decoded_in_blocks_that_fit_in_memory(tmp_path: Path) -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    path = tmp_path / "long.mka"
    command = f"ffmpeg -v error -f lavfi -i anullsrc=r=48000:cl=5.1 -t 120 -c:a flac {path}"
    subprocess.run(command.split(), check=True)
    tracemalloc.start()
    total = sum(len(chunk) for chunk in audio.read_chunks(path, sounds.RATE, chunk=1e6))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 120 * sounds.RATE
    assert peak < 4 * 4 * MOST_AT_ONCE  # the whole is 138 MB, and a chunk of a million seconds would be 1.2 TB


@needs_ffmpeg
def test_closing_the_chunks_early_ends_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Noted(subprocess.Popen):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    film(tmp_path / "a.mkv", options="-c:a pcm_s16le")
    monkeypatch.setattr(subprocess, "Popen", Noted)
    chunks = audio.read_chunks(tmp_path / "a.mkv", sounds.RATE, 0.1)
    assert len(next(chunks))
    chunks.close()
    assert [process.poll() is None for process in started] == [False]


def test_without_ffmpeg_the_error_suggests_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1_000))
    message = r"a.m4a is not a sound file.*; or install ffmpeg, with which sayso reads more"
    with pytest.raises(FormatError, match=message):
        read(tmp_path / "a.m4a")
