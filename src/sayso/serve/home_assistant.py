"""What Home Assistant has to know to show the words of a model and to start automations by them: MQTT discovery.

Each message is retained by the broker, so that Home Assistant finds it whenever it starts. The format is described in
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sayso.version import __version__

PREFIX = "homeassistant"
# Where Home Assistant says that it has connected and subscribed.
BIRTH = f"{PREFIX}/status"


@dataclass(frozen=True)
class Topics:
    """The topics of one instance of sayso.

    Attributes
    ----------
    name : str
        What people call the place in which it listens.
    """

    name: str

    @property
    def identity(self) -> str:
        """The name as a part of topics; names that differ in more than case and spaces have different ones."""
        return _part(self.name.lower().replace(" ", "_"))

    @property
    def word(self) -> str:
        """Where each word is published."""
        return f"sayso/{self.identity}/word"

    @property
    def status(self) -> str:
        """Where it is published, and retained, whether sayso listens: online or offline."""
        return f"sayso/{self.identity}/status"

    @property
    def announcements(self) -> str:
        """Where all that Home Assistant is to know is announced, as a pattern to subscribe to."""
        return self.announcement("+", "+")

    def announcement(self, component: str, name: str) -> str:
        """Return where one of these is announced: its kind in Home Assistant, and its name as a part of topics."""
        return f"{PREFIX}/{component}/sayso_{self.identity}/{name}/config"


def discovery(topics: Topics, words: Sequence[str], model: str, awake: float | None = None) -> dict[str, str]:
    """Return the announcements of one device: an event entity for all words, and a trigger for each word.

    Where a wake word is waited for, a binary sensor shows whether commands count.

    Parameters
    ----------
    topics : Topics
        The topics of the instance.
    words : sequence of str
        The words that may be detected.
    model : str
        What the model is called.
    awake : float or None
        How many seconds commands count after the wake word; None where none is needed.

    Returns
    -------
    messages : dict of str to str
        The message of each topic, as JSON.
    """
    node = f"sayso_{topics.identity}"
    device = {
        "identifiers": [node],
        "name": f"sayso {topics.name}",
        "manufacturer": "sayso",
        "model": model,
        "sw_version": __version__,
    }
    shared: dict[str, Any] = {"device": device, "origin": {"name": "sayso", "sw_version": __version__}}
    entity: dict[str, Any] = {"state_topic": topics.word, "availability_topic": topics.status, "qos": 1}
    event = {
        "name": "Word",
        "unique_id": f"{node}_word",
        "event_types": list(words),
        "icon": "mdi:microphone-message",
    }
    messages = {topics.announcement("event", "word"): event | entity | shared}
    if awake is not None:
        sensor = {
            "name": "Awake",
            "unique_id": f"{node}_awake",
            # What the template gives for a command, nothing, is no state.
            "value_template": "{{ 'ON' if value_json.event == 'wake' }}",
            "off_delay": math.ceil(awake),
            "icon": "mdi:ear-hearing",
        }
        messages[topics.announcement("binary_sensor", "awake")] = sensor | entity | shared
    for word in words:
        trigger = {
            "automation_type": "trigger",
            "type": "spoken",
            "subtype": word,
            "topic": topics.word,
            "value_template": "{{ value_json.word }}",
            "payload": word,
            "qos": 1,
        }
        messages[topics.announcement("device_automation", _part(word))] = trigger | shared
    return {topic: json.dumps(message, ensure_ascii=False) for topic, message in messages.items()}


def _part(text: str) -> str:
    """Return a text as a part of a topic, which differs from that of every other text."""
    readable = re.sub(r"[^a-z0-9_-]+", "_", text.lower())
    return readable if readable == text else f"{readable}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
