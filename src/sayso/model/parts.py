"""Words inside unknown speech: a network that learned them one by one can be made to tell any of them."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from sayso.config import SILENCE, UNKNOWN
from sayso.config.labels import label_of
from sayso.errors import ModelError
from sayso.model.model_file import Model
from sayso.model.rehearsal import Rehearsal
from sayso.nn import Merging, Network, Residual
from sayso.nn.parameters import FloatArray
from sayso.system.suggestions import did_you_mean

# Parts that a message names.
NAMED = 12


def spelt(model: Model, word: str) -> str:
    """Return a word that a model knows, as a label or as a part of unknown speech, as the model spells it.

    Raises
    ------
    ModelError
        If the model does not know the word.
    """
    labels = [label for label in model.labels if label not in (UNKNOWN, SILENCE)]
    found = label_of(word, (*labels, *model.parts))
    if found in (UNKNOWN, SILENCE):
        parts = list(model.parts)
        inside = f" and, within unknown speech, {', '.join(parts[:NAMED])}" if parts else ""
        more = f" and {len(parts) - NAMED} more that `sayso info` lists" if len(parts) > NAMED else ""
        raise ModelError(
            f"the model does not know the word {word!r}{did_you_mean(word, (*labels, *parts))}; "
            f"it knows {', '.join(labels)}{inside}{more}; `sayso teach` adds any other word"
        )
    return found


def with_word(model: Model, word: str) -> Model:
    """Return a model that has a word as a label: the model itself, or one in which it is no part of unknown speech.

    Nothing is learned for this. The word's row of the last layer moves to the labels, in front of unknown speech. In
    training it was as likely as the fraction of unknown speech that it was; by Bayes' rule, the logarithm of that
    fraction is part of its logit. It is subtracted, so that the word is as likely as any other.

    Parameters
    ----------
    model : Model
        The model.
    word : str
        The word; only its case may differ from the model's.

    Raises
    ------
    ModelError
        If the model does not know the word.
    """
    word = spelt(model, word)
    if word in model.labels:
        return model
    network, labels, parts = model.network, model.labels, model.parts
    place, row = labels.index(UNKNOWN), len(labels) + list(parts).index(word)
    order = [*range(place), row, *(other for other in range(place, len(labels) + len(parts)) if other != row)]
    merging = [Merging(place + 1, len(parts) - 1)] if len(parts) > 1 else []
    changed = Network([*network.chain.layers[:-1], *merging], network.input_shape)
    changed.parameters.vector[:] = network.parameters.vector
    for values in _outputs(changed):
        values[...] = values[order]
    changed.raise_logit(place, -np.log(parts[word]))
    return replace(
        model,
        labels=(*labels[:place], word, *labels[place:]),
        network=changed,
        parts={name: share for name, share in parts.items() if name != word},
        rehearsal=model.rehearsal and _relabelled(model.rehearsal, network, place, row),
    )


def with_words(model: Model, words: Iterable[str]) -> Model:
    """Return a model that has each of some words as labels, as `with_word` does."""
    for word in words:
        model = with_word(model, word)
    return model


def with_parts_among(model: Model, words: Iterable[str]) -> Model:
    """Return a model that has as labels those of some words that are parts of its unknown speech."""
    return with_words(model, [word for word in words if label_of(word, tuple(model.parts)) in model.parts])


def _outputs(network: Network) -> list[FloatArray]:
    """Return the weights and biases with which the logits are computed, views with a row for each logit."""
    chain, last = network.chain, network.last
    layer, values = chain.layers[last], network.parameters.values[chain.names[last]]
    # A model that was taught has two dense layers there, whose outputs are added.
    dense = (
        [values[name][branch.names[-1]] for name, branch in layer.branches.items()]
        if isinstance(layer, Residual)
        else [values]
    )
    return [layer[name] for layer in dense for name in ("weight", "bias")]


def _relabelled(rehearsal: Rehearsal, network: Network, place: int, row: int) -> Rehearsal:
    """Return the examples of the new labels; those of the word are the ones that the network itself takes for it."""
    chain, last = network.chain, network.last
    inputs = rehearsal.inputs.astype(np.float32).T
    logits, _ = chain.layers[last].forward(network.parameters.values[chain.names[last]], inputs, None)
    own = (rehearsal.labels == place) & (logits.argmax(axis=0) == row)
    shifted = rehearsal.labels + (rehearsal.labels >= place)
    return rehearsal._replace(labels=np.where(own, place, shifted).astype(np.uint16))
