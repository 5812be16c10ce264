"""The documentation fits the code and itself; `scripts/build_docs.py` checks the rest of it as it builds the site."""

import csv
import gzip
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import click

import sayso
import sayso.nn
from cases import case
from sayso.cli.main import cli

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/*.md"), *ROOT.glob("data/*.md")]


def test_every_link_leads_to_a_file() -> None:
    links = [
        (page.relative_to(ROOT), target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", page.read_text(encoding="utf-8"))
    ]
    assert len(links) > 30
    for page, target in links:
        with case(page, target):
            assert (ROOT / page.parent / target).exists()


def test_the_readme_is_short_and_shows_what_listening_looks_like() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    place = "docs/images/listen.svg"
    assert text.index(f"]({place})") < text.index("## ")
    # A picture of its own: it fetches nothing, is described, and stands still and dark where people ask for that.
    picture = (ROOT / place).read_text(encoding="utf-8")
    assert len(picture) < 100_000
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert {"prefers-reduced-motion: reduce", "prefers-color-scheme: dark"} <= set(
        re.findall(r"prefers-[\w: -]+", picture)
    )
    root = ElementTree.fromstring(picture)
    title, about = ("".join(root.find(f"{{*}}{name}").itertext()) for name in ("title", "desc"))
    assert "sayso listen" in title
    shown = {text.text for text in root.iterfind(".//{*}text")}
    for word in ("left", "stop", "yes"):
        assert f"“{word}”" in about
        assert any(re.search(rf"\b{word} \d+\.\d %", text or "") for text in shown)


def test_the_page_of_data_sets_has_every_source_of_the_shipped_models() -> None:
    page = (ROOT / "docs" / "data-sets.md").read_text(encoding="utf-8")
    for path in sorted(ROOT.glob("models/*.clips.tsv.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            clips = list(csv.DictReader(file, delimiter="\t"))
        assert len(clips) > 10_000
        for source, folder in {(clip["source"], clip["path"].split("/")[0]) for clip in clips}:
            with case(path.name, source, folder):
                own_words = source in ("words", "noise of the words")
                assert source in page
                assert own_words or f"`{folder}`" in page


def test_the_reference_has_every_public_name() -> None:
    reference = "\n".join(page.read_text(encoding="utf-8") for page in ROOT.glob("docs/reference/*.md"))
    entries = re.findall(r"^::: (\S+)$", reference, re.MULTILINE)
    assert len(entries) == len(set(entries))
    names = {f"sayso.{name}" for name in sayso.__all__ if name not in ("__version__", "SaysoError")}
    names |= {f"sayso.nn.{name}" for name in sayso.nn.__all__}
    assert set(entries) == names | {"sayso.errors"}


def test_every_command_on_the_pages_has_these_options() -> None:
    lines = [
        (page.name, line)
        for page in PAGES
        for line in re.findall(
            r"^ *\$ sayso (.+?)(?: > \S+)?(?: {2,}#.*)?$", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert len(lines) > 20
    for page, line in lines:
        with case(page, line):
            command: click.Command = cli
            words = shlex.split(line)
            while words and isinstance(command, click.Group):
                command = command.commands[words.pop(0)]
                if command.name == "service":
                    # The command that shall run always.
                    command = cli
            command.make_context(command.name, words)
