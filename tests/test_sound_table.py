"""The table in docs/sound.md: what happens to each kind of format from each source."""

import io
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from command_line import Result
from file_server import FileServer
from sayso.config import FeatureSettings
from sayso.corpus.clips import load_clips, load_negatives, load_noises
from sayso.corpus.corpus import files_below, scan
from sayso.errors import AudioError
from sayso.sound import audio
from sayso.sound.headers import Layout
from test_sources import Pipe

RATE = sounds.RATE
CLIP = sounds.clip("yes")
UNCOMPRESSED = {
    "a.wav": ("WAV", "PCM_16"), "x.wav": ("WAVEX", "PCM_24"), "f.wav": ("WAV", "FLOAT"), "r.rf64": ("RF64", "PCM_16"),
    "a.aiff": ("AIFF", "PCM_24"), "a.au": ("AU", "FLOAT"), "a.caf": ("CAF", "PCM_32"),
}  # fmt: skip
COMPRESSED = {
    "a.flac": ("FLAC", "PCM_16"), "a.ogg": ("OGG", "VORBIS"), "a.opus": ("OGG", "OPUS"), "a.w64": ("W64", "PCM_16"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"), "u.au": ("AU", "ULAW"), "i.wav": ("WAV", "IMA_ADPCM"),
}  # fmt: skip
RAW = (CLIP * 32_767).astype("<i2").tobytes()
ELSE = {"raw.pcm": RAW, "text.wav": b"no sound at all\n" * 9, "zeros.mp3": bytes(4_000)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the content of a file of each format, by its name."""
    folder = tmp_path_factory.mktemp("formats")
    for name, (form, subtype) in (UNCOMPRESSED | COMPRESSED).items():
        soundfile.write(folder / name, CLIP, RATE, format=form, subtype=subtype)
    if shutil.which("ffmpeg"):
        for name, options in (("a.m4a", "-c:a aac"), ("a.webm", "-c:a libopus"), ("a.wma", "-c:a wmav2")):
            command = ["ffmpeg", "-v", "error", "-i", folder / "a.wav", *options.split(), folder / name]
            subprocess.run(command, check=True)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def like_clip(samples: np.ndarray) -> bool:
    """Return whether samples are the clip, up to what a lossy format shifts and changes."""
    return samples.dtype == np.float32 and float(np.correlate(samples, CLIP, "full").max() / (CLIP @ CLIP)) > 0.9


def fed(path: Path, content: bytes) -> threading.Thread:
    """Write into a named pipe, in a thread."""
    thread = threading.Thread(target=path.write_bytes, args=(content,), daemon=True)
    thread.start()
    return thread


def test_each_format_is_read_from_each_source(files: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        with case(name, "file"):
            expected = audio.load(path, RATE)
            assert like_clip(expected)
        sources: dict[str, Callable[[], object]] = {
            "bytes": lambda content=content: content,
            "file object": lambda path=path: path.open("rb"),
            "file object that cannot seek": lambda content=content: Pipe(content),
        }
        for kind, source in sources.items():
            with case(name, kind):
                np.testing.assert_array_equal(audio.load(source(), RATE), expected)
        if hasattr(os, "mkfifo"):
            with case(name, "named pipe"):
                pipe = tmp_path / f"pipe.{name}"
                os.mkfifo(pipe)
                writer = fed(pipe, content)
                np.testing.assert_array_equal(audio.load(pipe, RATE), expected)
                writer.join()


def test_each_format_is_read_from_standard_input(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in files.items():
        with case(name):
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
            np.testing.assert_array_equal(audio.load("-", RATE), audio.load(content, RATE))


def test_each_format_is_read_from_addresses(files: dict[str, bytes]) -> None:
    pytest.importorskip("fsspec.implementations.http", reason="fsspec or aiohttp is not installed")
    server = FileServer()
    try:
        server.files = files | ELSE
        for name, content in files.items():
            with case(name):
                np.testing.assert_array_equal(audio.load(f"{server.address}/{name}", RATE), audio.load(content, RATE))
        for name in ELSE:
            with case(name), pytest.raises(AudioError, match=f"{name} is not a sound file"):
                audio.load(f"{server.address}/{name}", RATE)
    finally:
        server.stop()


def test_what_is_no_sound_is_an_error_from_each_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in ELSE.items():
        (tmp_path / name).write_bytes(content)
        for source in (tmp_path / name, content, (tmp_path / name).open("rb")):
            with case(name, source), pytest.raises(AudioError, match="is not a sound file"):
                audio.load(source, RATE)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        with case(name), pytest.raises(AudioError, match="standard input does not begin as any format"):
            audio.load("-", RATE)


@pytest.mark.timeout(30)
def test_an_endless_pipe_of_no_known_format_is_refused_at_once() -> None:
    class Endless(Pipe):
        def read(self, size: int | None = -1) -> bytes:
            return bytes(size or 0)

    with pytest.raises(AudioError, match="does not begin as any format of sound"):
        audio.load(Endless(), RATE)


@pytest.mark.timeout(30)
def test_uncompressed_sound_and_raw_samples_are_used_as_they_come(files: dict[str, bytes]) -> None:
    for name in (*UNCOMPRESSED, "raw"):
        content, raw = (RAW, Layout("s16le", 1, RATE)) if name == "raw" else (files[name], None)
        # Floats and integers of 32 bits, and several channels, are first listened to for a second.
        sent = content[: len(content) - 8] + (bytes(40_000) if name in ("f.wav", "a.au", "a.caf") else b"")
        out, into = os.pipe()
        heard = threading.Event()

        def send(content: bytes = sent, into: int = into, heard: threading.Event = heard) -> None:
            with os.fdopen(into, "wb", 0) as pipe:
                pipe.write(content)
                heard.wait()

        threading.Thread(target=send, daemon=True).start()
        with case(name), os.fdopen(out, "rb") as pipe:
            assert len(next(audio.read_chunks(pipe, RATE, 0.05, raw=raw))) >= 800
            heard.set()
            pipe.read()


def test_raw_samples_of_each_kind_are_read() -> None:
    for kind, dtype, scale in (
        ("u8", "u1", 128), ("s8", "i1", 128), ("s16le", "<i2", 2**15), ("s16be", ">i2", 2**15), ("s32le", "<i4", 2**31),
        ("s32be", ">i4", 2**31), ("f32le", "<f4", 1), ("f32be", ">f4", 1), ("f64le", "<f8", 1), ("f64be", ">f8", 1),
    ):  # fmt: skip
        for channels in (1, 2):
            with case(kind, channels):
                samples = np.repeat(CLIP[:, None], channels, axis=1) * scale + (128 if kind == "u8" else 0)
                content = samples.astype(dtype).tobytes()
                read = audio.read_chunks(Pipe(content), RATE, raw=Layout(kind, channels, RATE))
                np.testing.assert_allclose(
                    np.concatenate(list(read)), CLIP, atol=1.5 / min(scale, 2**15) if scale > 1 else 0
                )
    for kind, bytes_kept in (("s24le", slice(1, 4)), ("s24be", slice(0, 3))):
        with case(kind):
            wide = (CLIP * 2.0**31).astype("<i4" if kind == "s24le" else ">i4").view(np.uint8).reshape(-1, 4)
            content = wide[:, bytes_kept].tobytes()
            read = audio.read_chunks(Pipe(content), RATE, raw=Layout(kind, 1, RATE))
            np.testing.assert_allclose(np.concatenate(list(read)), CLIP, atol=2**-22)


def test_listen_reads_each_format_and_refuses_raw_samples_that_are_not_described(
    files: dict[str, bytes], sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("x.wav", "a.mp3", "a.caf"):
        with case(name):
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(files[name])))
            assert sayso("listen", "--input", "-").status == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(RAW)))
    refused = sayso("listen", "--input", "-")
    assert refused.status == 1
    assert "raw samples need --rate, --channels and --sample-format" in refused.err


def test_in_folders_each_format_is_read_and_the_rest_is_named(files: dict[str, bytes], tmp_path: Path) -> None:
    features = FeatureSettings()
    folder = tmp_path / "corpus" / "yes"
    folder.mkdir(parents=True)
    for name, content in (files | ELSE).items():
        (folder / name).write_bytes(content)
    (folder / "._a.wav").write_bytes(b"resource fork")
    (folder / "notes.txt").write_text("no sound")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.wav")
    corpus = scan(tmp_path / "corpus")
    clips = load_clips(corpus.clips, features, 1)
    named = {skipped.path.name for skipped in (*corpus.skipped, *clips.skipped)}
    pipes = {"pipe.wav"} if hasattr(os, "mkfifo") else set()
    with case("corpus"):
        assert {row.path.name for row in clips.rows} == set(files)
        assert named == {*ELSE, *pipes, "notes.txt"}
    for kind, load in (
        ("noise", load_noises),
        ("negatives", lambda paths, features: load_negatives(paths, features, 1)),
    ):
        with case(kind):
            loaded = load(files_below(folder), features)
            skipped = loaded[1] if kind == "noise" else loaded.skipped
            assert {skip.path.name for skip in skipped} == {*ELSE, *pipes}
            count = len(loaded[0]) if kind == "noise" else len({row.path for row in loaded.rows})
            assert count == len(files)


def test_classify_reads_each_format_and_gives_each_other_file_a_row(
    files: dict[str, bytes], tmp_path: Path, sayso: Callable[..., Result]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in (files | ELSE).items():
        (folder / name).write_bytes(content)
    (folder / "notes.txt").write_text("no sound")
    (folder / ".hidden.wav").write_bytes(b"")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.wav")
    result = sayso("classify", str(folder), "--format", "csv")
    lines = result.out.splitlines()[1:]
    errors = {Path(line.split(",")[0]).name for line in lines if "error" in line or "not a " in line}
    assert errors == {*ELSE, *({"pipe.wav"} if hasattr(os, "mkfifo") else ())}
    assert {Path(line.split(",")[0]).name for line in lines} == {*files, *errors}
    assert result.status == 1


def test_arrays_of_every_type_hold_the_same_sound() -> None:
    arrays: Iterator[tuple[str, np.ndarray]] = iter(
        [
            *((dtype, (CLIP * 32_767).astype(dtype)) for dtype in ("int16", "int32", "int64", "float32", "float64")),
            ("int32, its own scale", (CLIP * 2.0**31).astype("int32")),
            ("int64 of 24 bits", (CLIP * 2.0**23).astype("int64")),
            ("int64 of 32 bits", (CLIP * 2.0**31).astype("int64")),
            ("int8", (CLIP * 127).astype("int8")),
            ("uint8", (CLIP * 127 + 128).astype("uint8")),
            ("uint16", (CLIP * 32_767 + 32_768).astype("uint16")),
            ("uint8 in int64", (CLIP * 127 + 128).astype("uint64")),
            ("floats within 1", CLIP),
            ("floats of 24 bits", CLIP * np.float32(2**23)),
            ("floats of 16 bits, resampled", CLIP * np.float32(32_768.0) + np.float32(0.25)),
        ]
    )
    for kind, array in arrays:
        with case(kind):
            np.testing.assert_allclose(audio.from_array(array, RATE, RATE), CLIP, atol=0.02)
    for kind, array in (("louder than full scale", 3 * CLIP), ("constant", np.full(RATE, 2.0))):
        with case(kind):
            np.testing.assert_array_equal(audio.from_array(array, RATE, RATE), array.astype(np.float32))
