"""`sayso evaluate`: on clips, in noise, on streams and recordings, and thresholds chosen."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

import sounds
from cases import case
from command_line import Result, one_line_error, write_words
from sayso.corpus.corpus import scan
from sayso.model import model_file


def test_every_clip_of_a_test_archive_is_used(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    labels = json.loads(sayso("info", "-m", tiny_model_path, "--format", "json").out)["labels"]
    other = next(word for word in scan(tiny_corpus).words if word not in labels)
    for label, word in {"yes": "yes", "_unknown_": other, "_silence_": "_background_noise_"}.items():
        source = tiny_corpus / word
        (archive / label).mkdir(parents=True)
        for file in sorted(source.iterdir())[:2]:
            shutil.copy(file, archive / label)
    scores = json.loads(sayso("evaluate", archive, "-m", tiny_model_path, "--format", "json").out)
    assert {label: score["clips"] for label, score in scores["words"].items() if score["clips"]} == {
        "yes": 2, "_unknown_": 2, "_silence_": 2,
    }  # fmt: skip


def test_noise_gives_an_accuracy_for_each_ratio(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    noise = tmp_path / "noise"
    (noise / "deep").mkdir(parents=True)
    hum = np.random.default_rng(1).normal(0, 0.1, 3 * sounds.RATE)
    soundfile.write(noise / "deep" / "hum.wav", hum, sounds.RATE)
    (noise / "bad.wav").write_bytes(b"this is no sound")
    command = ["evaluate", tiny_corpus, "-m", tiny_model_path, "--noise", noise]

    result = sayso(*command, "--snr", "40, -5,-40")
    assert result.status == 0, result
    assert "bad.wav is not a sound file" in result.err
    *_, header, first, second, third = result.out.splitlines()
    assert header.split() == ["SNR", "accuracy"]
    for line, ratio in ((first, "40 dB"), (second, "-5 dB"), (third, "-40 dB")):
        assert line.startswith(ratio)
        assert "95 % interval" in line

    facts = json.loads(sayso(*command, "--format", "json").out)
    assert tuple(facts["noise"]) == ("20", "10", "5", "0")
    for scores in facts["noise"].values():
        assert scores["clips"] == facts["clips"]
        assert scores["labels"] == facts["labels"]
    given = sayso(*command[:-1], noise / "deep" / "hum.wav", "--snr", "2.5,-40", "--format", "json")
    fractions = json.loads(given.out)["noise"]
    assert tuple(fractions) == ("2.5", "-40")
    assert fractions["-40"]["accuracy"] < facts["accuracy"]

    # Without noise there is nothing about it.
    assert "SNR" not in sayso(*command[:3]).out
    assert "noise" not in json.loads(sayso(*command[:4], "--format", "json").out)


def test_ratios_that_are_not_decibels_are_wrong_usage(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path
) -> None:
    for ratios in ("loud", "10,", "", "10;5", "nan", "0,101", "-101"):
        with case(repr(ratios)):
            result = sayso("evaluate", tiny_corpus, "-m", tiny_model_path, "--noise", tiny_corpus, f"--snr={ratios}")
            assert result.status == 2
            assert f"{ratios!r} is not a list of decibels from -100 to 100, such as 20,10,5,0" in result.err
            assert "--snr" in result.err
            assert result.out == ""


def test_a_missing_or_empty_noise_folder_is_reported_in_one_line(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        error = one_line_error(sayso("evaluate", tiny_corpus, "-m", tiny_model_path, "--noise", folder))
        assert f"no sound in {folder}: expected a sound file or a folder of them" in error


def test_a_corpus_without_the_words_of_the_model_is_reported_in_one_line(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    assert "no usable testing clip" in one_line_error(
        sayso("evaluate", write_words(tmp_path / "corpus", other=1), "-m", tiny_model_path)
    )


def test_a_stream_is_measured(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    plots = tmp_path / "plots"
    built = ("evaluate", tiny_corpus, "-m", tiny_model_path, "--stream", "--hours", "0.04")
    result = sayso(*built, "--plots", plots)
    assert result.status == 0
    for fact in ("0.04 h", "missed", "wrong word", "false alarms", "from the end of the word"):
        assert fact in result.out
    assert sorted(path.name for path in plots.iterdir()) == ["stream.png", "stream.svg"]
    assert (plots / "stream.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads(sayso(*built, "--format", "json").out)
    assert facts["words"] > 5
    assert facts["miss_rate"] < 0.3
    thresholds = [point["threshold"] for point in facts["trade_off"]]
    assert thresholds == sorted(thresholds)
    noisy = sayso(*built, "--format", "json", "--noise", tiny_corpus / "_background_noise_", "--snr", "-20")
    assert json.loads(noisy.out)["miss_rate"] > facts["miss_rate"]


def test_a_recording_with_repeated_errors_is_listed(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    # All recordings of "zero" are in the folder of "up".
    shutil.rmtree(corpus / "up")
    (corpus / "zero").rename(corpus / "up")
    built = ("evaluate", corpus, "-m", tiny_model_path, "--stream", "--hours", "0.04")
    shown = sayso(*built).out
    assert "repeated error: listen to it" in shown
    worst = json.loads(sayso(*built, "--format", "json").out)["faults"][0]
    assert worst["what"] == "missed"
    assert worst["word"] == "up"
    assert Path(worst["recording"]).parent == corpus / "up"
    assert worst["times"] > 1
    assert worst["recording"] in shown


def test_a_labelled_recording_is_measured(sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path) -> None:
    samples, middles = sounds.stream(["yes", "no", "up"])
    soundfile.write(tmp_path / "r.wav", samples, sounds.RATE)
    half = sounds.SPOKEN / 2
    # The "up" is labelled as unknown speech, so that its detection is a false alarm.
    words = zip(middles, ("yes", "no", "something"), strict=True)
    (tmp_path / "r.txt").write_text("".join(f"{at - half}\t{at + half}\t{word}\n" for at, word in words))
    listing = tmp_path / "r.txt"
    result = sayso(
        "evaluate", tmp_path / "r.wav", "-m", tiny_model_path, "--stream", "--labels", listing, "--format", "json"
    )
    facts = json.loads(result.out)
    assert (facts["words"], facts["hits"], facts["false_alarms"], facts["false_alarms_in_speech"]) == (2, 2, 1, 1)


def test_thresholds_are_chosen_and_saved(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.safetensors"
    shutil.copy(tiny_model_path, model)
    before = model_file.load(model)
    stream = ("evaluate", tiny_corpus, "-m", model, "--stream", "--hours", "0.03", "--choose-threshold")
    result = sayso(*stream, "--false-alarms-per-hour", "0", "--format", "json")
    assert result.status == 0, result.err
    facts, after = json.loads(result.out), model_file.load(model)
    assert facts["false_alarms"] == 0
    assert facts["thresholds"] == after.decision.words != {}
    assert after.decision.threshold == before.decision.threshold
    np.testing.assert_array_equal(after.network.parameters.vector, before.network.parameters.vector)
    assert after.training == before.training
    assert "measure it on another stream" in result.err


def talk_in(folder: Path) -> Path:
    """Write half a minute in which "up" and "yes" are said, and a table that tells of each "yes"."""
    folder.mkdir()
    rows = ["clip\tstart\tend\tword"]
    for name in ("anna_1", "anna_2", "ben_1"):
        samples, middles = sounds.stream(["up", "yes"], gap=2.0)
        soundfile.write(folder / f"{name}.wav", samples, sounds.RATE)
        rows.append(f"{name}\t{middles[1] - 0.25}\t{middles[1] + 0.25}\tyes")
    (folder / "words.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_alarms_on_running_speech_are_measured_against_words_heard(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    talk, plots = talk_in(tmp_path / "talk"), tmp_path / "plots"
    built = ("evaluate", tiny_corpus, "-m", tiny_model_path, "--stream", "--hours", "0.01", "--running", talk)
    noise = ("--noise", tiny_corpus / "_background_noise_")
    result = sayso(*built, *noise, "--plots", plots)
    assert result.status == 0, result.err
    for line in ("3 in all: up 3", "3 detections of a word that is said in the sentence, not counted", "anna_1.wav"):
        assert line in result.out
    header = next(line for line in result.out.splitlines() if line.startswith("sensitivity"))
    assert header.split("  ")[-2:] == ["heard", "heard in noise"]
    assert sorted(path.name for path in plots.iterdir()) == ["running.png", "running.svg", "stream.png", "stream.svg"]
    facts = json.loads(sayso(*built, *noise, "--format", "json").out)["running"]
    assert (facts["false_alarms"], facts["words_that_stand"], facts["recordings"]) == (3, 3, 3)
    low, high = facts["false_alarms_interval"]
    assert low < facts["false_alarms_per_hour"] == 3 / facts["hours"] < high
    assert {"word": "up", "recording": str(talk / "anna_1.wav"), "said": ""}.items() <= facts["alarms"][0].items()
    assert {point["sensitivity"]: point["heard"] for point in facts["sensitivities"]}[0.5] == facts["heard"]
    for curve, order in ((facts["sensitivities"], 1), (facts["trade_off"], -1)):
        rates = [point["false_alarms_per_hour"] for point in curve[::order]]
        assert rates[0] <= rates[-1]
        assert rates[-1] > 0
        assert all(0 <= point["heard_in_noise"] <= 1 for point in curve)

    # Without the table, each word is a false alarm.
    (talk / "words.tsv").unlink()
    result = sayso(*built)
    assert "6 in all" in result.out
    assert "no table words.tsv" in result.err
    assert "heard in noise" not in result.out


def test_thresholds_are_chosen_for_a_rate_on_running_speech(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    talk, model = talk_in(tmp_path / "talk"), tmp_path / "model.safetensors"
    shutil.copy(tiny_model_path, model)
    before = model_file.load(model)
    stream = ("evaluate", tiny_corpus, "-m", model, "--stream", "--hours", "0.01", "--running", talk, "--anywhere")
    result = sayso(*stream, "--choose-threshold", "--false-alarms-per-hour", "200", "--format", "json")
    assert result.status == 0, result.err
    assert "measure it on other recordings" in result.err
    facts, after = json.loads(result.out), model_file.load(model)
    assert facts["thresholds"] == after.decision.words != before.decision.words
    # What was chosen is saved, but not the option.
    assert after.decision.alone == before.decision.alone
    assert facts["running"]["false_alarms_per_hour"] <= 200


def test_running_speech_that_cannot_be_used_is_reported_in_one_line(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    built = ("evaluate", tiny_corpus, "-m", tiny_model_path, "--stream", "--hours", "0.01", "--running")
    talk = talk_in(tmp_path / "talk")
    assert "no sound in" in one_line_error(sayso(*built, tmp_path / "nowhere"))
    (talk / "ben_2.wav").write_bytes(b"no sound")
    result = sayso(*built, talk)
    assert "ben_2.wav is not a sound file" in result.err
    assert "words.tsv tells nothing of 1 of the 4 recordings" in result.err
    (talk / "words.tsv").write_text("clip\tword\n")
    assert "it has no column 'end'" in one_line_error(sayso(*built, talk))
    for file in talk.glob("*.wav"):
        file.write_bytes(b"no sound")
    (talk / "words.tsv").unlink()
    assert "no recording of running speech that can be used" in one_line_error(sayso(*built, talk))


def test_stream_options_that_exclude_each_other_are_wrong_usage(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path
) -> None:
    cases = [
        (["--hours", "1"], "need --stream"),
        (["--negatives", "x"], "need --stream"),
        (["--running", "x"], "need --stream"),
        (["--patient"], "need --stream"),
        (["--stream", "--labels", "x", "--hours", "1"], "--labels is for a recording"),
        (["--stream", "--false-alarms-per-hour", "1"], "needs --choose-threshold"),
        (["--stream", "--snr", "5"], "--snr needs --noise"),
        (["--stream", "--noise", "x", "--snr", "5,10"], "is not one number of decibels"),
        (["--stream", "--hours", "0"], "0.01<=x<=1000"),
    ]
    for arguments, message in cases:
        with case(arguments):
            result = sayso("evaluate", tiny_corpus, "-m", tiny_model_path, *arguments)
            assert result.status == 2
            assert message in result.err


def test_the_thresholds_of_a_shipped_model_are_never_changed(sayso: Callable[..., Result], tiny_corpus: Path) -> None:
    result = sayso("evaluate", tiny_corpus, "-m", "commands", "--stream", "--choose-threshold")
    assert result.status == 2
    assert "comes with sayso and is never changed; copy" in result.err
