"""`sayso explain`: the pages in a browser, and errors for bad input."""

import copy
import re
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
from command_line import Result, one_line_error
from sayso.cli import main as cli_main
from sayso.explanation.clip import explain_clip
from sayso.model import model_file, shipped
from sayso.model.model_file import Model
from sayso.report import page
from sayso.report.explanation_page import explanation_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Sayso = Callable[..., Result]
MODEL = "commands-tiny"
OPEN = "document.querySelectorAll('details').forEach(part => { part.open = true; })"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explained")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["sayso", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli_main.cli()
    assert not end.value.code


@pytest.fixture(scope="module")
def clip() -> Path:
    return sorted((shipped.bundled("demo") / "stop").iterdir())[0]


@pytest.fixture(scope="module")
def clip_page(folder: Path, clip: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        run(patch, "explain", clip, "-m", MODEL, "--label", "go", "--animate", "-o", folder / "clip.html")
    return folder / "clip.html"


@pytest.fixture(scope="module")
def training_page(folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        run(patch, "explain", "--training", "-o", folder / "training.html")
    return folder / "training.html"


def test_the_page_about_a_clip_is_readable_everywhere(browser: "Browser", clip_page: Path) -> None:
    browsing.check(browser, clip_page)


def test_the_page_about_a_training_is_readable_everywhere(browser: "Browser", training_page: Path) -> None:
    browsing.check(browser, training_page)
    assert training_page.stat().st_size < 3e6


def test_the_numbers_on_the_page_are_those_of_the_network(browser: "Browser", clip_page: Path, clip: Path) -> None:
    model = model_file.load(shipped.find(MODEL))
    explanation = explain_clip(model, clip, "go")
    trace = explanation.trace
    with browsing.opened(browser, clip_page) as view:
        view.evaluate(OPEN)
        rows = view.locator("table").first.locator("tbody tr").all_inner_texts()
        order = np.argsort(trace.probabilities)[::-1]
        assert [row.split("\t")[0] for row in rows] == [explanation.labels[index] for index in order]
        for row, index in zip(rows, order, strict=True):
            assert page.percent(trace.probabilities[index]) in row
            error = trace.error[index]
            assert f"{'rise' if error < 0 else 'fall'} by {page.number(abs(error))}" in row
        rising = view.locator("table .rise")
        assert rising.count() == 1
        text = view.locator("main").inner_text()
        for number in (explanation.descent.loss, explanation.descent.linear_loss, explanation.descent.new_loss):
            assert page.number(number, 4) in text
        last = trace.passages[model.network.last]
        card = (
            view.locator("[id^=backward]", has_text=f"{model.network.last + 1} · dense layer")
            .locator("article.layer")
            .last
        )
        assert page.number(float(np.linalg.norm(last.grad_x))) in card.inner_text()
        assert page.number(float(np.linalg.norm(last.gradients["weight"]))) in card.inner_text()
        assert card.locator("math").first.get_attribute("alttext") == "∂L/∂x = W^T ∂L/∂y"
        # Each layer, also inside blocks, has a card for the forward and one for the backward pass.
        cards = sum(1 + sum(map(len, passage.branches.values())) for passage in trace.passages)
        assert view.locator("article.layer").count() == 2 * cards
        # Both weights that are worked by hand end at the gradient of the network.
        text = view.locator("main").inner_text()
        assert explanation.weight
        assert explanation.hidden
        for weight in (explanation.weight, explanation.hidden.weight):
            assert f"= {page.number(weight.gradient, 4)}" in text
        for step in explanation.hidden.steps:
            assert f"Layer {step.number}, " in text


def test_a_deep_network_is_folded_into_blocks_that_open(browser: "Browser", clip_page: Path) -> None:
    for width in (browsing.DESKTOP, browsing.PHONE):
        with case(width), browsing.opened(browser, clip_page, width) as view:
            height = "document.documentElement.scrollHeight"
            folded = view.evaluate(height)
            blocks = view.locator("details.block")
            assert blocks.count() >= 2 * 5
            assert not blocks.first.locator("article").first.is_visible()
            blocks.first.locator("summary").first.click()
            assert blocks.first.locator("article").first.is_visible()
            view.evaluate(OPEN)
            assert view.evaluate(height) > 2.5 * folded


def test_a_small_network_is_open(tiny_model: Model, browser: "Browser", clip: Path, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(explanation_page(explain_clip(tiny_model, clip, "up"), "clip", "tiny"))
    with browsing.opened(browser, tmp_path / "page.html") as view:
        assert view.locator("details.block article").first.is_visible()
        assert view.locator("ol.chain").is_visible()
        # The flattening before the first dense layer belongs to its block.
        assert view.locator("#forward-1 h3").inner_text().endswith("1–4 · dense layer")


def test_the_step_button_stays_in_reach_on_a_phone(browser: "Browser", clip_page: Path) -> None:
    with browsing.opened(browser, clip_page, browsing.PHONE, height=640) as view:
        step = view.locator("[data-do=forward]")
        places = set()
        while not step.is_disabled():
            box = step.bounding_box()
            assert box
            assert 0 <= box["y"] <= 640 - box["height"]
            places.add((box["x"], box["y"]))
            step.click()
        assert len(places) == 1, "the button must not move under the thumb"
        # From the end of the page a step leads back to what it shows.
        view.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
        view.locator("[data-do=back]").click()
        assert view.locator("#walk [data-title]").evaluate("title => title.getBoundingClientRect().top") < 640


def test_layers_over_frequency_show_their_bands(clip_page: Path) -> None:
    written = clip_page.read_text(encoding="utf-8")
    assert "1 channel × 40 bands × 49 frames" in written
    assert "28 channels × 49 frames" in written


def test_the_page_steps_through_the_forward_and_the_backward_pass(browser: "Browser", clip_page: Path) -> None:
    with browsing.opened(browser, clip_page) as view:
        view.clock.install()
        walk, steps = view.locator("#walk"), view.locator("#steps")
        stages = view.locator("[data-stage]").count()
        assert walk.is_visible()
        assert f"1 of {stages}" in steps.inner_text()
        assert view.locator("[aria-current]").inner_text() == "sound"
        view.keyboard.press("ArrowRight")
        assert f"2 of {stages}" in steps.inner_text()
        assert view.locator("[aria-current]").inner_text() == "MFCC"
        steps.get_by_role("button", name="step").click()
        assert "Forward, layer 1 · spectrum of the coefficients" in walk.inner_text()
        assert walk.locator("img").evaluate("picture => picture.naturalWidth") > 10
        view.keyboard.press("ArrowLeft")
        steps.get_by_role("button", name="play").click()
        view.clock.run_for(120_000)
        assert "One step of gradient descent" in walk.inner_text()
        assert steps.get_by_role("button", name="play").get_attribute("aria-pressed") == "false"
        assert steps.get_by_role("button", name="step").is_disabled()


def test_formulas_and_texts_fit(browser: "Browser", clip_page: Path, training_page: Path) -> None:
    for path in (clip_page, training_page):
        with browsing.opened(browser, path) as view:
            for width in (browsing.DESKTOP, 700, browsing.PHONE):
                with case(path.name, width):
                    view.set_viewport_size({"width": width, "height": 800})
                    view.evaluate(OPEN)
                    assert view.evaluate(browsing.CLIPPED) == []
                    assert view.evaluate(browsing.OVERLAPPING) == []


def test_the_training_page_opens_before_the_training_and_shows_the_chosen_epoch(
    browser: "Browser", training_page: Path
) -> None:
    state = """() => ({
      epoch: document.getElementById("number").textContent,
      accuracy: document.getElementById("training-accuracy").textContent,
      dot: document.querySelector(".map circle").getAttribute("cx"),
      regions: document.getElementById("regions").getAttribute("href"),
      weights: document.querySelector("#weights img").src,
      mark: parseFloat(document.getElementById("mark").style.left),
      here: document.getElementById("here").style.left,
    })"""
    with browsing.opened(browser, training_page) as view:
        view.clock.install()
        slider = view.locator("#epoch")
        first = view.evaluate(state)
        slider.press("End")
        last = view.evaluate(state)
        slider.press("Home")
        assert view.evaluate(state) == first
        assert (first["epoch"], last["epoch"]) == ("0", "60")
        assert all(first[name] != last[name] for name in first)
        assert first["mark"] < last["mark"]
        slider.press("ArrowRight")
        assert view.evaluate(state)["epoch"] == "1"
        view.get_by_role("button", name="play").click()
        view.clock.run_for(30_000)
        assert view.evaluate(state) == last


def test_the_pages_are_complete_without_scripts(
    browser: "Browser", clip_page: Path, training_page: Path
) -> None:  # fmt: skip
    with browsing.opened(browser, clip_page, java_script_enabled=False) as view:
        assert not view.locator("#walk").is_visible()
        assert not view.locator("#steps").is_visible()
        assert view.get_by_role("heading", name="One step of gradient descent").is_visible()
    with browsing.opened(browser, training_page, java_script_enabled=False) as view:
        assert not view.locator("#epoch").is_visible()
        assert view.locator(".map").is_visible()


def test_the_command_prints_the_main_results(sayso: Sayso, tiny_model_path: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clip.wav", sounds.clip("yes"), sounds.RATE)
    result = sayso("explain", tmp_path / "clip.wav", "-m", tiny_model_path, "-o", tmp_path / "page.html")
    assert result.status == 0
    assert re.search(r"prediction +yes, [\d.]+ %\ntrue label +yes, the prediction\n", result.out)
    assert "after one step of gradient descent" in result.out
    assert result.err == f"saved {tmp_path / 'page.html'}; open it in a browser\n"
    written = (tmp_path / "page.html").read_text()
    assert "<script" not in written
    assert "own prediction, <strong>yes" in written


def test_the_page_says_if_there_is_nothing_left_to_learn(clip: Path) -> None:
    certain = model_file.load(shipped.find(MODEL))
    certain.network.parameters.values[certain.network.chain.names[certain.network.last]]["bias"][
        certain.labels.index("stop")
    ] = 1e4
    assert "nothing left to learn" in explanation_page(explain_clip(certain, clip), str(clip), MODEL)


def test_bad_input_gives_an_error_of_one_line(sayso: Sayso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("yes.wav", sounds.clip("yes"), sounds.RATE)
    soundfile.write("long.wav", np.zeros(3 * sounds.RATE), sounds.RATE)
    Path("text.wav").write_text("no sound")
    Path("folder").mkdir()
    for arguments, message in {
        ("yes.wav", "--label", "maybe", "-m", MODEL): "the model has no label 'maybe'; expected one of yes, ",
        ("yes.wav", "-m", "nothing"): "no model nothing: ",
        ("long.wav", "-m", MODEL): "long.wav lasts 3.0 s; ",
        ("missing.wav", "-m", MODEL): "cannot read missing.wav: ",
        ("text.wav", "-m", MODEL): "text.wav ",
        ("yes.wav", "-m", MODEL, "-o", "folder"): "cannot write folder: it is a folder",
    }.items():
        with case(*arguments):
            result = sayso("explain", *arguments)
            assert result.status == 1
            assert result.err.startswith(f"error: {message}")
            assert result.err.count("\n") == 1
            assert not list(tmp_path.glob("*.html"))


def test_wrong_usage_is_reported(sayso: Sayso) -> None:
    for arguments in ([], ["clip.wav", "--training"], ["--training", "-m", MODEL], ["--training", "--label", "yes"]):
        with case(*arguments):
            result = sayso("explain", *arguments)
            assert result.status == 2
            assert "Usage: " in result.err


def test_a_model_with_odd_labels_or_absurd_weights_gives_a_page_or_one_clear_line(
    sayso: Sayso, clip: Path, tiny_model: Model, tmp_path: Path
) -> None:
    path, output = tmp_path / "odd.safetensors", tmp_path / "odd.html"
    labels = ("$\\frac$", "font-family: z", "</script><b>", *tiny_model.labels[3:])
    replace(tiny_model, labels=labels).save(path)
    result = sayso("explain", clip, "-m", path, "--label", labels[2], "--animate", "-o", output)
    assert result.status == 0, result
    assert "</script><b>" not in output.read_text()
    for plot in re.findall("<svg.*?</svg>", output.read_text(), re.DOTALL):
        ElementTree.fromstring(plot)
    for factor in (1e-38, 3e37):
        output.unlink(missing_ok=True)
        odd = copy.deepcopy(tiny_model)
        odd.network.parameters.vector[:] = np.clip(np.float64(odd.network.parameters.vector) * factor, -3e38, 3e38)
        for name in odd.network.parameters.named():
            if name.endswith("variance"):
                odd.network.parameters.named()[name][:] = 1.0
        odd.save(path)
        with case(factor):
            result = sayso("explain", clip, "-m", path, "-o", output)
            if factor < 1:
                assert result.status == 0, result
            else:
                assert "numbers overflow on this clip" in one_line_error(result)
                assert not output.exists()
            assert "Warning" not in result.err
