"""Options that say how sound is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sayso.cli.options import finite

if TYPE_CHECKING:
    from sayso.sound.headers import Layout

KINDS = ("u8", "s8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be", "f64le", "f64be")

channel_option = click.option(
    "--channel", type=click.IntRange(1), metavar="N",
    help="Take this channel, the first is 1. [default: the mean, or the best one if they cancel each other]",
)  # fmt: skip

gain_option = click.option(
    "--gain", type=click.FloatRange(-60, 60), metavar="DB", default=0.0, show_default=True, callback=finite,
    help="Amplify the sound by this many decibels, if it is very quiet.",
)  # fmt: skip


def raw_layout(rate: int | None, channels: int | None, kind: str | None) -> Layout | None:
    """Return how raw samples are stored, or None if no option says that they are raw."""
    from sayso.sound.headers import Layout

    if rate is None:
        if channels is not None or kind is not None:
            raise click.UsageError("--channels and --sample-format describe raw samples; give their --rate, too")
        return None
    return Layout(kind or "s16le", channels or 1, rate)
