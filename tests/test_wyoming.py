"""The Wyoming service, with the protocol's own client, and with peers that are broken, slow or hostile."""

import asyncio
import contextlib
import dataclasses
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import soxr

import sounds
from cases import case
from command_line import Result, one_line_error

pytest.importorskip("wyoming", reason='wyoming is not installed: pip install "sayso[wyoming]"')

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection

from sayso.model.model_file import Model
from sayso.model.parts import with_words
from sayso.recognition.recognizer import Recognizer
from sayso.serve import announcement, events, wyoming
from sayso.serve.announcement import KIND, announced, reachable
from sayso.serve.wyoming import Service, information, serving
from virtual_microphone import wait_until

WORDS = ["yes", "no", "up"]


def in_a_thread(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in a thread of its own: the browser of other tests keeps a loop in the main one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@contextlib.asynccontextmanager
async def service(
    recognizer: Recognizer, told: list[str] | None = None, load: Callable[[], Recognizer] | None = None
) -> AsyncIterator[Service]:
    info, notify = information(recognizer.model, "tiny", ["en"]), (told if told is not None else []).append
    async with serving(load or (lambda: recognizer), info, "127.0.0.1", 0, notify) as running:
        yield running


def client(running: Service) -> AsyncTcpClient:
    return AsyncTcpClient("127.0.0.1", running.port)


def encoded(samples: np.ndarray, rate: int, width: int, channels: int) -> bytes:
    """Convert samples at the model's rate to bytes of another format."""
    samples = soxr.resample(samples, sounds.RATE, rate)
    scaled = (samples[:, None].repeat(channels, 1) * (2 ** (8 * width - 1) - 1)).round().astype(np.int64)
    if width == 1:
        return (scaled + 128).astype(np.uint8).tobytes()
    return scaled.astype("<i8").reshape(-1, 1).view(np.uint8)[:, :width].tobytes()


async def send(
    to: AsyncTcpClient, samples: np.ndarray, shape: tuple[int, int, int] = (sounds.RATE, 2, 1), size: int = 2_048,
    began: int | None = None,
) -> None:  # fmt: skip
    await to.write_event(AudioStart(*shape, timestamp=began).event())
    data = encoded(samples, *shape)
    for start in range(0, len(data), size):
        await to.write_event(AudioChunk(*shape, audio=data[start : start + size]).event())
    await to.write_event(AudioStop().event())


async def answers(to: AsyncTcpClient, *last: str) -> list[Event]:
    """Read events up to the first of one of these types."""
    received: list[Event] = []
    while not received or received[-1].type not in last:
        event = await asyncio.wait_for(to.read_event(), 60)
        assert event is not None, received
        received.append(event)
    return received


async def transcript(of: AsyncTcpClient, samples: np.ndarray, *settings: Any) -> str:
    await of.write_event(Transcribe(language="en").event())
    await send(of, samples, *settings)
    return Transcript.from_event((await answers(of, "transcript"))[-1]).text


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return sounds.stream(["yes", "zero", "no"])[0]


def test_describe_is_answered_before_the_recognizer_is_ready(
    tiny_recognizer: Recognizer, sound: np.ndarray, tiny_model: Model
) -> None:
    ready = threading.Event()

    def load() -> Recognizer:
        assert ready.wait(10)
        return tiny_recognizer

    async def run() -> None:
        async with service(tiny_recognizer, load=load) as running, client(running) as one, client(running) as other:
            await one.write_event(Describe().event())
            info = Info.from_event((await answers(one, "info"))[-1])
            assert info.asr[0].models[0].languages == ["en"]
            assert info.asr[0].installed
            assert [(model.name, model.phrase, model.languages) for model in info.wake[0].models] == [
                (word, word, ["en"]) for word in WORDS
            ]
            await one.write_event(Ping("here?").event())
            assert Pong.from_event((await answers(one, "pong"))[-1]).text == "here?"
            waiting = asyncio.create_task(transcript(other, sound))
            assert not (await asyncio.wait([waiting], timeout=0.1))[0]
            ready.set()
            assert await waiting == "yes no"

    in_a_thread(run())
    taught = dataclasses.replace(tiny_model, training={"taught": [{"clips": {"up": 5}}]})
    assert [model.name for model in information(taught, "mine", ["de"]).wake[0].models] == ["up"]


def test_sound_of_any_usual_format_becomes_its_words(tiny_recognizer: Recognizer, sound: np.ndarray) -> None:
    async def run() -> None:
        async with service(tiny_recognizer) as running, client(running) as one:
            for shape, size in (
                ((16_000, 2, 1), 2_048),
                ((16_000, 2, 1), 333),
                ((16_000, 2, 2), 2_047),
                ((48_000, 3, 2), 50_000),
                ((44_100, 4, 1), 200_000),
            ):
                with case(shape, size):
                    assert await transcript(one, sound, shape, size) == "yes no"
            assert await transcript(one, sounds.stream(["zero"])[0]) == ""
            assert await transcript(one, np.zeros(0, np.float32)) == ""
            # Sound that is begun anew.
            await one.write_event(AudioStart(16_000, 2, 1).event())
            await one.write_event(AudioChunk(16_000, 2, 1, encoded(sound, 16_000, 2, 1)).event())
            assert await transcript(one, sounds.stream(["up"])[0]) == "up"
            # Sound that was never begun, and an end without sound.
            await one.write_event(AudioChunk(16_000, 2, 1, encoded(sound, 16_000, 2, 1)).event())
            await one.write_event(AudioStop().event())
            assert Transcript.from_event((await answers(one, "transcript"))[-1]).text == "yes no"
            await one.write_event(AudioStop().event())
            assert Transcript.from_event((await answers(one, "transcript"))[-1]).text == ""

    in_a_thread(run())


def test_wake_words_are_those_that_the_client_asks_for(tiny_recognizer: Recognizer, sound: np.ndarray) -> None:
    expected = list(tiny_recognizer.detect([sound]))

    async def run() -> None:
        async with service(tiny_recognizer) as running, client(running) as one:
            # Home Assistant's default: whatever comes first.
            await send(one, sound)
            assert Detection.from_event((await answers(one, "detection"))[-1]).name == "yes"
            await answers(one, "detection")
            for names, found in (
                (None, ["yes", "no"]),
                ([], ["yes", "no"]),
                (["no"], ["no"]),
                (["up", "yes"], ["yes"]),
                (["up"], []),
                (["jarvis"], []),
            ):
                with case(names):
                    await one.write_event(Detect(names).event())
                    await send(one, sound, began=5_000)
                    # The answer to what follows shows that nothing else came.
                    await one.write_event(Ping().event())
                    *received, _ = await answers(one, "pong")
                    assert [event.type for event in received] == (["detection"] * len(found) or ["not-detected"])
                    detections = [Detection.from_event(event) for event in received if event.type == "detection"]
                    assert [detection.name for detection in detections] == found
                    assert [detection.timestamp for detection in detections] == [
                        5_000 + round(1_000 * of.end) for of in expected if of.label in found
                    ]

    in_a_thread(run())


def test_a_word_within_unknown_speech_is_offered_to_wake_and_stands_in_no_transcript(knowing_zero: Model) -> None:
    model, samples = with_words(knowing_zero, ["zero"]), sounds.stream(["yes", "zero", "no"])[0]
    info = information(model, "tiny", ["en"], ["zero"])
    assert [offered.name for offered in info.wake[0].models] == ["zero"]
    assert info.asr[0].models[0].description == "sayso, tiny: yes, no, up"

    async def run() -> None:
        with_zero = serving(lambda: Recognizer(model), info, "127.0.0.1", 0, print, ["zero"])
        async with with_zero as running, client(running) as one:
            for names, found in ((None, ["zero"]), (["zero"], ["zero"]), (["no"], ["no"])):
                with case(names):
                    await one.write_event(Detect(names).event())
                    await send(one, samples)
                    await one.write_event(Ping().event())
                    *received, _ = await answers(one, "pong")
                    assert [Detection.from_event(event).name for event in received] == found
            assert await transcript(one, samples) == "yes no"

    in_a_thread(run())


def line(**header: Any) -> bytes:
    return json.dumps(header).encode() + b"\n"


SOUND = {"rate": 16_000, "width": 2, "channels": 1}
HOSTILE: list[tuple[bytes, str]] = [
    (b"GET / HTTP/1.1\r\n\r\n", "is not JSON"),
    (np.random.default_rng(0).bytes(5_000) + b"\n", "is not JSON"),
    (b"[1, 2]\n", "is no table"),
    (b"{}\n", "no type at all"),
    (line(type=["describe"]), "no type at all"),
    (line(type="describe", data=[1]), "data that is no table"),
    (b"[" * 50_000 + b"\n", "is not JSON"),
    (b"a" * 200_000, "longer than 65536 bytes"),
    (line(type="audio-chunk", data=SOUND, payload_length=10**12), "expected at most"),
    (line(type="audio-chunk", data=SOUND, payload_length=-1), "expected at most"),
    (line(type="audio-chunk", data=SOUND, payload_length=True), "expected at most"),
    (line(type="describe", data_length=10**9), "expected at most"),
    (line(type="describe", data_length=3) + b"abc", "is not JSON"),
    (line(type="describe", data_length=2) + b"[]", "is no table"),
    (line(type="detect", data={"names": "yes"}), "expected a list"),
    (line(type="audio-start"), "expected three whole numbers"),
    (line(type="audio-start", data=SOUND | {"rate": "16000"}), "expected three whole numbers"),
    (line(type="audio-start", data=SOUND | {"rate": 1}), "sound of 1 Hz"),
    (line(type="audio-start", data=SOUND | {"rate": 10**9}), "is not taken"),
    (line(type="audio-start", data=SOUND | {"rate": float("nan")}), "expected three whole numbers"),
    (line(type="audio-start", data=SOUND | {"width": 8}), "8 bytes"),
    (line(type="audio-start", data=SOUND | {"channels": 0}), "0 channels"),
    (
        line(type="audio-start", data=SOUND) + line(type="audio-chunk", data=SOUND | {"rate": 8_000}),
        "changes its format",
    ),
]


def test_a_hostile_peer_is_told_and_sent_away_and_others_are_not_disturbed(
    tiny_recognizer: Recognizer, sound: np.ndarray
) -> None:
    told: list[str] = []

    async def attack(running: Service, data: bytes, message: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(data)
        # What was not read when the service ended the connection may hide the answer.
        with contextlib.suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 5)
            assert message in answer.decode() or not answer
        writer.close()
        assert message in told[-1]
        assert len(told[-1]) < 400

    async def run() -> None:
        async with service(tiny_recognizer, told) as running, client(running) as other:
            await other.write_event(Transcribe().event())
            await other.write_event(AudioStart(16_000, 2, 1).event())
            data = encoded(sound, 16_000, 2, 1)
            for number, (hostile, message) in enumerate(HOSTILE):
                with case(hostile[:60], message):
                    await attack(running, hostile, message)
                part = data[number * 2_000 :][:2_000]
                await other.write_event(AudioChunk(16_000, 2, 1, part).event())
            # Peers that leave in the middle of an event are no reason to complain.
            before = len(told)
            for part in (b"", b'{"type"', line(type="audio-chunk", data=SOUND, payload_length=100) + b"abc"):
                _, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(part)
                await writer.drain()
                writer.close()
            await other.write_event(AudioChunk(16_000, 2, 1, data[len(HOSTILE) * 2_000 :]).event())
            await other.write_event(AudioStop().event())
            assert Transcript.from_event((await answers(other, "transcript"))[-1]).text == "yes no"
            assert len(told) == before == len(HOSTILE)
            # Events that are unknown ask for nothing.
            await other.write_event(Event("synthesize", {"text": "hello"}))
            assert await transcript(other, sound) == "yes no"

    in_a_thread(run())


def test_peers_that_stall_do_not_read_or_are_too_many_are_sent_away(
    tiny_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STALLED", 0.2)
    monkeypatch.setattr(events, "IDLE", 0.6)
    monkeypatch.setattr(wyoming, "MOST_CLIENTS", 3)
    told: list[str] = []

    async def run() -> None:
        async with service(tiny_recognizer, told) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(line(type="audio-chunk", data=SOUND, payload_length=100) + b"abc")
            with case("in the middle of an event"):
                assert b"nothing came for too long" in await asyncio.wait_for(reader.read(), 5)
                writer.close()
            deaf = socket.create_connection(("127.0.0.1", running.port))
            deaf.setblocking(False)
            with case("does not read"):
                end = time.monotonic() + 60
                while not any("answers are not read" in text for text in told):
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        deaf.send(line(type="describe") * 500)
                    assert time.monotonic() < end
                    await asyncio.sleep(0.01)
                # Its connection is cut, although it has not taken what it was sent.
                with contextlib.suppress(ConnectionError):
                    while True:
                        with contextlib.suppress(BlockingIOError):
                            deaf.send(b"\n")
                        assert time.monotonic() < end
                        await asyncio.sleep(0.01)
                deaf.close()
            with case("too many"):
                async with contextlib.AsyncExitStack() as stack:
                    three = [await stack.enter_async_context(client(running)) for _ in range(3)]
                    for one in three:
                        await one.write_event(Ping().event())
                        await answers(one, "pong")
                    async with client(running) as fourth:
                        error = Error.from_event((await answers(fourth, "error"))[-1])
                        assert error.text == "there are 3 other clients"
                    with case("idle"):
                        for one in three:
                            assert "nothing came" in Error.from_event((await answers(one, "error"))[-1]).text
                async with client(running) as one:
                    await one.write_event(Ping().event())
                    await answers(one, "pong")

    in_a_thread(run())


def test_twenty_clients_at_once_get_their_own_words(tiny_recognizer: Recognizer) -> None:
    rng = np.random.default_rng(1)
    said = [list(rng.choice(WORDS, 3)) for _ in range(20)]
    before = threading.active_count()

    async def one(running: Service, words: Sequence[str]) -> str:
        async with client(running) as connected:
            return await transcript(connected, sounds.stream(list(words), seed=len(words))[0])

    async def run() -> None:
        async with service(tiny_recognizer) as running:
            heard = await asyncio.gather(*(one(running, words) for words in said))
            assert heard == [" ".join(words) for words in said]

    in_a_thread(run())
    wait_until(lambda: threading.active_count() <= before, "the end of the threads")


def test_the_service_is_announced_with_an_address_that_others_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    zeroconf = pytest.importorskip("zeroconf", reason='zeroconf is not installed: pip install "sayso[wyoming]"')
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    async def run() -> None:
        told: list[str] = []
        name = f"sayso test.{sounds.RATE}"
        async with announced(name, "127.0.0.1", 4_321, told.append):
            browser = AsyncZeroconf(interfaces=["127.0.0.1"])
            info = AsyncServiceInfo(KIND, f"{name.replace('.', ' ')}.{KIND}")
            assert await info.async_request(browser.zeroconf, 3_000)
            assert (info.parsed_addresses(), info.port) == (["127.0.0.1"], 4_321)
            await browser.async_close()
        assert not told
        async with announced(name, "192.0.2.77", 4_321, told.append):
            assert "is not announced" in told[0]

    in_a_thread(run())
    assert zeroconf
    for host in ("127.0.0.1", "::1", "localhost", "nowhere.invalid"):
        with case(host):
            assert reachable(host) is None
    assert reachable("192.0.2.77") == "192.0.2.77"
    for host in ("0.0.0.0", "::", ""):
        with case(host):
            assert reachable(host) not in ("0.0.0.0", "::", "127.0.0.1")
    # As on a machine without a network.
    monkeypatch.setattr(announcement, "GROUP", ("nowhere.invalid", 5353))
    assert reachable("0.0.0.0") is None


def test_an_address_that_cannot_be_listened_on_is_refused(tiny_model_path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for host, reason in (
            ("127.0.0.1", "Address already in use"),
            ("192.0.2.77", "Cannot assign requested address"),
            ("nowhere.invalid", ""),
        ):
            with case(host):
                command = [sys.executable, "-m", "sayso", "serve", "wyoming", "-m", tiny_model_path]
                run = subprocess.run([*command, "--host", host, "--port", str(port)], capture_output=True, text=True)
                message = one_line_error(Result(run.returncode, run.stdout, run.stderr))
                assert message.startswith(f"error: cannot listen on {host}, port {port}: {reason}")


def test_strange_values_do_no_harm_and_a_flood_fills_no_log(
    tiny_recognizer: Recognizer, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "IDLE", 5.0)
    told: list[str] = []

    async def run() -> None:
        async with service(tiny_recognizer, told) as running, client(running) as one:
            for text, answer in (("\ud800", "?"), ([[1]], None), (10**4_000, None)):
                with case(text):
                    await one.write_event(Event("ping", {}))
                    await answers(one, "pong")
                    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                    writer.write(line(type="ping", data={"text": text}))
                    header = json.loads(await asyncio.wait_for(reader.readline(), 5))
                    assert header["type"] == "pong"
                    data = json.loads(await reader.readexactly(header.get("data_length", 0)) or "{}")
                    assert data.get("text") == answer
                    writer.close()
            # Names that are no text are those of no word, and times beyond all bounds are none.
            for names, began in (([3, [["yes"]], None], 0), (["yes"], 10**4_000)):
                with case(names):
                    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                    writer.write(line(type="detect", data={"names": names}))
                    writer.write(line(type="audio-start", data=SOUND | {"timestamp": began}))
                    payload = encoded(sound, 16_000, 2, 1)
                    writer.write(line(type="audio-chunk", data=SOUND, payload_length=len(payload)) + payload)
                    writer.write(line(type="audio-stop"))
                    header = json.loads(await asyncio.wait_for(reader.readline(), 30))
                    assert header["type"] == ("detection" if began else "not-detected")
                    if began:
                        assert json.loads(await reader.readexactly(header["data_length"]))["timestamp"] < 10_000
                    writer.close()
            assert not told
            for _ in range(wyoming.MOST_COMPLAINTS + 20):
                reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(b"[]\n")
                await reader.read()
                writer.close()
            assert len(told) == wyoming.MOST_COMPLAINTS
            # A peer that sends much at once leaves others their turn.
            _, busy = await asyncio.open_connection("127.0.0.1", running.port)
            busy.write(line(type="audio-start", data=SOUND) * 800)
            await one.write_event(Ping().event())
            assert len(await asyncio.wait_for(answers(one, "pong"), 5)) == 1
            assert running.connections == 2
            busy.transport.abort()

    in_a_thread(run())


async def talk(port: int, sound: np.ndarray) -> AsyncTcpClient:
    """Get a transcript, and stop talking in the middle of a stream."""
    connected = AsyncTcpClient("127.0.0.1", port)
    await connected.connect()
    assert await transcript(connected, sound) == "yes no"
    await connected.write_event(AudioStart(16_000, 2, 1).event())
    return connected


def test_the_command_serves_until_it_is_asked_to_end(tiny_model_path: str, sound: np.ndarray) -> None:
    command = [sys.executable, "-m", "sayso", "serve", "wyoming", "-m", tiny_model_path, "--port", "0"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with case(number), subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            port = int(process.stderr.readline().rsplit(":", 1)[1])

            with ThreadPoolExecutor(1) as thread, asyncio.Runner() as runner:
                thread.submit(runner.run, talk(port, sound)).result()
                process.send_signal(number)
                assert process.wait(10) == 0
                thread.submit(runner.close).result()
            assert process.stderr.read() == ""
