"""Files sorted by word: linked or copied, never over another file and never outside the folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

import sounds
from cases import case
from command_line import Result
from sayso.batch.names import base_name, candidate_names, safe_name, word_folders
from sayso.batch.sorting import sort_into
from sayso.errors import StorageError


def test_files_are_sorted_and_none_is_replaced(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a/x.wav", "b/x.wav", "c/x.wav"))
    for content, path in enumerate((first, second, third)):
        path.parent.mkdir()
        path.write_bytes(bytes([content]))
    folder = tmp_path / "sorted" / "yes"
    places = [sort_into(folder, str(path), copy) for path, copy in ((first, 0), (second, 0), (third, 1))]
    assert [place.name for place in places] == ["x.wav", "x (2).wav", "x (3).wav"]
    assert [place.read_bytes() for place in places] == [b"\0", b"\1", b"\2"]
    assert [place.samefile(path) for place, path in zip(places, (first, second, third), strict=True)] == [1, 1, 0]
    # Again, as after an interruption.
    assert sort_into(folder, str(second)) == places[1]
    assert sort_into(folder, str(third), copy=True) == places[2]
    assert len(list(folder.rglob("*.wav"))) == 3


def test_labels_have_folders_of_their_own_with_their_own_names() -> None:
    same = [
        "yes",
        "नहीं",
        "हाँ",
        "ไม่",
        "இல்லை",
        "não",
        "こんにちは",
        "می‌خواهم",
        "don't",
        "up-down",
        "Ω mega",
        "_unknown_",
        "1",
    ]
    assert word_folders(same) == {label: label for label in same}
    safe = {
        "a/b": "a%2Fb", "a:b": "a%3Ab", "a%2Fb": "a%252Fb", "..": "%2E%2E", ".x": "%2Ex", "x.": "x%2E", "x ": "x%20",
        "con": "con%", "NUL.txt": "NUL.txt%", "lpt1": "lpt1%", "console": "console", "": "%", "a\nb": "a%0Ab",
    }  # fmt: skip
    for label, name in safe.items():
        with case(repr(label)):
            assert safe_name(label) == name
    for labels in (
        ["Go", "go", "GO"], ["é", "e\u0301"], ["straße", "STRASSE"], ["ﬁn", "fin"], ["Go", "go", "go (2)", "GO (2)"],
        ["a/b", "a\\b", "a_b", "a%2Fb"], ["x" * 300, "x" * 299 + "y"], ["語" * 64 + "/", "語" * 64 + "\\"],
        ["🙂" * 64, "🙂" * 63 + "🙃"], ["con", "con%", "CON"],
    ):  # fmt: skip
        with case(labels):
            folders = word_folders(labels).values()
            assert len({name.casefold() for name in folders}) == len(labels)
            assert all(len(os.fsencode(name)) <= 255 for name in folders)


def test_no_word_leads_out_of_the_folder(tmp_path: Path) -> None:
    source = tmp_path / "x.wav"
    source.touch()
    for number, word in enumerate(("..", "../../up", "/etc", "a/b", "", "\x00", "C:\\x")):
        folder = tmp_path / f"sorted {number}"
        with case(repr(word)):
            place = sort_into(folder / safe_name(word), str(source))
            assert place.resolve().parent.parent == folder.resolve()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.wav").touch()
    with pytest.raises(StorageError, match=r"cannot sort .*x.wav into .*: Not a directory; choose another place"):
        sort_into(tmp_path / "x.wav" / "yes", str(tmp_path / "x.wav"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and named pipes")
def test_copies_follow_no_link_and_replace_nothing(tmp_path: Path) -> None:
    source, mine, folder = tmp_path / "x.wav", tmp_path / "mine", tmp_path / "yes"
    source.write_bytes(b"sound")
    mine.write_bytes(b"mine")
    folder.mkdir()
    # Where earlier versions wrote first, and where the copy goes.
    (folder / f".sayso.{os.getpid()}.part").symlink_to(mine)
    (folder / "x.wav").symlink_to(mine)
    (folder / "x (2).wav").symlink_to(tmp_path / "missing")
    (folder / "x (3).wav").mkdir()
    os.mkfifo(folder / "x (4).wav")
    for copy in (True, False):
        with case(copy):
            place = sort_into(folder, str(source), copy)
            assert place.name == "x (5).wav"
            assert place.read_bytes() == b"sound"
            place.unlink()
    assert mine.read_bytes() == b"mine"
    assert not (tmp_path / "missing").exists()


def test_addresses_have_names_too() -> None:
    assert base_name("https://host/a/b%20c.wav?token=1/2") == "b c.wav"
    assert base_name("s3://bucket/..") == "sound"
    assert base_name("https://host/a%00%0Ab%3F.wav") == "a%00%0Ab%3F.wav"


def test_names_that_would_be_too_long_are_shortened(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".wav", "語" * 83 + ".flac", "a." + "b" * 253, os.fsdecode(b"\xff" * 250) + ".wav"):
        for suffix in (None, ".TextGrid"):
            with case(name, suffix):
                candidates = candidate_names(tmp_path, name, suffix)
                found = [next(candidates) for _ in range(11)]
                assert all(len(os.fsencode(path.name)) <= 255 for path in found)
                assert len(set(found)) == 11
                assert all(path.name.endswith(suffix or name[-4:] * (name[-4] == ".")) for path in found)
    long = "x" * 250
    assert next(candidate_names(tmp_path, long + "a.wav", ".TextGrid")) != next(
        candidate_names(tmp_path, long + "b.wav", ".TextGrid")
    )
    assert next(candidate_names(tmp_path, "x.wav")).name == "x.wav"


def test_a_batch_with_the_longest_names_is_sorted_and_labelled(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("1", "2"):
        Path("in", folder).mkdir(parents=True)
        for name in ("é" * 125 + "x.wav", "y" * 251 + ".wav"):
            samples = sounds.stream(["no", "yes"] if folder == "1" else ["yes", "no"])[0]
            soundfile.write(Path("in", folder, name), samples, sounds.RATE)
    options = ["--sort-into", "sorted", "--textgrid", "labels", "--audacity", "labels", "-o", "rows.csv", "--overwrite"]
    for _ in range(2):
        assert sayso("classify", "in", "-m", tiny_model_path, *options).status == 0
        assert sorted(path.name for path in Path("sorted").iterdir()) == ["no", "yes"]
        assert all(len(list(folder.iterdir())) == 4 for folder in Path("sorted").iterdir())
        assert len(list(Path("labels").iterdir())) == 8


def test_what_a_batch_writes_is_no_input_of_it(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(*arguments: object) -> list[str]:
        result = sayso("classify", *arguments, "-m", tiny_model_path, "-o", "in/rows.csv", "--overwrite")
        assert result.status == 0, result
        lines = Path("in/rows.csv").read_text().splitlines()[1:]
        clips = [name for line in lines if (name := line.split(",")[0]) != "in/z long.wav"]
        return clips + ["in/z long.wav"] * (len(lines) - len(clips) == 2)

    monkeypatch.chdir(tmp_path)
    Path("in/deeper").mkdir(parents=True)
    for number, name in enumerate(("in/a.wav", "in/b.wav", "in/deeper/c.wav")):
        soundfile.write(name, sounds.clip("yes", number), sounds.RATE)
    soundfile.write("in/z long.wav", sounds.stream(["no", "up"])[0], sounds.RATE)
    everything = ["in/a.wav", "in/b.wav", "in/deeper/c.wav", "in/z long.wav"]
    for copy in ([], ["--copy"]):
        for places, folder in (
            (["in"], "in/sorted"), (["in"], "in"), (["in"], "in/0/sorted"), (["./in"], Path("in/sorted").absolute()),
            (["in/**/*.wav"], "in/sorted"), (["in"], "elsewhere"), (["in"], "."),
        ):  # fmt: skip
            with case(places, folder, copy):
                for _ in range(2):
                    assert rows(*places, "--sort-into", folder, *copy) == everything
                assert len(list(Path(folder, "yes").glob("*.wav"))) == 3
                for made in Path(folder).glob("*/*.wav"):
                    if made.parent.name in ("yes", "no", "up"):
                        made.unlink()
    # The output and labels, too, match this pattern.
    for _ in range(2):
        found = rows("in/*.*", "--audacity", "in", "--textgrid", "in")
        assert found == ["in/a.wav", "in/b.wav", "in/z long.wav"]
    # What is asked for by name is input, also where another batch has sorted it.
    rows("in", "--sort-into", "sorted", "--copy")
    assert rows("sorted/yes", "--sort-into", "sorted") == ["sorted/yes/a.wav", "sorted/yes/b.wav", "sorted/yes/c.wav"]
    result = sayso("classify", ".", "--sort-into", "sorted", "-m", tiny_model_path)
    assert "sorted is no input, as --sort-into writes there" in result.err
