"""A trained model and its file: weights and feature tables as safetensors, everything else as a JSON header.

Reading a file runs no code and builds only layers that are known by name; every size is checked before memory is
allocated for it.
"""

import json
import os
import platform
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.config import DecisionSettings, FeatureSettings, build, check_labels, check_network
from sayso.config.labels import UNKNOWN, can_be_label, nfc
from sayso.corpus.digests import packed, unpacked
from sayso.errors import ModelError, shown, untrusted
from sayso.features.filterbank import FeatureTables
from sayso.features.standardizer import Standardizer
from sayso.model import shipped
from sayso.model.phrases import Phrases
from sayso.model.rehearsal import Rehearsal, supports_teaching
from sayso.nn import Merging, Network
from sayso.nn.parameters import flatten
from sayso.system.atomic_files import write_atomically
from sayso.version import __version__

# A file with phrases has the newer format: a version that does not know them would detect them by their ends alone.
FORMAT, WITHOUT_PHRASES = 2, 1
# Enough for `MOST_PARAMETERS` weights, the largest feature tables and a rehearsal.
MAX_BYTES = 128 * 2**20
# Bytes of the header, which takes many times as much memory once it is parsed.
MAX_HEADER = 8 * 2**20
_KEY = "sayso"
# Sensitivities at which false alarms are told.
MOST_POINTS = 1_000
# Settings of the decision that files of older versions have.
_FORMER = ("margin", "rearm")


@dataclass(frozen=True)
class Model:
    """Everything that recognition needs, and a record of how it was made.

    Attributes
    ----------
    labels : tuple of str
        The labels, in the order of the logits.
    features, tables, standardizer : FeatureSettings, FeatureTables, Standardizer
        How the network's input is computed from samples.
    network : Network
        The network with its weights.
    decision : DecisionSettings
        How detections are made from probabilities over time.
    training : dict
        Settings, data and history of the training, as plain values.
    scores : dict
        Evaluation results, by the name of the data.
    rehearsal : Rehearsal or None
        Inputs of the last layer for training examples, with which words can be added.
    digests : ndarray of uint64
        Digests of the clips that the model was trained on or chosen by; empty in files of older versions.
    parts : dict of str to float
        Words that the network knows as parts of unknown speech (see `Merging`), in the order of their logits, with the
        fraction of unknown speech that each was in training. `parts.with_word` makes one a label. Empty in files of
        older versions.
    alarms : tuple of (float, float)
        False alarms per hour of talk at each sensitivity, as far as they were measured.
    phrases : Phrases or None
        The labels that are phrases of up to two windows, if there are any.
    """

    labels: tuple[str, ...]
    features: FeatureSettings
    tables: FeatureTables
    standardizer: Standardizer
    network: Network
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    rehearsal: Rehearsal | None = None
    digests: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    parts: dict[str, float] = field(default_factory=dict)
    alarms: tuple[tuple[float, float], ...] = ()
    phrases: Phrases | None = None

    def __repr__(self) -> str:
        return (
            f"<Model: {len(self.labels)} labels ({', '.join(self.labels)}), "
            f"{self.network.parameter_count:,} parameters, "
            f"windows of {self.features.clip:g} s at {self.features.sample_rate} Hz>"
        )

    @property
    def clips(self) -> FeatureSettings:
        """The settings for clips that hold a whole word or phrase: of one window, or of two if there are phrases."""
        return replace(self.features, clip=2 * self.features.clip) if self.phrases else self.features

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, completely or not at all.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        from safetensors.numpy import save

        header = {
            "format": FORMAT if self.phrases else WITHOUT_PHRASES,
            "labels": list(self.labels),
            "features": asdict(self.features),
            "network": self.network.to_dict(),
            "decision": asdict(self.decision),
            "training": self.training,
            "scores": self.scores,
            "versions": versions(),
            **({"parts": self.parts} if self.parts else {}),
            **({"alarms": self.alarms} if self.alarms else {}),
            **({"phrases": self.phrases.labels} if self.phrases else {}),
        }
        arrays: dict[str, NDArray[Any]] = {
            f"network.{name}": array for name, array in self.network.parameters.named().items()
        }
        arrays |= {f"tables.{name}": array for name, array in asdict(self.tables).items()}
        arrays |= {f"standardizer.{name}": array for name, array in asdict(self.standardizer).items()}
        if self.rehearsal:
            arrays |= {f"rehearsal.{name}": array for name, array in self.rehearsal._asdict().items()}
        if self.phrases:
            arrays |= {"phrases.weight": self.phrases.weight, "phrases.bias": self.phrases.bias}
        if len(self.digests):
            arrays["digests"] = packed(self.digests)
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        write_atomically(Path(path), save(contiguous, {_KEY: json.dumps(header)}))


def versions() -> dict[str, str]:
    """Return the versions of the software that a model is made with."""
    return {"sayso": __version__, "numpy": np.__version__, "python": platform.python_version()}


def load(path: Path) -> Model:
    """Read a model from a file.

    Raises
    ------
    ModelError
        If the file does not exist, is not a model, or is truncated, inconsistent or of a newer format; or if it is in
        the folder of the shipped models and has been changed.
    """
    return _parse(path)[0]


def load_header(path: Path) -> dict[str, Any]:
    """Read the JSON header of a model file, for what `sayso info` shows and `Model` does not hold."""
    return _parse(path)[1]


def _parse(path: Path) -> tuple[Model, dict[str, Any]]:
    shipped.verify(path)
    arrays, header = _read(path)
    with untrusted(
        lambda reason: ModelError(f"{path} is damaged or not made by sayso ({reason}); train or fetch it again")
    ):
        if header["format"] > FORMAT:
            raise ModelError(
                f"{path} has model format {shown(header['format'])}, this sayso reads up to {FORMAT}; update sayso"
            )
        features = build(FeatureSettings, header["features"], "features")
        model = Model(
            labels=_labels(header["labels"]),
            features=features,
            tables=FeatureTables(**_part(arrays, "tables")),
            standardizer=Standardizer(**_part(arrays, "standardizer")),
            network=_network(header["network"], _part(arrays, "network")),
            decision=_decision(header["decision"]),
            training=_training(header["training"]),
            scores=dict(header["scores"]),
            rehearsal=_rehearsal(arrays),
            digests=unpacked(arrays["digests"]) if "digests" in arrays else np.empty(0, np.uint64),
            parts=_parts(header.get("parts", {})),
            alarms=_alarms(header.get("alarms", [])),
            phrases=Phrases.read(header.get("phrases"), _part(arrays, "phrases")),
        )
        _check(model)
    return model, header


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the header without interpreting them."""
    from safetensors import safe_open

    try:
        with untrusted(
            lambda reason: ModelError(f"{path} is not a model file or is truncated ({reason}); train or fetch it again")
        ):
            if path.is_dir():
                raise ModelError(f"{path} is a folder; expected a model file")
            size = path.stat().st_size
            if not path.is_file():
                raise ModelError(f"{path} is a pipe or a device; expected a model file")
            if size > MAX_BYTES:
                raise ModelError(f"{path} has {size} bytes, a model has at most {MAX_BYTES}; give a model file")
            check_header_size(path)
            with safe_open(path, framework="numpy") as file:
                text = (file.metadata() or {}).get(_KEY)
                if text is None:
                    raise ModelError(
                        f"{path} is a safetensors file but not a model of sayso; give one that was made by "
                        "`sayso train`"
                    )
                header = json.loads(text)
                if not isinstance(header, dict):
                    raise ModelError(f"{path} has no valid header; train or fetch it again")
                return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 - no mapping
    except OSError as error:
        raise ModelError(f"cannot read model {path}: {error.strerror or error}; give a model file") from error


def check_header_size(path: Path) -> None:
    """Refuse a header that is too large, before it is read; that the file is a safetensors file is checked later.

    Raises
    ------
    ValueError
        If the header is too large.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > MAX_HEADER:
        raise ValueError(f"it declares a header of {size} bytes, a model has at most {MAX_HEADER}")


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Select the arrays of one part of the model; they must be finite float32."""
    part = {name.removeprefix(f"{prefix}."): array for name, array in arrays.items() if name.startswith(f"{prefix}.")}
    for name, array in part.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise ValueError(f"{prefix}.{name} is not an array of finite float32 numbers")
    return part


def _rehearsal(arrays: dict[str, np.ndarray]) -> Rehearsal | None:
    """Select the rehearsal, if there is one, and check its types and shapes."""
    if "rehearsal.inputs" not in arrays:
        return None
    rehearsal = Rehearsal(arrays["rehearsal.inputs"], arrays["rehearsal.labels"])
    if (
        rehearsal.inputs.dtype != np.float16
        or rehearsal.labels.dtype != np.uint16
        or rehearsal.inputs.ndim != 2
        or rehearsal.labels.shape != rehearsal.inputs.shape[:1]
        or not np.isfinite(rehearsal.inputs).all()
    ):
        raise ValueError("the rehearsal does not consist of finite float16 inputs with a uint16 label each")
    return rehearsal


def _labels(labels: Any) -> tuple[str, ...]:
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError("labels are not a list of words")
    check_labels(labels)
    return tuple(map(nfc, labels))


def _alarms(alarms: Any) -> tuple[tuple[float, float], ...]:
    """Check the false alarms at each sensitivity."""
    pairs = [(float(sensitivity), float(rate)) for sensitivity, rate in alarms]
    if len(pairs) > MOST_POINTS or not all(0 <= sensitivity <= 1 and 0 <= rate < 1e6 for sensitivity, rate in pairs):
        raise ValueError("the false alarms are not rates at sensitivities from 0 to 1")
    return tuple(pairs)


def _parts(parts: Any) -> dict[str, float]:
    """Check the words that are parts of unknown speech; that they fit the network is checked later."""
    if not isinstance(parts, dict) or not all(
        can_be_label(word) and isinstance(share, float) and 0 < share <= 1 for word, share in parts.items()
    ):
        raise ValueError("the parts of unknown speech are not words with a fraction above 0 and at most 1 each")
    return {nfc(word): share for word, share in parts.items()}


def _decision(decision: Any) -> DecisionSettings:
    """Build the settings; those that only older files have are left out."""
    if isinstance(decision, dict):
        decision = {name: value for name, value in decision.items() if name not in _FORMER}
    settings: DecisionSettings = build(DecisionSettings, decision, "decision")
    return settings


def _training(training: Any) -> dict[str, Any]:
    """Check the record of the training; nothing is built from it, but teaching appends to its list "taught"."""
    if not isinstance(training, dict) or not isinstance(training.get("taught", []), list):
        raise ValueError("the record of the training is not a table, or has no list of what was taught")
    return training


def _network(description: dict[str, Any], arrays: dict[str, np.ndarray]) -> Network:
    """Build the network, after checking that its description needs exactly the arrays of the file."""
    layers, input_shape = Network.describe(description)
    check_network(layers, input_shape)
    expected = {name: parameter.shape for name, parameter in flatten(layers.parameters(input_shape[::-1]))}
    found = {name: array.shape for name, array in arrays.items()}
    if expected != found:
        wrong = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise ValueError(f"weight {wrong} has shape {found.get(wrong)}, expected {expected.get(wrong)}")
    if any((array < 0).any() for name, array in arrays.items() if name.endswith(".variance")):
        raise ValueError("a variance is negative")
    network = Network(layers.layers, input_shape)
    for name, view in network.parameters.named().items():
        view[...] = arrays[name]
    return network


def _check(model: Model) -> None:
    """Check that the parts of a model fit each other."""
    features = model.features
    model.tables.check(features)
    if model.standardizer.mean.shape != (features.width,) or model.standardizer.deviation.shape != (features.width,):
        raise ValueError("the standardisation does not fit the features")
    if not (model.standardizer.deviation > 0).all():
        raise ValueError("the standardisation divides by zero or less")
    if model.network.input_shape != (features.frames, features.width):
        raise ValueError(
            f"the network takes {model.network.input_shape}, the features give {features.frames, features.width}"
        )
    if model.rehearsal:
        if not supports_teaching(model.network):
            raise ValueError("there is a rehearsal, but the last layer is not one that words can be added to")
        inputs, truth = model.rehearsal
        if inputs.shape[1:] != model.network.last_input_shape or truth.max(initial=0) >= len(model.labels):
            raise ValueError("the rehearsal does not fit the network")
    if model.parts:
        layers = model.network.chain.layers
        merged = layers[-1].parts if isinstance(layers[-1], Merging) else 0
        if not supports_teaching(model.network) or UNKNOWN not in model.labels or merged != len(model.parts):
            raise ValueError(f"{len(model.parts)} parts of unknown speech are named, but {merged} are merged into it")
        if set(model.parts) & set(model.labels):
            raise ValueError("a word is both a label and a part of unknown speech")
    if model.phrases:
        model.phrases.check(model.labels, model.network.last_input_shape)
    if model.network.classes != len(model.labels):
        raise ValueError(f"the network has {model.network.classes} outputs for {len(model.labels)} labels")
