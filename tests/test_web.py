"""The server of the page: takes, teaching, words, and peers that are hostile, with a client that plays the page."""

import asyncio
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile
import soxr

import sounds
from cases import case
from command_line import Result, one_line_error
from sayso.corpus.corpus import scan
from sayso.model import model_file
from sayso.serve.web import connection, lesson, server
from sayso.serve.web.studio import Studio
from virtual_microphone import wait_until
from web_server import TOKEN, Page, in_a_thread, origin, page, pcm, running


def take(word: str = "zero", seed: int = 0) -> bytes:
    """Return two seconds with a word in them, as the page sends them."""
    quiet = sounds.hiss(sounds.RATE // 2, np.random.default_rng(seed))
    return pcm(np.concatenate([quiet, sounds.clip(word, seed), quiet]))


def words_of(state: dict[str, Any]) -> dict[str, int]:
    return {entry["word"]: len(entry["takes"]) for entry in state["words"]}


def test_takes_are_checked_kept_and_found_again_by_every_page(tiny_model_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"

    async def record(address: str) -> None:
        async with page(address) as one, page(address) as other:
            assert (one.state["words"], one.state["speaker"], one.state["folder"]) == ([], "anna", str(folder))
            answer = await one.record(take(), word="zero")
            assert (answer["saved"], answer["problems"]) == (True, [])
            # What `sayso record` would complain about is saved only if the speaker wants it.
            silence = pcm(sounds.hiss(2 * sounds.RATE, np.random.default_rng(0)))
            answer = await one.record(silence, word="zero")
            assert not answer["saved"]
            assert answer["problems"][0].startswith("no speech was found")
            await other.until(lambda state: words_of(state) == {"zero": 1})
            assert (await one.record(silence, word="zero", keep="yes"))["saved"]
            # Both pages speak at once, with different rates of their microphones; none overwrites the other's.
            said = np.frombuffer(take(), "<i2") / 32_768
            resampled = pcm(soxr.resample(said, sounds.RATE, 44_100))
            await asyncio.gather(
                *(page.record(take(seed=seed), word="zero") for seed, page in enumerate((one, other, one))),
                other.record(resampled, word="lamp", rate=44_100),
            )
            assert (await one.record(take(), word=None))["saved"]
            await other.until(lambda state: words_of(state) == {"lamp": 1, "zero": 5} and state["noises"])

    async def find_again(address: str) -> None:
        async with page(address) as one:
            assert words_of(one.state) == {"lamp": 1, "zero": 5}
            lamp = one.state["words"][0]["takes"][0]
            assert lamp["speaker"] == "anna"
            samples, rate = soundfile.read(io.BytesIO(await one.request("GET", f"takes/{lamp['id']}")))
            assert rate == sounds.RATE
            assert 0.8 < len(samples) / rate < 1.0
            with zipfile.ZipFile(io.BytesIO(await one.request("GET", "recordings.zip"))) as archive:
                assert len(archive.namelist()) == 7
                assert archive.read(archive.namelist()[0]) == (tmp_path / archive.namelist()[0]).read_bytes()
            await one.request("DELETE", f"takes/{lamp['id']}")
            await one.request("DELETE", f"takes/{lamp['id']}")
            await one.request("GET", f"takes/{lamp['id']}", 404)
            await one.until(lambda state: words_of(state) == {"zero": 5})
            assert not (folder / "lamp").exists()
            # Numbers of deleted takes are not used again for others.
            await one.request("DELETE", f"takes/{one.state['words'][0]['takes'][1]['id']}")
            assert (await one.record(take(), word="zero"))["saved"]
            assert len(list((folder / "zero").iterdir())) == 5

    with running(tiny_model_path, folder) as address:
        in_a_thread(record(address))
    with running(tiny_model_path, folder) as address:
        in_a_thread(find_again(address))
    corpus = scan(folder)
    assert ({clip.word for clip in corpus.clips}, {clip.speaker for clip in corpus.clips}) == ({"zero"}, {"anna"})
    assert len(corpus.noises) == 1


def test_what_cannot_be_a_recording_is_refused_in_one_line(
    tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sayso.serve.web.collection.MOST_TAKES", 3)

    async def run(address: str) -> None:
        async with page(address) as one:
            for query, body, message in (
                ({"word": "../../etc"}, take(), "cannot name a file"),
                ({"word": "a/b"}, take(), "cannot name a file"),
                ({"word": ""}, take(), "cannot name a file"),
                ({"word": "_silence_"}, take(), "cannot name a file"),
                ({"word": "_background_noise_"}, take(), "cannot name a file"),
                ({"word": "\x1b[2J"}, take(), "cannot name a file"),
                ({"word": "con"}, take(), "cannot be used"),
                ({"word": "x" * 65}, take(), "cannot be used"),
                ({"word": "x" * 200}, take(), "give a name of at most"),
                ({"word": "zero", "speaker": "../ben"}, take(), "the speaker '../ben' cannot name a file"),
                ({"word": "zero", "speaker": ""}, take(), "the speaker '' cannot name a file"),
                ({"word": "zero", "rate": 1}, take(), "the sound has the rate '1'"),
                ({"word": "zero", "rate": "9" * 5_000}, take(), "the sound has the rate '99999999999999999999'"),
                ({"word": "zero", "rate": "٤٤١٠٠"}, take(), "the sound has the rate"),
                ({"word": "zero", "rate": None}, take(), "the sound has the rate ''"),
                ({"word": "zero"}, b"", "the recording has 0.0 s"),
                ({"word": "zero"}, take() * 11, "the recording has 22.0 s"),
            ):
                with case(query):
                    error = (await one.record(body, 400, **query))["error"]
                    assert message in error
                    assert len(error) < 300
            assert not list(tmp_path.rglob("*.wav"))
            # What is known in another case, or typed with other spaces, is the same word.
            for typed, word in (("YES", "yes"), ("  turn   on ", "turn on"), ("Turn on", "turn on")):
                with case(typed):
                    assert (await one.record(take(), word=typed))["word"] == word
            assert "the page keeps no more" in (await one.record(take(), 400, word="zero"))["error"]

    with running(tiny_model_path, tmp_path / "recordings") as address:
        in_a_thread(run(address))


def test_words_are_heard_in_order_by_each_page_for_itself(tiny_model_path: Path, tmp_path: Path) -> None:
    async def run(address: str) -> None:
        async with page(address) as one, page(address) as other:
            both = await asyncio.gather(
                one.heard(sounds.stream(["yes", "zero", "no"])[0]), other.heard(sounds.stream(["up", "up"])[0])
            )
            assert both == [["yes", "no"], ["up", "up"]]
            await one.listen()
            await one.say(np.full(1_600, 1.0, np.float32), 3_200)
            sound = await one.message("sound")
            assert (sound["fault"], sound["level"]) == ("clipping", -120)
            await one.say(sounds.spoken("yes"), 20_000)
            sound = await one.message("sound")
            assert -20 < sound["level"] < 0
            assert (len(sound["likely"]), sound["likely"][0][0]) == (4, "yes")

    before = threading.active_count()
    with running(tiny_model_path, tmp_path) as address:
        in_a_thread(run(address))
    wait_until(lambda: threading.active_count() <= before, "the end of the threads")


def hostile_requests(address: str) -> list[tuple[str, dict[str, str], str, int, str]]:
    """Return method, headers, path, and the expected status and reason."""
    good, host = {"Origin": origin(address)}, origin(address).removeprefix("http://")
    return [
        ("GET", {}, "/", 403, "open the whole address"),
        ("GET", {}, f"/{TOKEN[:-1]}/", 403, "open the whole address"),
        ("GET", {}, f"/{TOKEN}x/", 403, "open the whole address"),
        ("GET", {}, "/%FF%00/", 403, "open the whole address"),
        ("POST", good, "/wrong/lesson", 403, "open the whole address"),
        ("GET", {"Host": "evil.example"}, f"/{TOKEN}/", 403, "this name is not one of this machine"),
        ("GET", {"Host": f"evil.example:{host.partition(':')[2]}"}, f"/{TOKEN}/", 403, "this name is not"),
        ("GET", {"Host": "[::"}, f"/{TOKEN}/", 403, "this name is not"),
        ("GET", {"Origin": "http://evil.example"}, f"/{TOKEN}/", 403, "does not come from the page itself"),
        ("POST", {}, f"/{TOKEN}/lesson", 403, "does not come from the page itself"),
        ("POST", {"Origin": "null"}, f"/{TOKEN}/lesson", 403, "does not come from the page itself"),
        ("POST", {"Origin": f"https://{host}"}, f"/{TOKEN}/lesson", 403, "does not come from the page itself"),
        ("DELETE", {"Origin": "http://127.0.0.1:1"}, f"/{TOKEN}/lesson", 403, "does not come from the page itself"),
        ("GET", {"Upgrade": "websocket", "Connection": "Upgrade"}, f"/{TOKEN}/socket", 403, "does not come from"),
        ("GET", good, f"/{TOKEN}/socket", 400, "Bad Request"),
        ("GET", good, f"/{TOKEN}/nothing", 404, "Not Found"),
        ("GET", good, f"/{TOKEN}/..%2f..%2fserver.py", 404, "Not Found"),
        ("GET", good, f"/{TOKEN}/takes/..%2f..%2f..%2fetc%2fpasswd", 404, "Not Found"),
        ("GET", good, f"/{TOKEN}/mine.safetensors", 404, "Not Found"),
        ("PUT", good, f"/{TOKEN}/lesson", 405, "Method Not Allowed"),
        ("POST", good, f"/{TOKEN}/takes?speaker=a&rate=16000&word=zero", 413, "Request Entity Too Large"),
    ]  # fmt: skip


MESSAGES: list[tuple[str | bytes, str]] = [
    (b"\0\0", "sound came before its beginning"),
    ("{", "a message is not JSON"),
    ("[" * 50_000, "a message is not JSON"),
    ('{"type": "listen"}', "a message is unknown"),
    ('{"type": "listen", "rate": "16000", "model": "base"}', "expected three whole numbers"),
    ('{"type": "listen", "rate": 1, "model": "base"}', "sound of 1 Hz"),
    ('{"type": "listen", "rate": 1000000000000, "model": "base"}', "is not taken"),
    ('{"type": "' + "x" * 10_000 + '"}', "a message is unknown"),
    (b"x" * 200_000, "exceeds limit 131072"),
]


def test_a_hostile_client_is_refused_and_another_goes_on(tiny_model_path: Path, tmp_path: Path) -> None:
    told: list[str] = []
    sound, _ = sounds.stream(["yes", "zero", "no"])

    async def attack(address: str, other: Page, parts: list[np.ndarray]) -> None:
        port = int(address.split(":")[2].partition("/")[0])
        async with aiohttp.ClientSession() as session:
            for method, headers, path, status, reason in hostile_requests(address):
                with case(method, path, headers):
                    body = b"x" * 9_000_000 if status == 413 else None
                    target = aiohttp.client.URL(origin(address) + path, encoded=True)
                    with contextlib.suppress(aiohttp.ClientConnectionError):
                        async with session.request(method, target, headers=headers, data=body) as response:
                            assert response.status == status
                            assert reason in (await response.json())["error"]
                            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                            assert TOKEN not in await response.text()
                await other.say(parts.pop())
        assert not told
        for message, reason in MESSAGES:
            with case(message[:60]):
                async with page(address) as one:
                    await (one.socket.send_str if isinstance(message, str) else one.socket.send_bytes)(message)
                    with contextlib.suppress(TypeError, ConnectionError):
                        assert reason in (await one.message("error"))["error"]
                    assert (await one.socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
                wait_until(lambda: told and reason in told[-1], "the complaint")  # noqa: B023
                assert len(told[-1]) < 400
            await other.say(parts.pop())
        assert len(told) == len(MESSAGES)
        for data in (np.random.default_rng(0).bytes(5_000), b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000, b"\x16\x03\x01"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                answer = await asyncio.wait_for(reader.read(), 5)
                assert not answer or b" 400 " in answer.splitlines()[0]
            writer.close()

    async def run(address: str) -> None:
        async with page(address) as other:
            await other.listen()
            parts = np.array_split(sound, len(hostile_requests(address)) + len(MESSAGES) + 1)[::-1]
            await attack(address, other, parts)
            for part in parts[::-1]:
                await other.say(part)
            assert [(await other.message("heard"))["word"] for _ in range(2)] == ["yes", "no"]

    with running(tiny_model_path, tmp_path / "recordings", told) as address:
        in_a_thread(run(address))
    assert not list(tmp_path.rglob("*.wav"))
    assert not [line for line in told if "Traceback" in line or "\n" in line]


def test_pages_and_connections_are_bounded_and_idle_ones_end(
    tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_PAGES", 2)
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 8)
    monkeypatch.setattr(server, "IDLE", 0.3)
    monkeypatch.setattr(connection, "STALLED", 0.3)
    told: list[str] = []

    async def large(_: Studio) -> dict[str, str]:
        return {"type": "state", "words": "x" * 2_000_000}

    async def run(address: str) -> None:
        port = int(address.split(":")[2].partition("/")[0])
        with case("pages"):
            async with page(address), page(address) as two:
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    async with page(address):
                        pass
                assert refused.value.status == 503
                assert (await two.record(take(), word="zero"))["saved"]
        with case("idle"):
            for beginning in (b"", b"GET / HTT"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(beginning)
                assert await asyncio.wait_for(reader.read(), 10) == b""
                writer.close()
        with case("connections"):
            async with contextlib.AsyncExitStack() as stack:
                many = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
                stack.callback(lambda: [writer.close() for _, writer in many])
                assert not any([await asyncio.wait_for(reader.read(), 10) for reader, _ in many])
        with case("answers that are not read"):
            async with page(address) as deaf:
                assert deaf.socket._response.connection
                reading = deaf.socket._response.connection.transport
                reading.pause_reading()
                monkeypatch.setattr(Studio, "state", large)
                for _ in range(10):
                    await deaf.request("DELETE", "takes/none")
                wait_until(lambda: told, "the complaint")
                monkeypatch.undo()
                reading.resume_reading()
            assert "answers are not read" in told[0]
        async with page(address) as one:
            assert await one.heard(sounds.stream(["yes"])[0]) == ["yes"]

    with running(tiny_model_path, tmp_path / "recordings", told) as address:
        in_a_thread(run(address))


def seeded(folder: Path, corpus: Path) -> Path:
    """Make a folder with recordings of "zero", which the tiny model knows as unknown speech only."""
    shutil.copytree(corpus / "zero", folder / "zero")
    return folder


def children(process: int) -> set[str]:
    """Return the processes that a process has started."""
    return {
        child
        for tasks in Path(f"/proc/{process}/task").glob("*/children")
        for child in tasks.read_text().split()
        if lesson.__name__ in Path(f"/proc/{child}/cmdline").read_text()
    }


def test_a_word_is_taught_and_what_hinders_it_is_told(tiny_model_path: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    folder = seeded(tmp_path / "recordings", tiny_corpus)
    few = folder / "few" / "anna_nohash_1.wav"

    async def run(address: str) -> None:
        async with page(address) as one, page(address) as other:
            assert await one.heard(sounds.stream(["zero"])[0]) == []
            with case("too few recordings"):
                few.parent.mkdir()
                soundfile.write(few, sounds.clip("up"), sounds.RATE)
                await one.request("POST", "lesson", 202)
                assert "taught already" in (await other.request("POST", "lesson", 400))["error"]
                await one.until(lambda state: state["trouble"])
                assert "the word 'few' has 1 usable recordings" in one.state["trouble"]
                assert "taught" not in one.state["models"]
                shutil.rmtree(few.parent)
            with case("stopped"):
                await one.request("POST", "lesson", 202)
                await one.until(lambda state: state["teaching"] and not state["trouble"])
                await one.request("DELETE", "lesson")
                await one.until(lambda state: not state["teaching"] and not state["trouble"])
                wait_until(lambda: not children(os.getpid()), "the end of the process")
                assert not one_file(tmp_path)
            with case("taught"):
                await one.request("POST", "lesson", 202)
                await other.until(lambda state: state["teaching"] == "learning")
                await other.until(lambda state: "taught" in state["models"])
                (row,) = other.state["models"]["taught"]["report"]
                assert (row["word"], row["takes"]) == ("zero", 24)
                assert row["heard"] > 12
                assert await other.heard(sounds.stream(["zero", "yes"])[0], sounds.RATE, "taught") == ["zero", "yes"]
                assert await one.heard(sounds.stream(["zero"])[0]) == []
                content = await one.request("GET", "mine.safetensors")
                assert content == one_file(tmp_path)[0].read_bytes()

    async def again(address: str) -> None:
        async with page(address) as one:
            assert one.state["models"]["taught"]["report"][0]["word"] == "zero"
            assert await one.heard(sounds.stream(["zero"])[0], sounds.RATE, "taught") == ["zero"]

    with running(tiny_model_path, folder) as address:
        in_a_thread(run(address))
    assert "zero" in model_file.load(one_file(tmp_path)[0]).labels
    with running(tiny_model_path, folder) as address:
        in_a_thread(again(address))


def one_file(folder: Path) -> list[Path]:
    return list(folder.glob("*.safetensors"))


def web_command(model: Path, *options: object) -> list[str]:
    return [sys.executable, "-m", "sayso", "serve", "web", "-m", str(model), *map(str, options)]


def test_what_cannot_be_served_is_refused_in_one_line(
    tiny_model_path: Path, tmp_path: Path, sayso: Callable[..., Result]
) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "foreign.safetensors").write_bytes(tiny_model_path.read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options, message in (
            (["--port", port], f"cannot listen on 127.0.0.1, port {port}: Address already in use; give another"),
            (["--host", "192.0.2.77"], "cannot listen on 192.0.2.77, port 10320: Cannot assign requested address"),
            (["-o", tmp_path / "file"], f"cannot read {tmp_path / 'file'}: Not a directory"),
            (["-o", tmp_path / "foreign"], "is not a model taught from foreign; move it away"),
            (["--certificate", tmp_path / "none.pem"], "none.pem: No such file or directory; give a certificate"),
            (["--certificate", tmp_path / "file"], "cannot use the certificate in"),
        ):
            with case(*options):
                result = sayso("serve", "web", "-m", tiny_model_path, "-o", tmp_path / "recordings", *options)
                assert message in one_line_error(result)
    assert "give --certificate" in sayso("serve", "web", "--key", tmp_path / "file").err
    assert not (tmp_path / "recordings").exists()


def test_the_command_serves_until_it_is_asked_to_end(tiny_model_path: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    seeded(tmp_path / "recordings", tiny_corpus)

    async def teach(address: str) -> None:
        async with page(address) as one:
            await one.request("POST", "lesson", 202)
            await one.until(lambda state: state["teaching"] == "reading recordings")

    with subprocess.Popen(
        web_command(tiny_model_path, "--port", 0), cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        try:
            address = process.stdout.readline().split()[-1]
            assert str(tmp_path / "recordings") in process.stderr.readline()
            in_a_thread(teach(address))
            (learning,) = children(process.pid)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
            assert process.stderr.read() == ""
            assert not Path(f"/proc/{learning}").exists()
        finally:
            process.kill()


def test_with_a_certificate_it_speaks_https(tiny_model_path: Path, tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    files = [tmp_path / "certificate.pem", tmp_path / "key.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    trusted = ssl.create_default_context(cafile=str(files[0]))

    async def visit(address: str) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session:
            async with session.get(address) as response:
                assert "Words of your own" in await response.text()
            async with session.ws_connect(f"{address}socket", origin=origin(address)) as opened:
                assert json.loads(await opened.receive_str())["type"] == "state"

    options = ["--port", 0, "--certificate", files[0], "--key", files[1], "-o", tmp_path / "recordings"]
    with subprocess.Popen(web_command(tiny_model_path, *options), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            address = process.stdout.readline().split()[-1]
            assert address.startswith("https://127.0.0.1:")
            in_a_thread(visit(address))
        finally:
            process.terminate()
