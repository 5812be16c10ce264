"""Streams: what they are built from, that their truth matches their sound, and that label files are read or refused."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.config import UNKNOWN
from sayso.corpus.corpus import Clip, scan
from sayso.errors import CorpusError
from sayso.evaluation import streams
from sayso.evaluation.streams import SPEECH_LEVEL, Spoken, StreamMaker, read_labels, recording

LABELS = ("yes", "no", "up", "_unknown_", "_silence_")


def maker(corpus: Path, noises: list[np.ndarray] | None = None, snr: float = 10.0, seed: int = 0) -> StreamMaker:
    return StreamMaker(scan(corpus).by_split("testing"), [], noises or [], snr, LABELS, sounds.RATE, seed)


def decibels(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples))))


def test_the_truth_is_where_the_sound_is(tiny_corpus: Path) -> None:
    stream = maker(tiny_corpus).part(0, 240)
    assert len(stream.samples) == 240 * sounds.RATE
    assert {spoken.label for spoken in stream.truth} == {"yes", "no", "up", UNKNOWN}
    unknown = sum(spoken.label == UNKNOWN for spoken in stream.truth)
    assert 0.2 < unknown / len(stream.truth) < 0.8
    rest = stream.samples.copy()
    for spoken in stream.truth:
        part = slice(round(spoken.start * sounds.RATE), round(spoken.end * sounds.RATE))
        assert decibels(stream.samples[part]) == pytest.approx(SPEECH_LEVEL, abs=0.5)
        assert sounds.SPOKEN - 0.15 < spoken.end - spoken.start < sounds.SPOKEN + 0.1
        rest[part] = 0
    # The hiss of the recordings.
    assert decibels(rest) < SPEECH_LEVEL - 25
    assert np.all(np.diff([spoken.start for spoken in stream.truth]) > 1)


def test_noise_has_the_signal_to_noise_ratio_asked_for(tiny_corpus: Path) -> None:
    rng = np.random.default_rng(0)
    noises = [sounds.hiss(32_000, rng, level) for level in (0.3, 0.001)]
    loud, quiet = (maker(tiny_corpus, noises, snr).part(0, 60) for snr in (0.0, 20.0))
    assert loud.truth == quiet.truth
    before = slice(0, round((loud.truth[0].start - 0.5) * sounds.RATE))
    assert decibels(loud.samples[before]) == pytest.approx(SPEECH_LEVEL, abs=0.7)
    assert decibels(quiet.samples[before]) == pytest.approx(SPEECH_LEVEL - 20, abs=0.7)


def test_recordings_can_stay_at_their_own_level(tiny_corpus: Path, tmp_path: Path) -> None:
    clips = []
    for number, gain in enumerate((0.1, 1.0)):
        clips.append(Clip(tmp_path / f"{number}.wav", "yes", None, "testing"))
        soundfile.write(clips[-1].path, gain * sounds.clip("yes"), sounds.RATE, subtype="FLOAT")
    stream = StreamMaker(clips, [], [], 0.0, LABELS, sounds.RATE, level=None).part(0, 120)
    levels = {
        spoken.source: decibels(stream.samples[round(spoken.start * sounds.RATE) : round(spoken.end * sounds.RATE)])
        for spoken in stream.truth
    }
    assert levels[clips[1].path] - levels[clips[0].path] == pytest.approx(20, abs=0.1)


def test_a_part_depends_on_its_seed_and_its_number_alone(tiny_corpus: Path) -> None:
    first, again = (maker(tiny_corpus).part(3, 20) for _ in range(2))
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.truth == again.truth
    assert maker(tiny_corpus).part(4, 20).truth != first.truth
    assert maker(tiny_corpus, seed=1).part(3, 20).truth != first.truth


def test_speech_files_are_drawn_as_often_as_the_other_words(tiny_corpus: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.concatenate([sounds.spoken("zero")] * 6), sounds.RATE)
    made = StreamMaker(scan(tiny_corpus).by_split("testing"), [tmp_path / "long.wav"], [], 0.0, LABELS, sounds.RATE)
    lengths = [spoken.end - spoken.start for spoken in made.part(0, 300).truth if spoken.label == UNKNOWN]
    assert 0.2 < np.mean(np.array(lengths) > 2) < 0.8


def test_each_other_word_is_drawn_equally_often(tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = scan(tiny_corpus).by_split("testing")
    rare = next(clip for clip in clips if clip.word == "up")
    clips = [rare, *(clip for clip in clips if clip.word != "up")]
    read: list[str] = []
    load = streams.audio.load
    monkeypatch.setattr(
        streams.audio, "load", lambda path, rate, **_: read.append(path.parent.name) or load(path, rate)
    )
    StreamMaker(clips, [], [], 0.0, ("yes", "no", UNKNOWN), sounds.RATE).part(0, 1_500)
    for word in ("up", "zero", "yes", "no"):
        assert read.count(word) / len(read) == pytest.approx(0.25, abs=0.1), word


def test_a_stream_without_a_word_of_the_model_is_refused(tiny_corpus: Path) -> None:
    zero = [clip for clip in scan(tiny_corpus).clips if clip.word == "zero"]
    with pytest.raises(CorpusError, match="no recording of a word of the model"):
        StreamMaker(zero, [], [], 0.0, LABELS, sounds.RATE)


def test_a_recording_without_speech_is_left_out(tiny_corpus: Path, tmp_path: Path) -> None:
    clips = scan(tiny_corpus).by_split("testing")
    faint = [Clip(tmp_path / f"{word}.wav", word, None, "testing") for word in ("up", "zero")]
    for clip in faint:
        soundfile.write(clip.path, sounds.hiss(16_000, np.random.default_rng(0), 3e-4), sounds.RATE)
    others = [clip for clip in clips if clip.word in ("yes", "no")]
    stream = StreamMaker([*others, *faint], [], [], 0.0, LABELS, sounds.RATE).part(0, 240)
    assert set(stream.faint) == {clip.path for clip in faint}
    assert {spoken.label for spoken in stream.truth} == {"yes", "no"}
    with pytest.raises(CorpusError, match=r"every recording of a word of the model.*up\.wav, is fainter than -60 dB"):
        StreamMaker(faint, [], [], 0.0, LABELS, sounds.RATE).part(0, 60)


def test_a_label_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        path.write_text("2.5\t3.0\tno\n\\\t100\t200\n0.5\t1.0\tyes\n\n4\t4.5\tbanana\n5\t6\t_silence_\n", encoding)
        with case(encoding):
            spoken = (Spoken("yes", 0.5, 1.0), Spoken("no", 2.5, 3.0), Spoken(UNKNOWN, 4.0, 4.5))
            assert read_labels(path, LABELS) == spoken


def test_a_label_file_with_another_form_of_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    for line in ("1.0 2.0 yes", "2\t1\tyes", "a\tb\tyes", "-1\t2\tyes", "nan\t2\tyes", "1\tinf\tyes", "1\t2"):
        path.write_text(f"0\t1\tyes\n{line}\n", "utf-8")
        with case(repr(line)), pytest.raises(CorpusError, match=r"line 2, is .* expected start, end"):
            read_labels(path, LABELS)


def test_labels_of_another_recording_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", sounds.clip("yes"), sounds.RATE)
    labels = tmp_path / "labels.txt"
    labels.write_text("0.2\t0.7\tyes\n", "utf-8")
    assert recording(tmp_path / "short.wav", labels, LABELS, sounds.RATE).truth == (Spoken("yes", 0.2, 0.7),)
    labels.write_text("10\t11\tyes\n", "utf-8")
    with pytest.raises(CorpusError, match=r"a label at 10 s, but .* ends at 1.0 s"):
        recording(tmp_path / "short.wav", labels, LABELS, sounds.RATE)
    with pytest.raises(CorpusError, match="cannot read the labels"):
        recording(tmp_path / "short.wav", tmp_path / "none.txt", LABELS, sounds.RATE)


def test_fading_leaves_the_middle_and_the_original_alone() -> None:
    ones = np.ones(100, np.float32)
    result = streams.faded(ones, 10)
    assert result[0] == result[-1] == 0
    assert np.all(np.diff(result[:10]) > 0)
    assert np.all(result[10:90] == 1)
    assert ones.all()
    assert len(streams.faded(ones[:3], 10)) == 3


def test_broken_recordings_are_left_out_and_named(tiny_corpus: Path, tmp_path: Path) -> None:
    clips = scan(tiny_corpus).by_split("testing")
    broken = {}
    for name, content in (
        ("text.wav", b"no sound"),
        ("empty.flac", b""),
        ("cut.wav", clips[0].path.read_bytes()[:-900]),
    ):
        broken[tmp_path / name] = content
        (tmp_path / name).write_bytes(content)
    rows = [*clips, *(Clip(path, "yes", None, "testing") for path in broken)]
    made = StreamMaker(rows, list(broken), [], 0.0, LABELS, sounds.RATE).part(0, 600)
    assert {path for path, _ in made.broken} == set(broken)
    assert all(path.name in reason for path, reason in made.broken)
    assert len(made.truth) > 50
    with pytest.raises(CorpusError, match=r"no recording of a word of the model can be used, such as .*text\.wav"):
        StreamMaker([Clip(tmp_path / "text.wav", "yes", None, "testing")], [], [], 0.0, LABELS, sounds.RATE).part(0, 60)


def test_words_of_a_label_file_that_are_no_labels_are_reported(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.concatenate([sounds.clip("yes")] * 4), sounds.RATE)
    path = tmp_path / "labels.txt"
    path.write_text("0.2\t0.7\tYES\n1.2\t1.7\tnoo\n2.2\t2.7\tno\n", "utf-8")
    stream = recording(tmp_path / "long.wav", path, LABELS, sounds.RATE)
    assert [spoken.label for spoken in stream.truth] == ["yes", UNKNOWN, "no"]
    assert stream.notes == (
        "the word 'YES' is taken for the label 'yes', which differs in case alone",
        "1 labels of 1 words that are no labels of the model are counted as unknown speech: noo (did you mean no?)",
    )
