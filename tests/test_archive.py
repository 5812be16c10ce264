"""Unpacking: good archives are unpacked exactly, and hostile ones leave no trace, inside the folder or outside."""

import gzip
import io
import os
import stat
import struct
import tarfile
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
