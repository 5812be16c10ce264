"""The page that shows a small network while it learns, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sayso.explanation.course import Course, FloatArray, Snapshot
from sayso.report import page
from sayso.report.page import BLUE, INK, MUTED, ORANGE

if TYPE_CHECKING:
    from markupsafe import Markup

# Red, green and blue of each word; distinct from each other and from light and dark backgrounds.
PALETTE = (
    (47, 127, 214), (217, 105, 43), (47, 158, 98), (160, 95, 208), (208, 69, 92), (143, 122, 31), (31, 154, 165),
    (194, 84, 160),
)  # fmt: skip
# Opacity of the region of a word in the map, out of 255.
REGION = 72
# Width and height of the map in SVG units.
SIDE = 1000
# Least horizontal and vertical distance between two names in the map.
SPACING = (110, 38)
# Levels of the contour lines of the loss surface, and the least loss that they tell apart, in nats.
LEVELS, LEAST_LOSS = 12, 1e-3
# Quantile of the absolute weights that gets the full colour.
FULL_COLOUR = 0.995


def training_page(course: Course) -> str:
    """Render the page.

    Parameters
    ----------
    course : Course
        The training, of at most as many words as `PALETTE` has colours.
    """
    colours = PALETTE[: len(course.words)]
    final = course.snapshots[-1]
    # The units with the largest weights come first.
    order = np.argsort(-np.linalg.norm(final.weights.reshape(len(final.weights), -1), axis=1))
    limit = float(np.quantile(np.abs(final.weights), FULL_COLOUR)) or 1.0
    with page.style():
        curves, left, right = _curves(course)
        surface, markers = _surface(course)
    snapshots = [
        {
            "epoch": snapshot.epoch,
            "loss": [page.number(loss) for loss in course.losses[snapshot.epoch]],
            "accuracy": [page.percent(accuracy) for accuracy in course.accuracies[snapshot.epoch]],
            "mark": round(100 * (left + (right - left) * snapshot.epoch / final.epoch), 2),
            "marker": markers[snapshot.epoch],
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
        validation_losses=course.losses[:, 1],
        chance_loss=np.log(len(course.words)),
        curves=curves,
        surface=surface,
        share=course.surface.share,
    )


def _places(snapshot: Snapshot, points: FloatArray) -> Any:
    """Convert points of the plane to integer coordinates of the map, whose second axis points down."""
    relative = (points - snapshot.low) / (snapshot.high - snapshot.low)
    relative[:, 1] = 1 - relative[:, 1]
    return np.rint(SIDE * relative).astype(int)


def _names(course: Course, snapshot: Snapshot) -> list[tuple[int, int, bool]]:
    """Return the position of the name of each word, the median of its clips, and whether there is space to show it."""
    medians = np.array(
        [
            np.median(snapshot.points[course.in_training & (course.labels == word)], axis=0)
            for word in range(len(course.words))
        ]
    )
    names: list[tuple[int, int, bool]] = []
    for x, y in _places(snapshot, medians).tolist():
        free = all(abs(x - other) > SPACING[0] or abs(y - above) > SPACING[1] for other, above, shown in names if shown)
        names.append((x, y, free))
    return names


def _curves(course: Course) -> tuple[Markup, float, float]:
    """Plot losses and accuracies; also return the first and the last epoch's position in the plot's width, 0 to 1."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(page.WIDTH, 4.2))
    upper, lower = figure.subplots(2, 1, sharex=True)
    epochs = np.arange(len(course.losses))
    for axes, values in ((upper, course.losses), (lower, 100 * course.accuracies)):
        axes.plot(epochs, values[:, 0], color=BLUE, label="training")
        axes.plot(epochs, values[:, 1], color=ORANGE, label="validation (unseen speakers)")
        axes.grid(axis="y")
        axes.set_ylim(0, None)
    upper.set(ylabel="loss (nats)", xlim=(0, epochs[-1]))
    lower.set(ylabel="accuracy (%)", xlabel="epoch")
    chance = 100 / len(course.words)
    lower.axhline(chance, color=MUTED, linestyle=":")
    lower.annotate("chance", (epochs[-1], chance), (0, 3), textcoords="offset points", ha="right", color=MUTED)
    upper.legend(loc="upper right")
    alt = "Loss and accuracy after each epoch, on the training clips and on validation clips of unseen speakers"
    figure.draw_without_rendering()
    ends = upper.transData.transform([(0, 0), (epochs[-1], 0)])[:, 0] / figure.bbox.width
    return page.svg(figure, alt), float(ends[0]), float(ends[1])


def _surface(course: Course) -> tuple[Markup, list[tuple[float, float]]]:
    """Plot the loss surface and the path on it; also return the place of each epoch in percent of width and height."""
    from matplotlib.figure import Figure

    surface = course.surface
    # One unit is as long upward as across, so that angles are right.
    ratio = float(np.clip(np.ptp(surface.upward) / np.ptp(surface.across), 0.3, 1.1))
    figure = Figure(figsize=(page.WIDTH, 0.6 + 3 * ratio))
    axes = figure.subplots()
    # The loss spans orders of magnitude, so the levels are spread over its logarithm.
    low, high = max(float(surface.losses.min()), LEAST_LOSS), float(surface.losses.max())
    levels = np.geomspace(low, max(high, 2 * low), LEVELS)
    logarithms = np.log(np.maximum(surface.losses, low) / low) / np.log(levels[-1] / low)
    axes.imshow(
        logarithms, cmap=page.colormap("grey"), vmin=-1, vmax=1, origin="lower", aspect="equal",
        interpolation="bilinear", extent=(surface.across[0], surface.across[-1], surface.upward[0], surface.upward[-1]),
    )  # fmt: skip
    lines = axes.contour(surface.across, surface.upward, np.maximum(surface.losses, low), levels[1:-1], colors=MUTED,
                         linewidths=0.6)  # fmt: skip
    axes.clabel(lines, levels[LEVELS // 2 : -1 : 2], fontsize=6.5, fmt=lambda level: page.number(level, 2))
    axes.plot(*surface.path.T, color=ORANGE, linewidth=1.2, marker=".", markersize=4)
    axes.annotate("start", surface.path[0], (-4, 4), textcoords="offset points", ha="right", color=INK)
    axes.annotate("end", surface.path[-1], (4, 4), textcoords="offset points", color=INK)
    axes.set(xlabel="from the first to the last weights", ylabel="largest deviation from that line")
    figure.draw_without_rendering()
    places = axes.transData.transform(surface.path) / figure.bbox.size
    alt = (
        "The training loss at the points of a plane through the weights, with contour lines, and the path of the "
        f"training from a loss of {page.number(course.losses[0, 0])} to {page.number(course.losses[-1, 0])} on it"
    )
    return page.svg(figure, alt), [(round(100 * x, 2), round(100 * (1 - y), 2)) for x, y in places]
