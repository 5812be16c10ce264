"""The examples of docs/export.md and microcontrollers.md run as they stand there: commands, and a page in a browser."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from browser import OFFLINE
from cases import case
from sayso.model import shipped
from sayso.sound import audio
from test_readme import ROOT, blocks

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = [block for name in ("export.md", "microcontrollers.md") for block in blocks(ROOT / "docs" / name)]
COMMANDS = [line for language, text in PAGE if not language for line in text.splitlines()]
# What a command needs besides Python.
NEEDED = ("gcc", "ffmpeg", "node")
RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example programs, and a clip of "yes" with silence after it."""
    folder = tmp_path_factory.mktemp("export")
    for _, text in PAGE:
        if name := re.search(r"\bwords\.\w+(?=: )", text):
            (folder / name[0]).write_text(text, encoding="utf-8")
    clip = audio.load(min((shipped.bundled("demo") / "yes").iterdir()), RATE)
    soundfile.write(folder / "clip.wav", np.concatenate([clip, np.zeros(2 * RATE, np.float32)]), RATE)
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as a shell does, with this Python as `python` and as `sayso`."""
    bin_folder = folder / "bin"
    if not bin_folder.exists():
        bin_folder.mkdir()
        for name, arguments in (("python", '"$@"'), ("sayso", '-m sayso "$@"')):
            script = bin_folder / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}\n')
            script.chmod(0o755)
    path = os.pathsep.join([str(bin_folder), os.environ["PATH"]])
    return subprocess.run(
        command, shell=True, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )


def test_the_commands_of_the_page_recognise_the_word(folder: Path) -> None:
    assert len(COMMANDS) >= 7
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"needs the package {package}, as in sayso[test]")
    missing = [name for name in NEEDED if not shutil.which(name)]
    for command in COMMANDS:
        needed = "gcc" if "./words" in command else command
        if any(re.search(rf"\b{name}\b", f"{needed} {command}") for name in missing):
            continue
        with case(command):
            result = run(command, folder)
            assert result.returncode == 0, result.stderr
            if "clip.wav" in command:
                assert result.stdout.startswith("yes"), result.stdout
    if missing:
        pytest.skip(f"some of the examples need the programs {', '.join(missing)}")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder as `python -m http.server` does."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_web_page_hears_the_word_in_a_microphone(folder: Path, browser: "Browser") -> None:
    assert run("sayso export commands -o commands.json --int8", folder).returncode == 0
    microphone = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={folder / 'clip.wav'}",
    ]
    # Another process of the same program, as a microphone is an option of the whole browser.
    with served(folder) as address, launched(browser, *microphone) as listening:
        page = listening.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/words.html")
        page.wait_for_function("document.querySelector('button').onclick")
        page.click("button")
        page.wait_for_function("document.querySelector('p').textContent.includes('yes')", timeout=20_000)
        assert not errors


@contextmanager
def launched(browser: "Browser", *options: str) -> Iterator["Browser"]:
    program = shutil.which("chromium")
    assert program
    other = browser.browser_type.launch(executable_path=program, args=[*OFFLINE, *options])
    yield other
    other.close()
