"""Scanning a corpus: layouts that users have, what is left out, and splits that share no speaker."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from cases import case
from sayso.corpus.corpus import Corpus, files_below, scan
from sayso.corpus.splits import official_split
from sayso.errors import CorpusError

SOUND = io.BytesIO()
soundfile.write(SOUND, np.full(160, 0.1), 16_000, format="WAV")


def add(root: Path, *names: str) -> Path:
    """Write a short sound file for each name like `yes/anna.wav`."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SOUND.getvalue())
    return root


def reasons(corpus: Corpus) -> dict[str, str]:
    return {skipped.path.relative_to(corpus.root).as_posix(): skipped.reason for skipped in corpus.skipped}


def splits(corpus: Corpus) -> dict[str, str]:
    return {clip.path.relative_to(corpus.root).as_posix(): clip.split for clip in corpus.clips}


def test_words_clips_and_noises_are_found_in_order(tmp_path: Path) -> None:
    add(tmp_path, "yes/b_nohash_1.wav", "yes/a_nohash_0v1.WAV", "no/c.flac", "_background_noise_/hum.wav")
    corpus = scan(tmp_path)
    assert corpus.words == ("no", "yes")
    assert [(clip.word, clip.path.name, clip.speaker) for clip in corpus.clips] == [
        ("no", "c.flac", None),
        ("yes", "a_nohash_0v1.WAV", "a"),
        ("yes", "b_nohash_1.wav", "b"),
    ]
    assert corpus.noises == (tmp_path / "_background_noise_" / "hum.wav",)
    assert corpus.skipped == ()
    assert not corpus.is_test_archive
    assert scan(tmp_path) == corpus


def test_what_is_skipped_is_listed_with_the_reason(tmp_path: Path) -> None:
    add(tmp_path, "yes/a.wav", "yes/deeper/below/b.wav", "_mine_/c.wav", "stray.WAV")
    add(tmp_path, ".hidden/d.wav", "yes/._a.wav", "yes/deeper/.hidden/e.wav", "yes/deeper/._f.wav")
    (tmp_path / "yes" / "deeper" / "notes.txt").write_text("words")
    (tmp_path / "yes" / "empty.wav").touch()
    (tmp_path / "yes" / "notes.txt").write_text("words")
    (tmp_path / "yes" / "away.wav").symlink_to("nowhere.wav")
    (tmp_path / "picture.png").write_bytes(b"png")
    (tmp_path / "none").mkdir()
    for name in ("README.md", "LICENSE", "words.csv", "list.txt", ".DS_Store"):
        (tmp_path / name).write_text("text")
    corpus = scan(tmp_path)
    assert [clip.path.name for clip in corpus.clips] == ["a.wav"]
    assert reasons(corpus) == {
        "_mine_": "a folder whose name starts with _ is not a word",
        "none": "holds no usable sound file",
        "picture.png": "not an audio file",
        "stray.WAV": "is outside the word folders",
        "yes/away.wav": "not a regular file, or a broken link",
        "yes/deeper/below/b.wav": "is deeper than FOLDER/<word>/<file>",
        "yes/deeper/notes.txt": "is deeper than FOLDER/<word>/<file>",
        "yes/empty.wav": "empty (0 bytes)",
        "yes/notes.txt": "not an audio file",
    }


def test_the_noise_folder_may_hold_a_readme(tmp_path: Path) -> None:
    add(tmp_path, "yes/a.wav", "_background_noise_/hum.wav")
    (tmp_path / "_background_noise_" / "README.md").write_text("hum")
    (tmp_path / "_background_noise_" / "empty.wav").touch()
    assert reasons(scan(tmp_path)) == {"_background_noise_/empty.wav": "empty (0 bytes)"}


def test_circular_links_end(tmp_path: Path) -> None:
    add(tmp_path, "yes/a.wav")
    (tmp_path / "yes" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "yes" / "self.wav").symlink_to(tmp_path / "yes" / "self.wav")
    (tmp_path / "again").symlink_to(tmp_path / "again")
    corpus = scan(tmp_path)
    assert [clip.path.name for clip in corpus.clips] == ["a.wav"]
    assert set(reasons(corpus)) == {"again", "yes/up", "yes/self.wav"}


def test_a_linked_word_folder_counts(tmp_path: Path) -> None:
    add(tmp_path / "elsewhere", "yes/a.wav")
    root = add(tmp_path / "corpus", "no/b.wav")
    (root / "yes").symlink_to(tmp_path / "elsewhere" / "yes", target_is_directory=True)
    assert scan(root).words == ("no", "yes")


def test_the_official_rule_gives_the_official_lists() -> None:
    # From the lists of Speech Commands v0.02; some speakers are just beside the limits of 10 and 20.
    for speaker, split in (
        ("0c540988", "testing"),
        ("beb458a4", "testing"),
        ("5f449e17", "testing"),
        ("026290a7", "validation"),
        ("3bdf05d3", "validation"),
        ("00176480", "training"),
        ("2c393fd2", "training"),
    ):
        assert official_split(speaker) == split, speaker


@given(st.text(min_size=1))
def test_every_name_has_a_split(name: str) -> None:
    assert official_split(name) in ("training", "validation", "testing")


def test_the_official_rule_gives_validation_and_testing_a_tenth_each() -> None:
    drawn = [official_split(f"speaker {number}") for number in range(2_000)]
    assert 0.08 < drawn.count("validation") / 2_000 < 0.12
    assert 0.08 < drawn.count("testing") / 2_000 < 0.12


def test_no_speaker_is_in_two_splits(tmp_path: Path) -> None:
    add(tmp_path, *(f"{word}/speaker{n}_nohash_{k}.wav" for word in ("yes", "no") for n in range(40) for k in range(2)))
    corpus = scan(tmp_path)
    pairs = {(clip.speaker, clip.split) for clip in corpus.clips}
    assert len(pairs) == 40
    assert {split for _, split in pairs} == {"training", "validation", "testing"}
    assert corpus.warnings == ()
    assert sum(len(corpus.by_split(split)) for split in ("training", "validation", "testing")) == 160


def test_a_tenth_of_clips_without_speakers_rounded_up_goes_to_each_split(tmp_path: Path) -> None:
    for count, share in ((1, 0), (2, 0), (3, 1), (10, 1), (11, 2), (30, 3)):
        with case(count, "clips"):
            corpus = scan(add(tmp_path / str(count), *(f"yes/take {number}.wav" for number in range(count))))
            assert len(corpus.by_split("validation")) == len(corpus.by_split("testing")) == share
            assert len(corpus.by_split("training")) == count - 2 * share
            assert "same voice" in corpus.warnings[0]


def test_the_split_does_not_follow_the_order_of_the_takes(tmp_path: Path) -> None:
    corpus = scan(add(tmp_path, *(f"yes/{number:02}.wav" for number in range(30))))
    for split in ("validation", "testing"):
        numbers = [int(clip.path.stem) for clip in corpus.by_split(split)]
        assert numbers[-1] - numbers[0] > len(numbers)


def test_the_split_does_not_depend_on_where_the_folder_is(tmp_path: Path) -> None:
    names = [f"yes/take {number}.wav" for number in range(20)]
    assert splits(scan(add(tmp_path / "one", *names))) == splits(scan(add(tmp_path / "two", *names)))


def test_files_with_a_speaker_follow_the_official_rule_in_a_mixed_corpus(tmp_path: Path) -> None:
    named = {"0c540988": "testing", "026290a7": "validation", "00176480": "training"}
    add(tmp_path, *(f"yes/{name}_nohash_0.wav" for name in named), *(f"yes/{number}.wav" for number in range(3)))
    corpus = scan(tmp_path)
    assert {clip.speaker: clip.split for clip in corpus.clips if clip.speaker} == named
    assert [len(corpus.by_split(split)) for split in ("training", "validation", "testing")] == [2, 2, 2]
    assert corpus.warnings[0].startswith("3 of 6 clips do not name their speaker")
    assert "--speaker REGEX" in corpus.warnings[0]


def test_a_few_speakers_are_distributed_so_that_none_is_in_two_splits(tmp_path: Path) -> None:
    # By the official rule all of them would be for training.
    names = [name for name in map("{:08x}".format, range(100)) if official_split(name) == "training"][:4]
    add(
        tmp_path, *(f"{word}/{name}_nohash_{take}.wav" for word in ("yes", "no") for name in names for take in range(3))
    )
    corpus = scan(tmp_path)
    voices = {
        split: {clip.speaker for clip in corpus.by_split(split)} for split in ("training", "validation", "testing")
    }
    assert {split: len(found) for split, found in voices.items()} == {"training": 2, "validation": 1, "testing": 1}
    assert set.union(*voices.values()) == set(names)
    assert not corpus.warnings


def test_the_clips_of_one_speaker_are_split_with_a_warning(tmp_path: Path) -> None:
    add(tmp_path, *(f"{word}/me_nohash_{take}.wav" for word in ("yes", "no") for take in range(5)))
    corpus = scan(tmp_path)
    for word in ("yes", "no"):
        found = sorted(clip.split for clip in corpus.clips if clip.word == word)
        assert found == ["testing", "training", "training", "training", "validation"]
    assert corpus.warnings[0].startswith("10 of 10 clips are by one or two speakers, so they are split by file name")


def test_a_file_name_that_is_not_valid_text_is_kept(tmp_path: Path) -> None:
    add(tmp_path, "yes/a.wav")
    try:
        (tmp_path / "yes" / "a.wav").rename(os.fsdecode(os.fsencode(tmp_path / "yes") + b"/\xff_nohash_0.wav"))
    except OSError:
        pytest.skip("this file system takes only valid text")
    assert scan(tmp_path).clips[0].speaker == "\udcff"


def test_split_lists_take_precedence(tmp_path: Path) -> None:
    add(tmp_path, "yes/0c540988_nohash_0.wav", "yes/b.wav", "yes/c.wav")
    (tmp_path / "validation_list.txt").write_text("yes/b.wav\r\n\r\nno/gone.wav\r\n", newline="")
    (tmp_path / "testing_list.txt").write_text("yes/c.wav\n")
    corpus = scan(tmp_path)
    assert splits(corpus) == {
        "yes/0c540988_nohash_0.wav": "training",
        "yes/b.wav": "validation",
        "yes/c.wav": "testing",
    }
    assert corpus.warnings == ("the split lists name 1 files that are not usable clips, such as no/gone.wav",)


def test_one_list_is_enough_and_a_file_in_both_is_for_testing(tmp_path: Path) -> None:
    add(tmp_path, "yes/a.wav", "yes/b.wav")
    (tmp_path / "testing_list.txt").write_text("yes/a.wav\n")
    assert splits(scan(tmp_path)) == {"yes/a.wav": "testing", "yes/b.wav": "training"}
    (tmp_path / "validation_list.txt").write_text("yes/a.wav\n")
    corpus = scan(tmp_path)
    assert splits(corpus)["yes/a.wav"] == "testing"
    assert "twice" in corpus.warnings[0]


def test_a_list_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    add(tmp_path, "yes/a.wav")
    (tmp_path / "testing_list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorpusError, match=r"cannot read .*testing_list\.txt"):
        scan(tmp_path)


def test_every_clip_of_a_test_archive_is_for_testing(tmp_path: Path) -> None:
    add(tmp_path, "yes/a.wav", "_silence_/1.wav", "_unknown_/bed_0c540988_nohash_0.wav")
    corpus = scan(tmp_path)
    assert corpus.is_test_archive
    assert corpus.words == ("_silence_", "_unknown_", "yes")
    assert {clip.split for clip in corpus.clips} == {"testing"}
    assert corpus.warnings == ()


def test_unknown_without_silence_does_not_make_a_test_archive(tmp_path: Path) -> None:
    corpus = scan(add(tmp_path, "yes/a.wav", "_unknown_/b.wav"))
    assert corpus.words == ("_unknown_", "yes")
    assert not corpus.is_test_archive


def test_folders_that_are_not_a_corpus_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="missing: No such file or directory; expected FOLDER/<word>"):
        scan(tmp_path / "missing")
    with pytest.raises(CorpusError, match="holds no word folders; expected FOLDER/<word>"):
        scan(tmp_path)
    add(tmp_path, "flat/a.wav", "flat/b.wav")
    with pytest.raises(CorpusError, match=r"a\.wav: Not a directory"):
        scan(tmp_path / "flat" / "a.wav")
    with pytest.raises(CorpusError, match="holds 2 sound files but no word folders; move each"):
        scan(tmp_path / "flat")
    (tmp_path / "hollow" / "yes").mkdir(parents=True)
    with pytest.raises(CorpusError, match="hold no usable sound file"):
        scan(tmp_path / "hollow")
    add(tmp_path / "noisy", "_background_noise_/hum.wav")
    with pytest.raises(CorpusError, match="holds no word folders"):
        scan(tmp_path / "noisy")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_folders_without_permission_are_skipped_or_refused(tmp_path: Path) -> None:
    add(tmp_path, "yes/a.wav", "no/b.wav")
    (tmp_path / "no").chmod(0)
    try:
        assert reasons(scan(tmp_path)) == {"no": "cannot be read: Permission denied"}
        tmp_path.chmod(0)
        with pytest.raises(CorpusError, match="Permission denied"):
            scan(tmp_path)
    finally:
        tmp_path.chmod(0o755)
        (tmp_path / "no").chmod(0o755)


def test_a_place_stands_for_all_sound_files_in_it_and_below(tmp_path: Path) -> None:
    add(tmp_path, "b.wav", "deep/er/a.FLAC")
    (tmp_path / "notes.txt").write_text("hum")
    files = [tmp_path / "b.wav", tmp_path / "deep" / "er" / "a.FLAC"]
    assert files_below(tmp_path) == files
    assert files_below(files[1]) == files[1:]
    assert files_below(None) == []


def test_a_place_without_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "notes.txt").write_text("hum")
    for name in ("missing", "empty", "documents"):
        message = rf"no sound in .*{name}: expected a sound file or a folder of them"
        with case(name), pytest.raises(CorpusError, match=message):
            files_below(tmp_path / name)
