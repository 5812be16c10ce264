"""Which entries of a folder are sound files: hidden ones, links, pipes, and folders of any depth."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cases import case
from sayso.batch.inputs import sound_files
from sayso.errors import AudioError
from sayso.sound import audio, folder

links = pytest.mark.skipif(os.name == "nt", reason="Windows lets few users make links")


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def walked(root: Path, everything: bool = False) -> list[str]:
    return [Path(path).relative_to(root).as_posix() for path in folder.walk(str(root), everything)]


def test_sound_files_are_found_below_a_folder_in_the_order_of_names(tmp_path: Path) -> None:
    touch(
        tmp_path, "b/x.wav", "a.m4a", "b-.wav", "notes.txt", "c/deep/film.MP4", "c/deep/list.csv", "wav", "b.wav/y.ogg"
    )
    assert walked(tmp_path) == ["a.m4a", "b/x.wav", "b-.wav", "b.wav/y.ogg", "c/deep/film.MP4"]
    assert walked(tmp_path, everything=True) == [
        "a.m4a", "b/x.wav", "b-.wav", "b.wav/y.ogg", "c/deep/film.MP4", "c/deep/list.csv", "notes.txt", "wav",
    ]  # fmt: skip


def test_names_in_the_current_folder_have_no_dot_in_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path, "a.wav", "deep/b.wav"))
    assert list(folder.walk(".")) == ["a.wav", "deep/b.wav".replace("/", os.sep)]


def test_hidden_files_and_folders_are_ignored(tmp_path: Path) -> None:
    touch(tmp_path, "x.wav", "._x.wav", ".hidden.wav", ".git/y.wav", ".wav", "deep/._z.wav")
    for everything in (False, True):
        assert walked(tmp_path, everything) == ["x.wav"]
    assert [entry.name for entry in folder.entries(tmp_path)] == ["deep", "x.wav"]


@links
def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    root = touch(tmp_path / "root", "deep/a.wav")
    touch(tmp_path, "elsewhere/b.wav")
    (root / "b.wav").symlink_to(tmp_path / "elsewhere" / "b.wav")
    (root / "c.wav").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "other").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "deep" / "up").symlink_to(root, target_is_directory=True)
    assert walked(root) == ["b.wav", "deep/a.wav"]
    # The folder that is named may be a link itself.
    (tmp_path / "link").symlink_to(root, target_is_directory=True)
    assert walked(tmp_path / "link") == ["b.wav", "deep/a.wav"]
    linked = {entry.name: entry for entry in folder.entries(root)}["other"]
    assert folder.is_folder(linked)
    assert not folder.is_folder(linked, follow_links=False)


@links
def test_broken_and_circular_links_are_yielded_so_that_reading_reports_them(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").symlink_to("missing.wav")
    (tmp_path / "circle.wav").symlink_to("circle.wav")
    (tmp_path / "broken.txt").symlink_to("missing.txt")
    assert walked(tmp_path) == ["broken.wav", "circle.wav"]
    faults = {entry.name: folder.fault(entry) for entry in folder.entries(tmp_path)}
    assert faults["broken.wav"] == "not a regular file, or a broken link"
    assert faults["circle.wav"].startswith("cannot be read: ")
    assert not any(map(folder.is_folder, folder.entries(tmp_path)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_named_and_refused_without_opening_them(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to("pipe.wav")
    os.mkfifo(tmp_path / "pipe.txt")
    assert walked(tmp_path) == ["a.wav", "link.wav", "pipe.wav"]
    for name in ("link.wav", "pipe.wav"):
        with case(name), pytest.raises(AudioError, match=f"{name} is a pipe or a device, not a regular file; save"):
            audio.load(tmp_path / name, 16_000, only_files=True)
    for entry in folder.entries(tmp_path)[1:]:
        assert folder.fault(entry) == "not a regular file, or a broken link", entry.name


def test_faults_that_show_without_opening_a_file_are_reported(tmp_path: Path) -> None:
    touch(tmp_path, "empty.wav", "notes.txt", "deep.wav/x")
    (tmp_path / "good.wav").write_bytes(b"RIFF")
    assert {entry.name: folder.fault(entry) for entry in folder.entries(tmp_path)} == {
        "deep.wav": "not a regular file, or a broken link",
        "empty.wav": "empty (0 bytes)",
        "good.wav": None,
        "notes.txt": "not an audio file",
    }


def test_a_folder_that_cannot_be_read_is_yielded_itself(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    assert walked(tmp_path / "missing") == ["."]
    assert walked(tmp_path / "a.wav") == ["."]


@contextlib.contextmanager
def nested(root: Path, levels: int) -> Iterator[None]:
    """Make folders in one another, with a file in the last; names that long can be neither made nor deleted at once."""
    open_folder = os.open(root, os.O_RDONLY)
    handles = [open_folder]
    try:
        for _ in range(levels):
            os.mkdir("a", dir_fd=handles[-1])
            handles.append(os.open("a", os.O_RDONLY, dir_fd=handles[-1]))
            if len(handles) > 2:
                os.close(handles.pop(0))
        os.close(os.open("x.wav", os.O_CREAT | os.O_WRONLY, dir_fd=handles[-1]))
        yield
        os.unlink("x.wav", dir_fd=handles[-1])
        for _ in range(levels):
            up = os.open("..", os.O_RDONLY, dir_fd=handles[-1])
            os.close(handles.pop())
            os.rmdir("a", dir_fd=up)
            handles.append(up)
    finally:
        for handle in handles:
            os.close(handle)


@pytest.mark.skipif(os.mkdir not in os.supports_dir_fd, reason="needs paths relative to an open folder")
def test_depth_is_limited_only_by_the_length_of_a_path(tmp_path: Path) -> None:
    for levels in (1_500, 3_000):
        with case(levels), nested(tmp_path, levels):
            for everything in (False, True):
                (found,) = folder.walk(str(tmp_path), everything)
                if levels == 1_500:
                    assert Path(found) == Path(tmp_path, *["a"] * levels, "x.wav")
                else:
                    # The system reads no path of more than 4,096 bytes: the first folder beyond is yielded itself.
                    assert found.endswith("/a/a")
                    assert len(found) > 4_000


@pytest.mark.skipif(os.mkdir not in os.supports_dir_fd, reason="needs paths relative to an open folder")
def test_a_pattern_finds_what_lies_a_thousand_folders_deep(tmp_path: Path) -> None:
    with nested(tmp_path, 1_200):
        (found,) = sound_files([f"{tmp_path}/**/*.wav"])
        assert Path(found) == Path(tmp_path, *["a"] * 1_200, "x.wav")
