"""The command line as a person meets it: good input, bad input, and what ends up where."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from command_line import Result
from sayso.batch.rows import COLUMNS
from sayso.cli import main as cli_main
from sayso.corpus.corpus import scan
from sayso.model import model_file, shipped

RATE = 16_000


def one_line_error(result: Result) -> str:
    """Check that a command failed with one clear line, and return it."""
    assert result.status == 1, result
    line = result.err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert "Traceback" not in result.err
    return line


def some_clip(corpus: Path) -> Path:
    return next(clip.path for clip in scan(corpus).by_split("testing") if clip.word == "yes")


def test_module_and_command_are_the_same() -> None:
    run = subprocess.run([sys.executable, "-m", "sayso", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("sayso, version ")


def test_help_shows_an_example_for_each_command(sayso: Callable[..., Result]) -> None:
    assert sayso("--help").status == 0
    for command in cli_main.cli.commands:
        assert f"Example: sayso {command}" in sayso(command, "--help").out


def test_wrong_usage_exits_with_two(sayso: Callable[..., Result]) -> None:
    assert sayso("classify").status == 2
    assert sayso("nonsense").status == 2
    assert sayso("train", "x", "-o", "y", "--epochs", "many").status == 2


def test_debug_shows_where_an_error_comes_from() -> None:
    run = subprocess.run([sys.executable, "-m", "sayso", "--debug", "info", "nothing"], capture_output=True, text=True)
    assert run.returncode == 1
    assert "Traceback" in run.stderr


def test_train_evaluate_info_classify(sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path) -> None:
    model, plot = tmp_path / "deep" / "model.safetensors", tmp_path / "confusion.png"
    trained = sayso("train", tiny_corpus, "-o", model, "--config", "quickstart", "--epochs", 12, "--batch-size", 16)
    assert trained.status == 0, trained
    assert "validation accuracy" in trained.out
    assert [path.name for path in model.parent.iterdir()] == ["model.safetensors"]

    evaluated = sayso("evaluate", model, tiny_corpus, "--json", "--plot", plot)
    scores = json.loads(evaluated.out)
    assert scores["accuracy"] > 0.8
    assert scores["interval"][0] < scores["accuracy"] <= scores["interval"][1]
    assert sum(map(sum, scores["confusion"])) == scores["clips"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    text = sayso("evaluate", model, tiny_corpus).out
    assert "95 % interval" in text
    assert "precision" in text

    described = sayso("info", model).out
    assert "parameters" in described
    facts = json.loads(sayso("info", model, "--json").out)
    assert facts["training"]["settings"]["training"]["batch_size"] == 16
    assert facts["multiply_adds"] > 0

    clip = some_clip(tiny_corpus)
    row = json.loads(sayso("classify", clip, "-m", model, "--format", "jsonl").out)
    assert row["label"] == clip.parent.name
    assert tuple(row) == COLUMNS


def test_train_names_mistakes_doubtful_recordings_and_a_better_way(
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
    assert "recordings of 'yes': from so few, adding words" in trained.err
    assert f"(sayso teach {corpus} -o MODEL)" in trained.err


def test_evaluate_takes_a_test_archive_whole(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    labels = json.loads(sayso("info", tiny_model_path, "--json").out)["labels"]
    other = next(word for word in scan(tiny_corpus).words if word not in labels)
    for label, word in {"yes": "yes", "_unknown_": other, "_silence_": "_background_noise_"}.items():
        source = tiny_corpus / word
        (archive / label).mkdir(parents=True)
        for file in sorted(source.iterdir())[:2]:
            shutil.copy(file, archive / label)
    scores = json.loads(sayso("evaluate", tiny_model_path, archive, "--json").out)
    assert {label: score["clips"] for label, score in scores["words"].items() if score["clips"]} == {
        "yes": 2, "_unknown_": 2, "_silence_": 2,
    }  # fmt: skip


def test_evaluate_in_noise(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    noise = tmp_path / "noise"
    (noise / "deep").mkdir(parents=True)
    hum = np.random.default_rng(1).normal(0, 0.1, 3 * RATE)
    soundfile.write(noise / "deep" / "hum.wav", hum, RATE)
    (noise / "bad.wav").write_bytes(b"this is no sound")
    command = ["evaluate", tiny_model_path, tiny_corpus, "--noise", noise]

    result = sayso(*command, "--snr", "40, -5,-40")
    assert result.status == 0, result
    assert "bad.wav is no sound file" in result.err
    *_, header, first, second, third = result.out.splitlines()
    assert header.split() == ["SNR", "accuracy"]
    for line, ratio in ((first, "40 dB"), (second, "-5 dB"), (third, "-40 dB")):
        assert line.startswith(ratio)
        assert "95 % interval" in line

    facts = json.loads(sayso(*command, "--json").out)
    assert tuple(facts["noise"]) == ("20", "10", "5", "0")
    for scores in facts["noise"].values():
        assert scores["clips"] == facts["clips"]
        assert scores["labels"] == facts["labels"]
    fractions = json.loads(sayso(*command[:-1], noise / "deep" / "hum.wav", "--snr", "2.5,-40", "--json").out)["noise"]
    assert tuple(fractions) == ("2.5", "-40")
    assert fractions["-40"]["accuracy"] < facts["accuracy"]

    # Without noise there is nothing about it.
    assert "SNR" not in sayso(*command[:3]).out
    assert "noise" not in json.loads(sayso(*command[:3], "--json").out)


@pytest.mark.parametrize("ratios", ["loud", "10,", "", "10;5", "nan", "0,101", "-101"])
def test_ratios_that_are_no_decibels_are_wrong_usage(
    ratios: str, sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path
) -> None:
    result = sayso("evaluate", tiny_model_path, tiny_corpus, "--noise", tiny_corpus, f"--snr={ratios}")
    assert result.status == 2
    assert f"{ratios!r} is no list of decibels, such as 20,10,5,0" in result.err
    assert "--snr" in result.err
    assert result.out == ""


def test_a_noise_folder_that_is_missing_or_empty_is_said_in_one_line(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        error = one_line_error(sayso("evaluate", tiny_model_path, tiny_corpus, "--noise", folder))
        assert f"no sound in {folder}: expected a sound file or a folder of them" in error


def test_the_shipped_models_are_listed(sayso: Callable[..., Result]) -> None:
    facts = json.loads(sayso("models", "--json").out)
    assert [fact["name"] for fact in facts] == sorted(shipped.models())
    assert [fact["name"] for fact in facts if fact["default"]] == [shipped.DEFAULT]
    header, *lines = sayso("models").out.splitlines()
    assert header.split() == ["name", "parameters", "multiply-adds", "file", "accuracy", "labels"]
    assert len(lines) == len(facts)
    for fact, line in zip(facts, lines, strict=True):
        described = json.loads(sayso("info", fact["name"], "--json").out)
        for name in ("labels", "parameters", "multiply_adds", "scores"):
            assert fact[name] == described[name]
        assert Path(fact["path"]).stat().st_size == fact["bytes"]
        assert line.startswith(fact["name"])
        assert f"{fact['parameters']:,}" in line
        assert line.endswith(", ".join(fact["labels"]))
        assert ("(default)" in line) == fact["default"]


def test_without_shipped_models_the_list_is_empty(
    sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "models", dict)
    assert json.loads(sayso("models", "--json").out) == []
    assert len(sayso("models").out.splitlines()) == 1


def test_a_model_without_scores_is_listed_too(
    sayso: Callable[..., Result], tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "models", lambda: {"tiny": tiny_model_path})
    (fact,) = json.loads(sayso("models", "--json").out)
    assert (fact["name"], fact["default"], fact["scores"]) == ("tiny", False, {})
    assert "unknown" in sayso("models").out.splitlines()[1]


def test_speech_without_the_words_is_learnt_as_unknown(
    sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path
) -> None:
    model, talk = tmp_path / "model.safetensors", tmp_path / "talk"
    talk.mkdir()
    soundfile.write(talk / "long.wav", np.random.default_rng(1).normal(0, 0.1, 4 * RATE), RATE)
    (talk / "bad.wav").write_bytes(b"this is no sound")
    options = ["--config", "quickstart", "--epochs", 1, "--words", "yes,no,up,zero"]
    result = sayso("train", tiny_corpus, "-o", model, "--negatives", talk, *options)
    assert result.status == 0, result
    assert "bad.wav is no sound file" in result.err
    assert "no other words" not in result.err
    facts = json.loads(sayso("info", model, "--json").out)
    assert facts["labels"] == ["yes", "no", "up", "zero", "_unknown_", "_silence_"]
    assert facts["training"]["data"]["clips"]["training"]["_unknown_"] == 4


def test_formats_agree(sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    files = [clip.path for clip in scan(tiny_corpus).by_split("testing")[:5]]
    lines = sayso("classify", *files, "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    rows = list(csv.DictReader(io.StringIO(sayso("classify", *files, "-m", tiny_model_path, "--format", "csv").out)))
    table = sayso("classify", *files, "-m", tiny_model_path).out.splitlines()
    assert len(lines) == len(rows) == len(table) - 1 == 5
    for line, row, text, file in zip(map(json.loads, lines), rows, table[1:], files, strict=True):
        assert line["path"] == row["path"] == str(file)
        assert line["label"] == row["label"]
        assert float(row["confidence"]) == line["confidence"]
        assert text.split()[:2] == [str(file), line["label"]]
    saved = tmp_path / "rows.csv"
    quiet = sayso("classify", *files, "-m", tiny_model_path, "--format", "csv", "-o", saved)
    assert quiet.out == ""
    assert list(csv.DictReader(saved.open(newline=""))) == rows


def test_a_bad_file_in_a_batch_gets_its_row_and_the_rest_still_run(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    good, bad = some_clip(tiny_corpus), tmp_path / "bad.wav"
    bad.write_bytes(b"this is no sound")
    result = sayso("classify", good, bad, tmp_path / "missing.wav", good, "-m", tiny_model_path, "--format", "jsonl")
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert result.status == 1
    assert [Path(row["path"]).name for row in rows] == [good.name, "bad.wav", "missing.wav"]  # each file once
    assert rows[0]["error"] is None
    assert "bad.wav is no sound file" in rows[1]["error"]
    assert "missing.wav" in rows[2]["error"]
    assert rows[2]["label"] is None
    assert "Traceback" not in result.err


def test_a_long_file_gets_a_row_for_each_detection(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    clip, rate = soundfile.read(some_clip(tiny_corpus), dtype="float32")
    hush = np.random.default_rng(0).normal(0, 1e-4, 2 * rate).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", np.concatenate([hush, clip, hush, clip, hush]), rate)
    soundfile.write(tmp_path / "quiet.wav", np.concatenate([hush, hush]), rate)
    lines = sayso("classify", tmp_path / "long.wav", "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["label"] for row in rows] == [some_clip(tiny_corpus).parent.name] * 2
    assert rows[0]["start"] < 2.5 < rows[0]["end"]
    assert rows[1]["start"] < 5.5 < rows[1]["end"]
    (quiet,) = sayso("classify", tmp_path / "quiet.wav", "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    assert json.loads(quiet)["label"] is None


def write_words(folder: Path, **clips: int) -> Path:
    """Make a corpus with so many clips of each word."""
    for word, count in clips.items():
        (folder / word).mkdir(parents=True)
        for number in range(count):
            noise = np.random.default_rng(number).normal(0, 0.1, RATE)
            soundfile.write(folder / word / f"{number:08x}_nohash_0.wav", noise, RATE)
    return folder


@pytest.mark.parametrize(
    ("clips", "options", "message"),
    [
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
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(
    clips: dict[str, int], options: list[str], message: str, sayso: Callable[..., Result], tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    output = tmp_path / "model.safetensors"
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
    (word / "aaaaaaaa_nohash_0.wav").write_bytes(b"RIFF, or so it says")
    result = sayso("train", corpus, "-o", tmp_path / "model.safetensors", "--config", "quickstart", "--epochs", 1)
    assert result.status == 0
    assert "3 files were skipped" in result.err
    for name in ("notes.doc: not an audio file", "00000000_nohash_0.wav: empty", "aaaaaaaa_nohash_0.wav is no sound"):
        assert name in result.err


@pytest.mark.parametrize("command", ["train", "classify", "evaluate", "quickstart"])
def test_an_output_that_cannot_be_written_is_said_in_one_line(
    command: str, sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    inside = blocked / "output"
    arguments = {
        "train": ["train", tiny_corpus, "-o", inside],
        "classify": ["classify", some_clip(tiny_corpus), "-m", tiny_model_path, "-o", inside],
        "evaluate": ["evaluate", tiny_model_path, tiny_corpus, "--plot", inside],
        "quickstart": ["quickstart", "-o", inside],
    }[command]
    assert "cannot write" in one_line_error(sayso(*arguments))
    assert blocked.read_text() == "no folder"


def test_what_is_no_model_is_said_in_one_line(sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path) -> None:
    fake = tmp_path / "fake.safetensors"
    fake.write_bytes(b"not a model")
    for command in (["info", fake], ["classify", some_clip(tiny_corpus), "-m", fake], ["evaluate", fake, tiny_corpus]):
        assert "fake.safetensors" in one_line_error(sayso(*command))
    assert "no model nowhere" in one_line_error(sayso("info", "nowhere"))


def test_a_corpus_without_the_models_words_is_said_in_one_line(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    assert "no usable testing clip" in one_line_error(
        sayso("evaluate", tiny_model_path, write_words(tmp_path / "corpus", other=1))
    )


def test_a_reader_that_leaves_early_is_no_error(tiny_corpus: Path, tiny_model_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("Windows has no such pipes")
    command = f'"{sys.executable}" -m sayso classify "{tiny_corpus}" -m "{tiny_model_path}" | head -n 1'
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    # If the reader was slow to leave, the batch came to its end and was summed up.
    assert not run.stderr or re.fullmatch(r"\d+ files, .* as fast as real time\n", run.stderr), run.stderr


def test_quickstart_does_what_it_promises(sayso: Callable[..., Result], tmp_path: Path) -> None:
    result = sayso("quickstart", "-o", tmp_path / "out")
    assert result.status == 0, result
    assert "95 % interval" in result.out
    assert "what next" in result.out
    made = tmp_path / "out"
    assert sorted(path.name for path in made.iterdir()) == ["confusion.png", "learning_curve.png", "model.safetensors"]
    accuracy = float(result.out.split("unseen speakers: ")[1].split(" %")[0])
    assert accuracy > 75  # synthetic voices, few of them: a sanity bound, not a score
    heard = json.loads(sayso("info", made / "model.safetensors", "--json").out)
    assert heard["training"]["data"]["corpus"] == "demo"


def long_sound(path: Path, *words: str) -> Path:
    soundfile.write(path, sounds.stream(list(words))[0], RATE)
    return path


def test_listening_to_a_file_or_a_pipe_tells_what_classify_tells(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    path = long_sound(tmp_path / "long.wav", "yes", "zero", "no")
    classified = sayso("classify", path, "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    expected = [{key: row[key] for key in row if key not in ("path", "error")} for row in map(json.loads, classified)]
    assert [row["label"] for row in expected] == ["yes", "no"]
    result = sayso("listen", "--input", path, "-m", tiny_model_path, "--format", "jsonl")
    assert result.status == 0
    piped = subprocess.run(
        [sys.executable, "-m", "sayso", "listen", "--input", "-", "-m", tiny_model_path, "--format", "jsonl"],
        input=path.read_bytes(),
        capture_output=True,
        check=True,
    )
    for out in (result.out, piped.stdout.decode()):
        rows = [json.loads(line) for line in out.splitlines()]
        assert [{key: row[key] for key in row if key != "time"} for row in rows] == expected
    assert "steps of" in result.err
    text = sayso("listen", "--input", path, "-m", tiny_model_path)
    assert [line.split()[2] for line in text.out.splitlines()] == ["yes", "no"]


def test_a_listening_is_recorded_and_replayed(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    path, kept = long_sound(tmp_path / "long.wav", "yes", "no"), tmp_path / "kept.flac"
    assert sayso("listen", "--input", path, "-m", tiny_model_path, "--record", kept).status == 0
    rows = [json.loads(line) for line in (tmp_path / "kept.flac.jsonl").read_text().splitlines()]
    replayed = sayso("classify", kept, "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    assert [row["end"] for row in rows] == [json.loads(line)["end"] for line in replayed]
    assert "exists" in one_line_error(sayso("listen", "--input", path, "-m", tiny_model_path, "--record", kept))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--input", "none.wav"], 1, "cannot read none.wav"),
        (["--input", "none.wav", "--device", "x"], 2, "--device and --input exclude each other"),
        (["--input", "none.wav", "--shell"], 2, "--shell says how to read --exec"),
        (["--input", "none.wav", "--exec", "maybe=x"], 1, "is for no word of the model"),
        (["--input", "none.wav", "--exec", "yes='x"], 1, "mend its quotes"),
        (["--input", "none.wav", "--record", "x.mp3"], 1, "ends in .wav or .flac"),
    ],
)
def test_listening_that_cannot_be(
    arguments: list[str], status: int, message: str, sayso: Callable[..., Result], tiny_model_path: Path
) -> None:
    result = sayso("listen", "-m", tiny_model_path, *arguments)
    assert result.status == status
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_stream_is_measured(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "trade-off.png"
    built = ("evaluate", tiny_model_path, tiny_corpus, "--stream", "--hours", "0.05")
    result = sayso(*built, "--plot", plot)
    assert result.status == 0
    for fact in ("0.05 h", "missed", "wrong word", "false alarms", "from the end of the word"):
        assert fact in result.out
    assert plot.read_bytes().startswith(b"\x89PNG")
    facts = json.loads(sayso(*built, "--json").out)
    assert facts["words"] > 5
    assert facts["miss_rate"] < 0.3
    thresholds = [point["threshold"] for point in facts["trade_off"]]
    assert thresholds == sorted(thresholds)
    noisy = sayso(*built, "--json", "--noise", tiny_corpus / "_background_noise_", "--snr", "-20")
    assert json.loads(noisy.out)["miss_rate"] > facts["miss_rate"]


def test_a_recording_that_is_misheard_again_and_again_is_named(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    # Someone put all that says "zero" into the folder of "up".
    shutil.rmtree(corpus / "up")
    (corpus / "zero").rename(corpus / "up")
    built = ("evaluate", tiny_model_path, corpus, "--stream", "--hours", "0.1")
    shown = sayso(*built).out
    assert "again and again: listen to it" in shown
    worst = json.loads(sayso(*built, "--json").out)["faults"][0]
    assert worst["what"] == "missed"
    assert worst["word"] == "up"
    assert Path(worst["recording"]).parent == corpus / "up"
    assert worst["times"] > 1
    assert worst["recording"] in shown


def test_a_labelled_recording_is_measured(sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path) -> None:
    samples, middles = sounds.stream(["yes", "no", "up"])
    soundfile.write(tmp_path / "r.wav", samples, RATE)
    half = sounds.SPOKEN / 2
    # What is really "up" is labelled as unknown speech, so that its detection is a false alarm.
    words = zip(middles, ("yes", "no", "something"), strict=True)
    (tmp_path / "r.txt").write_text("".join(f"{at - half}\t{at + half}\t{word}\n" for at, word in words))
    result = sayso(
        "evaluate", tiny_model_path, tmp_path / "r.wav", "--stream", "--labels", tmp_path / "r.txt", "--json"
    )
    facts = json.loads(result.out)
    assert (facts["words"], facts["hits"], facts["false_alarms"], facts["false_alarms_in_speech"]) == (2, 2, 1, 1)


def test_a_threshold_is_chosen_and_written(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.safetensors"
    shutil.copy(tiny_model_path, model)
    before = model_file.load(model)
    stream = ("evaluate", model, tiny_corpus, "--stream", "--hours", "0.03", "--choose-threshold")
    result = sayso(*stream, "--false-alarms-per-hour", "0", "--json")
    assert result.status == 0, result.err
    facts, after = json.loads(result.out), model_file.load(model)
    assert facts["false_alarms"] == 0
    assert facts["thresholds"] == after.decision.words != {}
    assert after.decision.threshold == before.decision.threshold
    np.testing.assert_array_equal(after.network.parameters.vector, before.network.parameters.vector)
    assert after.training == before.training
    assert "measure it on another stream" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hours", "1"], "need --stream"),
        (["--negatives", "x"], "need --stream"),
        (["--stream", "--labels", "x", "--hours", "1"], "with --labels there is one"),
        (["--stream", "--false-alarms-per-hour", "1"], "needs --choose-threshold"),
        (["--stream", "--snr", "5"], "--snr needs --noise"),
        (["--stream", "--noise", "x", "--snr", "5,10"], "is not one number of decibels"),
        (["--stream", "--hours", "0"], "0.01<=x<=1000"),
    ],
)
def test_stream_options_that_do_not_fit(
    arguments: list[str], message: str, sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path
) -> None:
    result = sayso("evaluate", tiny_model_path, tiny_corpus, *arguments)
    assert result.status == 2
    assert message in result.err


def test_the_threshold_of_a_shipped_model_stays(sayso: Callable[..., Result], tiny_corpus: Path) -> None:
    result = sayso("evaluate", "commands", tiny_corpus, "--stream", "--choose-threshold")
    assert result.status == 2
    assert "comes with sayso and stays as it is; copy" in result.err


def test_words_are_taught(sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path) -> None:
    folder, model = write_words(tmp_path / "words", hiss=5), tmp_path / "taught.safetensors"
    result = sayso("teach", folder, "-o", model, "--from", tiny_model_path)
    assert result.status == 0, result.err
    assert "learned hiss from 5 recordings" in result.out
    assert "held-out examples of the known labels" in result.out
    assert "few recordings of hiss" in result.err
    assert (
        json.loads(sayso("classify", folder, "-m", model, "--format", "jsonl").out.splitlines()[0])["label"] == "hiss"
    )
    assert "the word 'hiss' has 2 usable" in one_line_error(
        sayso("teach", write_words(tmp_path / "few", hiss=2), "-o", model, "--from", tiny_model_path)
    )
