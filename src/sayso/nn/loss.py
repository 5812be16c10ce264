"""The loss: softmax and cross-entropy as one function, whose gradient is simple and numerically stable."""

import numpy as np
from numpy.typing import NDArray

from sayso.nn.parameters import FloatArray


def softmax(logits: FloatArray) -> FloatArray:
    """Convert logits to probabilities: p_i = exp(z_i) / sum_j exp(z_j).

    Parameters
    ----------
    logits : ndarray, shape (classes, batch)
        Any real numbers. The largest of each example is subtracted first, which leaves the result unchanged and
        prevents overflow.

    Returns
    -------
    probabilities : ndarray, shape (classes, batch)
        Positive, summing to 1 over the classes.
    """
    exponentials: FloatArray = np.exp(logits - logits.max(axis=0))
    exponentials /= exponentials.sum(axis=0)
    return exponentials


def one_hot(labels: NDArray[np.integer], classes: int, smoothing: float = 0.0) -> NDArray[np.float32]:
    """Convert labels to target probabilities.

    Parameters
    ----------
    labels : ndarray of int, shape (batch,)
        Index of the correct class of each example.
    classes : int
        Number of classes.
    smoothing : float
        Probability that is moved from the correct class to all classes uniformly, so that no logit has to grow without
        bound (C. Szegedy et al., "Rethinking the Inception architecture", 2016, section 7).

    Returns
    -------
    targets : ndarray of float32, shape (classes, batch)
        Target probabilities.
    """
    targets = np.full((classes, len(labels)), smoothing / classes, np.float32)
    targets[labels, np.arange(len(labels))] += 1 - smoothing
    return targets


def softmax_cross_entropy(
    logits: FloatArray, targets: FloatArray, weights: FloatArray | None = None
) -> tuple[float, FloatArray]:
    """Mean cross-entropy between the targets and the softmax of the logits, with its gradient.

    Parameters
    ----------
    logits : ndarray, shape (classes, batch)
        Outputs z of the network.
    targets : ndarray, shape (classes, batch)
        Target probabilities t, see `one_hot`.
    weights : ndarray, shape (batch,), optional
        By how much each example counts; by default each by 1.

    Returns
    -------
    loss : float
        Mean over the batch of -sum_i t_i log p_i, in nats.
    grad_logits : ndarray, shape (classes, batch)
        Its derivative with respect to each logit.

    Notes
    -----
    With log p_i = z_i - log sum_j exp(z_j) and sum_i t_i = 1, the loss of one example is log sum_j exp(z_j) - sum_i
    t_i z_i. The derivative of the first term by z_i is exp(z_i) / sum_j exp(z_j) = p_i, that of the second is t_i. So
    the backward pass starts with p - t: predicted minus target probabilities. The mean divides it by the batch size.
    """
    shifted = logits - logits.max(axis=0)
    probabilities = np.exp(shifted)
    total = probabilities.sum(axis=0)
    losses = np.log(total) - np.einsum("cb,cb->b", targets, shifted)
    probabilities /= total
    probabilities -= targets
    if weights is not None:
        losses = losses * weights
        probabilities *= weights
    probabilities /= logits.shape[1]
    return float(np.mean(losses)), probabilities
