"""`sayso serve`: recognised words for smart homes and other programs, and a page for people."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note, say, warn
from sayso.cli.group import Group
from sayso.cli.listen import input_chunks, line_printer
from sayso.cli.live_recognizer import live_recognizer, wake_options
from sayso.cli.options import decision_options, device_option, format_option, model_option
from sayso.cli.sound_options import channel_option, gain_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sayso.sound.stream import Samples


@click.group(cls=Group)
def serve() -> None:
    """Bring recognised words to smart homes and other programs, or open a page to record, teach and try words.

    Example: sayso serve mqtt mqtts://anna@homeassistant.local
    """


@serve.command()
@click.argument("address", metavar="mqtt[s]://[USER@]HOST[:PORT]")
@model_option
@device_option
@click.option("--input", "source", metavar="FILE|-", help="Take the sound from a file, a pipe, or standard input.")
@channel_option
@gain_option
@decision_options
@wake_options
@click.option("--name", help="What the place is called in which it listens. [default: the name of this machine]")
@click.option(
    "--password-file", type=click.Path(path_type=Path), metavar="FILE",
    help="A file with the password of the user. [default: the environment variable SAYSO_MQTT_PASSWORD]",
)  # fmt: skip
@click.option(
    "--ca", "authorities", type=click.Path(path_type=Path), metavar="FILE",
    help="The certificate of the authority that signed the broker's. [default: those that the system trusts]",
)  # fmt: skip
@format_option("text", "jsonl")
def mqtt(
    address: str, model: str | None, device: str | None, source: str | None, channel: int | None, gain: float,
    sensitivity: float, anywhere: bool, patient: bool, wake: str | None, seconds: float | None, name: str | None,
    password_file: Path | None, authorities: Path | None, style: str,
) -> None:  # fmt: skip
    """Listen to the microphone and publish each word to an MQTT broker, for Home Assistant and others.

    Home Assistant finds it by itself: an event entity, and a trigger for each word.

    Example: sayso serve mqtt mqtts://anna@homeassistant.local --password-file ~/.mqtt-password --wake computer
    """
    import platform

    from sayso.config import SILENCE, UNKNOWN
    from sayso.live.listening import Listening
    from sayso.live.microphone import Microphone
    from sayso.model.shipped import DEFAULT
    from sayso.serve.broker import Broker, read_password, readable_by_others
    from sayso.serve.home_assistant import Topics, discovery
    from sayso.serve.mqtt import Publisher
    from sayso.system.memory import keep_freed_memory
    from sayso.system.signals import end_as_ctrl_c

    if source is not None and device is not None:
        raise click.UsageError("--device and --input exclude each other: give only one of them")
    keep_freed_memory()
    broker, password = Broker.parse(address), read_password(password_file)
    if password_file and readable_by_others(password_file):
        warn(f"other users can read {password_file}; run chmod 600 on it")
    recognizer, gate = live_recognizer(model or DEFAULT, sensitivity, anywhere, patient, wake, seconds)
    rate = recognizer.model.features.sample_rate
    topics = Topics(name or platform.node() or "sayso")
    words = [label for label in recognizer.labels if label not in (SILENCE, UNKNOWN)]
    announcements = discovery(topics, words, Path(model or DEFAULT).stem, gate.seconds if gate else None)
    end_as_ctrl_c()
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        publisher = stack.enter_context(
            Publisher(broker, password, topics, announcements, warn, gate.word if gate else None, authorities)
        )
        if source is None:
            microphone = stack.enter_context(Microphone(device, rate, warn, channel))
            chunks: Iterable[Samples] = microphone.chunks()
        else:
            chunks = input_chunks(source, rate, channel, None)
        note(f"publishing to {broker}, topic {topics.word}")
        listening = Listening(recognizer, chunks, gain=gain, wake=gate)
        show = line_printer(style, listening, None)
        for window in listening.scores():
            if window.detection:
                publisher.publish(window.detection)
            show(window)


_host_option = click.option(
    "--host", default="127.0.0.1", show_default=True,
    help="The address to listen on: 127.0.0.1 is this machine only, 0.0.0.0 are all networks.",
)  # fmt: skip


@serve.command()
@model_option
@decision_options
@click.option(
    "--wake", multiple=True, metavar="WORD",
    help="A wake word to offer, such as computer; may be given several times. [default: the taught words, or else all]",
)  # fmt: skip
@_host_option
@click.option("--port", type=click.IntRange(0, 65_535), default=10_310, show_default=True, help="0 is any free port.")
@click.option(
    "--language", "languages", multiple=True, metavar="CODE", default=("en",), show_default=True,
    help="A language of the words, for which Home Assistant offers them; may be given several times.",
)  # fmt: skip
@click.option("--name", help="What it is called in the network. [default: the name of this machine]")
@click.option("--announce/--no-announce", default=True, help="Let Home Assistant find it. [default: if on a network]")
def wyoming(
    model: str | None, sensitivity: float, anywhere: bool, patient: bool, wake: tuple[str, ...], host: str, port: int,
    languages: tuple[str, ...], name: str | None, announce: bool,
) -> None:  # fmt: skip
    """Recognise the sound of Home Assistant and its satellites, over the Wyoming protocol.

    It offers speech to text, which turns sound into the words in it, and wake words.

    Example: sayso serve wyoming --host 0.0.0.0 --wake computer
    """
    import asyncio
    import platform

    from sayso.model import model_file, shipped
    from sayso.model.parts import spelt, with_words
    from sayso.recognition.recognizer import Recognizer, load
    from sayso.recognition.wake import knowing
    from sayso.serve.announcement import announced, reachable
    from sayso.serve.wyoming import information, serving, spoken
    from sayso.system.memory import keep_freed_memory
    from sayso.system.signals import end_as_ctrl_c

    keep_freed_memory()
    found = shipped.find(model or shipped.DEFAULT)
    loaded = with_words(model_file.load(found), wake)
    waking = [spelt(loaded, word) for word in wake]
    info = information(loaded, found.stem, languages, waking)

    def recognizer() -> Recognizer:
        return knowing(wake, load(found, sensitivity=sensitivity, anywhere=anywhere, patient=patient))

    async def run() -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task
        end_as_ctrl_c(lambda: loop.call_soon_threadsafe(task.cancel))
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(serving(recognizer, info, host, port, warn, waking))
            address = reachable(host)
            count = len(set(spoken(loaded)) - set(waking))
            note(f"recognising {count} words at tcp://{address or host}:{service.port}")
            if address:
                warn("everyone in the network can send sound to it: the Wyoming protocol knows no passwords")
            if address and announce:
                called = name or f"sayso {platform.node()}"
                await stack.enter_async_context(announced(called, address, service.port, warn))
            await service.run()

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(run())


@serve.command()
@model_option
@decision_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", default=Path("recordings"), show_default=True,
    help="Folder of the recordings; the taught model is saved beside it.",
)  # fmt: skip
@_host_option
@click.option("--port", type=click.IntRange(0, 65_535), default=10_320, show_default=True, help="0 is any free port.")
@click.option(
    "--certificate", type=click.Path(path_type=Path), metavar="FILE",
    help="A certificate for https, with which browsers on other machines may use their microphones.",
)  # fmt: skip
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Its key, if it is in another file.")
def web(
    model: str | None, sensitivity: float, anywhere: bool, patient: bool, output: Path, host: str, port: int,
    certificate: Path | None, key: Path | None,
) -> None:  # fmt: skip
    """Open a page on which you record words of your own, teach them, and try them at once.

    It uses the microphone of the browser, and nothing from the internet. Only who knows the whole address that is
    printed can use it.

    Example: sayso serve web
    """
    import asyncio
    import platform
    import secrets

    from sayso.extras import require
    from sayso.live.takes import speaker_named
    from sayso.model import shipped
    from sayso.recognition.recognizer import Recognizer, load
    from sayso.serve.announcement import reachable
    from sayso.system.memory import keep_freed_memory
    from sayso.system.signals import end_as_ctrl_c
    from sayso.system.user_folders import user_name

    require("the page", "web")
    from sayso.serve.web.collection import Collection
    from sayso.serve.web.guard import address_of, encryption
    from sayso.serve.web.server import serving
    from sayso.serve.web.studio import Studio

    if key and not certificate:
        raise click.UsageError("--key belongs to a certificate; give --certificate, too")
    keep_freed_memory()
    found, collection = shipped.find(model or shipped.DEFAULT).absolute(), Collection(output)
    tls, token = encryption(certificate, key) if certificate else None, secrets.token_urlsafe(16)

    def recognizer(path: Path) -> Recognizer:
        return load(path, sensitivity=sensitivity, anywhere=anywhere, patient=patient)

    async def run() -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task
        end_as_ctrl_c(lambda: loop.call_soon_threadsafe(task.cancel))
        studio = Studio(found, collection, speaker_named(user_name()), recognizer)
        async with serving(studio, token, host, port, warn, tls) as listening:
            scheme, address = "https" if tls else "http", reachable(host)
            here = "127.0.0.1" if host in ("0.0.0.0", "") else "::1" if host == "::" else host
            say(f"open {address_of(scheme, here, listening, token)}")
            if address and address != here:
                say(f"or, on another machine, {address_of(scheme, address, listening, token)}")
            note(f"recordings are kept in {collection.folder}; Ctrl-C ends")
            if address and not tls:
                warn(
                    "others in the network could read along, and browsers give a page from another machine the "
                    "microphone with https only: give --certificate and --key; or leave out --host, and lead the port "
                    f"there by `ssh -L {listening}:localhost:{listening} {platform.node()}` or "
                    f"`adb reverse tcp:{listening} tcp:{listening}`"
                )
            await asyncio.Event().wait()

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(run())
