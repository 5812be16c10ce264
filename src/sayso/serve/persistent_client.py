"""A client of MQTT whose thread outlives whatever a broken broker sends; imported only where words are published."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client


class PersistentClient(Client):
    """A client that connects again after a packet that the library cannot read, which would end its thread (in 2.1).

    Attributes
    ----------
    on_nonsense : callable
        Called with the exception, in the client's thread, before it connects again.
    """

    on_nonsense: Callable[[Exception], None]

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> Any:
        """Read and write until the client is disconnected; the body of the thread that `loop_start` starts."""
        while True:
            try:
                return super().loop_forever(timeout, retry_first_connection)
            except Exception as error:
                self.on_nonsense(error)
                # Where this fails, the library tries again.
                with contextlib.suppress(OSError):
                    self.reconnect()
