"""`sayso data`: download data sets, and report what a corpus contains."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sayso.cli.console import detail, listed, note, progress_bar, say, say_next, verbosity, warn
from sayso.cli.group import Group
from sayso.cli.options import DATA_SET, DIRECTORY, corpus_options, format_option
from sayso.cli.tables import facts_table, table
from sayso.system.suggestions import did_you_mean
from sayso.system.text import printable

if TYPE_CHECKING:
    from sayso.corpus.corpus import Corpus
    from sayso.corpus.layouts import Layout
    from sayso.download.catalogue import DataSet

SPLITS = ("training", "validation", "testing")


@click.group(cls=Group)
def data() -> None:
    """Download data sets, and report what a corpus contains.

    Example: sayso data download speech-commands
    """


@data.command("list")
@format_option("table", "json")
def list_sets(style: str) -> None:
    """List the data sets that sayso can download, and where those already downloaded are.

    Example: sayso data list
    """
    from sayso.download.catalogue import KNOWN, is_complete
    from sayso.system.user_folders import user_folder

    home = user_folder("data")
    facts: list[dict[str, Any]] = []
    for known in KNOWN.values():
        folder = home / known.name if home else None
        facts.append({
            "name": known.name,
            "about": known.about,
            "url": f"{known.address}/{known.archive}",
            "bytes": known.size,
            "sha256": known.sha256,
            "unpacked_bytes": known.unpacked,
            "folder": str(folder) if folder and is_complete(folder) else None,
        })  # fmt: skip
    if style == "json":
        click.echo(json.dumps(facts, indent=2))
        return
    rows = [
        (
            fact["name"],
            fact["about"],
            "downloaded" if fact["folder"] else "not downloaded",
            f"{fact['bytes'] / 1e6:,.0f} MB",
            f"{fact['unpacked_bytes'] / 1e6:,.0f} MB",
        )
        for fact in facts
    ]
    say(table(("name", "content", "state", "download", "unpacked"), rows, left=3))
    folders = {fact["name"]: fact["folder"] for fact in facts if fact["folder"]}
    if folders:
        say(f"\n{facts_table(folders)}")


@data.command()
@click.argument("name", type=DATA_SET)
@click.option("--version", type=click.IntRange(1, 2), help="Version of speech-commands. [default: 2]")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path),
    help="Where to create the folder NAME. [default: sayso's data folder, where it is found by its name]",
)  # fmt: skip
@click.option("--mirror", help="URL of another folder that holds the archive.")
def download(name: str, version: int | None, folder: Path | None, mirror: str | None) -> None:
    """Download the data set NAME (see `sayso data list`), verify it, and unpack it.

    If it is interrupted (by Ctrl-C, the network or a power failure), the same command resumes it. Proxies are taken
    from the environment variables HTTP_PROXY and HTTPS_PROXY.

    Example: sayso data download speech-commands
    """
    from sayso.download.catalogue import KNOWN, data_folder

    if version and name != "speech-commands":
        raise click.UsageError("--version is only for speech-commands; the other data sets have one version")
    if version == 1:
        name = "speech-commands-v1"
    if name not in KNOWN:
        raise click.UsageError(
            f"there is no data set {name}{did_you_mean(name, KNOWN)}; the data sets are: {', '.join(KNOWN)}"
        )
    place = _download(KNOWN[name], folder or data_folder(), mirror)
    say(str(place))
    found = place if folder else name
    following = {
        "training": f"train {found} -o model.safetensors",
        "testing": f"evaluate {found}",
        "negatives": f"train recordings -o model.safetensors --negatives {found}",
    }
    say_next(following[KNOWN[name].use])


def _download(known: DataSet, folder: Path, mirror: str | None) -> Path:
    """Download a data set and show the progress."""
    from sayso.download.catalogue import is_complete
    from sayso.download.download import download as fetch_set
    from sayso.download.download import tidy

    if is_complete(folder / known.name):
        note(f"{known.name} is already downloaded")
        tidy(known, folder)
        return folder / known.name
    note(f"downloading {known.archive} ({known.size / 1e6:,.1f} MB) from {mirror or known.address}")
    if not known.sha256:
        warn(f"the SHA-256 of {known.archive} is not known: only its size and the checksums in it are verified")
    try:
        with _bars() as show:
            return fetch_set(known, folder, mirror, show, note)
    except KeyboardInterrupt:
        note("stopped; what was downloaded is kept; run the same command to resume")
        raise click.exceptions.Exit(1) from None


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each stage, with amount, speed and time left; nothing if stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<11}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=verbosity() < 0 or not console.is_terminal) as bar:
        tasks = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield show


def located(directory: Path) -> Path:
    """Return the folder that a path or the name of a data set stands for; offer to download a missing data set."""
    from sayso.download.catalogue import KNOWN, data_folder, find
    from sayso.errors import DownloadError

    try:
        place = find(directory)
    except DownloadError as error:
        known = KNOWN.get(str(directory))
        if not known or not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise
        question = f"{known.name} is not on this machine; download it now ({known.size / 1e6:,.0f} MB)?"
        if not click.confirm(question, err=True):
            raise error from None
        place = _download(known, data_folder(), None)
    detail(f"recordings: {place}")
    return place


def scanned(directory: Path, speaker: str | None, layout: Layout | None) -> Corpus:
    """Scan a folder of recordings or a data set by its name, and report how it was understood."""
    from sayso.corpus.corpus import scan

    place = located(directory)
    corpus = scan(place, speaker, layout)
    for line in corpus.notes:
        note(line)
    return corpus


@data.command()
@click.argument("directory", type=DIRECTORY)
@corpus_options
@format_option("table", "json")
def info(directory: Path, speaker: str | None, layout: Layout | None, style: str) -> None:
    """Report what a corpus contains: words, clips, speakers, hours, broken files.

    DIRECTORY is a folder with one folder of sound files for each word, or the name of a data set.

    Example: sayso data info recordings
    """
    from sayso.corpus.survey import survey
    from sayso.sound.speech import FAINTEST
    from sayso.system.workers import cores

    corpus = scanned(directory, speaker, layout)
    with progress_bar("{task.completed}/{task.total} files") as bar:
        task = bar.add_task("", total=len(corpus.clips) + len(corpus.noises))
        facts = survey(corpus, cores(), lambda: bar.advance(task)).to_dict()
    if style == "json":
        click.echo(json.dumps(facts, indent=2))
        return
    for warning in facts["warnings"]:
        warn(warning)
    rates = ", ".join(f"{count} at {rate} Hz" for rate, count in facts["sample_rates"].items())
    unnamed = f", {facts['without_speaker']} clips without a speaker" if facts["without_speaker"] else ""
    lines = {
        "folder": facts["folder"],
        "clips": f"{facts['clips']:,} of {len(facts['words'])} words, {facts['hours']:.2f} hours",
        "speakers": f"{facts['speakers']:,}{unnamed}",
        "splits": ", ".join(f"{facts['splits'].get(split, 0):,} {split}" for split in SPLITS),
        "noise": f"{facts['noises']['files']} files, {facts['noises']['hours']:.2f} hours",
        "sample rates": rates or "none",
    }
    problems = {
        "broken": [f"{item['path']}: {item['reason']}" for item in facts["broken"]],
        "no speech": [f"{path}: fainter than {FAINTEST:g} dB" for path in facts["faint"]],
    }
    width = max(map(len, [*lines, *problems]))
    say(facts_table(lines, width))
    for name, found in problems.items():
        say(f"{name:<{width}}  {len(found)} file{'' if len(found) == 1 else 's'}")
        shown = listed(len(found))
        for line in found[:shown]:
            say(f"  {printable(line)}")
        if len(found) > shown:
            say(f"  … and {len(found) - shown} more (-v lists them all)")
    rows = [
        (word, f"{sum(counts.values()):,}", *(f"{counts.get(split, 0):,}" for split in SPLITS))
        for word, counts in facts["words"].items()
    ]
    say(f"\n{table(('word', 'clips', *SPLITS), rows)}")
