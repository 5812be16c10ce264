"""How takes are recorded, whether a terminal or a page guides the speaker: how many, how long, at which rate."""

import re

# Samples per second of a take.
RATE = 16_000
# Recordings of each word: to teach it, or to adapt a model to a voice that says a word that it knows.
COUNT_NEW, COUNT_KNOWN = 10, 5
# Seconds of each step of the countdown, of the recording of a word, of one of several words, and of background noise.
COUNT, TAKE, LONG_TAKE, NOISE = 0.5, 2.0, 3.2, 20.0


def seconds_for(word: str) -> float:
    """Return how long to record a word, or a phrase: a name of several words."""
    return LONG_TAKE if len(re.split(r"[-_\s]+", word)) > 1 else TAKE
