"""Words that a small network learns in a second: two tones in succession, at a pitch that depends on the speaker."""

import numpy as np

RATE = 16_000
# No two words share a tone, so that half a word at the edge of a window is still that word.
TONES = {"yes": (700.0, 900.0), "no": (1_300.0, 1_700.0), "up": (2_600.0, 3_600.0), "zero": (300.0, 400.0)}
# Length of a spoken word in seconds.
SPOKEN = 0.5


def spoken(word: str, pitch: float = 1.0, rate: int = RATE) -> np.ndarray:
    """Return a word without silence around it, float32 of shape (samples,)."""
    times = np.arange(round(rate * SPOKEN / 2)) / rate
    envelope = np.sin(np.pi * times / times[-1])
    syllables = [envelope * np.sin(2 * np.pi * pitch * tone * times) for tone in TONES[word]]
    return (0.4 * np.concatenate(syllables)).astype(np.float32)


def hiss(samples: int, rng: np.random.Generator, level: float = 1e-3) -> np.ndarray:
    """Return white noise, faint by default, as in every real recording."""
    return (level * rng.standard_normal(samples)).astype(np.float32)


def clip(word: str, seed: int = 0, pitch: float = 1.0, rate: int = RATE) -> np.ndarray:
    """Return one second with a word near its middle."""
    rng = np.random.default_rng(seed)
    sound, samples = spoken(word, pitch, rate), hiss(rate, rng)
    start = (rate - len(sound)) // 2 + int(rng.integers(-rate // 20, rate // 20))
    samples[start : start + len(sound)] += sound
    return samples


def stream(words: list[str], seed: int = 0, gap: float = 1.0) -> tuple[np.ndarray, list[float]]:
    """Return words with pauses between them, and the middle of each word in seconds."""
    rng = np.random.default_rng(seed)
    parts, middles, length = [np.zeros(round(gap * RATE), np.float32)], [], round(gap * RATE)
    for word in words:
        sound = spoken(word)
        middles.append((length + len(sound) / 2) / RATE)
        parts += [sound, np.zeros(round(gap * RATE), np.float32)]
        length += len(sound) + len(parts[-1])
    samples = np.concatenate(parts)
    return samples + hiss(len(samples), rng), middles
