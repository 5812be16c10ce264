"""Unpacking: good archives are unpacked exactly, and hostile ones leave no trace, inside the folder or outside."""

import bz2
import contextlib
import gzip
import io
import os
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cases import case
from sayso.download import archive
from sayso.download.archive import unpack
from sayso.errors import DownloadError, StorageError

LIMIT = 1_000_000
NOISE = os.urandom(100_000)
FILES = {"yes/1.wav": b"one", "yes/2.wav": b"", "no/deep/3.wav": NOISE, "README.md": b"read me"}


def tar(path: Path, *members: tarfile.TarInfo, content: bytes = b"") -> Path:
    """Write a tar.gz archive in which every regular file has the same content."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def zipped(path: Path, files: dict[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@contextlib.contextmanager
def little_memory(most: int) -> Iterator[None]:
    """Check that the peak of memory stays below this number of bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refuse(tmp_path: Path) -> Iterator[Callable[[Path, str], None]]:
    """Check that an archive is refused for a reason, and that nothing appears anywhere."""

    def check(archive: Path, reason: str) -> None:
        before = everything(tmp_path)
        with pytest.raises(DownloadError, match=reason):
            unpack(archive, tmp_path / "place" / "new", LIMIT, lambda done, total: None)
        assert everything(tmp_path) == before
        assert list((tmp_path / "place").iterdir()) == []

    (tmp_path / "place").mkdir()
    return check


def test_files_are_unpacked_exactly_and_without_special_permissions(tmp_path: Path) -> None:
    for kind in ("tar", "zip"):
        with case(kind):
            (tmp_path / kind).mkdir()
            path = tmp_path / kind / "archive"  # the kind is recognised by the content, not the name
            if kind == "zip":
                zipped(path, {"yes/": b"", **FILES})
            else:
                with tarfile.open(path, "w:gz") as archive:
                    archive.addfile(entry("./", tarfile.DIRTYPE))
                    for name, content in FILES.items():
                        member = entry(f"./{name}")
                        member.size, member.mode = len(content), 0o4777
                        archive.addfile(member, io.BytesIO(content))
            steps: list[tuple[int, int]] = []
            new = tmp_path / kind / "new"
            unpack(path, new, LIMIT, lambda *step, steps=steps: steps.append(step))
            assert everything(new) == FILES
            assert not (new / "yes" / "1.wav").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)
            size = path.stat().st_size
            assert steps[-1] == (size, size)
            assert all(0 <= done <= total == size for done, total in steps)


def test_a_hostile_tar_is_refused(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    for member, reason in (
        (entry(f"{tmp_path}/file"), "leads outside"),
        (entry("../outside"), "leads outside"),
        (entry("yes/../../outside"), "leads outside"),
        (entry("..\\outside"), "leads outside"),
        (entry("C:outside"), "leads outside"),
        (entry("/absolute", tarfile.DIRTYPE), "leads outside"),
        (entry("../outside", tarfile.DIRTYPE), "leads outside"),
        (entry("link", tarfile.SYMTYPE, "/etc/passwd"), "a link, a device"),
        (entry("link", tarfile.SYMTYPE, ".."), "a link, a device"),
        (entry("link", tarfile.LNKTYPE, "good.wav"), "a link, a device"),
        (entry("link", tarfile.LNKTYPE, "../../archive"), "a link, a device"),
        (entry("device", tarfile.CHRTYPE), "a link, a device"),
        (entry("device", tarfile.BLKTYPE), "a link, a device"),
        (entry("pipe", tarfile.FIFOTYPE), "a link, a device"),
        (entry("good.wav"), "twice"),
        (entry("good.wav/below"), "as a file and as a folder"),
        (entry("good.wav", tarfile.DIRTYPE), "as a file and as a folder"),
    ):
        with case(member.name, member.type, member.linkname):
            refuse(tar(tmp_path / "archive", entry("good.wav"), member, entry("later.wav"), content=b"sound"), reason)


def test_a_zip_that_leads_outside_is_refused(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    for name in ("/absolute", "../outside", "yes/../../outside", "C:outside"):
        with case(name):
            refuse(zipped(tmp_path / "archive", {"good.wav": b"sound", name: b"bad"}), "leads outside")


def test_a_zip_with_links_or_devices_is_refused(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO):
        with case(oct(kind)):
            member = zipfile.ZipInfo("link")
            member.external_attr = (kind | 0o777) << 16
            refuse(zipped(tmp_path / "archive", {"good.wav": b"sound", member: b"/etc/passwd"}), "a link, a device")


def test_a_bomb_is_refused(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    path, content = tmp_path / "archive", bytes(LIMIT + 1)
    for kind in ("zip", "tar"):
        with case(kind):
            bomb = zipped(path, {"big": content}) if kind == "zip" else tar(path, entry("big"), content=content)
            assert bomb.stat().st_size < 10_000
            refuse(bomb, "more than 1,000,000 bytes")


def test_a_zip_that_declares_a_wrong_file_size_is_refused(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    for size, declared in ((LIMIT + 1, 1_000), (500_000, 900_000)):
        with case(size, declared):
            path = zipped(tmp_path / "archive", {"big": bytes(size)})
            path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), declared.to_bytes(4, "little")))
            refuse(path, "damaged")


def test_a_huge_header_does_not_fill_the_memory(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    member = entry("good.wav")
    member.pax_headers = {"comment": "x" * 3_000_000}
    refuse(tar(tmp_path / "archive", entry("first.wav"), member), "a header of more than")


def test_a_sparse_file_is_refused(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    # In the old GNU format: a regular file of a terabyte, of which no byte is stored.
    header = bytearray(entry("holes").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"17777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
    (tmp_path / "archive").write_bytes(gzip.compress(bytes(header) + bytes(10_240)))
    refuse(tmp_path / "archive", "not a regular file")


def test_too_many_files_are_refused(
    refuse: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_ENTRIES", 50)
    refuse(tar(tmp_path / "archive", *(entry(str(number)) for number in range(51))), "more than 50 files and folders")


def test_every_kind_of_damage_is_found(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    path = tmp_path / "archive"
    for kind in ("tar", "zip"):
        (zipped(path, {"noise": NOISE}) if kind == "zip" else tar(path, entry("noise"), content=NOISE))
        intact = path.read_bytes()
        middle = len(intact) // 2
        flipped = intact[:middle] + bytes([intact[middle] ^ 1]) + intact[middle + 1 :]
        for damage, content in {
            "empty": b"", "a web page": b"<html>not found</html>", "cut off": intact[:middle], "one bit": flipped,
        }.items():  # fmt: skip
            with case(kind, damage):
                path.write_bytes(content)
                refuse(path, "damaged or not an archive")


def test_a_zip_with_a_password_is_refused(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    path = zipped(tmp_path / "archive", {"noise": NOISE})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    refuse(path, "password")


def test_an_existing_folder_is_left_as_it_is(tmp_path: Path) -> None:
    path = tar(tmp_path / "archive", entry("good.wav"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    with pytest.raises(StorageError, match="File exists"):
        unpack(path, tmp_path / "mine", LIMIT, lambda done, total: None)
    assert everything(tmp_path / "mine") == {"file": b"mine"}


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
        (OSError(28, "No space left on device"), StorageError, "No space left on device; free space"),
    ],
)
def test_what_was_unpacked_is_removed_if_unpacking_fails(
    error: BaseException, expected: type[BaseException], message: str, tmp_path: Path
) -> None:
    path = tar(tmp_path / "archive", entry("1.wav"), entry("2.wav"), content=NOISE)

    def fail(done: int, total: int) -> None:
        if (tmp_path / "new" / "2.wav").exists():
            raise error

    with pytest.raises(expected, match=message):
        unpack(path, tmp_path / "new", LIMIT, fail)
    assert [item.name for item in tmp_path.iterdir()] == ["archive"]


def test_a_zip_with_a_file_without_a_name_is_refused(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    path = zipped(tmp_path / "archive", {"good.wav": b"sound", "x": b"nameless"})
    content = path.read_bytes()
    # In both headers of the file the name gets length 0, and the x becomes the extra field that follows.
    for place in (content.index(b"x", content.index(b"PK\x03\x04", 1)), content.rindex(b"x")):
        start = place - (30 if content[place - 30 : place - 28] == b"PK" else 46)
        lengths = start + (26 if place - start == 30 else 28)
        content = content[:lengths] + struct.pack("<HH", 0, 1) + content[lengths + 4 :]
    path.write_bytes(content)
    refuse(path, "a file without a name")


def directory(count: int, name: bytes = b"x") -> bytes:
    """Return a zip archive that is only a table of contents."""
    entries = count * (struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *[0] * 11, len(name), *[0] * 6) + name)
    return entries + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entries), 0, 0)


def test_the_table_of_contents_of_a_zip_is_bounded_before_it_is_read(
    refuse: Callable[[Path, str], None], tmp_path: Path
) -> None:
    # The archive claims to have one file; 47 bytes an entry.
    (tmp_path / "archive").write_bytes(directory(400_000))
    refuse(tmp_path / "archive", "a table of contents of more than 16,777,216 bytes")
    with little_memory(2_000_000), pytest.raises(DownloadError):
        unpack(tmp_path / "archive", tmp_path / "new", LIMIT, lambda done, total: None)


def test_headers_of_a_tar_take_little_memory_whatever_their_number(tmp_path: Path) -> None:
    for kind, everywhere in {"for one file": False, "for all that follow": True}.items():
        with tarfile.open(tmp_path / "archive", "w:gz", format=tarfile.PAX_FORMAT) as packed:
            for number in range(20):
                records = {f"key{number}.{part}": "x" for part in range(1_500)}
                member = entry(f"{number}.wav")
                if everywhere:
                    packed.fileobj.write(tarfile.TarInfo.create_pax_global_header(records))
                else:
                    member.pax_headers = records
                packed.addfile(member)
        with case(kind):
            with little_memory(2_500_000):
                unpack(tmp_path / "archive", tmp_path / "new", LIMIT, lambda done, total: None)
            assert len(everything(tmp_path / "new")) == 20
            archive.remove(tmp_path / "new")


def test_names_that_could_not_be_removed_or_created_are_refused(
    refuse: Callable[[Path, str], None], tmp_path: Path
) -> None:
    for name, reason in (
        ("a/" * 1_200 + "x.wav", "more than 16 folders deep"),
        ("a/" * 16 + "x.wav", "more than 16 folders deep"),
        ("yes/" + "x" * 256, "a name of more than 255 bytes"),
        ("ü" * 128 + "/1.wav", "a name of more than 255 bytes"),
    ):
        for kind in ("tar", "zip"):
            with case(kind, name[:20]):
                path = tmp_path / "archive"
                refuse(zipped(path, {name: b""}) if kind == "zip" else tar(path, entry(name)), reason)


def test_folders_count_as_entries(
    refuse: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_ENTRIES", 50)
    names = [f"{number}/b/c/d/e/f.wav" for number in range(10)]
    refuse(tar(tmp_path / "archive", *map(entry, names)), "more than 50 files and folders")


def test_every_compression_of_a_zip_is_checked_and_takes_little_memory(
    refuse: Callable[[Path, str], None], tmp_path: Path
) -> None:
    path = tmp_path / "archive"
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        with case(method):
            with zipfile.ZipFile(path, "w", method) as packed:
                for name, content in FILES.items():
                    packed.writestr(name, content)
            unpack(path, tmp_path / "new", LIMIT, lambda done, total: None)
            assert everything(tmp_path / "new") == FILES
            archive.remove(tmp_path / "new")
            content = path.read_bytes()
            for place in range(5):
                spot = content.index(b"3.wav") + 10 + 20_000 * place
                path.write_bytes(content[:spot] + bytes([content[spot] ^ 8]) + content[spot + 1 :])
                refuse(path, "damaged or not an archive")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("x.wav", b"x")
    refuse(path, "compressed by a rare method")
    # 45 bytes of bzip2 stand for 45 MB; the declared size is that of a small file.
    bomb = bz2.compress(bytes(100_000_000))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("x.wav", bomb)
    content = bytearray(path.read_bytes())
    for start, offset in ((0, 8), (content.rindex(b"PK\1\2"), 10)):
        content[start + offset : start + offset + 2] = struct.pack("<H", zipfile.ZIP_BZIP2)
        content[start + offset + 14 : start + offset + 18] = struct.pack("<L", 1_000)
    path.write_bytes(content)
    with little_memory(8_000_000):
        refuse(path, "is not as long as declared")


def test_a_position_before_the_start_of_the_file_is_damage(refuse: Callable[[Path, str], None], tmp_path: Path) -> None:
    path = zipped(tmp_path / "archive", {"noise": NOISE})
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\1\2")
    for offset in (2**31, 2**32 - 1):
        with case(offset):
            content[start + 42 : start + 46] = struct.pack("<L", offset)
            path.write_bytes(content)
            refuse(path, "damaged or not an archive")


def test_a_tree_of_any_depth_is_removed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    # More than Python's limit of recursion, made from the inside out.
    for _ in range(1_100):
        (tmp_path / "outer").mkdir()
        (tmp_path / "deep").rename(tmp_path / "outer" / "a")
        (tmp_path / "outer").rename(tmp_path / "deep")
    (tmp_path / "deep" / "file").write_text("x")
    (tmp_path / "outside").write_text("x")
    (tmp_path / "deep" / "link").symlink_to(tmp_path)
    archive.remove(tmp_path / "deep")
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
