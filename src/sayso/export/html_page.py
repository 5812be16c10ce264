"""A model as one HTML file that recognises wholly in the browser: nothing is loaded, and no sound is sent anywhere."""

import base64
import hashlib
import re
from importlib import resources

from markupsafe import Markup

from sayso.config import SILENCE, UNKNOWN
from sayso.export import json_file
from sayso.export.exported import Exported
from sayso.model.metadata import scores_of, training_of
from sayso.report import page
from sayso.system.text import printable

# What the browser may do: nothing but run the scripts of the page, in the page and in workers, and play a chosen file.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; media-src blob:; worker-src blob:; "
    "script-src {scripts} data:; style-src {styles}"
)
# Most scores of the model that are told.
MOST_SCORES = 8


def write(exported: Exported) -> bytes:
    """Return the content of a page with a model.

    The browser runs no script but those whose hashes are in the page's own policy, so even a text that got around the
    escaping would do nothing.

    Raises
    ------
    ExportError
        If the length of the Fourier transform is not a power of two.
    """
    model = exported.model
    values = {
        "name": exported.name,
        "words": [(label, word) for label, word in enumerate(model.labels) if word not in (SILENCE, UNKNOWN)],
        "facts": _facts(exported),
        "model": Markup(json_file.write(exported).decode("ascii")),
        # Browsers run a worker of a page that was opened as a file only if it is no module.
        "library": Markup(re.sub(r"^export ", "", json_file.library().decode(), flags=re.MULTILINE)),
        "worker": _script("worker.js"),
        "tap": _script("tap.js"),
        "script": _script("page.js"),
    }
    draft = page.render("recognizer.html", policy="", **values)
    scripts, styles = (_hashes(draft, element) for element in (r'script type="module"', "style"))
    return page.render("recognizer.html", policy=POLICY.format(scripts=scripts, styles=styles), **values).encode()


def _script(name: str) -> Markup:
    return Markup((resources.files("sayso.export") / "page" / name).read_text(encoding="utf-8"))


def _hashes(text: str, element: str) -> str:
    """Return the sources of a policy that allow the elements of a page as they are."""
    contents = re.findall(rf"<{element}>(.*?)</", text, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in contents)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _facts(exported: Exported) -> dict[str, list[str]]:
    """Return what the file of the model tells of it: the lines of each row of a table."""
    model, facts = exported.model, exported.facts
    record, network = training_of(model.training), model.network
    rows = {"Model": [exported.name], "Licence": [exported.licence], "Trained on": [record.corpus or "not stated"]}
    rows["Trained on"] += [f"{sum(labels.values()):,} {split} clips" for split, labels in record.clips.items()]
    if record.sha256:
        rows["Trained on"].append(f"SHA-256 of all samples: {record.sha256}")
    if record.taught:
        rows["Taught"] = [f"{word}, from {count} recordings" for word, count in record.taught]
    rows["Accuracy"] = [
        f"{page.percent(score.accuracy)} on {name}"
        for name, score in list(scores_of(model.scores).items())[:MOST_SCORES]
        if score.accuracy is not None
    ] or ["not stated"]
    rate, window, step = (facts[name] for name in ("sample_rate", "window_samples", "step_samples"))
    rows["Network"] = [
        f"{network.parameter_count:,} weights, in {'8 bits' if exported.int8 else 'single precision'}",
        f"{page.number(network.multiply_adds / 1e6)} million multiplications for {window / rate:g} s of sound",
    ]
    rows["Sound"] = [f"{rate:,} samples per second, a decision every {1000 * step / rate:g} ms"]
    rows["Made by"] = [facts["made_by"]]
    return {name: list(map(printable, lines)) for name, lines in rows.items()}
