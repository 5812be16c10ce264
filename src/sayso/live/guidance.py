"""How takes are recorded, whether a terminal or a page guides the speaker: how many, how long, at which rate."""

# Samples per second of a take.
RATE = 16_000
# Recordings of each word: to teach it, or to adapt a model to a voice that says a word that it knows.
COUNT_NEW, COUNT_KNOWN = 10, 5
# Seconds of each step of the countdown, of the recording of a word, and of background noise.
COUNT, TAKE, NOISE = 0.5, 2.0, 20.0
