"""Which files are meant by files, folders, patterns and lists."""

import io
import os
from pathlib import Path

import pytest

from sayso.batch.inputs import all_files
from sayso.batch.inputs import sound_files as streamed
from sayso.errors import AudioError


def sound_files(places: list[str]) -> list[str]:
    return list(streamed(places))


def touch(root: Path, *names: str) -> list[str]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [str(root / name) for name in names]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_come_in_the_order_they_are_named() -> None:
    touch(Path(), "b.wav", "a.wav", "notes.txt")
    # A file that is named is meant, whatever its suffix.
    assert sound_files(["b.wav", "notes.txt", "a.wav"]) == ["b.wav", "notes.txt", "a.wav"]


def test_a_folder_means_all_sound_files_below() -> None:
    touch(Path("in"), "b.wav", "a.FLAC", "deep/er/c.mp3", "notes.txt", "deep/list.csv")
    assert sound_files(["in"]) == ["in/a.FLAC", "in/b.wav", "in/deep/er/c.mp3"]


def test_patterns_are_resolved_where_the_shell_did_not() -> None:
    touch(Path(), "b.wav", "a.wav", "c.mp3", "deep/er/d.wav")
    assert sound_files(["*.wav"]) == ["a.wav", "b.wav"]
    assert sound_files(["**/*.wav"]) == ["a.wav", "b.wav", "deep/er/d.wav"]
    assert sound_files([str(Path.cwd() / "?.mp3")]) == [str(Path.cwd() / "c.mp3")]


def test_a_file_whose_name_looks_like_a_pattern_is_itself() -> None:
    touch(Path(), "[a].wav", "a.wav", "what?.wav")
    assert sound_files(["[a].wav"]) == ["[a].wav"]
    assert sound_files(["what?.wav"]) == ["what?.wav"]


def test_a_walk_takes_films_and_enters_folders_in_the_order_of_names() -> None:
    touch(Path(), "b/x.wav", "a.m4a", "b.webm", "c/film.MP4", "b-.wav")
    assert sound_files(["."]) == ["a.m4a", "b/x.wav", "b-.wav", "b.webm", "c/film.MP4"]


def test_each_file_comes_once_at_its_first_place() -> None:
    touch(Path("in"), "a.wav", "b.wav", "c.wav")
    assert sound_files(["in/c.wav", "in", "in/*.wav", "in/a.wav"]) == ["in/c.wav", "in/a.wav", "in/b.wav"]


def test_where_nothing_is_found_the_place_itself_is_returned() -> None:
    Path("empty").mkdir()
    assert sound_files(["missing.wav", "*.mp3", "empty"]) == ["missing.wav", "*.mp3", "empty"]
    assert sound_files([]) == []


def test_a_folder_that_lies_in_another_is_not_walked_twice() -> None:
    touch(Path("in"), "a.wav", "deep/b.wav", "deep/notes.txt", "z.wav")
    assert sound_files(["in/deep", "in", "in/deep/"]) == ["in/deep/b.wav", "in/a.wav", "in/z.wav"]
    assert sound_files(["in/deep", "in/deep/notes.txt"]) == ["in/deep/b.wav", "in/deep/notes.txt"]


def test_folders_are_walked_as_they_are_asked_for() -> None:
    touch(Path("in"), "a/1.wav", "b/2.wav")
    files = streamed(["in"])
    assert next(files) == "in/a/1.wav"
    touch(Path("in"), "b/3.wav")
    assert list(files) == ["in/b/2.wav", "in/b/3.wav"]


def test_a_list_is_taken_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    touch(Path(), "a.wav")
    text = b"x y.wav\n\na.wav\r\n\xff.wav\na.wav\n-"
    Path("list.txt").write_bytes(text)
    names = ["x y.wav", "a.wav", os.fsdecode(b"\xff.wav"), "a.wav", "./-"]
    assert list(all_files([], "list.txt")) == names
    assert list(all_files(["a.wav"], "list.txt")) == ["a.wav", *names]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert list(all_files([], "-")) == names
    with pytest.raises(AudioError, match=r"cannot read the list nothere: No such file"):
        list(all_files([], "nothere"))


def test_addresses_are_listed_where_they_are_folders_or_patterns() -> None:
    pytest.importorskip("fsspec")
    touch(Path("in"), "a.wav", "b.txt", "deep/c.wav")
    root = Path.cwd().as_uri()
    assert sound_files([f"{root}/in/"]) == [f"{root}/in/a.wav", f"{root}/in/deep/c.wav"]
    assert sound_files([f"{root}/in/*.wav", f"{root}/no.wav"]) == [f"{root}/in/a.wav", f"{root}/no.wav"]
    with pytest.raises(AudioError, match="cannot list nothing://x/"):
        sound_files(["nothing://x/"])


def test_patterns_over_links_in_circles_and_deep_folders_end() -> None:
    touch(Path("in"), "a.wav", "deep/b.wav", "deep/er/c.wav", "deep/notes.txt", ".hidden/d.wav")
    for name in ("up", "self", "deep/up"):
        (Path("in") / name).symlink_to(Path("in").resolve(), target_is_directory=True)
    for pattern, found in (
        ("in/**/*.wav", ["in/a.wav", "in/deep/b.wav", "in/deep/er/c.wav"]),
        ("**/deep/*.wav", ["in/deep/b.wav"]),
        ("in/**/er/**/?.wav", ["in/deep/er/c.wav"]),
        (f"{Path.cwd()}/in/d*/**/*.wav", [str(Path.cwd() / "in/deep/b.wav"), str(Path.cwd() / "in/deep/er/c.wav")]),
        ("in/**", ["in/a.wav", "in/deep/b.wav", "in/deep/er/c.wav", "in/deep/notes.txt"]),
        ("in/d*", ["in/deep/b.wav", "in/deep/er/c.wav"]),
    ):
        assert sound_files([pattern]) == found, pattern
    deep = Path("in")
    for _ in range(30):
        deep = deep / ("d" * 100)
        deep.mkdir()
    (deep / "x.wav").touch()
    assert sound_files(["in/**/x.wav"]) == [str(deep / "x.wav")]
