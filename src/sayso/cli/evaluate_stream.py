"""`sayso evaluate --stream`: measure live recognition on a stream."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import listed, note, progress_bar, report_skipped, say, warn
from sayso.cli.data import scanned
from sayso.cli.evaluate_running import HEARD, IN_NOISE, heard_at, listen_to_talk, running_facts, say_running
from sayso.cli.tables import fault_table, stream_table

if TYPE_CHECKING:
    from sayso.corpus.corpus import Corpus
    from sayso.corpus.layouts import Layout
    from sayso.corpus.splits import Split
    from sayso.evaluation.stream_scores import StreamPosteriors
    from sayso.recognition.recognizer import Recognizer


def evaluate_stream(
    model: str, directory: Path, *, split: Split, noise: Path | None, snr: str | None, as_json: bool,
    plots: Path | None, hours: float | None, negatives: Path | None, labels: Path | None, running: Path | None,
    choose: bool, alarms: float | None, anywhere: bool, patient: bool, speaker: str | None, layout: Layout | None,
) -> None:  # fmt: skip
    """Build a stream or read a recording, score the model on it and on running speech, and print the result."""
    from sayso.evaluation.alarms import alarm_curve, alarms_by_sensitivity, alarms_on, with_alarms
    from sayso.evaluation.stream_scores import score
    from sayso.evaluation.thresholds import choose_thresholds, trade_off
    from sayso.model import model_file, shipped
    from sayso.recognition.recognizer import load

    if labels and (hours or negatives or noise or snr):
        raise click.UsageError(
            "--hours, --negatives, --noise and --snr are for building a stream; --labels is for a recording"
        )
    if alarms is not None and not choose:
        raise click.UsageError("--false-alarms-per-hour needs --choose-threshold")
    if choose and model in shipped.models() and not Path(model).exists():
        raise click.UsageError(
            f"{model} comes with sayso and is never changed; copy {shipped.find(model)} and give the copy"
        )
    recognizer = load(model, anywhere=anywhere, patient=patient)
    # What is wrong with a folder is told before the long computations.
    if labels:
        streams = {HEARD: [_listen_to_recording(recognizer, directory, labels)]}
        talk = listen_to_talk(recognizer, running) if running else []
    else:
        corpus = scanned(directory, speaker, layout)
        talk = listen_to_talk(recognizer, running) if running else []
        streams = _listen_to_built(recognizer, corpus, split, noise, snr, negatives, hours or 1.0, bool(running))
    # The stream that is reported by itself: the one in noise, if there is noise.
    *_, parts = streams.values()
    settings = recognizer.model.decision
    everything = bool(plots or choose or as_json)
    curves = {name: trade_off(stream, settings) for name, stream in streams.items()} if everything else {}
    talk_curve = alarm_curve(talk, settings) if everything and talk else []
    curve = curves.get([*streams][-1], [])
    if choose:
        most = 1.0 if alarms is None else alarms
        chosen = choose_thresholds(with_alarms([*curves.values()], talk_curve) if talk else curve, most)
        if chosen is None:
            where = f"on the recordings of {running}" if talk else "on this stream"
            raise click.ClickException(f"no thresholds give at most {most:g} false alarms per hour {where}")
        settings = replace(settings, words={**settings.words, **chosen})
        path = shipped.find(model)
        kept = model_file.load(path)
        told = alarms_by_sensitivity(talk, settings) if talk else ()
        replace(kept, decision=replace(kept.decision, words=settings.words), alarms=told).save(path)
        note(
            f"saved in {path}: {', '.join(f'{word} {threshold:g}' for word, threshold in chosen.items())}; "
            f"measure it on {'other recordings' if talk else 'another stream'}, as the figures for "
            f"{'these' if talk else 'this one'} are too optimistic"
        )
    result = score(parts, settings)
    if plots:
        from sayso.report.plots import running_trade_off, save_drawn, stream_trade_off

        save_drawn(plots, lambda: [stream_trade_off(curve, result)])
        note(f"saved stream.png and stream.svg in {plots}")
        if talk:
            titles = {HEARD: "words of the stream", IN_NOISE: "the same in noise"}
            against = {titles[name]: with_alarms([points], talk_curve) for name, points in curves.items()}
            rate, heard = alarms_on(talk, settings).rate, heard_at(streams, settings)
            save_drawn(plots, lambda: [running_trade_off(against, rate, heard)])
            note(f"saved running.png and running.svg in {plots}")
    if as_json:
        points = [{"threshold": threshold, **point.to_dict()} for threshold, point in curve]
        facts = {"model": model, "data": str(directory), "threshold": settings.threshold}
        faults = [
            {"what": fault.what, "word": fault.word, "recording": str(fault.source), "times": times}
            for fault, times in result.faults.most_common()
        ]
        facts |= {"thresholds": settings.words, **result.to_dict(), "faults": faults, "trade_off": points}
        if talk:
            facts["running"] = {"data": str(running), **running_facts(talk, streams, settings, talk_curve, curves)}
        click.echo(json.dumps(facts, indent=2))
        return
    say(stream_table(result, settings))
    if repeated := [(fault, times) for fault, times in result.faults.most_common() if times > 1]:
        say(f"\n{fault_table(repeated[: listed(len(repeated))])}")
    if running:
        say_running(talk, running, streams, settings)


def _listen_to_recording(recognizer: Recognizer, path: Path, labels: Path) -> StreamPosteriors:
    """Compute the probabilities on a recording whose words a label file lists."""
    from sayso.evaluation.stream_scores import listen_to
    from sayso.evaluation.streams import recording

    stream = recording(path, labels, recognizer.labels, recognizer.model.features.sample_rate)
    for line in stream.notes:
        note(line)
    return listen_to(recognizer, stream)


def _listen_to_built(
    recognizer: Recognizer, corpus: Corpus, split: Split, noise: Path | None, snr: str | None,
    negatives: Path | None, hours: float, also_quiet: bool,
) -> dict[str, list[StreamPosteriors]]:  # fmt: skip
    """Build a stream from the recordings of one split, and compute the probabilities on it.

    With noise, the same words are also heard without it if `also_quiet`.
    """
    from sayso.config.labels import strangers
    from sayso.corpus.clips import load_noises
    from sayso.corpus.corpus import files_below
    from sayso.corpus.skipped import Skipped
    from sayso.evaluation.measure import bias_of_rows
    from sayso.evaluation.stream_scores import listen_to_parts
    from sayso.evaluation.streams import StreamMaker
    from sayso.sound.speech import FAINTEST
    from sayso.system.workers import cores

    if snr is not None and not noise:
        raise click.UsageError("--snr needs --noise, the recordings of noise to measure in")
    try:
        decibels = float(snr or 10)
    except ValueError as error:
        raise click.BadParameter(f"{snr!r} is not one number of decibels", param_hint="--snr") from error
    features = recognizer.model.features
    noises, unread = load_noises(files_below(noise), features)
    report_skipped([*corpus.skipped, *unread])
    clips = corpus.clips if corpus.is_test_archive else corpus.by_split(split)
    maker = StreamMaker(clips, files_below(negatives), noises, decibels, recognizer.labels, features.sample_rate)
    makers = {IN_NOISE if noise else HEARD: maker}
    if noise and also_quiet:
        makers = {HEARD: replace(maker, noises=[]), **makers}
    for line in strangers((clip.word for clip in clips), recognizer.labels):
        note(line)
    for warning in (*corpus.warnings, *bias_of_rows(recognizer, corpus, split, clips)):
        warn(warning)
    with progress_bar("{task.completed:.1f}/{task.total:.1f} hours") as bar:
        task = bar.add_task("", total=hours * len(makers))
        streams = {
            name: listen_to_parts(recognizer, each, hours, cores(), lambda done: bar.advance(task, done))
            for name, each in makers.items()
        }
    parts = [part for stream in streams.values() for part in stream]
    faint = dict.fromkeys(path for part in parts for path in part.stream.faint)
    report_skipped([Skipped(path, f"contains no speech, as it is fainter than {FAINTEST:g} dB") for path in faint])
    broken = dict.fromkeys(fault for part in parts for fault in part.stream.broken)
    report_skipped([Skipped(*fault) for fault in broken])
    return streams
