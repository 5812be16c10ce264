"""Which files are found through files, folders, patterns, addresses and lists."""

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


def test_files_come_in_the_order_in_which_they_are_given_whatever_their_suffix() -> None:
    touch(Path(), "b.wav", "a.wav", "notes.txt")
    assert sound_files(["b.wav", "notes.txt", "a.wav"]) == ["b.wav", "notes.txt", "a.wav"]


def test_a_folder_gives_all_sound_files_below_it() -> None:
    touch(Path("in"), "b.wav", "a.FLAC", "deep/er/c.mp3", "notes.txt", "deep/list.csv")
    assert sound_files(["in"]) == ["in/a.FLAC", "in/b.wav", "in/deep/er/c.mp3"]


def test_patterns_that_the_shell_did_not_expand_are_expanded() -> None:
    touch(Path(), "b.wav", "a.wav", "c.mp3", "deep/er/d.wav")
    assert sound_files(["*.wav"]) == ["a.wav", "b.wav"]
    assert sound_files(["**/*.wav"]) == ["a.wav", "b.wav", "deep/er/d.wav"]
    assert sound_files([str(Path.cwd() / "?.mp3")]) == [str(Path.cwd() / "c.mp3")]


def test_an_existing_file_is_not_taken_as_a_pattern() -> None:
    touch(Path(), "[a].wav", "a.wav", "what?.wav")
    assert sound_files(["[a].wav"]) == ["[a].wav"]
    assert sound_files(["what?.wav"]) == ["what?.wav"]


def test_a_walk_includes_films_and_enters_folders_in_the_order_of_names() -> None:
    touch(Path(), "b/x.wav", "a.m4a", "b.webm", "c/film.MP4", "b-.wav")
    assert sound_files(["."]) == ["a.m4a", "b/x.wav", "b-.wav", "b.webm", "c/film.MP4"]


def test_each_file_comes_once_at_its_first_place() -> None:
    touch(Path("in"), "a.wav", "b.wav", "c.wav")
    assert sound_files(["in/c.wav", "in", "in/*.wav", "in/a.wav"]) == ["in/c.wav", "in/a.wav", "in/b.wav"]


def test_a_place_without_files_is_returned_itself() -> None:
    Path("empty").mkdir()
    assert sound_files(["missing.wav", "*.mp3", "empty"]) == ["missing.wav", "*.mp3", "empty"]
    assert sound_files([]) == []


def test_a_file_below_two_folders_comes_once() -> None:
    touch(Path("in"), "a.wav", "deep/b.wav", "deep/notes.txt", "z.wav")
    assert sound_files(["in/deep", "in", "in/deep/"]) == ["in/deep/b.wav", "in/a.wav", "in/z.wav"]
    assert sound_files(["in/deep", "in/deep/notes.txt"]) == ["in/deep/b.wav", "in/deep/notes.txt"]


def test_folders_are_walked_lazily() -> None:
    touch(Path("in"), "a/1.wav", "b/2.wav")
    files = streamed(["in"])
    assert next(files) == "in/a/1.wav"
    touch(Path("in"), "b/3.wav")
    assert list(files) == ["in/b/2.wav", "in/b/3.wav"]


def test_a_list_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    touch(Path(), "a.wav")
    text = b"x y.wav\n\na.wav\r\n\xff.wav\na.wav\n-"
    Path("list.txt").write_bytes(text)
    names = ["x y.wav", "a.wav", os.fsdecode(b"\xff.wav"), "a.wav", "./-"]
    assert list(all_files([], "list.txt")) == names
    assert list(all_files(["a.wav"], "list.txt")) == ["a.wav", *names]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert list(all_files([], "-")) == names
    marked = ["a b.wav", "später.wav", "./-"]
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        Path("list.txt").write_text("a b.wav\r\n\r\nspäter.wav\r\n-", encoding, newline="")
        assert list(all_files([], "list.txt")) == marked, encoding
    Path("list.txt").write_bytes(b"\xef\xbb\xbf\xff.wav\n")
    assert list(all_files([], "list.txt")) == [os.fsdecode(b"\xff.wav")]
    Path("list.txt").write_bytes(b"\xff\xfex")
    with pytest.raises(AudioError, match=r"the list is damaged: .*truncated data; expected one path per line"):
        list(all_files([], "list.txt"))
    with pytest.raises(AudioError, match=r"cannot read the list nothere: No such file"):
        list(all_files([], "nothere"))


def test_addresses_of_folders_and_patterns_are_expanded() -> None:
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
