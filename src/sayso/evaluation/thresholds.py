"""Score a stream at several thresholds, and choose one for each word."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sayso.config import DecisionSettings
from sayso.config.odds import shifted
from sayso.evaluation.stream_scores import StreamPosteriors, StreamScore, score

# Thresholds of the trade-off, evenly spaced in log-odds: from 0.05 to 0.9995.
THRESHOLDS = tuple(round(shifted(0.5, nats), 5) for nats in np.arange(-3, 7.75, 0.25).tolist())


def trade_off(
    parts: Sequence[StreamPosteriors], settings: DecisionSettings, thresholds: Sequence[float] = THRESHOLDS
) -> list[tuple[float, StreamScore]]:
    """Score a stream at several thresholds, each for all words."""
    return [(threshold, score(parts, with_threshold(settings, threshold))) for threshold in thresholds]


def with_threshold(settings: DecisionSettings, threshold: float) -> DecisionSettings:
    """Return the settings with one threshold for all words."""
    return replace(settings, threshold=threshold, words={})


def choose_thresholds(
    curve: Sequence[tuple[float, StreamScore]], false_alarms_per_hour: float
) -> Mapping[str, float] | None:
    """Choose a threshold for each word that minimises the misses within a limit of false alarms.

    Some words cause far more false alarms than others. But the alarms of one word are few, and come from even fewer
    recordings: a threshold without any on this stream may cause some on another. So the expected number for a word is
    halfway between its own alarms and the mean of all words (shrinkage, as in H. Robbins, "An empirical Bayes approach
    to statistics", 1956). As it depends only on the word's own threshold, dynamic programming finds the best choice:
    word by word, the fewest misses for each total number of alarms. (A detection suppresses others for a short time,
    which is neglected.)

    Parameters
    ----------
    curve : sequence of (float, StreamScore)
        The score at each threshold if all words share it.
    false_alarms_per_hour : float
        Maximum for all words together.

    Returns
    -------
    thresholds : mapping of str to float, or None
        The threshold of each word, the middle one of equally good ones; None if none stay within the limit.
    """
    rising = sorted(curve, key=lambda entry: entry[0])
    words = sorted(set().union(*(point.spoken | point.alarms for _, point in rising)))
    # Half of a mean over the words is a multiple of 1 / (2 * words): alarms are counted in this unit.
    parts = 2 * len(words)
    most = int(parts * false_alarms_per_hour * rising[0][1].hours + 1e-9)
    # By total number of alarms: the fewest misses, and the thresholds that give them.
    best: dict[int, tuple[int, dict[str, float]]] = {0: (0, {})}
    for word in words:
        alike: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        for threshold, point in rising:
            expected = len(words) * point.alarms[word] + point.false_alarms
            alike[expected, point.spoken[word] - point.hit[word]].append(threshold)
        longer: dict[int, tuple[int, dict[str, float]]] = {}
        for (alarms, misses), thresholds in alike.items():
            for spent, (missed, chosen) in best.items():
                if spent + alarms <= most and missed + misses < longer.get(spent + alarms, (math.inf,))[0]:
                    # The middle one keeps the largest distance from thresholds that are too low or too high.
                    own = thresholds[len(thresholds) // 2]
                    longer[spent + alarms] = missed + misses, {**chosen, word: own}
        best = longer
    if not best:
        return None
    fewest = min(best, key=lambda spent: (best[spent][0], spent))
    return best[fewest][1]
