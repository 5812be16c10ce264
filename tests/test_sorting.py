"""Files sorted by word: linked or copied, never over another file and never outside the folder."""

from pathlib import Path

import pytest

from cases import case
from sayso.batch.sorting import base_name, sort_into
from sayso.errors import StorageError


def test_files_are_sorted_and_none_is_replaced(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a/x.wav", "b/x.wav", "c/x.wav"))
    for content, path in enumerate((first, second, third)):
        path.parent.mkdir()
        path.write_bytes(bytes([content]))
    folder = tmp_path / "sorted"
    places = [sort_into(folder, "yes", str(path), copy) for path, copy in ((first, 0), (second, 0), (third, 1))]
    assert [place.name for place in places] == ["x.wav", "x (2).wav", "x (3).wav"]
    assert [place.read_bytes() for place in places] == [b"\0", b"\1", b"\2"]
    assert [place.samefile(path) for place, path in zip(places, (first, second, third), strict=True)] == [1, 1, 0]
    # Again, as after an interruption.
    assert sort_into(folder, "yes", str(second)) == places[1]
    assert sort_into(folder, "yes", str(third), copy=True) == places[2]
    assert len(list(folder.rglob("*.wav"))) == 3


def test_no_word_leads_out_of_the_folder(tmp_path: Path) -> None:
    source = tmp_path / "x.wav"
    source.touch()
    for number, word in enumerate(("..", "../../up", "/etc", "a/b", "")):
        folder = tmp_path / f"sorted {number}"
        with case(repr(word)):
            place = sort_into(folder, word, str(source))
            assert place.resolve().parent.parent == folder.resolve()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.wav").touch()
    with pytest.raises(StorageError, match=r"cannot sort .*x.wav into .*: Not a directory; choose another place"):
        sort_into(tmp_path / "x.wav", "yes", str(tmp_path / "x.wav"))


def test_addresses_have_names_too() -> None:
    assert base_name("https://host/a/b%20c.wav?token=1/2") == "b c.wav"
    assert base_name("s3://bucket/..") == "sound"
