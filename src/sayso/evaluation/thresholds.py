"""Thresholds: what each gives on a stream, and which to choose."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sayso.config import DecisionSettings
from sayso.evaluation.stream_scores import StreamPosteriors, StreamScore, score

# Thresholds that are tried for the trade-off; the network's label smoothing keeps probabilities below about 0.95.
THRESHOLDS = tuple(round(0.2 + 0.025 * step, 3) for step in range(30))


def trade_off(
    heard: Sequence[StreamPosteriors], settings: DecisionSettings, thresholds: Sequence[float] = THRESHOLDS
) -> list[tuple[float, StreamScore]]:
    """Score a stream at several thresholds; the threshold to fire again keeps its proportion."""
    return [(threshold, score(heard, with_threshold(settings, threshold))) for threshold in thresholds]


def with_threshold(settings: DecisionSettings, threshold: float) -> DecisionSettings:
    """Return the settings with one threshold for all words, and that to fire again in the same proportion."""
    return replace(settings, threshold=threshold, words={}, rearm=threshold * settings.rearm / settings.threshold)


def choose_thresholds(
    curve: Sequence[tuple[float, StreamScore]], false_alarms_per_hour: float
) -> Mapping[str, float] | None:
    """Choose a threshold for each word, so that as few words as can be are missed.

    Some words are far more easily taken for what was not said than others. But the alarms of one word are few, and come
    from fewer recordings still; a threshold that happens to give none here would not do so elsewhere. So what is
    expected of a word lies halfway between its own alarms and the mean of all words (shrinkage, as in H. Robbins, "An
    empirical Bayes approach to statistics", 1956). As it depends on the word's own threshold alone, the choice is one
    of dynamic programming: word by word, the fewest misses for each number of alarms that are spent. (A word that is
    detected keeps others quiet for a moment, which is neglected.)

    Parameters
    ----------
    curve : sequence of (float, StreamScore)
        What each threshold gives if it is that of all words.
    false_alarms_per_hour : float
        How many there may be, of all words together.

    Returns
    -------
    thresholds : mapping of str to float, or None
        The threshold of each word, of equally good ones the middle one; None if no choice keeps to the limit.
    """
    rising = sorted(curve, key=lambda entry: entry[0])
    words = sorted(set().union(*(point.said | point.alarms for _, point in rising)))
    # Halves of a mean over the words: alarms are counted in such parts of one.
    parts = 2 * len(words)
    most = int(parts * false_alarms_per_hour * rising[0][1].hours + 1e-9)
    # The fewest misses by the alarms spent, and the thresholds that lead there.
    best: dict[int, tuple[int, dict[str, float]]] = {0: (0, {})}
    for word in words:
        alike: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        for threshold, point in rising:
            expected = len(words) * point.alarms[word] + point.false_alarms
            alike[expected, point.said[word] - point.hit[word]].append(threshold)
        longer: dict[int, tuple[int, dict[str, float]]] = {}
        for (alarms, misses), thresholds in alike.items():
            for spent, (missed, chosen) in best.items():
                if spent + alarms <= most and missed + misses < longer.get(spent + alarms, (math.inf,))[0]:
                    # The middle one is farthest from being too low and from being too high.
                    own = thresholds[len(thresholds) // 2]
                    longer[spent + alarms] = missed + misses, {**chosen, word: own}
        best = longer
    if not best:
        return None
    fewest = min(best, key=lambda spent: (best[spent][0], spent))
    return best[fewest][1]
