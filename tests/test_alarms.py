"""False alarms on recordings without commands: what counts as one, their interval, and the choice of thresholds."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.corpus.places import Place, places_in, read_places
from sayso.evaluation.alarms import (
    Alarm,
    AlarmScore,
    alarm_curve,
    alarms_on,
    listen_to_recordings,
    lowest_threshold,
    stands,
    with_alarms,
)
from sayso.evaluation.intervals import poisson_interval
from sayso.evaluation.stream_scores import StreamScore
from sayso.recognition.recognizer import Recognizer

HERE = Path("a.wav")


def test_a_word_stands_where_it_or_the_words_of_a_phrase_are_said() -> None:
    cases = [
        ("go", "let us go home", True),
        ("go", "a long goal", False),
        ("Go", "go", True),
        ("up", "", False),
        ("turn on", "please turn on the light", True),
        ("turn_on", "turn on", True),
        ("turn on", "turn it on", False),
    ]
    for word, said, expected in cases:
        with case(word, said):
            assert stands(Alarm(word, HERE, 1.0, said)) == expected


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Two recordings with three words each, one of them told by a table, and a file that is no sound."""
    for name in ("anna_1", "ben_1"):
        samples, middles = sounds.stream(["yes", "no", "up"], gap=2.0)
        soundfile.write(tmp_path / f"{name}.wav", samples, sounds.RATE)
    rows = [f"anna_1\t{at - 0.25}\t{at + 0.25}\t{word}" for at, word in zip(middles, ("yes", "oh", "no"), strict=True)]
    (tmp_path / "words.tsv").write_text("\n".join(["clip\tstart\tend\tword", *rows]) + "\n")
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    return tmp_path


def test_what_is_detected_is_an_alarm_unless_it_stands_there(talk: Path, tiny_recognizer: Recognizer) -> None:
    paths = sorted(talk.glob("*.wav"))
    done: list[None] = []
    found, skipped = listen_to_recordings(
        tiny_recognizer, paths, places_in(paths, read_places(talk)), 2, lambda: done.append(None)
    )
    assert [entry.path.name for entry in skipped] == ["broken.wav"]
    assert len(done) == 3
    result = alarms_on(found, tiny_recognizer.model.decision)
    live = [
        detection
        for entry in found
        for detection in tiny_recognizer.detect([soundfile.read(entry.path, dtype="float32")[0]])
    ]
    assert [detection.label for detection in live] == ["yes", "no", "up"] * 2
    # "no" is said too, but two seconds after the "no" that is detected.
    assert [(alarm.word, alarm.said) for alarm in result.standing] == [("yes", "yes")]
    assert [(alarm.recording.stem, alarm.word, alarm.said) for alarm in result.alarms] == [
        ("anna_1", "no", "oh"), ("anna_1", "up", "no"), ("ben_1", "yes", ""), ("ben_1", "no", ""), ("ben_1", "up", "")
    ]  # fmt: skip
    assert sorted(alarm.end for alarm in (*result.alarms, *result.standing)) == sorted(entry.end for entry in live)
    length = soundfile.info(paths[0]).duration
    assert result.hours == pytest.approx(2 * length / 3600)
    facts = result.to_dict()
    assert facts["false_alarms_by_word"] == {"no": 2, "up": 2, "yes": 1}
    assert facts["false_alarms_per_hour"] == pytest.approx(5 / result.hours)


def test_a_detection_covers_the_window_and_what_was_averaged_before_it(talk: Path, tiny_recognizer: Recognizer) -> None:
    ((recording,), _) = listen_to_recordings(tiny_recognizer, [talk / "ben_1.wav"], {}, 1)
    (detection, *_) = recording.detections(tiny_recognizer.model.decision)
    cases = [
        (detection.end - 0.1, detection.end + 0.5, True),
        (detection.end + 0.1, detection.end + 0.5, False),
        (detection.end - 1.5, detection.end - 1.2, True),
        (detection.end - 1.5, detection.end - 1.4, False),
    ]
    for start, end, covered in cases:
        with case(start - detection.end, end - detection.end):
            places = {recording.path: [Place(start, end, "word")]}
            ((told,), _) = listen_to_recordings(tiny_recognizer, [recording.path], places, 1)
            assert told.alarm(detection).said == ("word" if covered else "")


def scored(alarms: dict[str, list[float]], seconds: dict[str, float]) -> AlarmScore:
    found = [Alarm("go", Path(name), end, "") for name, ends in alarms.items() for end in ends]
    return AlarmScore(tuple(found), (), {Path(name): length for name, length in seconds.items()})


def test_the_interval_resamples_recordings_speakers_or_ten_minutes() -> None:
    each = {f"{speaker}_{number}": 360.0 for speaker in range(5) for number in range(8)}
    of_one = scored({f"0_{number}": [1.0, 2.0] for number in range(8)}, each)
    by_recording, by_speaker = of_one.interval(), of_one.interval(lambda path: path.name[0])
    assert by_speaker[0] == 0
    assert by_speaker[1] > by_recording[1] > of_one.rate == 4
    # One recording of two hours, with alarms all through it or in one part of ten minutes.
    spread = scored({"long": [100.0 + 600 * number for number in range(12)]}, {"long": 7200.0})
    burst = scored({"long": [10.0 + number for number in range(12)]}, {"long": 7200.0})
    assert spread.interval() == pytest.approx(np.divide(poisson_interval(12), 2))
    assert burst.interval()[0] == 0
    # The window of the last detection ends behind the recording.
    assert scored({"a": [600.4]}, {"a": 600.0}).interval()[1] > 6


def test_the_lowest_threshold_is_one_above_which_the_limit_always_holds() -> None:
    rates = {0.3: 9, 0.5: 2, 0.6: 4, 0.7: 2, 0.8: 1, 0.9: 0}
    curve = [(threshold, scored({"a": [1.0] * count}, {"a": 3600.0})) for threshold, count in rates.items()]
    for most, expected in ((10, 0.3), (2, 0.7), (1, 0.8), (0.5, 0.9)):
        point = lowest_threshold(curve, most)
        assert point is not None
        assert point[0] == expected
    assert lowest_threshold(curve[:-1], 0.5) is None


def test_thresholds_are_chosen_by_the_words_of_all_streams_and_the_alarms_on_recordings() -> None:
    streams = [[(0.5, StreamScore(Counter(go=10), Counter(go=hits), Counter(go=7), hours=1.0))] for hits in (9, 6)]
    ((threshold, score),) = with_alarms(streams, [(0.5, scored({"a": [1.0, 2.0]}, {"a": 1800.0}))])
    assert (threshold, score.words, score.hits, score.false_alarm_rate) == (0.5, 20, 15, 4.0)
    assert score.alarms == {"go": 2}


def test_higher_thresholds_give_fewer_alarms(talk: Path, tiny_recognizer: Recognizer) -> None:
    found, _ = listen_to_recordings(tiny_recognizer, [talk / "anna_1.wav"], {}, 1)
    curve = alarm_curve(found, tiny_recognizer.model.decision, (0.9999, 0.5))
    assert [threshold for threshold, _ in curve] == [0.5, 0.9999]
    assert curve[0][1].rate > curve[1][1].rate
