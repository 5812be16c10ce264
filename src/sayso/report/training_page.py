"""The page on which a small network learns, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sayso.explanation.course import Course, FloatArray, Snapshot
from sayso.report import page
from sayso.report.page import BLUE, MUTED, ORANGE

if TYPE_CHECKING:
    from markupsafe import Markup

# Red, green, and blue of each word, that can be told from each other and from light and dark paper.
PALETTE = (
    (47, 127, 214), (217, 105, 43), (47, 158, 98), (160, 95, 208), (208, 69, 92), (143, 122, 31), (31, 154, 165),
    (194, 84, 160),
)  # fmt: skip
# Opacity of a word's region of the map, of 255.
REGION = 72
# The map is so many units wide and high.
SIDE = 1000
# A name needs so much room to either side and above.
ROOM = (110, 38)
# Part of the weights that are drawn in less than the full colour.
PALER = 0.995


def training_page(course: Course) -> str:
    """Write the page.

    Parameters
    ----------
    course : Course
        What is shown; at most as many words as `PALETTE` has colours.
    """
    colours = PALETTE[: len(course.words)]
    final = course.snapshots[-1]
    # The units whose weights grew most come first.
    order = np.argsort(-np.linalg.norm(final.weights.reshape(len(final.weights), -1), axis=1))
    limit = float(np.quantile(np.abs(final.weights), PALER)) or 1.0
    with page.style():
        curves, left, right = _curves(course)
    snapshots = [
        {
            "epoch": snapshot.epoch,
            "loss": [page.number(loss) for loss in course.losses[snapshot.epoch]],
            "accuracy": [page.percent(share) for share in course.accuracies[snapshot.epoch]],
            "mark": round(100 * (left + (right - left) * snapshot.epoch / final.epoch), 2),
            "width": page.number(snapshot.high[0] - snapshot.low[0], 2),
            "points": _places(snapshot, snapshot.points).tolist(),
            "names": _names(course, snapshot),
            "regions": page.indexed_png(snapshot.regions[::-1].astype(np.uint8), [(*one, REGION) for one in colours]),
            "weights": [page.png(snapshot.weights[unit].T, limit) for unit in order],
        }
        for snapshot in course.snapshots
    ]
    return page.render(
        "training.html",
        course=course,
        snapshots=snapshots,
        final=snapshots[-1],
        colours=["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours],
        units=[int(unit) + 1 for unit in order],
        frames=final.weights.shape[1],
        bands=final.weights.shape[2],
        side=SIDE,
        new_losses=course.losses[:, 1],
        guessing=np.log(len(course.words)),
        curves=curves,
    )


def _places(snapshot: Snapshot, points: FloatArray) -> Any:
    """Turn points of the plane into whole units of the map, whose second axis runs downwards."""
    share = (points - snapshot.low) / (snapshot.high - snapshot.low)
    share[:, 1] = 1 - share[:, 1]
    return np.rint(SIDE * share).astype(int)


def _names(course: Course, snapshot: Snapshot) -> list[tuple[int, int, bool]]:
    """Return where the name of each word stands, amid its clips, and whether there is room to show it."""
    mine = course.learned
    middles = np.array(
        [np.median(snapshot.points[mine & (course.labels == word)], axis=0) for word in range(len(course.words))]
    )
    names: list[tuple[int, int, bool]] = []
    for x, y in _places(snapshot, middles).tolist():
        free = all(abs(x - other) > ROOM[0] or abs(y - above) > ROOM[1] for other, above, shown in names if shown)
        names.append((x, y, free))
    return names


def _curves(course: Course) -> tuple[Markup, float, float]:
    """Plot losses and accuracies; return the parts of the plot's width at which the first and the last epoch lie."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(page.WIDTH, 4.2))
    upper, lower = figure.subplots(2, 1, sharex=True)
    epochs = np.arange(len(course.losses))
    for axes, values in ((upper, course.losses), (lower, 100 * course.accuracies)):
        axes.plot(epochs, values[:, 0], color=BLUE, label="clips it learns from")
        axes.plot(epochs, values[:, 1], color=ORANGE, label="voices it never heard")
        axes.grid(axis="y")
        axes.set_ylim(0, None)
    upper.set(ylabel="loss (nats)", xlim=(0, epochs[-1]))
    lower.set(ylabel="told rightly (%)", xlabel="epoch")
    guessing = 100 / len(course.words)
    lower.axhline(guessing, color=MUTED, linestyle=":")
    lower.annotate("by guessing", (epochs[-1], guessing), (0, 3), textcoords="offset points", ha="right", color=MUTED)
    upper.legend(loc="upper right")
    alt = (
        "Loss and accuracy of each epoch: of the clips that the network learns from, and of voices that it never heard"
    )
    figure.draw_without_rendering()
    ends = upper.transData.transform([(0, 0), (epochs[-1], 0)])[:, 0] / figure.bbox.width
    return page.svg(figure, alt), float(ends[0]), float(ends[1])
