"""The cache gives the same clips as the recordings, and notices whatever has changed or is damaged."""

import io
import os
import pwd
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cases import case
from sayso.config import FeatureSettings
from sayso.corpus import clip_cache
from sayso.corpus.clip_cache import ClipCache
from sayso.corpus.clips import Clips, load_clips
from sayso.corpus.corpus import Clip, scan
from sayso.download import catalogue
from sayso.errors import DownloadError

FEATURES = FeatureSettings(sample_rate=4_000, high_frequency=1_900.0, fft_size=256)

Load = Callable[[], tuple[Clips, str]]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight noisy clips, which are enough for a cache."""
    monkeypatch.setattr(clip_cache, "FEWEST", 2)
    rng = np.random.default_rng(0)
    for word in ("yes", "no"):
        (tmp_path / "corpus" / word).mkdir(parents=True)
        for number in range(4):
            write(tmp_path / "corpus" / word / f"{number}.wav", rng)
    return tmp_path / "corpus"


def write(path: Path, rng: np.random.Generator) -> None:
    soundfile.write(path, rng.uniform(-0.5, 0.5, 4_000), 4_000)


def rows(corpus: Path) -> tuple[Clip, ...]:
    return scan(corpus).clips


@pytest.fixture
def load(corpus: Path, tmp_path: Path) -> Load:
    return lambda: ClipCache(tmp_path / "cache", corpus, FEATURES).load(rows(corpus), 1)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The recordings that are read, in order."""
    opened: list[Path] = []

    def noting(clips: list[Clip], features: FeatureSettings, workers: int) -> Clips:
        opened.extend(clip.path for clip in clips)
        return load_clips(clips, features, workers)

    monkeypatch.setattr(clip_cache, "load_clips", noting)
    return opened


def same(clips: Clips, corpus: Path) -> bool:
    """Whether clips are those that the recordings give now."""
    fresh = load_clips(rows(corpus), FEATURES, 1)
    return clips.rows == fresh.rows and clips.skipped == fresh.skipped and np.array_equal(clips.samples, fresh.samples)


def test_a_second_start_reads_no_recording(corpus: Path, load: Load, read: list[Path]) -> None:
    first, warning = load()
    assert same(first, corpus)
    assert not warning
    assert len(read) == 8
    read.clear()
    second, warning = load()
    assert same(second, corpus)
    assert not warning
    assert not read


def test_changed_added_and_removed_recordings_are_noticed(corpus: Path, load: Load, read: list[Path]) -> None:
    load()
    read.clear()
    rng = np.random.default_rng(1)
    changed, added, removed = corpus / "yes" / "1.wav", corpus / "no" / "10.wav", corpus / "yes" / "0.wav"
    old = changed.stat()
    write(changed, rng)
    # The clock of a file system may be too coarse for the two writes.
    os.utime(changed, ns=(old.st_atime_ns, old.st_mtime_ns + 1_000_000_000))
    write(added, rng)
    removed.unlink()
    clips, _ = load()
    assert same(clips, corpus)
    assert sorted(read) == [added, changed]
    read.clear()
    assert same(load()[0], corpus)
    assert not read


def test_a_recording_of_another_size_is_noticed_whatever_its_time(corpus: Path, load: Load) -> None:
    load()
    path = corpus / "yes" / "1.wav"
    old = path.stat()
    soundfile.write(path, np.full(3_000, 0.25), 4_000)
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert same(load()[0], corpus)


def test_bad_recordings_are_listed_each_time(corpus: Path, load: Load) -> None:
    (corpus / "no" / "bad.wav").write_text("no sound")
    for _ in range(2):
        clips, _ = load()
        assert same(clips, corpus)
        assert [skipped.path.name for skipped in clips.skipped] == ["bad.wav"]


def test_other_settings_and_other_words_are_not_mixed_up(corpus: Path, load: Load, tmp_path: Path) -> None:
    load()
    other = FeatureSettings(sample_rate=8_000, high_frequency=3_800.0)
    clips, _ = ClipCache(tmp_path / "cache", corpus, other).load(rows(corpus), 1)
    np.testing.assert_array_equal(clips.samples, load_clips(rows(corpus), other, 1).samples)
    some = [row for row in reversed(rows(corpus)) if row.word == "yes"]
    clips, _ = ClipCache(tmp_path / "cache", corpus, FEATURES).load(some, 1)
    np.testing.assert_array_equal(clips.samples, load_clips(some, FEATURES, 1).samples)
    assert same(load()[0], corpus)


def test_damage_of_any_kind_is_reported_and_mended(corpus: Path, load: Load, tmp_path: Path) -> None:
    def header(text: bytes) -> bytes:
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text

    def archive(**members: bytes) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as file:
            for name, data in members.items():
                file.writestr(f"{name}.npy", data)
        return content.getvalue()

    def array(values: object) -> bytes:
        content = io.BytesIO()
        np.save(content, values)
        return content.getvalue()

    load()
    (path,) = (tmp_path / "cache").iterdir()
    whole = path.read_bytes()
    deep = array(np.frombuffer(b"[" * 100_000, np.uint8))
    samples = array(np.zeros((1, FEATURES.clip_samples), np.int16))
    damaged = {
        "no archive": b"damaged",
        "an array alone": samples,
        "a header that is no Python": archive(index=header(b"{'descr': (((,"), samples=samples),
        "a header without an end": archive(index=header(b"{'descr': '<i2"), samples=samples),
        "a header of another type": archive(index=header(b"{'descr': object, 'shape': ()}\n"), samples=samples),
        "a deep index": archive(index=deep, samples=samples),
        "an index of other things": archive(index=array(np.frombuffer(b"[[1, 2], {}]", np.uint8)), samples=samples),
        "a huge shape": archive(index=header(b"{'descr': '<i2', 'fortran_order': False, 'shape': (9999999999,)}\n")),
        "objects": archive(index=array(np.frombuffer(b"[]", np.uint8)), samples=b"\x93NUMPY\x09\x00"),
        "nothing": b"",
        **{f"cut at {length}": whole[:length] for length in (10, 1_000, len(whole) - 10)},
        **{f"changed at {part}": _flipped(whole, int(part * len(whole))) for part in (0.0, 0.02, 0.5)},
    }  # fmt: skip
    rng = np.random.default_rng(0)
    for number in range(20):
        damaged[f"random {number}"] = _flipped(whole, *(len(whole) - rng.integers(1, 700, 4)))
    for name, content in damaged.items():
        with case(name):
            path.write_bytes(content)
            clips, warning = load()
            assert same(clips, corpus)
            # A changed time of a member, for instance, harms nothing.
            assert "damaged" in warning or "random" in name
            assert "\n" not in warning
            assert not load()[1]


def _flipped(content: bytes, *places: int) -> bytes:
    changed = bytearray(content)
    for place in places:
        changed[place] ^= 0xFF
    return bytes(changed)


def test_what_is_no_file_in_place_of_the_cache_is_replaced(corpus: Path, load: Load, tmp_path: Path) -> None:
    load()
    (path,) = (tmp_path / "cache").iterdir()
    path.unlink()
    path.mkdir()
    (path / "inside").touch()
    assert "not a regular file" in load()[1]
    path.unlink()
    os.mkfifo(path)
    assert "not a regular file" in load()[1]
    assert not load()[1]
    assert path.is_file()


def test_without_a_home_folder_there_is_no_cache_and_data_sets_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert clip_cache.default_folder() is None
    with pytest.raises(DownloadError, match="set HOME or XDG_DATA_HOME to a folder, or give one with --dir"):
        catalogue.find(Path("speech-commands"))


def array_header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode()


def test_whatever_the_damage_raises_the_recordings_are_read_again(corpus: Path, load: Load, tmp_path: Path) -> None:
    load()
    (path,) = (tmp_path / "cache").iterdir()
    with zipfile.ZipFile(path) as file:
        good = {name: file.read(name) for name in file.namelist()}
    shape = "{'descr': '<i2', 'fortran_order': False, 'shape': "
    for part, content in (
        ("samples.npy", array_header(shape + "(")),
        ("samples.npy", array_header(shape + "(" + "9" * 30 + ", 4000)}")),
        ("samples.npy", array_header(shape + "(-1, 4000)}")),
        ("samples.npy", array_header(shape + "f()}")),
        ("samples.npy", array_header('"""')),
        ("samples.npy", array_header(shape.replace("<i2", "x") + "(1,)}")),
        ("samples.npy", array_header(shape + "(1,)}", b"\x09\x09")),
        ("index.npy", b"[" * 100_000),
        ("index.npy", b"[" + b"9" * 5_000 + b"]"),
        ("index.npy", b"3"),
        ("index.npy", b'[["a", 1e999, 1]]'),
    ):
        load()
        described = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({len(content)},)}}"
        bad = array_header(described) + content if part == "index.npy" else content
        with zipfile.ZipFile(path, "w") as file:
            for name, intact in good.items():
                file.writestr(name, bad if name == part else intact)
        with case(part, content[:60]):
            clips, warning = load()
            assert same(clips, corpus)
            assert "damaged" in warning
            assert not load()[1]


def test_a_cache_that_cannot_be_written_gives_a_warning_and_loses_nothing(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    clips, warning = ClipCache(tmp_path / "file", corpus, FEATURES).load(rows(corpus), 1)
    assert same(clips, corpus)
    assert "not cached" in warning


def test_files_unused_for_longest_are_deleted(
    corpus: Path, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_cache, "MOST_BYTES", 150_000)
    for age, name in enumerate(("newer", "older")):
        (tmp_path / "cache").mkdir(exist_ok=True)
        path = tmp_path / "cache" / f"{name}.npz"
        path.write_bytes(bytes(60_000))
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    load()
    assert sorted(path.stem for path in (tmp_path / "cache").iterdir())[1:] == ["newer"]
