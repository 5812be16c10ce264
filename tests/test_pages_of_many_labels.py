"""Pages for 2 to 40 labels: in a browser, no title is cut, no formula clipped, and no two ticks overlap."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

import browser as browsing
import sounds
from cases import case
from sayso.config import FeatureSettings
from sayso.corpus.clip_sets import ClipSet
from sayso.evaluation.measure import Measured
from sayso.evaluation.predictions import Predictions
from sayso.explanation.clip import explain_clip
from sayso.features.filterbank import FeatureTables
from sayso.features.standardizer import Standardizer
from sayso.model.model_file import Model
from sayso.nn import Network, softmax
from sayso.nn.architectures import DenseArchitecture
from sayso.report import page
from sayso.report.explanation_page import explanation_page
from sayso.report.model_page import Subject, draw, render

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FEATURES = FeatureSettings(mel_bands=8, coefficients=0)
COUNTS = (2, 11, 40)
CLIPS = 12


def model_of(count: int) -> Model:
    """Return an untrained model; some of its labels are short, some longer than a plot has room for."""
    names = ("yes", "a label of many words", "_unknown_", "no")
    labels = tuple(f"{names[number % 4]}{number or ''}" for number in range(count))
    network = Network(DenseArchitecture((6,)).layers(count), (FEATURES.frames, FEATURES.width))
    tables, standardizer = FeatureTables.from_settings(FEATURES), Standardizer(np.zeros(8), np.ones(8))
    return Model(labels, FEATURES, tables, standardizer, network.initialise(np.random.default_rng(count)))


def report_of(model: Model) -> str:
    rng = np.random.default_rng(0)
    count = len(model.labels)
    truth = np.repeat(np.arange(count), CLIPS)
    # The first label has no clips, and is predicted all the same.
    truth[:CLIPS] = 1
    logits = rng.standard_normal((len(truth), count)) + 3 * np.eye(count)[truth]
    predictions = Predictions(model.labels, truth, softmax(logits.T).T)
    windows = rng.normal(0, 0.1, (len(truth), FEATURES.clip_samples)).astype(np.float32)
    clips = ClipSet(windows, truth, tuple(f"{model.labels[label]}/{n}.wav" for n, label in enumerate(truth)))
    measured = Measured("made up clips", clips, predictions)
    in_noise = dict.fromkeys((20.0, 10.0, 5.0, 0.0, -5.0), predictions.evaluation)
    measured = replace(measured, in_noise=in_noise, noise="noise")
    subject = Subject("model", model, measured=measured)
    with page.style():
        return render(subject, draw(subject))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "clip.wav"
    soundfile.write(path, sounds.clip("yes"), sounds.RATE)
    return path


def test_titles_ticks_and_formulas_fit_with_any_number_of_labels(
    browser: "Browser", clip: Path, tmp_path: Path
) -> None:
    for count in COUNTS:
        model = model_of(count)
        pages = {
            "report": report_of(model),
            "explain": explanation_page(explain_clip(model, clip, model.labels[-1]), "clip.wav", "model", animate=True),
        }
        for name, text in pages.items():
            path = tmp_path / f"{name}.html"
            path.write_text(text)
            with browsing.opened(browser, path) as view:
                for width in (browsing.DESKTOP, browsing.PHONE):
                    with case(name, count, "labels", width):
                        view.set_viewport_size({"width": width, "height": 800})
                        assert view.evaluate("document.documentElement.scrollWidth") <= width
                        assert view.evaluate(browsing.OVERLAPPING) == []
                        assert view.evaluate(browsing.CLIPPED) == []
        with case(count, "labels"):
            # Nothing is known of the precision and recall of a label without clips.
            row = pages["report"].partition('aria-label="Recall and precision')[2].partition('<tr><th scope="row">')[2]
            assert row.partition("</tr>")[0].count(">–</td>") == 3
