"""Words that a small network learns in a second: two tones one after the other, higher or lower by the speaker."""

import numpy as np

RATE = 16_000
# No two words share a tone: half a word at the edge of a window is still that word.
TONES = {"yes": (700.0, 900.0), "no": (1_300.0, 1_700.0), "up": (2_600.0, 3_600.0), "zero": (300.0, 400.0)}
# Seconds of sound in a spoken word.
SPOKEN = 0.5


def spoken(word: str, pitch: float = 1.0, rate: int = RATE) -> np.ndarray:
    """Return the sound of a word alone, float32 of shape (samples,)."""
    times = np.arange(round(rate * SPOKEN / 2)) / rate
    rise_and_fall = np.sin(np.pi * times / times[-1])
    syllables = [rise_and_fall * np.sin(2 * np.pi * pitch * tone * times) for tone in TONES[word]]
    return (0.4 * np.concatenate(syllables)).astype(np.float32)


def hiss(samples: int, rng: np.random.Generator, level: float = 1e-3) -> np.ndarray:
    """Return faint noise, as every real recording has it."""
    return (level * rng.standard_normal(samples)).astype(np.float32)


def clip(word: str, seed: int = 0, pitch: float = 1.0, rate: int = RATE) -> np.ndarray:
    """Return one second with a word somewhere about its middle."""
    rng = np.random.default_rng(seed)
    sound, samples = spoken(word, pitch, rate), hiss(rate, rng)
    start = (rate - len(sound)) // 2 + int(rng.integers(-rate // 20, rate // 20))
    samples[start : start + len(sound)] += sound
    return samples


def stream(words: list[str], seed: int = 0, gap: float = 1.0) -> tuple[np.ndarray, list[float]]:
    """Return words one after the other with pauses between them, and where the middle of each lies in seconds."""
    rng = np.random.default_rng(seed)
    parts, middles, length = [np.zeros(round(gap * RATE), np.float32)], [], round(gap * RATE)
    for word in words:
        sound = spoken(word)
        middles.append((length + len(sound) / 2) / RATE)
        parts += [sound, np.zeros(round(gap * RATE), np.float32)]
        length += len(sound) + len(parts[-1])
    samples = np.concatenate(parts)
    return samples + hiss(len(samples), rng), middles
