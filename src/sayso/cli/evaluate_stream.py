"""`sayso evaluate --stream`: measure what matters live."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import LISTED, note, percent, progress_bar, say, table, tell_skipped, warn

if TYPE_CHECKING:
    from sayso.config import DecisionSettings
    from sayso.corpus.corpus import Split
    from sayso.evaluation.stream_scores import Fault, Heard, StreamScore
    from sayso.recognition.recognizer import Recognizer


def evaluate_stream(
    model: str, directory: Path, *, split: Split, noise: Path | None, snr: str | None, as_json: bool,
    plot: Path | None, hours: float | None, negatives: Path | None, labels: Path | None, choose: bool,
    alarms: float | None,
) -> None:  # fmt: skip
    """Build a stream or read a recording, listen to it, and tell how well that went."""
    from sayso.evaluation.stream_scores import choose_thresholds, hear, score, trade_off
    from sayso.evaluation.streams import recording
    from sayso.model import model_file
    from sayso.recognition.recognizer import load

    if labels and (hours or negatives or noise or snr):
        raise click.UsageError("--hours, --negatives, --noise and --snr build a stream; with --labels there is one")
    if alarms is not None and not choose:
        raise click.UsageError("--false-alarms-per-hour needs --choose-threshold")
    if choose and model in model_file.shipped() and not Path(model).exists():
        raise click.UsageError(
            f"{model} comes with sayso and stays as it is; copy {model_file.find(model)} and give it"
        )
    recognizer = load(model)
    if labels:
        stream = recording(directory, labels, recognizer.labels, recognizer.model.features.sample_rate)
        heard = [hear(recognizer, stream)]
    else:
        heard = _hear_built(recognizer, directory, split, noise, snr, negatives, hours or 1.0)
    settings = recognizer.model.decision
    curve = trade_off(heard, settings) if plot or choose or as_json else []
    if choose:
        most = 1.0 if alarms is None else alarms
        chosen = choose_thresholds(curve, most)
        if chosen is None:
            raise click.ClickException(f"no thresholds keep to {most:g} false alarms an hour on this stream")
        settings = replace(settings, words={**settings.words, **chosen})
        path = model_file.find(model)
        replace(recognizer.model, decision=settings).save(path)
        note(
            f"wrote into {path}: {', '.join(f'{word} {threshold:g}' for word, threshold in chosen.items())}; "
            "measure it on another stream, this one flatters it"
        )
    result = score(heard, settings)
    if plot:
        from sayso.report.plots import save_trade_off

        save_trade_off(curve, result, plot)
        note(f"saved {plot}")
    if as_json:
        points = [{"threshold": threshold, **point.to_dict()} for threshold, point in curve]
        facts = {"model": model, "data": str(directory), "threshold": settings.threshold}
        click.echo(
            json.dumps(
                {
                    **facts,
                    "thresholds": settings.words,
                    **result.to_dict(),
                    "faults": [
                        {"what": fault.what, "word": fault.word, "recording": str(fault.source), "times": times}
                        for fault, times in result.faults.most_common()
                    ],
                    "trade_off": points,
                },
                indent=2,
            )
        )
        return
    say(stream_table(result, settings))
    if repeated := [(fault, times) for fault, times in result.faults.most_common() if times > 1]:
        say(f"\n{fault_table(repeated[:LISTED])}")


def _hear_built(
    recognizer: Recognizer, directory: Path, split: Split, noise: Path | None, snr: str | None,
    negatives: Path | None, hours: float,
) -> list[Heard]:  # fmt: skip
    """Build a stream from the recordings of one split and listen to it."""
    from sayso.corpus.clips import load_noises
    from sayso.corpus.corpus import Skipped, scan, sound_files
    from sayso.evaluation.stream_scores import hear_all
    from sayso.evaluation.streams import StreamMaker
    from sayso.sound.speech import FAINTEST
    from sayso.system.workers import cores

    if snr is not None and not noise:
        raise click.UsageError("--snr needs --noise, the recordings of noise to measure in")
    try:
        decibels = float(snr or 10)
    except ValueError as error:
        raise click.BadParameter(f"{snr!r} is not one number of decibels", param_hint="--snr") from error
    corpus = scan(directory)
    features = recognizer.model.features
    noises, unread = load_noises(sound_files(noise), features)
    tell_skipped(unread)
    clips = corpus.clips if corpus.is_test_archive else corpus.by_split(split)
    maker = StreamMaker(clips, sound_files(negatives), noises, decibels, recognizer.labels, features.sample_rate)
    for warning in corpus.warnings:
        warn(warning)
    with progress_bar("{task.completed:.1f}/{task.total:.1f} hours") as bar:
        task = bar.add_task("", total=hours)
        heard = hear_all(recognizer, maker, hours, cores(), lambda done: bar.advance(task, done))
    faint = dict.fromkeys(path for part in heard for path in part.stream.faint)
    tell_skipped([Skipped(path, f"no speech can be heard, it is fainter than {FAINTEST:g} dB") for path in faint])
    return heard


def fault_table(faults: Sequence[tuple[Fault, int]]) -> str:
    """Lay out what went wrong with the same recording more than once: it may be mislabelled, or hard."""
    rows = [(str(fault.source), fault.word, fault.what, str(times)) for fault, times in faults]
    return table(("again and again: listen to it", "word", "what went wrong", "times"), rows, left=3)


def stream_table(score: StreamScore, settings: DecisionSettings) -> str:
    """Lay out the score of a stream."""
    thresholds = f"threshold {settings.threshold:g}"
    if settings.words:
        thresholds = f"thresholds {min(settings.words.values()):g} to {max(settings.words.values()):g}"
    facts = score.to_dict()
    low, high = facts["miss_interval"]
    least, most = facts["false_alarms_interval"]
    delay = "none detected"
    if facts["delay_median"] is not None:
        delay = f"{1e3 * facts['delay_median']:.0f} ms (95 % within {1e3 * facts['delay_95']:.0f} ms)"
    rows: Sequence[tuple[str, str]] = [
        ("stream", f"{score.hours:.2f} h, {thresholds}"),
        (
            "missed",
            f"{percent(score.miss_rate)} ({100 * low:.1f} to {percent(high)}, {score.misses} of {score.words} words)",
        ),
        ("wrong word", f"{score.wrong} of {score.words} words"),
        (
            "false alarms",
            f"{score.false_alarm_rate:.2f} an hour ({least:.2f} to {most:.2f}, {score.false_alarms} in all, "
            f"{score.in_speech} of them in other speech)",
        ),
        ("delay", f"{delay} from the end of the word"),
    ]
    return table(("", "measured (95 % interval)"), rows, left=2)
