"""Preparing a training: the labels are chosen, and everything that is wrong with the data is reported."""

import dataclasses
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.config import SILENCE, UNKNOWN, Settings
from sayso.corpus.corpus import files_below, scan
from sayso.corpus.splits import official_split
from sayso.errors import CorpusError, SettingsError
from sayso.training.preparation import Prepared, choose_labels, prepare

TRAINING = [name for name in map(str, range(60)) if official_split(name) == "training"]
TESTING = [name for name in map(str, range(99)) if official_split(name) == "testing"]
VALIDATION = [name for name in map(str, range(99)) if official_split(name) == "validation"]


def write(path: Path, word: str = "yes") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No two recordings are the same.
    seed = zlib.crc32(f"{path.parent.name}/{path.name}".encode())
    soundfile.write(path, sounds.clip(word, seed), sounds.RATE)
    return path


def corpus(root: Path, noise: bool = True, **speakers: list[str]) -> Path:
    """Write a clip of each word by each of its speakers."""
    for word, names in speakers.items():
        for name in names:
            write(root / word / f"{name}_nohash_0.wav")
    if noise:
        write(root / "_background_noise_" / "hum.wav")
    return root


def prepared_from(
    root: Path, settings: Settings, *words: str, noise: Path | None = None, negatives: Path | None = None
) -> Prepared:
    return prepare(scan(root), settings, words, files_below(noise), files_below(negatives))


# Three speakers for training, one for validation and one for testing.
BOTH = [*TRAINING[:3], VALIDATION[0], TESTING[0]]


def test_without_words_every_word_is_a_label(tiny_corpus: Path, tiny_settings: Settings) -> None:
    prepared = prepared_from(tiny_corpus, tiny_settings)
    assert prepared.training.data.labels == ("no", "up", "yes", "zero", SILENCE)
    assert prepared.skipped == ()
    assert prepared.warnings == (
        "no other words to learn as unknown speech: the model will recognise any sound as one of its words",
    )
    assert np.bincount(prepared.training.validation.labels).tolist() == [4] * 5


def test_requested_words_keep_their_order_and_the_others_are_unknown(
    tiny_corpus: Path, tiny_settings: Settings
) -> None:
    prepared = prepared_from(tiny_corpus, tiny_settings, "up", "no")
    assert prepared.training.data.labels == ("up", "no", UNKNOWN, SILENCE)
    assert prepared.warnings == ()
    data = prepared.training.provenance
    assert data["clips"]["training"] == {"no": 16, "up": 16, UNKNOWN: 32}
    assert data["noises"] == 2 + 3
    assert data["corpus"] == tiny_corpus.name


def test_one_word_and_others_are_enough(tiny_corpus: Path, tiny_settings: Settings) -> None:
    assert prepared_from(tiny_corpus, tiny_settings, "up").training.data.labels == ("up", UNKNOWN, SILENCE)


def test_labels_follow_from_the_corpus(tmp_path: Path) -> None:
    plain = scan(corpus(tmp_path / "plain", noise=False, yes=["a"], no=["b"]))
    assert choose_labels(plain, [], has_noise=False) == ("no", "yes")
    assert choose_labels(plain, ["yes"], has_noise=False) == ("yes", UNKNOWN)
    assert choose_labels(plain, ["yes"], has_noise=True) == ("yes", UNKNOWN, SILENCE)
    unknown = scan(corpus(tmp_path / "unknown", noise=False, yes=["a"], **{UNKNOWN: ["b"]}))
    assert choose_labels(unknown, [], has_noise=False) == ("yes", UNKNOWN)
    assert choose_labels(unknown, ["yes"], has_noise=False) == ("yes", UNKNOWN)
    silent = scan(corpus(tmp_path / "silent", noise=False, yes=["a"], no=["b"], **{SILENCE: ["c"]}))
    assert choose_labels(silent, [], has_noise=False) == ("no", "yes", SILENCE)


def test_a_word_that_is_not_in_the_corpus_is_refused(tiny_corpus: Path, tiny_settings: Settings) -> None:
    for word in ("maybe", UNKNOWN, SILENCE, ""):
        with case(word), pytest.raises(SettingsError, match=f"has no word '{word}'; it has no, up, yes, zero"):
            prepared_from(tiny_corpus, tiny_settings, "yes", word)


def test_a_word_asked_for_twice_is_refused(tiny_corpus: Path, tiny_settings: Settings) -> None:
    with pytest.raises(SettingsError, match="'yes' is asked for twice; name each word once"):
        prepared_from(tiny_corpus, tiny_settings, "yes", "no", "yes")


def test_a_single_word_is_refused(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path, yes=BOTH)
    with pytest.raises(CorpusError, match="only one word, 'yes'; expected at least one other to distinguish it from"):
        prepared_from(root, tiny_settings)


def test_a_corpus_with_only_unknown_speech_is_refused(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path, **{UNKNOWN: BOTH})
    with pytest.raises(CorpusError, match="only one word"):
        prepared_from(root, tiny_settings)


def test_a_word_with_one_clip_is_refused(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path, yes=BOTH, no=TRAINING[:1])
    with pytest.raises(CorpusError, match=r"the word 'no' has 1 usable clip\(s\).*; expected at least 2"):
        prepared_from(root, tiny_settings)


def test_a_word_with_only_damaged_files_is_refused(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path, yes=BOTH, no=BOTH)
    for path in (root / "no").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(CorpusError, match=r"the word 'no' has 0 usable clip\(s\)"):
        prepared_from(root, tiny_settings)


def test_a_word_without_training_clips_is_refused(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path, yes=BOTH, no=VALIDATION[:2])
    (root / "validation_list.txt").write_text("".join(f"no/{name}_nohash_0.wav\n" for name in VALIDATION[:2]))
    with pytest.raises(CorpusError, match="no training clip of 'no': all its speakers are in validation"):
        prepared_from(root, tiny_settings)


def test_a_corpus_without_validation_clips_is_refused(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path, yes=TRAINING[:3], no=TRAINING[:3])
    (root / "validation_list.txt").touch()
    with pytest.raises(CorpusError, match="no clip is left for validation; add recordings of more speakers"):
        prepared_from(root, tiny_settings)


def test_a_test_archive_is_refused(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path, yes=BOTH, **{UNKNOWN: BOTH, SILENCE: BOTH})
    with pytest.raises(CorpusError, match=r"the word 'yes' has 0 usable clip\(s\)"):
        prepared_from(root, tiny_settings)


def test_a_word_without_validation_clips_gives_a_warning(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path, yes=BOTH, no=TRAINING[:2], up=BOTH)
    prepared = prepared_from(root, tiny_settings, "yes", "no")
    assert [warning.split(",")[0] for warning in prepared.warnings] == [
        "2 of 12 clips are of words that have too few speakers (no)",
        "no validation clip of 'no': its accuracy is not known",
    ]


def test_missing_noise_gives_a_warning(tmp_path: Path, tiny_settings: Settings) -> None:
    prepared = prepared_from(corpus(tmp_path, noise=False, yes=BOTH, no=BOTH, up=BOTH), tiny_settings, "yes", "no")
    assert prepared.training.data.labels == ("yes", "no", UNKNOWN)
    assert len(prepared.warnings) == 1
    assert "no background noise" in prepared.warnings[0]
    rows = [next(prepared.training.epochs())]
    assert np.isfinite(rows[0].loss)


def test_noise_can_come_from_another_folder_or_file(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path / "corpus", noise=False, yes=BOTH, no=BOTH)
    folder = tmp_path / "noise"
    files = [write(folder / "b.wav"), write(folder / "deep" / "a.wav")]
    for place, count in ((folder, 2), (files[1], 1)):
        prepared = prepared_from(root, tiny_settings, noise=place)
        assert prepared.training.data.labels == ("no", "yes", SILENCE)
        # White, pink and brown noise join those that were recorded.
        assert prepared.training.provenance["noises"] == count + 3
        assert not any("background noise" in warning for warning in prepared.warnings)


def talk(path: Path, seconds: int, word: str = "zero") -> Path:
    """Write a recording in which the same word is spoken once per second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.concatenate([sounds.clip(word, seed) for seed in range(seconds)]), sounds.RATE)
    return path


def test_negatives_are_used_only_for_training_as_unknown_speech(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path / "corpus", yes=BOTH, no=BOTH)
    talk(tmp_path / "talk" / "a.wav", 3)
    talk(tmp_path / "talk" / "deep" / "b.wav", 2)
    prepared = prepared_from(root, tiny_settings, negatives=tmp_path / "talk")
    training = prepared.training
    assert training.data.labels == ("no", "yes", UNKNOWN, SILENCE)
    assert prepared.warnings == ()
    assert training.provenance["clips"] == {
        "training": {"no": 3, "yes": 3, UNKNOWN: 5 + 3}, "validation": {"no": 1, "yes": 1}
    }  # fmt: skip
    # No validation clip is unknown.
    assert np.bincount(training.validation.labels, minlength=4).tolist() == [1, 1, 0, 1]
    row = next(training.epochs())
    assert np.isfinite(row.loss)
    assert 0 <= row.validation_accuracy <= 1


def test_negatives_add_to_the_other_words_of_the_corpus(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path / "corpus", yes=BOTH, no=BOTH, up=BOTH, **{UNKNOWN: BOTH})
    training = prepared_from(root, tiny_settings, "yes", "no", negatives=talk(tmp_path / "talk.wav", 4)).training
    assert training.data.labels == ("yes", "no", UNKNOWN, SILENCE)
    assert training.provenance["clips"]["training"] == {"yes": 3, "no": 3, UNKNOWN: 3 + 3 + 7}
    assert training.provenance["clips"]["validation"] == {"yes": 1, "no": 1, UNKNOWN: 2}


def test_one_word_and_negatives_are_enough(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path / "corpus", noise=False, yes=BOTH)
    training = prepared_from(root, tiny_settings, negatives=talk(tmp_path / "talk.wav", 2)).training
    assert training.data.labels == ("yes", UNKNOWN)


def test_bad_negatives_are_reported_and_the_others_used(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path / "corpus", yes=BOTH, no=BOTH)
    good, bad = talk(tmp_path / "talk" / "good.wav", 2), tmp_path / "talk" / "bad.wav"
    bad.write_text("nothing to hear")
    prepared = prepared_from(root, tiny_settings, negatives=good.parent)
    assert [(skipped.path, "not a sound file" in skipped.reason) for skipped in prepared.skipped] == [(bad, True)]
    assert prepared.training.provenance["clips"]["training"][UNKNOWN] == 3
    good.unlink()
    with pytest.raises(CorpusError, match=r"none of the 1 files .* the first: .*not a sound file"):
        prepared_from(root, tiny_settings, negatives=bad.parent)


def test_negatives_add_the_label_unknown(tmp_path: Path) -> None:
    plain = scan(corpus(tmp_path, noise=False, yes=["a"], no=["b"]))
    assert choose_labels(plain, [], has_noise=False, has_negatives=True) == ("no", "yes", UNKNOWN)
    assert choose_labels(plain, ["no"], has_noise=True, has_negatives=True) == ("no", UNKNOWN, SILENCE)


def test_the_digest_depends_on_the_negatives(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path / "corpus", yes=BOTH, no=BOTH, up=BOTH)
    paths = {
        "none": None,
        "two": talk(tmp_path / "2" / "talk.wav", 2),
        "copy": talk(tmp_path / "copy" / "talk.wav", 2),
        "three": talk(tmp_path / "3" / "talk.wav", 3),
        "other": talk(tmp_path / "other" / "talk.wav", 2, "no"),
    }
    digests = {
        name: prepared_from(root, tiny_settings, "yes", "no", negatives=path).training.provenance["sha256"]
        for name, path in paths.items()
    }
    assert digests.pop("copy") == digests["two"]
    assert len(set(digests.values())) == 4


def test_all_skipped_files_are_reported(tmp_path: Path, tiny_settings: Settings) -> None:
    root = corpus(tmp_path, yes=BOTH, no=BOTH)
    bad = {
        root / "yes" / "text.txt": "not an audio file",
        root / "yes" / f"{TRAINING[4]}_nohash_0.wav": "not a sound file",
        root / "no" / f"{VALIDATION[1]}_nohash_0.wav": "not a sound file",
        root / "_background_noise_" / "bad.wav": "not a sound file",
    }
    for path in bad:
        path.write_text("nothing to hear")
    prepared = prepared_from(root, tiny_settings)
    assert {skipped.path for skipped in prepared.skipped} == set(bad)
    for skipped in prepared.skipped:
        assert bad[skipped.path] in skipped.reason


def test_warnings_about_the_corpus_are_passed_on(tmp_path: Path, tiny_settings: Settings) -> None:
    for word in ("yes", "no"):
        for number in range(4):
            write(tmp_path / word / f"{number}.wav")
    assert any("same voice" in warning for warning in prepared_from(tmp_path, tiny_settings).warnings)


def test_the_digest_depends_on_sounds_and_words(tmp_path: Path, tiny_settings: Settings) -> None:
    def digest(root: Path) -> str:
        return str(prepared_from(root, tiny_settings).training.provenance["sha256"])

    root = corpus(tmp_path / "one", yes=BOTH, no=BOTH)
    copied = shutil.copytree(root, tmp_path / "two")
    assert digest(copied) == digest(root)
    # The same name with another sound.
    write(copied / "yes" / f"{BOTH[0]}_nohash_0.wav", "zero")
    assert digest(copied) != digest(root)
    # The same sounds with another word; the order and the names of the files stay the same.
    renamed = shutil.copytree(root, tmp_path / "three")
    shutil.move(renamed / "yes", renamed / "yep")
    assert digest(renamed) != digest(root)


def test_the_length_of_a_clip_follows_the_settings(tiny_corpus: Path, tiny_settings: Settings) -> None:
    longer = dataclasses.replace(tiny_settings, features=dataclasses.replace(tiny_settings.features, clip=1.5))
    training = prepared_from(tiny_corpus, longer).training
    assert training.network.input_shape == (longer.features.frames, longer.features.width)
    assert training.validation.windows.shape[1] == 24_000
