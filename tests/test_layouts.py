"""The layouts that people have: used where they can mean one thing only, else named with the option that decides."""

import unicodedata
from pathlib import Path

import pytest

from cases import case
from sayso.corpus.corpus import Corpus, scan
from sayso.errors import CorpusError, SaysoError
from test_corpus import add, reasons


def words(corpus: Corpus) -> dict[str, set[str | None]]:
    """The speakers of each word."""
    found: dict[str, set[str | None]] = {}
    for clip in corpus.clips:
        found.setdefault(clip.word, set()).add(clip.speaker)
    return found


def test_folders_of_speakers_are_told_from_folders_of_words(tmp_path: Path) -> None:
    plain = {"lamp": {"anna", "ben", "cleo"}, "music": {"anna", "ben", "cleo"}}
    numbered = {"lamp": {"speaker1", "speaker2"}, "music": {"speaker1", "speaker2"}}
    known = {"yes": {"anna", "ben"}, "stop": {"anna", "ben"}}
    for name, expected, order, option in (
        ("numbers outside", numbered, "{speaker}/{word}", None),
        ("numbers inside", numbered, "{word}/{speaker}", None),
        ("known words inside", known, "{speaker}/{word}", None),
        ("known words outside", known, "{word}/{speaker}", None),
        ("said outside", plain, "{speaker}/{word}", "speaker/word"),
        ("said inside", plain, "{word}/{speaker}", "word/speaker"),
        ("one word, as for teaching", {"lamp": {"anna", "ben"}}, "{word}/{speaker}", "word/speaker"),
        ("others for each word", {"lamp": {"anna", "ben"}, "music": {"eve", "otto"}}, "{word}/{speaker}", None),
    ):
        with case(name):
            root = tmp_path / name
            for word, speakers in expected.items():
                for speaker in speakers:
                    add(root, f"{order.format(word=word, speaker=speaker)}/take 1.wav")
            corpus = scan(root, layout=option)
            assert words(corpus) == expected
            assert corpus.skipped == ()
            assert bool(corpus.notes) == (option is None)


def test_an_ambiguous_layout_names_the_option_that_decides(tmp_path: Path) -> None:
    add(tmp_path / "two", "anna/lamp/1.wav", "anna/music/1.wav", "ben/lamp/1.wav", "ben/music/1.wav")
    with pytest.raises(CorpusError, match=r"add --layout word/speaker; if it is a speaker, add --layout speaker/word"):
        scan(tmp_path / "two")
    add(tmp_path / "one", "recordings/lamp/1.wav", "recordings/music/1.wav")
    with pytest.raises(CorpusError, match=r"if these are the words, give .*one/recordings; .* --layout word/speaker"):
        scan(tmp_path / "one")
    with pytest.raises(SaysoError, match=r"the layout is 'word'; expected word/speaker or speaker/word"):
        scan(tmp_path / "one", layout="word")  # type: ignore[arg-type]


def test_recordings_that_lie_too_deep_are_named_with_what_helps(tmp_path: Path) -> None:
    add(tmp_path, "data/audio/lamp/1.wav", "data/audio/music/1.wav")
    with pytest.raises(CorpusError, match=r"give the folder that holds the word folders, .*data/audio") as caught:
        scan(tmp_path)
    assert "is deeper than" in "".join(caught.value.__notes__)


def test_folders_named_after_splits_give_the_splits(tmp_path: Path) -> None:
    for train, test, validation in (("train", "test", None), ("Training", "eval", "dev"), ("trn", "testing", "valid")):
        with case(train, test, validation):
            root = tmp_path / train
            add(root, *(f"{train}/{word}/{n}.wav" for word in ("lamp", "music") for n in range(10)))
            add(
                root,
                f"{test}/lamp/x.wav",
                f"{test}/music/x.wav",
                "_background_noise_/hum.wav",
                f"{train}/_noise_/a.wav",
            )
            if validation:
                add(root, f"{validation}/lamp/v.wav")
            corpus = scan(root)
            assert [clip.path.name for clip in corpus.by_split("testing")] == ["x.wav", "x.wav"]
            judged = corpus.by_split("validation")
            # Without a folder for it, a tenth of each word is taken from training.
            assert len(judged) == (1 if validation else 2)
            assert {clip.word for clip in judged} == ({"lamp"} if validation else {"lamp", "music"})
            assert len(corpus.by_split("training")) == (20 if validation else 18)
            assert corpus.noises
            assert "are taken for splits" in corpus.notes[0]
            assert reasons(corpus) == {f"{train}/_noise_": "a folder whose name starts with _ is not a word"}


def test_a_training_folder_alone_leaves_the_splits_open(tmp_path: Path) -> None:
    corpus = scan(add(tmp_path, *(f"train/{word}/{n}.wav" for word in ("lamp", "music") for n in range(10))))
    assert [len(corpus.by_split(split)) for split in ("training", "validation", "testing")] == [16, 2, 2]


def test_words_may_be_called_like_a_split(tmp_path: Path) -> None:
    corpus = scan(add(tmp_path, "test/1.wav", "train/1.wav", "dev/1.wav"))
    assert corpus.words == ("dev", "test", "train")


def test_speakers_on_both_sides_of_a_given_split_are_warned_of(tmp_path: Path) -> None:
    add(tmp_path, *(f"train/lamp/{name}_nohash_{n}.wav" for name in ("a", "b", "c") for n in range(2)))
    add(tmp_path, "test/lamp/b_nohash_2.wav")
    assert "1 speakers are in training and in testing as well, such as b" in scan(tmp_path).warnings[0]


def test_common_voice_gives_words_speakers_and_splits(tmp_path: Path) -> None:
    header = "client_id\tpath\tsentence_id\tsentence\tup_votes\n"
    rows = {
        "train": [
            "ann\tc_1.mp3\tx\tYes.\t2", 'ann\tc_2.mp3\tx\t"no\t2', "bob\tc_3.mp3\tx\tyes\t2", "bob\tgone.mp3\tx\tno\t2",
        ],
        "dev": ["eve\tc_4.mp3\tx\tno\t2"],
        "test": ["joe\tc_5\tx\tyes\t2"],
        "validated": ["ann\tc_1.mp3\tx\tyes\t2"],
    }  # fmt: skip
    add(tmp_path, *(f"clips/c_{number}.mp3" for number in range(1, 7)))
    for name, lines in rows.items():
        (tmp_path / f"{name}.tsv").write_text(header + "\n".join(lines))
    corpus = scan(tmp_path)
    assert [(clip.word, clip.path.name, clip.speaker, clip.split) for clip in corpus.clips] == [
        ("no", "c_2.mp3", "ann", "training"),
        ("no", "c_4.mp3", "eve", "validation"),
        ("yes", "c_1.mp3", "ann", "training"),
        ("yes", "c_3.mp3", "bob", "training"),
        ("yes", "c_5.mp3", "joe", "testing"),
    ]
    assert reasons(corpus) == {
        "gone.mp3": "is named in row 5 of train.tsv, but is not there",
        "clips/c_6.mp3": "is named in no table",
    }
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.tsv").unlink()
    corpus = scan(tmp_path)
    assert [(clip.word, clip.speaker) for clip in corpus.clips] == [("yes", "ann")]


def test_tables_of_many_kinds_are_read(tmp_path: Path) -> None:
    add(tmp_path / "a", "audio/1.wav", "audio/2.wav", "deep/er/3.wav")
    for name, text in (
        ("path and word", "path,word\naudio/1.wav,lamp\naudio/2.wav,lamp\ndeep/er/3.wav,music\n"),
        ("as Excel writes it", "\ufeffFile Name;Label\r\naudio\\1.wav;lamp\r\naudio\\2.wav;lamp\r\n3.wav;music\r\n"),
        ("without a header", "audio/1.wav,lamp\naudio/2.wav,lamp\ndeep/er/3.wav,music\n"),
        ("words first", "class,speaker_id,filename\nlamp,x,1.wav\nlamp,x,2.wav\nmusic,y,3.wav\n"),
        ("with doubles", "file,label\n1.wav,lamp\n1.wav,lamp\n2.wav,lamp\n3.wav,music\n3.wav,lamp\n,\n"),
    ):
        with case(name):
            table = tmp_path / "a" / "list.csv"
            table.write_text(text, newline="")
            for place in (table, table.parent):
                corpus = scan(place)
                found = [(clip.word, clip.path.name) for clip in corpus.clips]
                assert found == [("lamp", "1.wav"), ("lamp", "2.wav"), ("music", "3.wav")]
                assert "taken from list.csv" in corpus.notes[0]


def test_a_table_that_repeats_the_folders_leaves_them_in_force(tmp_path: Path) -> None:
    add(tmp_path, "lamp/1.wav", "lamp/2.wav", "music/1.wav")
    (tmp_path / "list.csv").write_text("path,label\nlamp/1.wav,lamp\n")
    corpus = scan(tmp_path)
    assert len(corpus.clips) == 3
    assert "to use the table, give" in corpus.notes[0]
    assert len(scan(tmp_path / "list.csv").clips) == 1


def test_tables_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    add(tmp_path, "audio/1.wav")
    for text, message in (
        (b"", "no columns of paths and words"),
        (b"name,colour\n1.wav,red\n", "no columns of paths and words"),
        (b"path,word\nnowhere.wav,lamp\n", "holds no usable recording"),
        ("path,word\nä.wav,lamp\n".encode("latin-1"), "save it as UTF-8"),
        (b"path,word\n" + b"x" * 200_000 + b",lamp\n", "cannot read|holds no usable recording"),
        (b'path,word\n"audio/1.wav,lamp\n', "holds no usable recording"),
    ):
        with case(text[:40]):
            (tmp_path / "list.csv").write_bytes(text)
            with pytest.raises(CorpusError, match=message):
                scan(tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text("path,word\naudio/1.wav,lamp\n")
    (tmp_path / "other.csv").write_text("path,word\naudio/1.wav,music\n")
    with pytest.raises(CorpusError, match=r"several tables of recordings \(list\.csv, other\.csv\); give one"):
        scan(tmp_path)


def test_words_are_composed_and_equal_ones_are_one(tmp_path: Path) -> None:
    for word in ("später", "été", "한국", "café"):
        with case(word):
            root = tmp_path / unicodedata.normalize("NFC", word)
            composed, decomposed = (unicodedata.normalize(form, word) for form in ("NFC", "NFD"))
            add(root, f"{decomposed}/1.wav", "other/1.wav")
            assert scan(root).words == tuple(sorted([composed, "other"]))
            add(root, f"{composed}/1.wav", f"{composed}/2.wav")
            corpus = scan(root)
            assert [clip.word for clip in corpus.clips].count(composed) == 3
            assert any("in different encodings" in warning for warning in corpus.warnings)
    add(tmp_path / "cased", "Left/1.wav", "left/1.wav")
    assert any("differ in case alone" in warning for warning in scan(tmp_path / "cased").warnings)


def test_split_lists_name_files_in_either_encoding(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "später")
    add(tmp_path, *(f"{decomposed}/{n}.wav" for n in range(4)))
    (tmp_path / "testing_list.txt").write_text("später/1.wav\n", encoding="utf-8")
    corpus = scan(tmp_path)
    assert [clip.path.name for clip in corpus.by_split("testing")] == ["1.wav"]
    assert len(corpus.by_split("validation")) == 1
    assert not any("not usable" in warning for warning in corpus.warnings)
