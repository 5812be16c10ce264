"""`sayso train` and `sayso teach`: what they learn, report and refuse, and that the other commands use their models."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

import sounds
from cases import case
from command_line import Result, one_line_error, some_clip, write_words
from sayso.batch.rows import COLUMNS
from sayso.corpus.corpus import scan


def test_a_trained_model_can_be_evaluated_described_and_used(
    sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path
) -> None:
    model, plots = tmp_path / "deep" / "model.safetensors", tmp_path / "plots"
    trained = sayso("train", tiny_corpus, "-o", model, "--config", "quickstart", "--epochs", 12, "--batch-size", 16)
    assert trained.status == 0, trained
    assert "validation accuracy" in trained.out
    assert [path.name for path in model.parent.iterdir()] == ["model.safetensors"]

    evaluated = sayso("evaluate", tiny_corpus, "-m", model, "--format", "json", "--plots", plots)
    scores = json.loads(evaluated.out)
    assert scores["accuracy"] > 0.8
    assert scores["interval"][0] < scores["accuracy"] <= scores["interval"][1]
    assert sum(map(sum, scores["confusion"])) == scores["clips"]
    assert (plots / "confusion.png").read_bytes().startswith(b"\x89PNG")
    text = sayso("evaluate", tiny_corpus, "-m", model).out
    assert "95 % interval" in text
    assert "precision" in text

    described = sayso("info", "-m", model).out
    assert "parameters" in described
    facts = json.loads(sayso("info", "-m", model, "--format", "json").out)
    assert facts["training"]["settings"]["training"]["batch_size"] == 16
    assert facts["multiply_adds"] > 0

    clip = some_clip(tiny_corpus)
    row = json.loads(sayso("classify", clip, "-m", model, "--format", "jsonl").out)
    assert row["label"] == clip.parent.name
    assert tuple(row) == COLUMNS


def test_train_reports_doubtful_recordings_and_suggests_teach_for_few(
    sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    wrong = next(clip.path for clip in scan(corpus).by_split("training") if clip.word == "yes")
    mislabelled = corpus / "no" / wrong.name.replace("_nohash_", "_nohash_9")
    wrong.rename(mislabelled)
    trained = sayso("train", corpus, "-o", tmp_path / "m", "--config", "quickstart", "--epochs", 12, "--batch-size", 16)
    (line,) = (line.split() for line in trained.out.splitlines() if str(mislabelled) in line)
    assert line[1:3] == ["no", "yes"]
    assert "recordings of 'yes': from so few, adding" in trained.err
    assert f"(`sayso teach {corpus} -o MODEL`" in trained.err


def test_negatives_are_learned_as_unknown_speech(
    sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path
) -> None:
    model, talk = tmp_path / "model.safetensors", tmp_path / "talk"
    talk.mkdir()
    soundfile.write(talk / "long.wav", np.random.default_rng(1).normal(0, 0.1, 4 * sounds.RATE), sounds.RATE)
    (talk / "bad.wav").write_bytes(b"this is no sound")
    options = ["--config", "quickstart", "--epochs", 1, "--words", "yes,no,up,zero"]
    result = sayso("train", tiny_corpus, "-o", model, "--negatives", talk, *options)
    assert result.status == 0, result
    assert "bad.wav is not a sound file" in result.err
    assert "no other words" not in result.err
    facts = json.loads(sayso("info", "-m", model, "--format", "json").out)
    assert facts["labels"] == ["yes", "no", "up", "zero", "_unknown_", "_silence_"]
    assert facts["training"]["data"]["clips"]["training"]["_unknown_"] == 7


def test_what_cannot_be_trained_is_reported_in_one_line(sayso: Callable[..., Result], tmp_path: Path) -> None:
    cases: list[tuple[dict[str, int], list[str], str]] = [
        ({}, [], "holds no word folders"),
        ({"yes": 20}, [], "only one word"),
        ({"yes": 20, "no": 1}, [], "the word 'no' has 1 usable"),
        ({"yes": 20, "no": 20}, ["--words", "yes,maybe"], "no word 'maybe'"),
        ({"yes": 20, "no": 20}, ["--words", "yes,yes"], "asked for twice"),
        ({"yes": 20, "no": 20}, ["--network", "transformer"], "known networks are dense"),
        ({"yes": 20, "no": 20}, ["--epochs", "0"], "epochs is 0; expected between 1 and 10000"),
        ({"yes": 20, "no": 20}, ["--learning-rate", "nan"], "learning_rate is nan"),
        ({"yes": 20, "no": 20}, ["--batch-size", "1"], "batch_size is 1"),
        ({"yes": 20, "no": 20}, ["--noise", "nowhere"], "no sound in nowhere"),
        ({"yes": 20, "no": 20}, ["--negatives", "nowhere"], "no sound in nowhere"),
        ({"yes": 20, "no": 20}, ["--config", "nowhere.toml"], "no settings nowhere.toml"),
        ({"yes": 20, "no": 20}, ["--resume"], "nothing to resume"),
    ]
    output = tmp_path / "model.safetensors"
    for number, (clips, options, message) in enumerate(cases):
        corpus = tmp_path / f"corpus {number}"
        corpus.mkdir()
        with case(clips, options):
            assert message in one_line_error(sayso("train", write_words(corpus, **clips), "-o", output, *options))
            assert not output.exists()


def test_contradictory_settings_are_refused(sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("[features]\nwindow = 0.02\nhop = 0.03\n")
    error = one_line_error(sayso("train", tiny_corpus, "-o", tmp_path / "m", "--config", config))
    assert "settings.toml" in error
    assert "hop is 0.03" in error


def test_skipped_files_are_listed_with_their_reasons(
    sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path
) -> None:
    corpus = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    word = corpus / scan(corpus).words[0]
    (word / "notes.doc").write_text("not a sound")
    (word / "00000000_nohash_0.wav").write_bytes(b"")
    (word / "aaaaaaaa_nohash_0.wav").write_bytes(b"RIFF without a chunk")
    result = sayso("train", corpus, "-o", tmp_path / "model.safetensors", "--config", "quickstart", "--epochs", 1)
    assert result.status == 0
    assert "3 files were skipped" in result.err
    for name in (
        "notes.doc: not an audio file",
        "00000000_nohash_0.wav: empty",
        "aaaaaaaa_nohash_0.wav is not a sound",
    ):
        assert name in result.err


def test_teach_adds_a_word_from_a_few_recordings(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    folder, model = write_words(tmp_path / "words", hiss=5), tmp_path / "taught.safetensors"
    result = sayso("teach", folder, "-o", model, "-m", tiny_model_path)
    assert result.status == 0, result.err
    assert "learned hiss from 5 recordings" in result.out
    assert "held out: right" in result.out
    assert "examples of the model's own training" in result.out
    assert "false alarms are not known" in result.err
    assert "few recordings of hiss" in result.err
    assert (
        json.loads(sayso("classify", folder, "-m", model, "--format", "jsonl").out.splitlines()[0])["label"] == "hiss"
    )
    assert "the word 'hiss' has 2 usable" in one_line_error(
        sayso("teach", write_words(tmp_path / "few", hiss=2), "-o", model, "-m", tiny_model_path)
    )
