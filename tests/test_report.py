"""The report on a model: its content, its display in a browser, and errors."""

import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

import browser as browsing
import sounds
from cases import case
from command_line import Result
from sayso.config import DecisionSettings, Settings
from sayso.corpus.corpus import scan
from sayso.evaluation.accuracy import Evaluation
from sayso.evaluation.measure import CHOSEN_BY, RATIOS, measure
from sayso.model.history import EpochRow, history_of
from sayso.model.model_file import Model
from sayso.recognition.recognizer import Recognizer
from sayso.report import live as live_module
from sayso.report import page
from sayso.report.live import LiveReport
from sayso.report.model_page import Subject, draw, render
from sayso.report.plots import confusion, save, save_all
from sayso.report.training_plots import short_name, training_plots
from sayso.training.preparation import prepare
from sayso.training.training import Training

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Largest size of a page.
MOST_BYTES = 3_000_000


def written(subject: Subject, path: Path) -> Path:
    with page.style():
        page.save(render(subject, draw(subject)), path)
    return path


def error_of(result: Result) -> str:
    assert result.status == 1, result
    (line,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.err
    return line


@pytest.fixture(scope="module")
def tiny_page(tiny_model: Model, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recognizer = Recognizer(tiny_model)
    measured = measure(recognizer, scan(tiny_corpus), "testing")
    subject = Subject("tiny", tiny_model, bytes=1234, measured=measured, seconds=1e-3, card="By hand <b>")
    return written(subject, tmp_path_factory.mktemp("page") / "report.html")


def test_a_complete_page_is_displayed_correctly_in_a_browser(browser: "Browser", tiny_page: Path) -> None:
    assert tiny_page.stat().st_size < MOST_BYTES
    browsing.check(browser, tiny_page)
    with browsing.opened(browser, tiny_page, browsing.PHONE) as view:
        view.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        assert view.evaluate("document.documentElement.scrollWidth") <= browsing.PHONE
        assert view.evaluate(browsing.CONTRAST)["bad"] == []
        titles = view.locator("svg.plot").evaluate_all("all => all.map(plot => plot.textContent)")
        for title in (
            *("Loss", "Accuracy", "Learning rate", "Gradient norm", "Gradient norm of each layer"),
            *(
                "Accuracy 100.0 %",
                "Recall and precision",
                "Calibration",
                "Accuracy in noise",
                "Misses and false alarms",
            ),
        ):
            assert any(title in text for text in titles), title
        assert view.locator("article .pixels").count() == view.locator("audio").count() == 12
        seconds = view.locator("audio").first.evaluate(
            "player => new Promise(tell => { player.onloadedmetadata = () => tell(player.duration); player.load(); })"
        )
        assert seconds == pytest.approx(1.0, abs=0.01)
        shown = view.locator("main").inner_text()
    for text in ("By hand <b>", "1 Dense", "training.learning_rate", "2 recordings"):
        assert text in shown, text


def test_the_accuracy_is_that_of_evaluate(
    sayso: Callable[..., Result], browser: "Browser", tiny_model_path: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    # Two clips lie in the wrong folder.
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    moved = [clip.path for clip in scan(root).by_split("testing") if clip.word == "yes"][:2]
    for path in moved:
        shutil.move(path, root / "no" / f"{path.stem}x.wav")
    output, plots = tmp_path / "deep" / "report.html", tmp_path / "plots"
    result = sayso("report", root, "-m", tiny_model_path, "-o", output, "--plots", plots)
    assert result.status == 0, result
    scores = json.loads(sayso("evaluate", root, "-m", tiny_model_path, "--format", "json").out)
    accuracy = f"{100 * scores['accuracy']:.1f} %"
    assert scores["accuracy"] < 1
    assert accuracy in result.out
    with browsing.opened(browser, output) as view:
        lead = view.locator(".lead").inner_text()
        worst = view.locator("article").all_inner_texts()[:2]
    assert accuracy in lead
    assert "no is recognised as yes in 33.3 % of its clips" in lead
    for card in worst:
        assert card.startswith("no → yes")
        assert "Mislabelled?" in card
    assert {path.stem for path in moved} == {card.split("no/")[1].split("x.wav")[0] for card in worst}
    names = {path.name for path in plots.iterdir()}
    assert {"loss.png", "loss.svg", "confusion.png", "calibration.svg", "gradient_layers.png"} <= names
    assert all((plots / name).read_bytes().startswith(b"\x89PNG") for name in names if name.endswith("png"))
    assert b"<svg" in (plots / "confusion.svg").read_bytes()


def test_a_report_needs_no_recordings(sayso: Callable[..., Result], browser: "Browser", tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert sayso("report", "-m", "commands", "-o", path).status == 0
    with browsing.opened(browser, path, browsing.PHONE) as view:
        assert view.evaluate("document.documentElement.scrollWidth") <= browsing.PHONE
        shown = view.locator("body").inner_text()
    for text in ("Parameters", "sayso report DIR -m commands", "Model card"):
        assert text in shown, text


def test_the_report_on_a_model_without_history_says_so(tiny_model: Model, browser: "Browser", tmp_path: Path) -> None:
    for training in ({}, {"history": [1, 2.5]}, {"history": [{"epoch": "one"}]}):
        path = written(Subject("bare", replace(tiny_model, training=training)), tmp_path / "bare.html")
        assert "no history of its training" in path.read_text()
        assert "does not state what the model was trained on" in path.read_text()
    with browsing.opened(browser, path) as view:
        assert view.locator("h2").count() == 5


def test_hostile_names_are_escaped(tiny_model: Model, tiny_corpus: Path, browser: "Browser", tmp_path: Path) -> None:
    labels = ("<script>alert(1)</script>", "$\\frac{$", "&amp;", *tiny_model.labels[3:])
    hostile = replace(tiny_model, labels=labels, training={})
    measured = measure(Recognizer(tiny_model), scan(tiny_corpus), "testing")
    answers = replace(measured.predictions, labels=labels)
    measured = replace(measured, predictions=answers, in_noise={}, data="<img src=x onerror=alert(1)>")
    path = written(Subject("<b>name", hostile, measured=measured), tmp_path / "hostile.html")
    with browsing.opened(browser, path) as view:
        assert view.locator("h1").inner_text() == "Report on <b>name"
        assert view.locator("th", has_text="$\\frac{$").count() >= 1
        assert view.locator("script").count() == 0
        assert "onerror" in view.locator(".lead").inner_text()


def test_bad_input_gives_an_error_of_one_line(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    page_path = tmp_path / "report.html"
    (tmp_path / "empty").mkdir()
    for message, arguments in {
        "no model nothing": ("-m", "nothing", "-o", page_path),
        "no word folders": (tmp_path / "empty", "-o", page_path),
        "cannot read the corpus": (tmp_path / "none", "-m", tiny_model_path, "-o", page_path),
        "it is a folder": ("-m", tiny_model_path, "-o", tmp_path),
    }.items():
        with case(message):
            assert message in error_of(sayso("report", *arguments))
            assert not page_path.exists()
    result = sayso("report", "-m", tiny_model_path, "-o", page_path, "--noise", tmp_path)
    assert result.status == 2
    assert "--noise needs DIRECTORY" in result.err


def test_a_file_in_place_of_the_folder_of_plots_is_refused(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    result = sayso("report", "-m", tiny_model_path, "-o", tmp_path / "report.html", "--plots", tmp_path / "file")
    assert "cannot write" in error_of(result)
    assert not (tmp_path / "report.html").exists()


@pytest.fixture
def training(tiny_corpus: Path, tiny_settings: Settings) -> Training:
    settings = replace(tiny_settings, training=replace(tiny_settings.training, epochs=4))
    return prepare(scan(tiny_corpus), settings, ["yes", "no", "up"]).training


def test_a_page_follows_a_training(
    training: Training, browser: "Browser", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "live.html"
    clock = [100.0]
    monkeypatch.setattr(live_module.time, "monotonic", lambda: clock[0])
    with LiveReport(path, "tiny") as report:
        pages = []
        for row in training.epochs():
            report.follow(training)
            pages.append(path.read_text())
            clock[0] += live_module.SECONDS if row.epoch == 2 else 0.1
        assert "epoch 1 of 4" in pages[0]
        assert "location.reload" in pages[0]
        assert pages[1] == pages[0], "written too often"
        assert "epoch 3 of 4" in pages[2]
        live = tmp_path / "copy.html"
        live.write_text(pages[2])
    with browsing.opened(browser, live, browsing.PHONE) as view:
        assert view.evaluate("document.documentElement.scrollWidth") <= browsing.PHONE
        view.get_by_role("button", name="Stop reloading").click()
        assert view.get_by_role("button", name="Reloading stopped").count() == 1
    last = path.read_text()
    assert "location.reload" not in last
    assert "the validation clips of" in last
    assert CHOSEN_BY in last
    assert str(training.validation.names[0].rpartition("/")[0]) not in last, "paths are shown within the corpus"


def test_the_axes_of_a_running_training_have_all_planned_epochs(tiny_model: Model) -> None:
    rows = history_of(tiny_model.training)
    layers = tiny_model.training["layers"]
    with page.style():
        for epochs in (1, 3):
            plots = training_plots(rows[:epochs], 0, layers, planned=40)
            assert len(plots) == 5
            for plot in plots:
                with case(epochs, plot.name):
                    assert plot.figure.axes[0].get_xlim() == (0.5, 40.5)
        assert training_plots(rows, 0, layers)[0].figure.axes[0].get_xlim()[1] < 40


def test_the_quality_of_a_model_comes_before_its_settings(
    tiny_page: Path, tiny_model: Model, browser: "Browser", tmp_path: Path
) -> None:
    running = written(Subject("running", tiny_model, epochs=20), tmp_path / "running.html")
    order = ["accuracy", "mistakes", "training", "model", "cost", "origin"]
    live = ["training", "accuracy", "model", "cost", "origin"]
    for path, expected in ((tiny_page, order), (running, live)):
        with case(path.name), browsing.opened(browser, path) as view:
            assert view.locator("h2").evaluate_all("all => all.map(title => title.id)") == expected
            links = view.locator("nav a").evaluate_all("all => all.map(link => link.hash.slice(1))")
            assert links == expected


def test_the_page_tells_how_a_word_is_detected(tiny_model: Model, tmp_path: Path) -> None:
    texts = []
    for alone, patient in ((True, False), (False, True)):
        decision = DecisionSettings(threshold=0.61, words={"yes": 0.83}, alone=alone, patient=patient)
        path = written(Subject("one", replace(tiny_model, decision=decision)), tmp_path / "page.html")
        texts.append(" ".join(path.read_text().split()))
    for text in texts:
        assert "a probability of 0.61 (words with their own threshold: yes 0.83)" in text
        assert "0.5 nats below that" in text
    assert ["only after a pause" in text for text in texts] == [True, False]
    assert ["waits for the pause after it" in text for text in texts] == [False, True]


def test_a_training_that_never_started_leaves_no_page(tmp_path: Path) -> None:
    with LiveReport(tmp_path / "live.html", "tiny"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_written_is_an_error_before_the_training(
    sayso: Callable[..., Result], tmp_path: Path
) -> None:
    result = sayso("train", tmp_path / "nowhere", "-o", tmp_path / "model.safetensors", "--report", tmp_path)
    assert "it is a folder" in error_of(result)


def test_noise_is_that_of_the_corpus_or_given_or_generated(
    tiny_recognizer: Recognizer, tiny_corpus: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    shutil.rmtree(root / "_background_noise_")
    measured = measure(tiny_recognizer, scan(root), "testing")
    assert measured.noise == "generated pink noise"
    assert tuple(measured.in_noise) == RATIOS
    soundfile.write(tmp_path / "hiss.wav", sounds.hiss(sounds.RATE, np.random.default_rng(0), 0.1), sounds.RATE)
    measured = measure(tiny_recognizer, scan(tiny_corpus), "validation", [tmp_path / "hiss.wav"])
    assert measured.noise == "1 recordings given with --noise"
    assert any("or chosen by them" in warning for warning in measured.warnings)


def test_names_of_layers_are_shortened() -> None:
    assert short_name("0.Convolution") == "0 Convolution"
    assert short_name("3.Residual.layers.4.DepthwiseConvolution") == "3.4 DepthwiseConv"
    assert short_name("3.Residual.shortcut.0.Convolution") == "3.s.0 Convolution"


def test_a_damaged_history_is_ignored(tiny_model: Model) -> None:
    rows = history_of(tiny_model.training)
    assert [row.epoch for row in rows] == list(range(1, len(tiny_model.training["history"]) + 1))
    old = [{k: v for k, v in vars(row).items() if k not in ("validation_loss", "layer_gradient_norms")} for row in rows]
    assert [plot.name for plot in training_plots(history_of({"history": old}), 3, ())] == [
        "loss", "accuracy", "learning_rate", "gradient_norm"
    ]  # fmt: skip
    nan = {"history": [{**old[0], "loss": float("nan")}]}
    for training in ({}, {"history": 3}, {"history": ["x"]}, {"history": [{**old[0], "loss": "low"}]}, nan):
        assert history_of(training) == [], training


def test_one_epoch_is_drawn_as_a_dot(tmp_path: Path) -> None:
    row = EpochRow(1, 2.0, 0.1, 0.2, 0.01, 3.0)
    with page.style():
        plots = training_plots([row], 1, ())
        assert plots[0].figure.axes[0].lines[0].get_marker() == "o"
        save(plots[0].figure, tmp_path / "loss.png")


def test_whatever_the_file_tells_of_its_training_gives_a_page(
    sayso: Callable[..., Result], tiny_model: Model, tmp_path: Path
) -> None:
    good = tiny_model.training
    first, *others = good["history"]
    score = {"accuracy": 0.5, "interval": [0.4, 0.6], "clips": 10}
    noisy = {f"test, noise at {number} dB": score for number in range(-10_000, 10_000)}
    odd: dict[str, tuple[dict[str, object], dict[str, object]]] = {
        "huge numbers, nothing, 20,000 scores": (
            {"best_epoch": 10**400, "data": None, "validation_accuracy": None},
            {"test": score, **noisy},
        ),
        "formulas, odd clips, not a number": (
            {
                "layers": ["$\\frac$"] * len(good["layers"]),
                "data": {**good["data"], "clips": {"training": {"yes": [1]}, "\x1b[2J": None}},
                "validation_accuracy": float("nan"),
                "validation_clips": "many",
            },
            {"test": score, "test, noise at 1.2.3 dB": score, "test, noise at \xb2 dB": score},
        ),
        "markup, no table of settings, null": (
            {"layers": ["</text>font-family: z\x1b\ud800"] * len(good["layers"]), "settings": [1]},
            {"test": None, "test, noise at 5 dB": None},
        ),
        "a layer without a name, settings of anything, wrong types": (
            {"layers": [3], "settings": {"training": {"seed": 10**400, "\ud800": {"a": {"b": [None]}}}}},
            {"test": {"accuracy": 10**400, "interval": [10**400] * 2, "clips": 0.5}, "test, noise at 5 dB": 3},
        ),
        "huge losses, long names": (
            {"history": [{**first, "loss": 1e308}, {**first, "epoch": 10**4_000}]},
            {"x" * 100_000: score, "</script>$\\frac$": score},
        ),
        "constant losses": (
            {"history": [{**row, "layer_gradient_norms": [0.0] * 3, "loss": 1e30} for row in others]},
            {"test": score, "test, noise at -999.999 dB": score},
        ),
    }
    path, output = tmp_path / "odd.safetensors", tmp_path / "odd.html"
    for name, (change, scores) in odd.items():
        replace(tiny_model, training={**good, **change}, scores=scores).save(path)
        with case(name):
            start = time.process_time()
            for arguments in (("report", "-m", path, "-o", output), ("info", "-m", path)):
                result = sayso(*arguments)
                assert result.status == 0, result
                assert not result.err
                assert result.out.replace("\n", "").isprintable()
            assert time.process_time() - start < 15
            assert output.stat().st_size < MOST_BYTES


def test_labels_that_are_formulas_markup_or_long_are_drawn(
    tiny_model: Model, tiny_corpus: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    labels = ("$\\frac$", "font-family: z", "語" * 64, *tiny_model.labels[3:])
    odd = replace(tiny_model, labels=labels, training={})
    measured = measure(Recognizer(tiny_model), scan(tiny_corpus), "testing")
    measured = replace(measured, predictions=replace(measured.predictions, labels=labels), in_noise={})
    with page.style():
        drawn = draw(Subject("odd", odd, measured=measured))
    save_all(drawn, tmp_path)
    text = written(Subject("odd", odd, measured=measured), tmp_path / "odd.html").read_text()
    for plot in re.findall("<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(plot)
    assert not [warning for warning in recwarn.list if "mathtext" in str(warning.message)]


def test_a_model_card_may_be_long_or_no_text(
    tiny_model_path: Path, sayso: Callable[..., Result], tmp_path: Path
) -> None:
    shutil.copy(tiny_model_path, tmp_path / "tiny.safetensors")
    (tmp_path / "tiny.md").write_bytes(b"\xff\x00<b>" * 1_000_000)
    assert sayso("report", "-m", tmp_path / "tiny.safetensors", "-o", tmp_path / "tiny.html").status == 0
    assert (tmp_path / "tiny.html").stat().st_size < MOST_BYTES


def test_no_text_of_a_confusion_matrix_is_cut(tmp_path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for labels in (
        ("one",),
        ("yes", "no"),
        tuple("abcde"),
        ("a rather long label", "x", "y"),
        tuple(map(str, range(30))),
    ):
        with case(len(labels)), page.style():
            truth = np.arange(200) % len(labels)
            figure = confusion(Evaluation.of(labels, truth, np.roll(truth, 3))).figure
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            texts = [figure._suptitle, *figure.axes[0].get_xticklabels(), *figure.axes[0].get_yticklabels()]
            for text in texts:
                box = text.get_window_extent(canvas.get_renderer())
                assert 0 <= box.x0 < box.x1 <= figure.bbox.width, text
                assert 0 <= box.y0 < box.y1 <= figure.bbox.height, text


def test_correct_clips_are_not_shown_as_wrong(tiny_page: Path, browser: "Browser") -> None:
    with browsing.opened(browser, tiny_page) as view:
        section = view.locator("section[aria-labelledby=mistakes]")
        # The tiny model makes no mistake on the tiny corpus.
        assert section.locator("h2").inner_text() == "Least certain clips"
        assert section.locator("h3").all_inner_texts() == ["Correct, but least certain"]
        assert not any("→" in title for title in section.locator("h4").all_inner_texts())
