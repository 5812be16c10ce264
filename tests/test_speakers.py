"""Speakers: the forms of file names that people use, and splits in which each word has speakers of its own."""

from pathlib import Path

import pytest

from cases import case
from sayso.corpus.corpus import Corpus, scan
from sayso.corpus.splits import official_split
from sayso.errors import SettingsError
from test_corpus import add

SPLITS = ("training", "validation", "testing")


def speakers(corpus: Corpus) -> set[str | None]:
    return {clip.speaker for clip in corpus.clips}


def named(split: str, count: int, start: int = 0) -> list[str]:
    """Return names that the official rule puts into a split."""
    found = [name for name in (f"p{number}" for number in range(start, start + 400)) if official_split(name) == split]
    return found[:count]


def test_usual_forms_of_file_names_name_their_speaker(tmp_path: Path) -> None:
    everybody = ("0001", "0002", "0017"), ("anna", "ben", "cleo"), ("f1", "m2", "m3")
    for names in everybody:
        for form in (
            "{s}_{w}_{n:02}",
            "{s}-{w}-{n}",
            "{w}_{s}_{n}",
            "{s}.{w}.{n}",
            "{s}_{n:03}",
            "{s} {w} {n}",
            "{s}_{w}{n}",
        ):
            with case(names, form):
                root = tmp_path / form.replace("{", "").replace(":", "") / names[0]
                for word in ("lamp", "music on"):
                    spelt = word.replace(" ", "_")
                    add(root, *(f"{word}/{form.format(s=s, w=spelt, n=n)}.wav" for s in names for n in range(2)))
                corpus = scan(root)
                assert speakers(corpus) == set(names)
                assert "3 speakers are taken from file names" in corpus.notes[0]
                assert all(len({clip.split for clip in corpus.clips if clip.speaker == name}) == 1 for name in names)
                assert {clip.split for clip in corpus.clips} == set(SPLITS)


def test_numbers_of_takes_and_names_of_devices_are_no_speakers(tmp_path: Path) -> None:
    for form in ("take_{n}", "{n}", "lamp_{n}", "lamp{n}", "REC 2024-{n}", "{n}_lamp", "lamp ({n})", "Recording ({n})"):
        with case(form):
            root = tmp_path / form
            add(root, *(f"lamp/{form.format(n=n)}.wav" for n in range(6)))
            add(root, *(f"music/{form.replace('lamp', 'music').format(n=n)}.wav" for n in range(10, 16)))
            corpus = scan(root)
            assert speakers(corpus) == {None}
            assert corpus.notes == ()


def test_one_file_that_does_not_fit_leaves_the_form_unused(tmp_path: Path) -> None:
    add(
        tmp_path, *(f"lamp/{name}_lamp_{n}.wav" for name in ("anna", "ben", "cleo") for n in range(3)), "lamp/noise.wav"
    )
    assert speakers(scan(tmp_path)) == {None}


def test_an_expression_names_any_speaker(tmp_path: Path) -> None:
    for expression, path in (
        (r"-by-(\w+)", "{w}/{n}-by-{s}.wav"),
        (r"(?P<speaker>[^/]+)(?=~)", "{w}/{n} x/../{s}~{n}.wav"),
        (r"[a-z]+(?=\d)", "{w}/{s}{n}.wav"),
    ):
        with case(expression):
            root = tmp_path / str(len(expression))
            for word in ("X", "Y"):
                for name in ("anna", "ben", "cleo"):
                    (root / word / "1 x").mkdir(parents=True, exist_ok=True)
                    add(root, path.format(w=word, s=name, n=1))
                (root / word / "1 x").rmdir()
            assert speakers(scan(root, speaker=expression)) == {"anna", "ben", "cleo"}
    with pytest.raises(SettingsError, match=r"finds no speaker in any of 6 paths such as"):
        scan(root, speaker="(nobody)")
    with pytest.raises(SettingsError, match="is no regular expression"):
        scan(root, speaker="(")


def test_each_word_has_speakers_in_every_split(tmp_path: Path) -> None:
    for name, said in {
        "six who would all train": {"lamp": named("training", 6), "music": named("training", 6)},
        "six who would all test": {"lamp": named("testing", 6)},
        "three for each of two words": {"lamp": named("validation", 3), "music": named("testing", 3)},
        "many, and a word of a few": {"lamp": named("training", 60) + named("validation", 9) + named("testing", 9),
                                      "music": named("testing", 4)},
        "words that share a speaker": {"lamp": ["p1", "p2", "p3"], "music": ["p3", "p4", "p5"],
                                       "door": ["p5", "p6", "p1"]},
    }.items():  # fmt: skip
        with case(name):
            root = add(
                tmp_path / name,
                *(f"{word}/{who}_nohash_{n}.wav" for word in said for who in said[word] for n in (0, 1)),
            )
            corpus = scan(root)
            assert corpus.warnings == ()
            for word in said:
                assert {clip.split for clip in corpus.clips if clip.word == word} == set(SPLITS)
            voices = {(clip.speaker, clip.split) for clip in corpus.clips}
            assert len(voices) == len({speaker for speaker, _ in voices})


def test_where_every_word_has_all_splits_the_official_rule_is_unchanged(tmp_path: Path) -> None:
    names = [f"{number:08x}" for number in range(60)]
    corpus = scan(add(tmp_path, *(f"{word}/{name}_nohash_0.wav" for word in ("a", "b") for name in names)))
    assert all(clip.split == official_split(clip.speaker or "") for clip in corpus.clips)


def test_takes_of_one_user_beside_other_recordings_are_in_every_split(tmp_path: Path) -> None:
    for user in ("root", "pi", "me", *named("testing", 1), *named("validation", 1)):
        for others in (["music/x.wav"], ["lamp/x.wav"], ["lamp/1.wav", "lamp/2.wav", "lamp/3.wav"],
                       [f"music/{name}_nohash_0.wav" for name in named("training", 9)]):  # fmt: skip
            with case(user, others):
                root = tmp_path / user / str(len(others)) / others[0][:2]
                add(root, *(f"lamp/{user}_nohash_{n}.wav" for n in range(40)), *others)
                corpus = scan(root)
                counts = [sum(clip.word == "lamp" and clip.split == split for clip in corpus.clips) for split in SPLITS]
                assert counts[0] >= 30
                assert min(counts[1:]) >= 4
                assert "by file name" in corpus.warnings[-1]
