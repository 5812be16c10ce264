"""Make the demo corpus: sixty espeak-ng voices speaking eighteen words, and a few background noises.

The folder has the layout of Speech Commands, so whatever reads that corpus reads this one. The program espeak-ng and
soundfile 0.13 or newer must be installed. The same seed and version of espeak-ng give the same sound, but not the same
bytes, because each Ogg file has a random serial number.
"""

import argparse
import csv
import hashlib
import io
import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy import signal

from sayso.config import COMMANDS
from sayso.corpus.layouts import NOISE_FOLDER
from sayso.corpus.splits import Split, official_split

Samples = NDArray[np.float64]

SAMPLE_RATE = 16_000
CLIP_SAMPLES = SAMPLE_RATE
NOISE_SAMPLES = 10 * SAMPLE_RATE
EQUALISER_TAPS = 257
# About 17 kbit/s: clear wide-band speech, with which the whole corpus takes about 3 MB.
COMPRESSION_LEVEL = 0.955

OTHER_WORDS = ("bed", "bird", "cat", "dog", "happy", "house", "seven", "tree")
# The sentences of the babble contain no command, nor a word that sounds like one.
SENTENCES = (
    "The train to the coast was late again this morning, and the next one was full.",
    "We could meet near the old library after lunch and walk along the river.",
    "My sister bought three green apples, a loaf of bread and some cheese.",
    "It rained all day, so the children played their games inside.",
    "Please remember the tickets, a warm coat and something to read.",
    "Somebody painted the kitchen yellow while they were away last winter.",
    "He wrote a long letter about music, travel and his favourite museum.",
    "There were many small boats in the harbour at sunset.",
)

ACCENTS = ("en-gb", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
MALE = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "Denis")
FEMALE = ("f1", "f2", "f3", "f4", "f5", "Andrea", "Annie", "belinda", "linda")
SPLIT_SIZES: dict[Split, int] = {"testing": 11, "validation": 9, "training": 40}


@dataclass(frozen=True)
class Voice:
    """One synthetic speaker.

    Attributes
    ----------
    id : str
        Eight hexadecimal digits, the speaker in the file names.
    accent, variant : str
        The espeak-ng voice and its variant; no two speakers share both.
    pitch : int
        Base pitch in the units of espeak-ng, 0 to 99.
    speed : int
        Words per minute.
    split : {"training", "validation", "testing"}
        What the voice is used for; it follows from the id.
    """

    id: str
    accent: str
    variant: str
    pitch: int
    speed: int
    split: Split

    def say(self, text: str) -> Samples:
        """Return `text` as samples at 16 kHz with peak 1, without the silence before and after it."""
        voice = ["-v", f"{self.accent}+{self.variant}", "-p", str(self.pitch), "-s", str(self.speed)]
        wave = subprocess.run(["espeak-ng", *voice, "--stdout", text], check=True, stdout=subprocess.PIPE).stdout
        samples, rate = soundfile.read(io.BytesIO(wave))
        samples = soxr.resample(samples, rate, SAMPLE_RATE)
        audible = np.flatnonzero(np.abs(samples) > 0.002 * np.abs(samples).max())
        spoken: Samples = samples[audible[0] : audible[-1] + 1] / np.abs(samples).max()
        return spoken


def main() -> None:
    """Read the command line and make the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    folder_help = "new or empty folder (default: %(default)s)"
    parser.add_argument("output", nargs="?", type=Path, default=Path("data/demo"), help=folder_help)
    parser.add_argument("--seed", type=int, default=0, help="each seed gives different voices (default: %(default)s)")
    arguments = parser.parse_args()
    output: Path = arguments.output
    if shutil.which("espeak-ng") is None:
        sys.exit("error: the program espeak-ng was not found; install it with your system's package manager")
    if output.exists() and any(output.iterdir()):
        sys.exit(f"error: {output} is not empty, so old and new clips would mix; empty it or choose another folder")

    rng = np.random.default_rng(arguments.seed)
    voices = make_voices(rng)
    for voice in voices:
        response = room_and_microphone(rng)
        for word in (*COMMANDS, *OTHER_WORDS):
            save(output / word / f"{voice.id}_nohash_0.opus", make_clip(voice.say(word), response, rng))
    for name, noise in make_noises(voices, rng).items():
        save(output / NOISE_FOLDER / f"{name}.opus", noise)
    with (output / "voices.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Voice)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(voice) for voice in sorted(voices, key=lambda voice: voice.id))
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{output}: {len(voices)} voices, {len(COMMANDS) + len(OTHER_WORDS)} words, {size / 1e6:.2f} MB")


def make_voices(rng: np.random.Generator) -> list[Voice]:
    """Return the speakers: all accents and both sexes in every split, and no pair of accent and variant twice."""
    splits = [split for split, size in SPLIT_SIZES.items() for _ in range(size)]
    variants = itertools.cycle(MALE), itertools.cycle(FEMALE)
    voices = []
    for number, split in enumerate(splits):
        accent = ACCENTS[number % len(ACCENTS)]
        # The sexes alternate from accent to accent, and each round of the accents begins with the other sex. So a pair
        # of accent and sex recurs after eight variants of that sex; as there are nine variants, it gets another one.
        variant = next(variants[(number + number // len(ACCENTS)) % 2])
        pitch, speed = int(rng.integers(30, 71)), int(rng.integers(125, 191))
        identifier = speaker_id(f"{accent}+{variant} -p {pitch} -s {speed}", split)
        voices.append(Voice(identifier, accent, variant, pitch, speed, split))
    return voices


def speaker_id(description: str, split: Split) -> str:
    """Hash `description` with an increasing counter until the rule of Speech Commands gives `split`."""
    return next(
        identifier
        for counter in itertools.count()
        if official_split(identifier := hashlib.sha1(f"{description} #{counter}".encode()).hexdigest()[:8]) == split
    )


def room_and_microphone(rng: np.random.Generator) -> Samples:
    """Return an impulse response: a gentle random equaliser, then the short decaying tail of a furnished room."""
    frequencies = np.array([0, 80, 250, 800, 2_000, 4_000, 6_500, 8_000])
    decibels = np.concatenate([[-30], rng.uniform(-8, 0, 1), rng.uniform(-2, 2, 4), rng.uniform(-6, 2, 2)])
    equaliser = signal.firwin2(EQUALISER_TAPS, frequencies, 10 ** (decibels / 20), fs=SAMPLE_RATE)
    seconds = np.arange(round(0.25 * SAMPLE_RATE)) / SAMPLE_RATE
    reverberation_time = rng.uniform(0.1, 0.3)  # seconds until the tail has fallen by 60 dB
    tail = rng.normal(size=len(seconds)) * 10 ** (-3 * seconds / reverberation_time)
    room = tail * 10 ** (rng.uniform(-25, -12) / 20) / np.linalg.norm(tail)
    room[0] = 1
    response: Samples = signal.fftconvolve(equaliser, room)
    return response


def make_clip(word: Samples, response: Samples, rng: np.random.Generator) -> Samples:
    """Return one second of quiet room noise with a word near the middle, at a random position and level."""
    margin = round(0.02 * SAMPLE_RATE)
    spare = CLIP_SAMPLES - 2 * margin - len(word)
    if spare < 0:
        seconds = len(word) / SAMPLE_RATE
        sys.exit(f"error: a word of {seconds:.2f} s does not fit into one second; raise the lowest speed")
    # Near the middle, as in Speech Commands, whose clips are the loudest second of a longer recording.
    start = margin + int(np.clip(spare / 2 + rng.uniform(-0.15, 0.15) * SAMPLE_RATE, 0, spare))
    # The equaliser delays the sound by half its length. The end of the reverberation is cut off with the clip.
    delay = EQUALISER_TAPS // 2
    sound = signal.fftconvolve(np.pad(word, (start, delay + margin + spare)), response)
    clip: Samples = sound[delay : delay + CLIP_SAMPLES]
    clip *= 10 ** (rng.uniform(-15, -3) / 20) / np.abs(clip).max()
    clip += 10 ** (rng.uniform(-65, -50) / 20) * coloured_noise(CLIP_SAMPLES, rng.uniform(0.5, 2), rng)
    return clip


def make_noises(voices: list[Voice], rng: np.random.Generator) -> dict[str, Samples]:
    """Return the background noises by name, each ten seconds long and at peak 0.5."""
    makers: dict[str, Callable[[], Samples]] = {
        "white_noise": lambda: coloured_noise(NOISE_SAMPLES, 0, rng),
        "pink_noise": lambda: coloured_noise(NOISE_SAMPLES, 1, rng),
        "brown_noise": lambda: coloured_noise(NOISE_SAMPLES, 2, rng),
        "mains_hum": lambda: mains_hum(rng),
        "fan": lambda: fan(rng),
        "typing": lambda: typing(rng),
        "babble": lambda: babble(voices, rng),
    }
    noises = {name: make() for name, make in makers.items()}
    return {name: 0.5 * noise / np.abs(noise).max() for name, noise in noises.items()}


def coloured_noise(samples: int, exponent: float, rng: np.random.Generator) -> Samples:
    """Return noise of RMS 1 whose power falls as 1/frequency**exponent above 20 Hz: 0 is white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    frequencies = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    noise: Samples = np.fft.irfft(spectrum * np.maximum(frequencies, 20) ** (-exponent / 2), samples)
    noise /= np.sqrt(np.mean(noise**2))
    return noise


def mains_hum(rng: np.random.Generator) -> Samples:
    """Return mains hum: 50 Hz and its harmonics, of which the even ones are stronger, and a faint hiss."""
    seconds = np.arange(NOISE_SAMPLES) / SAMPLE_RATE
    hum = 0.02 * coloured_noise(NOISE_SAMPLES, 1, rng)
    for harmonic in range(1, 31):
        strength = (1.0 if harmonic % 2 == 0 else 0.4) / harmonic * rng.uniform(0.5, 1)
        hum += strength * np.sin(2 * np.pi * 50 * harmonic * seconds + rng.uniform(0, 2 * np.pi))
    return hum


def fan(rng: np.random.Generator) -> Samples:
    """Return the sound of a fan: band-limited air noise, modulated by the blades, and the tone of the motor."""
    seconds = np.arange(NOISE_SAMPLES) / SAMPLE_RATE
    band = signal.butter(2, [150, 1_800], "bandpass", fs=SAMPLE_RATE, output="sos")
    air = signal.sosfilt(band, coloured_noise(NOISE_SAMPLES, 0.5, rng))
    blades = 1 + 0.3 * np.sin(2 * np.pi * 23 * seconds)
    motor = 0.1 * np.sin(2 * np.pi * 118 * seconds) + 0.05 * np.sin(2 * np.pi * 236 * seconds)
    noise: Samples = air / np.sqrt(np.mean(air**2)) * blades + motor
    return noise


def typing(rng: np.random.Generator) -> Samples:
    """Return the sound of a keyboard: short ringing bursts at irregular times in a quiet room."""
    noise = 0.01 * coloured_noise(NOISE_SAMPLES, 1, rng)
    seconds = np.arange(round(0.04 * SAMPLE_RATE)) / SAMPLE_RATE
    start = 0
    while (start := start + int(rng.uniform(0.06, 0.35) * SAMPLE_RATE)) < NOISE_SAMPLES - len(seconds):
        ring = np.sin(2 * np.pi * rng.uniform(1_500, 4_000) * seconds) + rng.normal(size=len(seconds))
        noise[start : start + len(seconds)] += rng.uniform(0.3, 1) * ring * np.exp(-seconds / rng.uniform(0.002, 0.006))
    return noise


def babble(voices: list[Voice], rng: np.random.Generator) -> Samples:
    """Return twelve people talking at once, each repeating a sentence from a different starting point."""
    talkers = rng.permutation(len(voices))[:12]
    noise = np.zeros(NOISE_SAMPLES)
    for talker, sentence in zip(talkers, itertools.cycle(SENTENCES), strict=False):
        speech = np.pad(voices[talker].say(sentence), (0, SAMPLE_RATE // 2))
        noise += rng.uniform(0.4, 1) * np.resize(np.roll(speech, int(rng.integers(len(speech)))), NOISE_SAMPLES)
    return noise


def save(path: Path, samples: Samples) -> None:
    """Write samples at 16 kHz as an Ogg Opus file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=COMPRESSION_LEVEL)


if __name__ == "__main__":
    main()
