"""The part of `sayso evaluate --stream --running`: false alarms on running speech against words heard in the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sayso.cli.console import listed, note, progress_bar, report_skipped, say, warn
from sayso.cli.tables import percent, table

if TYPE_CHECKING:
    from sayso.config import DecisionSettings
    from sayso.evaluation.alarms import Alarm, AlarmScore, RecordingPosteriors
    from sayso.evaluation.stream_scores import StreamPosteriors, StreamScore
    from sayso.recognition.recognizer import Recognizer

# What the share of the words that are heard is called, in a stream without and with noise.
HEARD, IN_NOISE = "heard", "heard in noise"

Streams = Mapping[str, Sequence["StreamPosteriors"]]
"""The posteriors of each stream of words, by what the share of words heard in it is called."""


def listen_to_talk(recognizer: Recognizer, folder: Path) -> list[RecordingPosteriors]:
    """Compute the probabilities of a model on running speech, and report what cannot be used."""
    from sayso.corpus.corpus import files_below
    from sayso.corpus.places import TABLE, places_in, read_places
    from sayso.errors import CorpusError
    from sayso.evaluation.alarms import listen_to_recordings
    from sayso.system.workers import cores

    paths = files_below(folder)
    known = read_places(folder)
    places = places_in(paths, known)
    with progress_bar("{task.completed}/{task.total} recordings") as bar:
        task = bar.add_task("", total=len(paths))
        talk, skipped = listen_to_recordings(recognizer, paths, places, cores(), lambda: bar.advance(task))
    report_skipped(skipped)
    if not talk:
        raise CorpusError(f"{folder} has no recording of running speech that can be used: {skipped[0].reason}")
    if not known:
        note(f"there is no table {TABLE} in {folder}: a word said within a sentence is counted as a false alarm, too")
    elif len(places) < len(paths):
        warn(
            f"{TABLE} tells nothing of {len(paths) - len(places)} of the {len(paths)} recordings in {folder}, such as "
            f"{next(path for path in paths if path not in places)}: a word said in them is counted as a false alarm"
        )
    return talk


def heard_at(streams: Streams, settings: DecisionSettings) -> dict[str, StreamScore]:
    """Return the score of each stream with some settings."""
    from sayso.evaluation.stream_scores import score

    return {name: score(parts, settings) for name, parts in streams.items()}


def running_facts(
    talk: Sequence[RecordingPosteriors],
    streams: Streams,
    settings: DecisionSettings,
    talk_curve: Sequence[tuple[float, AlarmScore]],
    curves: Mapping[str, Sequence[tuple[float, StreamScore]]],
) -> dict[str, Any]:
    """Return what was measured on running speech as plain values, with the curves of sensitivities and thresholds."""
    from sayso.evaluation.alarms import alarms_on

    result = alarms_on(talk, settings)
    return {
        **result.to_dict(),
        **_shares(heard_at(streams, settings)),
        "alarms": list(map(_plain, result.alarms)),
        "standing": list(map(_plain, result.standing)),
        "sensitivities": [
            {"sensitivity": sensitivity, **_point(alarms, heard)}
            for sensitivity, alarms, heard in _at_sensitivities(talk, streams, settings)
        ],
        "trade_off": [
            {"threshold": threshold, **_point(alarms, {name: curve[number][1] for name, curve in curves.items()})}
            for number, (threshold, alarms) in enumerate(talk_curve)
        ],
    }


def say_running(
    talk: Sequence[RecordingPosteriors], folder: Path, streams: Streams, settings: DecisionSettings
) -> None:
    """Print what was measured on running speech in a folder."""
    from sayso.evaluation.alarms import alarms_on

    result = alarms_on(talk, settings)
    low, high = result.interval()
    words = ", ".join(f"{word} {count}" for word, count in result.by_word.items())
    rows = [
        ("running speech", f"{result.hours:.2f} h, {len(result.seconds)} recordings"),
        (
            "false alarms",
            f"{result.rate:.2f} per hour ({low:.2f} to {high:.2f}, {len(result.alarms)} in all"
            f"{f': {words}' if words else ''})",
        ),
        ("words that stand", f"{len(result.standing)} detections of a word that is said in the sentence, not counted"),
    ]
    say("\n" + table(("", "measured (95 % interval)"), rows, left=2))
    rates = [
        (f"{sensitivity:g}", f"{alarms.rate:.2f}", *(percent(1 - score.miss_rate) for score in heard.values()))
        for sensitivity, alarms, heard in _at_sensitivities(talk, streams, settings)
    ]
    say("\n" + table(("sensitivity", "false alarms per hour", *streams), rates))
    if result.alarms:
        chosen = result.alarms[: listed(len(result.alarms))]
        said = [(_below(alarm.recording, folder), alarm.word, f"{alarm.end:.1f} s", alarm.said) for alarm in chosen]
        more = f", the first {len(said)} of {len(result.alarms)}" if len(said) < len(result.alarms) else ""
        say("\n" + table((f"false alarm{more}", "word", "at", "said there"), said, left=4))


def _at_sensitivities(
    talk: Sequence[RecordingPosteriors], streams: Streams, settings: DecisionSettings
) -> Iterator[tuple[float, AlarmScore, dict[str, StreamScore]]]:
    """Yield the false alarms and the words heard at each sensitivity."""
    from sayso.evaluation.alarms import SENSITIVITIES, alarms_on

    for sensitivity in SENSITIVITIES:
        shifted = settings.at_sensitivity(sensitivity)
        yield sensitivity, alarms_on(talk, shifted), heard_at(streams, shifted)


def _point(alarms: AlarmScore, heard: Mapping[str, StreamScore]) -> dict[str, Any]:
    rate, interval = alarms.rate, list(alarms.interval())
    return {"false_alarms_per_hour": rate, "false_alarms_interval": interval, **_shares(heard)}


def _below(path: Path, folder: Path) -> str:
    """Return a path below a folder, or its name if the folder is the recording itself."""
    return str(path.relative_to(folder)) if path != folder else path.name


def _shares(heard: Mapping[str, StreamScore]) -> dict[str, float]:
    return {name.replace(" ", "_"): 1 - score.miss_rate for name, score in heard.items()}


def _plain(alarm: Alarm) -> dict[str, Any]:
    return {"word": alarm.word, "recording": str(alarm.recording), "end": alarm.end, "said": alarm.said}
