"""Places of words in running speech: the table is read, and words are cut out of the middle of what is said."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.config import FeatureSettings
from sayso.corpus.places import FEWEST, MOST, Place, cut_words, places_in, read_places
from sayso.errors import CorpusError

FEATURES = FeatureSettings()


def table(folder: Path, *lines: str, header: str = "clip\tstart\tend\tword") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "words.tsv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder


def test_places_belong_to_the_recording_that_the_table_names(tmp_path: Path) -> None:
    folder = table(tmp_path, "a/one\t0.1\t0.4\tyes", "a/one\t0.5\t0.9\tcafe\u0301", "two\t0\t1\tgo")
    places = read_places(folder)
    one, two, other = folder / "a" / "one.wav", folder / "two.flac", folder / "other.wav"
    assert places_in([one, two, other], places) == {
        one: [Place(0.1, 0.4, "yes"), Place(0.5, 0.9, "café")],
        two: [Place(0.0, 1.0, "go")],
    }
    assert not read_places(tmp_path / "nowhere")


def test_a_table_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    for number, (lines, header, expected) in enumerate(
        (
            (("a\t0.1\tx\tyes",), "clip\tstart\tend\tword", "could not convert"),
            (("a\t0.5\t0.1\tyes",), "clip\tstart\tend\tword", "from 0.5 to 0.1"),
            (("a\t0.5\tnan\tyes",), "clip\tstart\tend\tword", "from 0.5 to nan"),
            (("a\t0.5",), "clip\tstart\tend\tword", "expected the columns clip, start, end, word"),
            ((), "clip\tstart\tword", "no column 'end'"),
        )
    ):
        with case(expected), pytest.raises(CorpusError, match=expected):
            read_places(table(tmp_path / str(number), *lines, header=header))
    (tmp_path / "bytes").mkdir()
    (tmp_path / "bytes" / "words.tsv").write_bytes(b"clip\tstart\tend\tword\n\xff\t0\t1\tyes\n")
    with pytest.raises(CorpusError, match="cannot read"):
        read_places(tmp_path / "bytes")


def test_frequent_words_are_cut_out_with_what_surrounds_them(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    sound = sounds.hiss(20 * sounds.RATE, np.random.default_rng(0), 0.1)
    soundfile.write(path, sound, sounds.RATE, subtype="FLOAT")
    starts = np.linspace(0, 19.5, FEWEST)
    places = {
        path: [
            *(Place(start, start + 0.4, "often") for start in starts),
            *(Place(start, start + 0.4, "go") for start in starts),
            *(Place(start, start + 0.05, "short") for start in starts),
            *(Place(start, start + 0.4, "rare") for start in starts[1:]),
        ]
    }
    clips = cut_words(places, FEATURES, ("go",), 1)
    assert [row.word for row in clips.rows] == ["often"] * FEWEST
    for place, window in zip(starts, clips.windows(np.arange(FEWEST)), strict=True):
        middle = round((place + 0.2) * sounds.RATE)
        padded = np.pad(sound, sounds.RATE)[middle + sounds.RATE // 2 : middle + 3 * sounds.RATE // 2]
        np.testing.assert_allclose(window, padded, atol=1e-4)


def test_of_a_very_frequent_word_some_from_everywhere_are_cut_out(tmp_path: Path) -> None:
    paths = []
    for name in "abc":
        paths.append(tmp_path / f"{name}.wav")
        soundfile.write(paths[-1], sounds.hiss(sounds.RATE, np.random.default_rng(0), 0.1), sounds.RATE)
    places = {path: [Place(0.2, 0.6, "the")] * MOST for path in paths}
    clips = cut_words(places, FEATURES, (), 2)
    assert set(Counter(row.path for row in clips.rows).values()) == {MOST // 3}
