"""Soak test: listen for hours, faster than real time; no memory may leak, no step be lost and no time stamp drift.

Example: python scripts/benchmarks/soak.py --hours 10

Clips of the bundled corpus are repeated at known positions, and go through the live path in chunks as from a
microphone. Every step must end exactly one step after the previous one; each round of the clips must give the same
detections as the second round, at the same samples; and from the tenth minute on memory must not grow. The exit status
is 1 if any of this fails.
"""

import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarking import parser, save
from listening import resident
from sayso.corpus.corpus import scan
from sayso.live.listening import Listening
from sayso.model.shipped import bundled
from sayso.recognition import recognizer
from sayso.sound import audio
from sayso.sound.speech import fit_window
from sayso.sound.stream import Samples

# Seconds from clip to clip; samples per chunk of the microphone, which divide neither a second nor a step.
EVERY = 3.0
CHUNK = 777
SETTLED = 600.0
MOST_GROWTH = 5.0


def round_of_clips(rate: int, step: int) -> Samples:
    """Return one round, a multiple of a step long: a clip of every word, every few seconds, with faint noise."""
    clips = {clip.word: clip.path for clip in scan(bundled("demo")).clips}
    length = round(EVERY * rate)
    samples = np.random.default_rng(0).normal(0, 1e-3, len(clips) * length).astype(np.float32)
    for place, path in enumerate(clips.values()):
        window, _ = fit_window(audio.load(path, rate), rate)
        samples[place * length : place * length + rate] += window
    return samples[: len(samples) // step * step]


def repeated(samples: Samples, rounds: int) -> Iterator[Samples]:
    """Yield the samples `rounds` times, cut into chunks; the rest of a round starts the next chunk."""
    rest = np.empty(0, np.float32)
    for _ in range(rounds):
        rest = np.concatenate([rest, samples])
        whole = len(rest) // CHUNK * CHUNK
        yield from (rest[start : start + CHUNK] for start in range(0, whole, CHUNK))
        rest = rest[whole:]
    if len(rest):
        yield rest


def main() -> None:
    """Listen, compare the rounds, and print the results."""
    options = parser(__doc__)
    options.add_argument("model", nargs="?", default="commands", help="a model (default: commands)")
    options.add_argument("--hours", type=float, default=10.0, help="hours of sound (default: 10)")
    arguments = options.parse_args()
    chosen = recognizer.load(arguments.model)
    features = chosen.model.features
    step = max(round(chosen.model.decision.step / features.hop), 1) * features.hop_samples
    samples = round_of_clips(features.sample_rate, step)
    rounds = max(round(arguments.hours * 3600 * features.sample_rate / len(samples)), 3)
    listening = Listening(chosen, repeated(samples, rounds))
    faults: list[str] = []
    detections: list[list[tuple[str, int]]] = [[] for _ in range(rounds + 1)]
    memory: list[float] = []
    begun, expected, end = time.perf_counter(), 0, 0
    for number, window in enumerate(listening.scores()):
        if number == 0:
            expected = window.end
        if window.end != expected:
            faults.append(f"step {number} ends at sample {window.end}, expected {expected}")
        expected = window.end + step
        end = window.end
        if window.detection:
            which = max(window.end - 1, 0) // len(samples)
            if abs(window.detection.end * features.sample_rate - window.end) > 0.5:
                faults.append(f"step {number} at sample {window.end} has the time {window.detection.end} s")
            detections[min(which, rounds)].append((window.detection.label, window.end - which * len(samples)))
        if number % 6_000 == 0 and end / features.sample_rate >= SETTLED:
            gc.collect()
            memory.append(resident_now())
    took = time.perf_counter() - begun
    # The first round starts after silence and the last one ends with it.
    typical = detections[1]
    faults += [
        f"round {place} gave {words}, the second round {typical}"
        for place, words in enumerate(detections[2:-2], 2)
        if words != typical
    ]
    steps = (rounds * len(samples) + 2 * (features.clip_samples // 2) - features.clip_samples) // step + 1
    if listening.pace.steps < steps - 1:
        faults.append(f"{listening.pace.steps} steps, expected {steps}")
    growth = max(memory) - memory[0] if memory else 0.0
    if growth > MOST_GROWTH:
        faults.append(f"memory grew by {growth:.1f} MB")
    hours = rounds * len(samples) / features.sample_rate / 3600
    settled = memory[0] if memory else resident_now()
    print(
        f"{hours:.2f} h in {took:.0f} s, {3600 * hours / took:.0f} times as fast as real time: "
        f"{listening.pace.steps} steps, {sum(map(len, detections))} detections, {len(typical)} in each of {rounds} "
        f"rounds; memory {settled:.1f} MB after 10 minutes, then up to {growth:.1f} MB more"
    )
    for fault in faults[:20]:
        print(f"fault: {fault}")
    save({"hours": hours, "seconds": took, "steps": listening.pace.steps, "growth_megabytes": growth,
          "memory_megabytes": memory, "faults": faults}, arguments.json)  # fmt: skip
    sys.exit(1 if faults else 0)


def resident_now() -> float:
    """Return the memory of this process in MB."""
    return resident(int(Path("/proc/self").resolve().name))


if __name__ == "__main__":
    main()
