"""The error at the output: softmax and cross-entropy as one function, whose gradient is simple and stable."""

import numpy as np
from numpy.typing import NDArray

from sayso.nn.parameters import FloatArray


def softmax(logits: FloatArray) -> FloatArray:
    """Turn logits into probabilities: p_i = exp(z_i) / sum_j exp(z_j).

    Parameters
    ----------
    logits : ndarray, shape (classes, batch)
        Any real numbers. The largest of each example is subtracted first, which cancels out and keeps exp from
        overflowing.

    Returns
    -------
    probabilities : ndarray, shape (classes, batch)
        Positive, summing to 1 over the classes.
    """
    exponentials: FloatArray = np.exp(logits - logits.max(axis=0))
    exponentials /= exponentials.sum(axis=0)
    return exponentials


def one_hot(labels: NDArray[np.integer], classes: int, smoothing: float = 0.0) -> NDArray[np.float32]:
    """Turn labels into target probabilities.

    Parameters
    ----------
    labels : ndarray of int, shape (batch,)
        Index of the right class of each example.
    classes : int
        Number of classes.
    smoothing : float
        Probability that is taken from the right class and spread over all classes alike, so that the network is never
        asked to be infinitely sure (C. Szegedy et al., "Rethinking the Inception architecture", 2016, section 7).

    Returns
    -------
    targets : ndarray of float32, shape (classes, batch)
        Target probabilities.
    """
    targets = np.full((classes, len(labels)), smoothing / classes, np.float32)
    targets[labels, np.arange(len(labels))] += 1 - smoothing
    return targets


def softmax_cross_entropy(logits: FloatArray, targets: FloatArray) -> tuple[float, FloatArray]:
    """Mean cross-entropy between the targets and the softmax of the logits, with its gradient.

    Parameters
    ----------
    logits : ndarray, shape (classes, batch)
        Output z of the network.
    targets : ndarray, shape (classes, batch)
        Target probabilities t, see `one_hot`.

    Returns
    -------
    loss : float
        Mean over the batch of -sum_i t_i log p_i, in nats.
    grad_logits : ndarray, shape (classes, batch)
        Its derivative by each logit.

    Notes
    -----
    With log p_i = z_i - log sum_j exp(z_j) and sum_i t_i = 1, the loss of one example is log sum_j exp(z_j) - sum_i
    t_i z_i. The derivative of its first term by z_i is exp(z_i) / sum_j exp(z_j) = p_i, that of the second is t_i. So
    the error that sets out backwards is p - t: what the network said, minus what it should have said. The mean divides
    it by the batch size.
    """
    shifted = logits - logits.max(axis=0)
    probabilities = np.exp(shifted)
    total = probabilities.sum(axis=0)
    loss = np.mean(np.log(total) - np.einsum("cb,cb->b", targets, shifted))
    probabilities /= total
    probabilities -= targets
    probabilities /= logits.shape[1]
    return float(loss), probabilities
