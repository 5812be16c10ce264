"""`sayso classify`: recognise the words in sound files."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sayso.cli.console import note, progress_bar
from sayso.cli.options import decision_options, format_option, model_option, scheduler_option
from sayso.cli.sound_options import channel_option

if TYPE_CHECKING:
    from sayso.batch.delivery import Delivery
    from sayso.batch.journal import Journal
    from sayso.batch.tally import Tally

STYLES = ("table", "csv", "jsonl", "parquet")


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@model_option
@format_option(*STYLES, default="from the suffix of --output, else table")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the rows to a file.")
@click.option(
    "--files-from", "listing", metavar="FILE|-", help="Read paths from a file or standard input, one per line."
)
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), default=0.0, help="Leave out detections with less confidence."
)
@click.option(
    "--sort-into", type=click.Path(path_type=Path), metavar="DIR",
    help="Link each file into a folder named after its word; copy it where linking is not possible.",
)  # fmt: skip
@click.option("--copy", is_flag=True, help="Let --sort-into always copy.")
@click.option(
    "--audacity", type=click.Path(path_type=Path), metavar="DIR",
    help="Write a label track for Audacity into this folder for each long file.",
)  # fmt: skip
@click.option(
    "--textgrid", type=click.Path(path_type=Path), metavar="DIR",
    help="Write a TextGrid for Praat into this folder for each long file.",
)  # fmt: skip
@channel_option
@decision_options
@click.option(
    "--excel", is_flag=True, help="Write CSV for Excel: marked as UTF-8, and with no text taken for a formula."
)
@click.option("--resume", is_flag=True, help="Continue an interrupted batch with the same --output.")
@click.option("--overwrite", is_flag=True, help="Let --output replace a finished file.")
@click.option("--workers", type=click.IntRange(1, 1_000), help="Number of processes. [default: one per core]")
@scheduler_option
@click.pass_context
def classify(
    context: click.Context, paths: tuple[str, ...], model: str | None, style: str | None, output: Path | None,
    listing: str | None, min_confidence: float, sort_into: Path | None, copy: bool, audacity: Path | None,
    textgrid: Path | None, channel: int | None, sensitivity: float, anywhere: bool, patient: bool, excel: bool,
    resume: bool, overwrite: bool, workers: int | None, scheduler: str | None,
) -> None:  # fmt: skip
    """Recognise the words in sound files, in all files below folders, and in files that match a pattern.

    A file of up to 2 seconds is one clip and gets one row. A longer file gets a row for each word detected in it, or
    one row without a label if there is none. A file that cannot be read gets a row with its error, and the exit status
    is 1. A PATH may be - for sound on standard input, or an address such as s3://bucket/folder/.

    Until it is complete, the output is called OUTPUT.part.

    Example: sayso classify recordings -o words.csv
    """
    from sayso.batch.classify import classifying
    from sayso.batch.delivery import Delivery
    from sayso.batch.inputs import all_files
    from sayso.batch.names import word_folders
    from sayso.batch.own_files import OwnFiles
    from sayso.model.shipped import DEFAULT, find
    from sayso.recognition.recognizer import load
    from sayso.system.workers import cores

    suffix = output.suffix[1:].lower() if output else ""
    style = style or (suffix if suffix in STYLES else "table")
    _check_usage(paths, listing, style, output, resume, overwrite, excel, scheduler, sort_into, copy)
    folders = {"audacity": audacity, "textgrid": textgrid, "sort-into": sort_into}
    annotations = {name: folder for name, folder in folders.items() if folder and name != "sort-into"}
    file = find(model or DEFAULT)
    recognizer = load(file, sensitivity=sensitivity, anywhere=anywhere, patient=patient)
    start = time.perf_counter()
    with ExitStack() as stack:
        journal = None
        if output:
            options = {"format": style, "minimum confidence": min_confidence, "--excel": excel}
            options |= {"--sensitivity": sensitivity, "--anywhere": anywhere, "--patient": patient}
            options |= {f"--{name} folder": folder and os.path.realpath(folder) for name, folder in folders.items()}
            journal = stack.enter_context(_journal_of(output, style, file, options, resume, overwrite))
        folders_of_words = word_folders(recognizer.model.labels) if sort_into else {}
        own = OwnFiles(paths, output, annotations, sort_into, folders_of_words.values())
        files = own.without(all_files(paths, listing))
        if journal:
            files = journal.left(files)
            if journal.complete:
                # After a kill just after the end, a script that retries until success must succeed.
                note(f"{output} is complete, there is nothing to resume; with --overwrite it is written again")
                return
        places = {label: sort_into / name for label, name in folders_of_words.items()} if sort_into else {}
        if excel and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        delivery = Delivery(style, journal, min_confidence, annotations, places, copy, excel)
        groups = stack.enter_context(classifying(recognizer, files, workers or cores(), scheduler, paths, channel))
        # Standard input can be read only once.
        total = None if "-" in (*paths, listing) else lambda: sum(1 for _ in own.without(all_files(paths, listing)))
        advance = stack.enter_context(_progress(total, delivery))
        try:
            for group in groups:
                advance(delivery.take(group))
            delivery.end()
        except KeyboardInterrupt:
            kept = output and delivery.tally.files
            note(f"stopped; {output}.part is kept, and --resume continues from it" if kept else "stopped")
            context.exit(1)
    if own.left_out:
        note(f"sound in {_count(len(own.left_out), 'folder')} of {sort_into} is no input, as --sort-into writes there")
    if output or (style == "table" and delivery.tally.files > 1):
        note(_summary(delivery, time.perf_counter() - start))
    if output:
        note(f"saved {output}")
    if delivery.tally.errors:
        context.exit(1)


def _check_usage(
    paths: tuple[str, ...], listing: str | None, style: str, output: Path | None, resume: bool, overwrite: bool,
    excel: bool, scheduler: str | None, sort_into: Path | None, copy: bool,
) -> None:  # fmt: skip
    """Refuse options that exclude each other."""
    if not paths and listing is None:
        raise click.UsageError("nothing to classify: give a PATH, or a list with --files-from")
    if "-" in paths and (len(paths) > 1 or listing is not None):
        raise click.UsageError("- means sound on standard input and must be the only PATH; classify the others apart")
    if "-" in paths and (scheduler or sort_into):
        raise click.UsageError("sound on standard input can neither be sorted nor sent to a scheduler; give a file")
    if "-" in paths and resume:
        raise click.UsageError("sound on standard input cannot be resumed, as it may be another; give a file")
    if copy and not sort_into:
        raise click.UsageError("--copy needs --sort-into DIR")
    if not output and (resume or overwrite):
        raise click.UsageError(f"{'--resume' if resume else '--overwrite'} needs --output FILE")
    if not output and style == "parquet":
        raise click.UsageError("--format parquet needs --output FILE")
    if excel and style != "csv":
        raise click.UsageError(f"--excel is for CSV, but the format is {style}; give --format csv")


@contextmanager
def _journal_of(
    output: Path, style: str, model: Path, options: dict[str, Any], resume: bool, overwrite: bool
) -> Iterator[Journal]:
    """Open the journal of the output, and report what happens to an interrupted batch."""
    import hashlib

    from sayso.batch import rows
    from sayso.batch.journal import Journal
    from sayso.version import __version__

    if style == "parquet":
        rows.check_parquet()
    identity = {"version of sayso": __version__, "model": hashlib.sha256(model.read_bytes()).hexdigest(), **options}
    finish = rows.to_parquet if style == "parquet" else None
    with Journal(output, identity, resume, overwrite, finish) as journal:
        if journal.before.files and not journal.complete:
            note(f"resuming after {journal.before.files:,} files")
        elif journal.dropped.files:
            note(
                f"starting afresh; {output}.part of an interrupted batch is replaced (--resume would continue from it)"
            )
        yield journal


@contextmanager
def _progress(total: Callable[[], int] | None, delivery: Delivery) -> Iterator[Callable[[Tally], None]]:
    """Show a progress bar on stderr, unless rows go to the same terminal; yield the function that advances it.

    `total` counts the files, which takes as long as to walk through the folders.
    """
    if not sys.stderr.isatty() or (not delivery.journal and sys.stdout.isatty()):
        yield lambda tally: None
        return
    import threading

    done, before = delivery.tally, time.perf_counter()
    with progress_bar("{task.completed:,}/{task.fields[of]} files", "{task.fields[speed]}") as bar:
        task = bar.add_task("", total=None, completed=done.files, of="?", speed="")

        def count(total: Callable[[], int]) -> None:
            files = total()
            bar.update(task, total=files, of=f"{files:,}")

        if total:
            # In a thread, so that the work need not wait for it.
            threading.Thread(target=count, args=(total,), daemon=True).start()

        def advance(tally: Tally) -> None:
            bar.update(task, completed=tally.files, speed=_speed(tally, done, time.perf_counter() - before))

        yield advance


def _speed(tally: Tally, before: Tally, seconds: float) -> str:
    seconds = max(seconds, 1e-3)
    files, hours = tally.files - before.files, (tally.seconds - before.seconds) / 3600
    return f"{files / seconds:,.0f} files/s, {hours / seconds:.2f} h of sound/s"


def _summary(delivery: Delivery, seconds: float) -> str:
    """Return the counts and the speed of a batch in one line."""
    from sayso.batch.tally import Tally

    tally, before = delivery.tally, delivery.journal.before if delivery.journal else Tally()
    times = (tally.seconds - before.seconds) / max(seconds, 1e-3)
    return (
        f"{_count(tally.files, 'file')}, {tally.seconds / 3600:.2f} h of sound: {_count(tally.words, 'word')}, "
        f"{_count(tally.errors, 'error')}; {seconds:.1f} s, {_speed(tally, before, seconds)}, "
        f"{times:,.0f} times as fast as real time"
    )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
