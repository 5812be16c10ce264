"""A pack: what a network makes of hours of talk, noise and look-alikes, so that teaching knows what must not alarm.

It holds the inputs of the network's last layer, which is the layer that teaching changes: for examples to learn from,
and for every step of a stream. They are projected to coordinates in which words differ and stored in four bits each.
A pack fits every model with the same layers below the last, also a taught one.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sayso.errors import ModelError, untrusted
from sayso.model import shipped
from sayso.model.model_file import Model
from sayso.system.atomic_files import write_atomically

FORMAT = 1
# Added to the variance within words, relative to its mean: directions in which it is smaller than this are noise.
FLOOR = 1.0
# The largest magnitude of a coordinate in four bits, and the fraction of the coordinates that are cut off there.
LARGEST, CUT = 7, 0.01
_KEY = "sayso-pack"

FloatArray = NDArray[np.float32]


class Space(NamedTuple):
    """Coordinates in which recordings of one word differ by about 1 in every direction.

    The variance within words is that of speakers, rooms and microphones. In these coordinates a few recordings of a
    word tell as much as possible about it: what its speakers merely share by chance has little weight.

    Attributes
    ----------
    centre : ndarray of float32, shape (width,)
        The mean input of the last layer.
    projection : ndarray of float32, shape (width, width)
        From inputs, without the centre, to coordinates, those with the largest variance first.
    """

    centre: FloatArray
    projection: FloatArray

    @classmethod
    def fitted(cls, inputs: FloatArray, examples: FloatArray, words: NDArray[np.integer]) -> Self:
        """Find the coordinates.

        Parameters
        ----------
        inputs : ndarray, shape (n, width)
            Inputs of all kinds, whose mean becomes the centre.
        examples : ndarray, shape (examples, width)
            Inputs for words.
        words : ndarray of int, shape (examples,)
            The word of each.
        """
        centre = np.asarray(inputs, np.float64).mean(axis=0)
        groups = [np.asarray(examples[words == word], np.float64) for word in np.unique(words)]
        within = np.concatenate([group - group.mean(axis=0) for group in groups])
        variance = within.T @ within / max(len(within), 1)
        variance += (FLOOR * np.trace(variance) / len(variance) + 1e-12) * np.eye(len(variance))
        scales, axes = np.linalg.eigh(variance)
        whitening: NDArray[np.float64] = axes / np.sqrt(scales)
        centred = (np.asarray(inputs, np.float64) - centre) @ whitening
        directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
        return cls(centre.astype(np.float32), (whitening @ directions).astype(np.float32))

    def coordinates(self, inputs: FloatArray) -> FloatArray:
        """Project inputs of shape (n, width) to coordinates of the same shape."""
        projected: FloatArray = np.matmul(inputs - self.centre, self.projection)
        return projected

    def inputs(self, coordinates: FloatArray) -> FloatArray:
        """Return the inputs that coordinates stand for."""
        inverse = np.linalg.inv(self.projection.astype(np.float64)).astype(np.float32)
        expanded: FloatArray = coordinates @ inverse + self.centre
        return expanded


@dataclass(frozen=True)
class Pack:
    """What a network makes of hours of sound.

    Attributes
    ----------
    body : str
        Digest of the layers below the last, see `body_digest`.
    labels : tuple of str
        The labels of the model that it was made with.
    texts : tuple of str
        What is said in each recording, as far as it is known, in lower case.
    space : Space
        The coordinates.
    scale : ndarray of float32, shape (width,)
        What a step of each coordinate stands for.
    learned, heard : ndarray of uint8, shape (n, half the width, rounded up)
        Examples to learn from; and the steps of streams, recording by recording, to count alarms on. They have no
        speaker and no recording in common. Each byte holds two coordinates.
    learned_in, heard_in : ndarray of uint16, shape (n,)
        The recording of each.
    pauses : ndarray of uint8, shape (n,)
        For each step that is heard, the probability of silence in the newest part of the window, of 255.
    """

    body: str
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    space: Space
    scale: FloatArray
    learned: NDArray[np.uint8]
    learned_in: NDArray[np.uint16]
    heard: NDArray[np.uint8]
    heard_in: NDArray[np.uint16]
    pauses: NDArray[np.uint8]

    def without(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Return for each recording whether none of these words, as far as is known, is said in it."""
        said = [f" {word.casefold().replace('_', ' ')} " for word in words]
        return np.array([not any(word in f" {text} " for word in said) for text in self.texts], bool)

    def coordinates(self, steps: NDArray[np.uint8]) -> FloatArray:
        """Return the coordinates that bytes stand for."""
        halves = np.stack([steps & 15, steps >> 4], axis=-1).reshape(len(steps), -1)[:, : len(self.scale)]
        return (halves.astype(np.float32) - (LARGEST + 1)) * self.scale

    def save(self, path: Path) -> None:
        """Write the pack to a file, completely or not at all."""
        from safetensors.numpy import save

        arrays = {name: getattr(self, name) for name in _ARRAYS} | {
            f"space.{name}": array for name, array in self.space._asdict().items()
        }
        header = {"format": FORMAT, "body": self.body, "labels": self.labels, "texts": self.texts}
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        write_atomically(path, save(contiguous, {_KEY: json.dumps(header)}))


_ARRAYS = ("scale", "learned", "learned_in", "heard", "heard_in", "pauses")


def in_bytes(coordinates: Sequence[FloatArray]) -> tuple[FloatArray, list[NDArray[np.uint8]]]:
    """Return the scale of coordinates, and each array of them as bytes of two coordinates."""
    usual = np.quantile(np.abs(np.concatenate(coordinates)), 1 - CUT, axis=0)
    scale: FloatArray = np.maximum(usual / LARGEST, 1e-9).astype(np.float32)
    packed: list[NDArray[np.uint8]] = []
    for array in coordinates:
        steps = (np.clip(np.round(array / scale), -LARGEST, LARGEST) + LARGEST + 1).astype(np.uint8)
        if steps.shape[1] % 2:
            steps = np.pad(steps, ((0, 0), (0, 1)))
        packed.append((steps[:, ::2] | steps[:, 1::2] << 4).astype(np.uint8))
    return scale, packed


def load(path: Path) -> Pack:
    """Read a pack.

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a pack; or if it is in the folder of the shipped models and has been
        changed.
    """
    from safetensors import safe_open

    shipped.verify(path)
    with untrusted(lambda reason: ModelError(f"{path} is no pack or is damaged ({reason}); install sayso again")):
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if header["format"] > FORMAT:
            raise ValueError(f"format {header['format']}, this sayso reads up to {FORMAT}")
        space = Space(*(arrays[f"space.{name}"] for name in Space._fields))
        pack = Pack(
            header["body"], tuple(header["labels"]), tuple(header["texts"]), space,
            **{name: arrays[name] for name in _ARRAYS},
        )  # fmt: skip
        rows = {len(pack.learned): len(pack.learned_in), len(pack.heard): len(pack.heard_in)}
        if any(count != of for count, of in rows.items()) or len(pack.pauses) != len(pack.heard):
            raise ValueError("its arrays do not fit each other")
        return pack


def matching(model: Model) -> Pack | None:
    """Return the shipped pack for the layers of a model below its last one, if there is one."""
    digest = body_digest(model)
    packs = map(load, shipped.packs().values())
    return next((pack for pack in packs if pack.body == digest), None)


def body_digest(model: Model) -> str:
    """Return the SHA-256 of all that the inputs of the last layer of a model depend on."""
    network = model.network
    parts: list[Any] = [asdict(model.features), network.to_dict()["layers"][: network.last]]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    names = tuple(f"{name}." for name in network.chain.names[: network.last])
    weights = (array for name, array in network.parameters.named().items() if name.startswith(names))
    for array in (*asdict(model.standardizer).values(), *weights):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
