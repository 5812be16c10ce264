"""Atomic files: whatever happens, readers see the old content or the new, and no temporary file is left behind."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cases import case
from sayso.errors import StorageError
from sayso.system.atomic_files import TakenError, check_writable, creating, open_new, replacing, write_atomically
from sayso.system.locked_file import open_locked


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_content_is_replaced_and_folders_are_created(tmp_path: Path) -> None:
    path = tmp_path / "one" / "two" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]


def test_readers_see_the_old_content_until_the_new_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        with replacing(path) as file:
            file.write(b"new")
            file.flush()
            assert path.read_bytes() == b"old"
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_a_writer_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write_half(error: type[BaseException]) -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise error

    for error in (RuntimeError, KeyboardInterrupt, OSError):
        with case(error.__name__):
            with pytest.raises(StorageError if error is OSError else error):
                write_half(error)
            assert path.read_bytes() == b"old"
            assert names(tmp_path) == ["file"]


def test_a_full_disk_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    # A limit on the size of files fails like a full disk.
    script = (
        "import resource, sys; from pathlib import Path; from sayso.system.atomic_files import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))\n"
        "try: write_atomically(Path(sys.argv[1]), bytes(100_000))\n"
        "except StorageError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(f"cannot write {path}: File too large; choose another place")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_path_that_cannot_be_written_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    for name, message in (
        ("folder", r"cannot write .*folder: it is a folder; choose another place"),
        ("file/below", r"cannot write .*below: (Not a directory|File exists)"),
        ("x" * 300, "name too long"),
    ):
        with case(name), pytest.raises(StorageError, match=message):
            write_atomically(tmp_path / name, b"new")
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="it is a device"):
        write_atomically(tmp_path / "pipe", b"new")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            write_atomically(tmp_path / "file", b"new")
    finally:
        tmp_path.chmod(0o755)


def test_the_longest_possible_name_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("x" * 255), b"new")


@pytest.mark.usefixtures("umask")
def test_permissions_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (path.parent / "next").touch()
    assert stat.S_IMODE((path.parent / "next").stat().st_mode) == 0o640
    path.chmod(0o604)
    write_atomically(path, b"newer")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "file"
    check_writable(path)
    assert names(tmp_path) == []
    path.write_bytes(b"old")
    check_writable(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]
    with pytest.raises(StorageError, match="it is a folder"):
        check_writable(tmp_path)


def test_a_new_file_replaces_nothing_and_follows_no_link(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "file"
    with creating(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"

    def create() -> None:
        with creating(path) as file:
            file.write(b"newer")
            # Also if it appears only now.
            path.symlink_to(target)

    with pytest.raises(TakenError, match="file exists; choose another name"), creating(path) as file:
        file.write(b"newer")
    assert path.read_bytes() == b"new"
    path.unlink()
    with pytest.raises(TakenError, match="file exists"):
        create()
    assert not target.exists()
    target.write_bytes(b"mine")
    with open_new(path) as file:
        file.write(b"new")
    assert (target.read_bytes(), path.read_bytes(), path.is_symlink()) == (b"mine", b"new", False)
    assert names(tmp_path) == ["file", "target"]


def test_a_lock_keeps_others_out_until_its_process_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    script = (
        "import sys, time; from pathlib import Path; from sayso.system.locked_file import open_locked\n"
        "file = open_locked(Path(sys.argv[1])); file.write(b'theirs'); print('locked', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "locked\n"
        assert open_locked(path) is None
        other.kill()
    with open_locked(path) as file:  # type: ignore[union-attr]
        assert file.read() == b"theirs"
        assert open_locked(path) is None
        # Another file with its name is not locked.
        path.unlink()
        with open_locked(path) as new:  # type: ignore[union-attr]
            assert new.read() == b""
