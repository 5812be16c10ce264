"""The clip that a model finds hardest: mistakes first, then the least certain."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from command_line import Result, one_line_error
from sayso.corpus.corpus import scan
from sayso.errors import CorpusError
from sayso.explanation import hardest as hardest_module
from sayso.explanation.hardest import hardest
from sayso.recognition.recognizer import Recognizer
from sayso.sound import audio
from sayso.sound.speech import fit_window

Sayso = Callable[..., Result]


@pytest.fixture
def recordings(tiny_corpus: Path, tmp_path: Path) -> Path:
    """The tiny corpus with one clip of "yes" in the folder of "no"."""
    root = shutil.copytree(tiny_corpus, tmp_path / "recordings")
    shutil.move(sorted((root / "yes").iterdir())[3], root / "no" / "odd.wav")
    return root


def test_a_wrong_clip_is_the_hardest(
    tiny_recognizer: Recognizer, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hardest(tiny_recognizer, scan(recordings))
    assert (whole.clip.path.name, whole.label, whole.wrong, whole.skipped) == ("odd.wav", "no", 1, 0)
    assert whole.clips == 4 * 24
    # In parts the result is the same.
    monkeypatch.setattr(hardest_module, "CHUNK", 7)
    done: list[tuple[int, int]] = []
    parts = hardest(tiny_recognizer, scan(recordings), lambda *counts: done.append(counts))
    assert (parts.clip, parts.clips, parts.wrong) == (whole.clip, whole.clips, whole.wrong)
    assert done[0] == (0, 96)
    assert done[-1] == (96, 96)


def test_without_a_mistake_it_is_the_least_certain_clip(tiny_recognizer: Recognizer, tiny_corpus: Path) -> None:
    found = hardest(tiny_recognizer, scan(tiny_corpus))
    assert found.wrong == 0
    clips = scan(tiny_corpus).clips
    certainties = {}
    for clip in clips:
        samples, _ = fit_window(audio.load(clip.path, sounds.RATE), sounds.RATE)
        label = clip.word if clip.word in tiny_recognizer.labels else "_unknown_"
        probabilities = tiny_recognizer.probabilities(samples[None])[0]
        certainties[clip.path] = probabilities[tiny_recognizer.labels.index(label)]
    assert certainties[found.clip.path] == pytest.approx(min(certainties.values()), abs=1e-3)


def test_clips_that_are_broken_or_too_long_are_left_out(
    tiny_recognizer: Recognizer, recordings: Path, tmp_path: Path
) -> None:
    long = np.tile(sounds.clip("up"), 4)
    soundfile.write(recordings / "no" / "long.wav", long, sounds.RATE)
    (recordings / "no" / "broken.wav").write_bytes(b"no sound")
    found = hardest(tiny_recognizer, scan(recordings))
    assert (found.clip.path.name, found.skipped) == ("odd.wav", 1)
    (tmp_path / "only" / "yes").mkdir(parents=True)
    soundfile.write(tmp_path / "only" / "yes" / "long.wav", long, sounds.RATE)
    with pytest.raises(CorpusError, match=r"no usable clip of at most 2 s of the model's labels \(yes, no, up"):
        hardest(tiny_recognizer, scan(tmp_path / "only"))


def test_the_command_explains_the_hardest_clip(
    sayso: Sayso, recordings: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    output = tmp_path / "hardest.html"
    result = sayso("explain", "--hardest", recordings, "-m", tiny_model_path, "-o", output)
    assert result.status == 0, result
    assert "odd.wav, the hardest of 96; 1 are wrong" in result.out
    assert "no, the name of its folder" in result.out
    written = " ".join(output.read_text().split())
    assert "the network gets 1 wrong" in written
    # A word that is no label stands for unknown speech.
    shutil.rmtree(recordings / "no")
    shutil.copy(recordings / "yes" / sorted((recordings / "yes").iterdir())[0].name, recordings / "zero" / "odd.wav")
    result = sayso("explain", "--hardest", recordings, "-m", tiny_model_path, "-o", output)
    assert "_unknown_, as zero is no label of the network" in result.out
    assert "since the word of the clip, zero, is no label" in " ".join(output.read_text().split())


def test_wrong_use_is_one_clear_line(sayso: Sayso, tiny_corpus: Path, tmp_path: Path) -> None:
    for arguments in (["clip.wav"], ["--label", "yes"], ["--training"]):
        with case(*arguments):
            result = sayso("explain", "--hardest", tiny_corpus, *arguments)
            assert result.status == 2
            assert "--hardest" in result.err
    assert "nowhere" in one_line_error(sayso("explain", "--hardest", tmp_path / "nowhere", "-m", "dense"))
