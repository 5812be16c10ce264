"""What the formats share: a model taken apart into front end, operations and the facts that describe it."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sayso.errors import ExportError
from sayso.export.front_end import FrontEnd
from sayso.export.operations import Operation, lowered
from sayso.export.quantization import rounded
from sayso.model.model_file import Model
from sayso.nn.folding import folded
from sayso.recognition.recognizer import Recognizer
from sayso.system.text import printable
from sayso.version import __version__


@dataclass(frozen=True, eq=False)
class Exported:
    """A model in the form from which every format is written.

    Attributes
    ----------
    model : Model
        The model, with the weights of the file that is written: folded, and rounded for `int8`.
    name : str
        What the model is called.
    licence : str
        The licence that it may be used under.
    int8 : bool
        Whether the weights are stored as 8-bit integers.
    """

    model: Model
    name: str
    licence: str
    int8: bool

    @classmethod
    def of(cls, model: Model, name: str, licence: str, int8: bool) -> "Exported":
        """Take a model apart; the names and the licence are made printable.

        Raises
        ------
        ExportError
            If its network has a layer that cannot be exported, or numbers that are not finite once folded.
        """
        if model.phrases:
            raise ExportError(
                "no exported format has a place for a phrase that is longer than a window of the network: "
                f"{', '.join(map(printable, model.phrases.labels))}; export a model that was taught without it"
            )
        network = folded(model.network, blocks=False)
        if not np.isfinite(network.parameters.vector).all():
            raise ExportError("the numbers of the model grow beyond all bounds; train or fetch it again")
        if int8:
            network = rounded(network)
        labels = tuple(map(printable, model.labels))
        words = {printable(word): threshold for word, threshold in model.decision.words.items()}
        model = replace(model, network=network, labels=labels, decision=replace(model.decision, words=words))
        return cls(model, printable(name), printable(licence), int8)

    @cached_property
    def front_end(self) -> FrontEnd:
        """From samples to the input of the network."""
        return FrontEnd.of(self.model)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """From the input of the network to its logits."""
        return lowered(self.model.network)

    @cached_property
    def recognizer(self) -> Recognizer:
        """Computes in Python what the file that is written must compute."""
        return Recognizer(self.model)

    @property
    def step(self) -> int:
        """Frames from one window of a stream to the next, as in `Recognizer`."""
        step = round(self.model.decision.step / self.model.features.hop)
        return min(max(step, 1), self.model.features.frames)

    @property
    def margin(self) -> int:
        """Samples of silence before a stream: half a window, rounded up to whole steps, as in `Recognizer`."""
        step = self.step * self.front_end.hop
        return -(-self.front_end.samples // 2 // step) * step

    @property
    def newest(self) -> int:
        """Frames of the newest part of a window that is scored on its own; 0 if it is not."""
        frames = round(self.model.decision.newest / self.model.features.hop)
        return frames if frames < self.front_end.frames else 0

    @property
    def facts(self) -> dict[str, Any]:
        """Describe the model in plain values, for the metadata of each format."""
        return {
            "name": self.name,
            "labels": list(self.model.labels),
            "sample_rate": self.front_end.sample_rate,
            "window_samples": self.front_end.samples,
            "step_samples": self.step * self.front_end.hop,
            "high_pass": self.model.features.high_pass,
            "decision": asdict(self.model.decision),
            "alarms": self.model.alarms,
            "weights": "int8" if self.int8 else "float32",
            "licence": self.licence,
            "made_by": f"sayso {__version__}",
        }
