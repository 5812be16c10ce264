"""Words are published to an MQTT broker, and none is lost while the broker is away."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sayso.errors import ServiceError
from sayso.recognition.decision import Detection
from sayso.serve.broker import PASSWORD, Broker
from sayso.serve.home_assistant import BIRTH, Topics

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

# Words that wait for a broker that is away; beyond these, the oldest is dropped.
MOST_WAITING = 1_000
# Seconds to wait for a broker at the start, for a sign of life of one that is connected, and at the end for the last
# words to be delivered.
CONNECT, KEEPALIVE, GRACE = 10.0, 30, 2.0
# Seconds between attempts to connect again, from the first, doubled up to the last.
RETRY_FIRST, RETRY_LAST = 1, 60
# A broker that was away has lost its other clients, too, and hands them nothing that they missed. So words also wait
# until Home Assistant, which tries to connect every 10 s, says that it is back, but no longer than this.
SETTLE = 15.0


def message(detection: Detection, at: datetime, wake: str | None) -> str:
    """Return the message for a word as JSON; `event_type` is how Home Assistant finds it in an event entity."""
    values: dict[str, Any] = {
        "event_type": detection.label,
        "word": detection.label,
        "confidence": round(detection.confidence, 4),
        "time": at.isoformat(timespec="milliseconds"),
    }
    if wake is not None:
        since = detection.since_wake or 0.0
        values |= {"event": "command" if since else "wake", "wake": wake, "since_wake": round(since, 3)}
    return json.dumps(values, ensure_ascii=False)


class Publisher:
    """Publishes words to a broker, as a context manager.

    A word is published at least once (QoS 1). While the broker is away, the newest `MOST_WAITING` words wait for it.
    Two threads are at work: the client library's, which reads, writes and connects again, and one that hands over one
    word after the other.

    Parameters
    ----------
    broker : Broker
        The broker.
    password : str or None
        The user's password.
    topics : Topics
        Where to publish.
    announcements : mapping of str to str
        Messages by topic that are published, and retained, at each connection.
    notify : callable
        Called with a message, in other threads, when the broker goes away and when it is back.
    wake : str, optional
        The wake word after which the words were said, if one is needed.
    authorities : Path, optional
        File of the certificates of the authorities by one of which the broker's must be signed; by default, those that
        the system trusts.

    Raises
    ------
    ServiceError
        On entering, if the client library is missing, or the broker cannot be reached, is none, or refuses the user.
    """

    def __init__(
        self,
        broker: Broker,
        password: str | None,
        topics: Topics,
        announcements: Mapping[str, str],
        notify: Callable[[str], None],
        wake: str | None = None,
        authorities: Path | None = None,
    ) -> None:
        self._broker, self._topics, self._announcements, self._notify = broker, topics, announcements, notify
        self._wake = wake
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self._dropped = 0
        # Whether a word is on its way, and the numbers of the messages that have arrived.
        self._in_flight, self._arrived = False, set[int]()
        # Guards what is above and below; nothing of the client library is called while it is held.
        self._changed = threading.Condition()
        self._no_broker = f"{broker} does not answer as an MQTT broker does; check its port, and mqtt:// or mqtts://"
        self._connected, self._closing, self._settled = False, False, 0.0
        self._refused: str | None = None
        self._client = self._prepared(password, authorities)
        self._sender = threading.Thread(target=self._send, name="sayso-mqtt", daemon=True)

    def __enter__(self) -> Self:
        """Connect."""
        try:
            self._client.connect(self._broker.host, self._broker.port, KEEPALIVE)
        except ssl.SSLCertVerificationError as error:
            raise ServiceError(
                f"the certificate of {self._broker} is not trusted ({error.verify_message}); give the certificate of "
                "its authority with --ca FILE, and the host by the name that stands in it"
            ) from error
        except ssl.SSLError as error:
            raise ServiceError(
                f"{self._broker} does not speak TLS ({error.reason}); give mqtt://, or the port that does"
            ) from error
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ServiceError(
                f"cannot reach the broker {self._broker}: {reason}; check the address, and that it is running"
            ) from error
        self._client.loop_start()
        with self._changed:
            answered = self._changed.wait_for(lambda: self._connected or self._refused is not None, CONNECT)
        if self._refused is not None or not answered:
            self._closing = True
            self._client.disconnect()
            self._client.loop_stop()
            raise ServiceError(self._refused or self._no_broker)
        self._sender.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Deliver the last words, say goodbye, and disconnect."""
        with self._changed:
            self._settled = 0.0
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._connected or not self.waiting, GRACE)
            connected, self._closing = self._connected, True
            self._changed.notify_all()
        self._sender.join()
        if connected:
            self._deliver(self._topics.status, "offline", retain=True, patience=GRACE)
        self._client.disconnect()
        self._client.loop_stop()
        if self.waiting:
            self._notify(f"words that were not delivered, as the broker is away: {self.waiting}")

    @property
    def waiting(self) -> int:
        """Number of words that were not delivered yet."""
        return len(self._waiting) + self._in_flight

    def publish(self, detection: Detection) -> None:
        """Publish a word, now or when the broker is back."""
        text = message(detection, datetime.now().astimezone(), self._wake)
        with self._changed:
            dropped = len(self._waiting) == MOST_WAITING
            self._dropped += dropped
            self._waiting.append(text)
            self._changed.notify_all()
        if dropped and self._dropped == 1:
            self._notify(f"more than {MOST_WAITING} words wait for the broker; the oldest are dropped")

    def _send(self) -> None:
        """Hand one word after the other to the client library, and wait until the broker has it."""
        while True:
            with self._changed:
                while not (self._closing or (self._waiting and self._connected and time.monotonic() >= self._settled)):
                    self._changed.wait(max(self._settled - time.monotonic(), 0.0) or None)
                if self._closing:
                    return
                text, self._in_flight = self._waiting.popleft(), True
            arrived = self._deliver(self._topics.word, text)
            with self._changed:
                self._in_flight = not arrived
                self._changed.notify_all()

    def _deliver(self, topic: str, text: str, retain: bool = False, patience: float | None = None) -> bool:
        """Publish a message, and wait until the broker has it, for some seconds or until the end.

        If there is no connection, or it is lost meanwhile, the library sends the message at the next one.
        """
        with self._changed:
            self._arrived.clear()
        number = self._client.publish(topic, text, qos=1, retain=retain).mid
        with self._changed:
            self._changed.wait_for(lambda: number in self._arrived or (patience is None and self._closing), patience)
            return number in self._arrived

    def _on_publish(self, _: Client, __: object, number: int, ___: object, ____: object) -> None:
        """Note that the broker has a message."""
        with self._changed:
            self._arrived.add(number)
            self._changed.notify_all()

    def _prepared(self, password: str | None, authorities: Path | None) -> Client:
        """Return the client with its callbacks."""
        try:
            from paho.mqtt.enums import CallbackAPIVersion

            from sayso.serve.persistent_client import PersistentClient
        except ImportError as error:
            raise ServiceError('publishing words needs paho-mqtt: pip install "sayso[mqtt]"') from error
        # The broker ends an older connection of the same name, and says that it is offline, before it takes this one.
        client = PersistentClient(CallbackAPIVersion.VERSION2, client_id=f"sayso_{self._topics.identity}")
        client.username_pw_set(self._broker.user, password)
        client.will_set(self._topics.status, "offline", qos=1, retain=True)
        client.reconnect_delay_set(RETRY_FIRST, RETRY_LAST)
        client.connect_timeout = CONNECT
        if self._broker.tls:
            try:
                client.tls_set_context(ssl.create_default_context(cafile=authorities))
            except OSError as error:
                raise ServiceError(
                    f"{authorities} holds no certificate ({error.strerror or error}); give a file in the PEM format"
                ) from error
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_message, client.on_publish = self._on_message, self._on_publish
        client.on_nonsense = self._on_nonsense
        return client

    def _on_connect(self, client: Client, _: object, __: object, reason: Any, ___: object) -> None:
        """Announce everything anew: the broker may have lost it."""
        if reason.is_failure:
            self._fail(reason)
            return
        for topic, text in self._announcements.items():
            client.publish(topic, text, qos=1, retain=True)
        client.publish(self._topics.status, "online", qos=1, retain=True)
        client.subscribe([(self._topics.announcements, 1), (BIRTH, 1)])
        with self._changed:
            again, self._connected = self._sender.is_alive(), True
            self._settled = time.monotonic() + SETTLE if again else 0.0
            waiting, dropped, self._dropped = self.waiting, self._dropped, 0
            self._changed.notify_all()
        if again:
            self._notify(f"connected to the broker again; words that waited: {waiting}, that were dropped: {dropped}")

    def _fail(self, reason: object) -> None:
        """Note why the broker refuses the connection; later than at the start, it is tried again."""
        text = (
            f"the broker {self._broker} refuses the connection: {reason}; check the user in the address, and the "
            f"password in --password-file or {PASSWORD}"
        )
        with self._changed:
            self._refused = self._refused or text
            self._changed.notify_all()
        if self._sender.is_alive():
            self._notify(text)

    def _on_disconnect(self, client: Client, _: object, __: object, reason: Any, ___: object) -> None:
        """Keep the words until the broker is back."""
        with self._changed:
            lost, self._connected = self._connected and not self._closing, False
            if not self._sender.is_alive() and not self._closing:
                self._refused = self._refused or self._no_broker
            self._changed.notify_all()
        if lost:
            self._notify(f"lost the broker ({reason}); up to {MOST_WAITING} words wait until it is back")

    def _on_nonsense(self, error: Exception) -> None:
        """Tell that the broker is none, or broken, and wait a moment."""
        with self._changed:
            self._connected = False
            if not self._sender.is_alive():
                self._refused = self._refused or self._no_broker
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closing, RETRY_FIRST)
            if self._closing:
                return
        self._notify(f"the broker sent what is not MQTT ({type(error).__name__}); connecting to it again")

    def _on_message(self, client: Client, _: object, received: MQTTMessage) -> None:
        """Withdraw what an earlier model or wake word has left behind; note that Home Assistant listens."""
        try:
            topic = received.topic
        except UnicodeDecodeError:
            return
        if topic == BIRTH:
            with self._changed:
                self._settled = 0.0
                self._changed.notify_all()
        elif received.retain and received.payload and topic not in self._announcements:
            client.publish(topic, None, qos=1, retain=True)
