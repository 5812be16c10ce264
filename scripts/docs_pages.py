"""The pages of the documentation that do not lie in docs/: a hook of MkDocs, named in mkdocs.yml.

The README and the other pages of the repository become pages of the site, and each room of the code gets one. A link
that leaves docs/, which GitHub follows to a file, leads to a page that shows this file.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "src/sayso"
# Pages of the repository, and where they are on the site.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "data/README.md": "demo-corpus.md",
    **{f"models/{path.name}": f"models/{path.name}" for path in sorted((ROOT / "models").glob("*.md"))},
}
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# [text](target#anchor) and ![text](target); the text may hold code and run over a line.
_LINK = re.compile(r"(\[[^\]]*\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))")
# What the pages of the reference document.
_ENTRY = re.compile(r"^::: (\S+)", re.MULTILINE)
# What a browser would fetch from elsewhere by itself.
_FOREIGN = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and let the links of all of them lead to pages of the site."""
    texts = {site: (ROOT / path).read_text(encoding="utf-8") for path, site in PAGES.items()}
    origins = {site: path for path, site in PAGES.items()}
    for file in files.documentation_pages():
        texts[file.src_uri] = file.content_string
        origins[file.src_uri] = f"docs/{file.src_uri}"
    for path in sorted((ROOT / "docs").glob("*.ipynb")):
        texts[f"{path.stem}.md"] = _notebook_page(path)
        origins[f"{path.stem}.md"] = f"docs/{path.name}"
        notebook = files.get_file_from_path(path.name)
        if notebook is not None:
            files.remove(notebook)
    places = {origin: site for site, origin in origins.items()}
    documented = {name for site, text in texts.items() for name in _ENTRY.findall(text)}
    for room, text in rooms(documented):
        texts[f"rooms/{room}.md"] = text
        places[f"{PACKAGE}/{room}"] = f"rooms/{room}.md"
    for site, text in list(texts.items()):
        if site in origins:
            texts[site] = _with_links(text, site, origins[site], places, texts)
    for site, text in texts.items():
        if (old := files.get_file_from_path(site)) is not None:
            files.remove(old)
        files.append(File.generated(config, site, content=text))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> None:
    """Refuse a page that fetches anything from elsewhere."""
    if foreign := _FOREIGN.search(output):
        raise PluginError(f"{page.file.src_uri} fetches from elsewhere: {foreign[0]}")


def _with_links(text: str, site: str, origin: str, places: dict[str, str], texts: dict[str, str]) -> str:
    """Return the text of a page with links to where the files that it links to are on the site.

    Parameters
    ----------
    text : str
        The page.
    site, origin : str
        Where it is on the site, and in the repository.
    places : dict of str to str
        Where the files of the repository are on the site; pages that show a source file are added.
    texts : dict of str to str
        The pages of the site; such pages are added.
    """

    def link(match: re.Match[str]) -> str:
        path = normpath(str(PurePosixPath(origin).parent / match[2]))
        if path in places:
            place = places[path]
        elif path.startswith("docs/"):
            place = path.removeprefix("docs/")
        elif (ROOT / path).is_file():
            place = places[path] = f"source/{path}.md"
            texts[place] = _source_page(path)
        else:
            raise PluginError(f"{origin} links to {match[2]}, which is neither a file nor a room of the code")
        return match[1] + relpath(place, str(PurePosixPath(site).parent)) + (match[3] or "")

    # What lies between the code blocks, and the blocks as they are.
    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(link, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(link, text[end:])])


def _notebook_page(path: Path) -> str:
    """Return a notebook as a page: its text, its code, and what the code prints."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        printed = "".join(line for output in cell.get("outputs", ()) for line in output["text"])
        if printed:
            parts.append(f"```text\n{printed}```")
    return "\n\n".join(parts) + "\n"


def _source_page(path: str) -> str:
    language = {".py": "python", ".toml": "toml"}.get(Path(path).suffix, "text")
    source = (ROOT / path).read_text(encoding="utf-8")
    return f"---\nsearch: {{ exclude: true }}\n---\n# {path}\n\n````{language}\n{source}````\n"


def rooms(documented: set[str]) -> Iterator[tuple[str, str]]:
    """Write a page for each room of the code: what its modules are for, and everything public in them.

    Parameters
    ----------
    documented : set of str
        Names that the reference documents; they are linked to instead.

    Yields
    ------
    room, text : str
        The name of a folder and its page.
    """
    package = griffe.load("sayso", search_paths=[ROOT / "src"])
    known = {_canonical(package, name) for name in documented}
    for room in package.modules.values():
        if not room.is_init_module or not isinstance(room.filepath, Path):
            continue
        modules = [module for name, module in sorted(room.modules.items()) if name != "__main__"]
        lines = [f"# {room.name}", "", _docstring(room), "", "| module | what it is for |", "|---|---|"]
        lines += [f"| [`{module.name}`](#{module.path}) | {_docstring(module).splitlines()[0]} |" for module in modules]
        for module in modules:
            lines += ["", *_entry(module, known)]
        yield room.name, "\n".join(lines) + "\n"


def _entry(module: griffe.Module, known: set[str]) -> list[str]:
    public = [member for member in module.members.values() if not member.is_alias and not member.name.startswith("_")]
    elsewhere = [member.path for member in public if member.path in known]
    here = [member.name for member in public if member.path not in known and member.has_docstring]
    lines = [f"::: {module.path}", "    options:", f"      members: [{', '.join(here)}]"]
    if elsewhere:
        links = ", ".join(f"[`{path.rpartition('.')[2]}`][{path}]" for path in elsewhere)
        lines += ["", f"In the reference: {links}."]
    return lines


def _canonical(package: griffe.Object | griffe.Alias, name: str) -> str:
    try:
        path: str = package[name.removeprefix("sayso.")].canonical_path
    except KeyError:
        raise PluginError(f"the reference documents {name}, which is not in the code") from None
    return path


def _docstring(module: griffe.Module) -> str:
    if module.docstring is None:
        raise PluginError(f"{module.path} has no docstring")
    text: str = module.docstring.value
    return text
