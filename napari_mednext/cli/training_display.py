"""A training on stderr: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from napari_mednext.training.history import Event, History
from napari_mednext.training.page import duration, headline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from rich.table import Table

__all__ = ["training_display", "training_table"]

#: Without a terminal, the loss is told so often at most.
_EVERY_S = 60.0


@contextlib.contextmanager
def training_display(
    console: Console | None = None,
) -> Iterator[Callable[[Event], None]]:
    """Show the events of a training while the block lasts.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to; stderr by default.

    Yields
    ------
    callable
        For ``on_event``.
    """
    from rich.console import Console

    console = console or Console(file=sys.stderr)
    history = History()
    if not console.is_terminal:
        yield _lines(console, history)
        return
    from rich.live import Live

    def draw() -> Table:
        return training_table(history)

    with Live(get_renderable=draw, console=console, refresh_per_second=4) as live:

        def show(event: Event) -> None:
            history.add(event)
            if event.get("event") in ("validation", "end"):
                live.refresh()

        yield show


def training_table(history: History) -> Table:
    """Return the table of a training: what changes, then Dice and change a class.

    Parameters
    ----------
    history : History
        What is known of it.

    Returns
    -------
    rich.table.Table
    """
    from rich.table import Table
    from rich.text import Text

    title = f"training, {history.state}" + (
        f" on {history.device}" if history.device else ""
    )
    table = Table(title=Text(title), title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("", justify="right")
    for name, value in _numbers(history):
        table.add_row(Text(name), Text(value), "")
    last = history.last_dice()
    if last:
        table.add_section()
        step = history.validations[-1].step
        table.add_row(Text(f"Dice after step {step}"), "", "")
    for name, (dice, change) in last.items():
        color = "" if not change else "green" if change > 0 else "red"
        table.add_row(
            Text(f"  {name}"),
            Text(f"{dice:.3f}"),
            Text("" if change is None else f"{change:+.3f}", style=color),
        )
    return table


def _numbers(history: History) -> list[tuple[str, str]]:
    """Return name and value of what changes with every step."""
    smoothed, speed, left = (
        history.smoothed()[-1:],
        history.seconds_a_step,
        history.remaining_s,
    )
    rate = history.points[-1].rate if history.points else None
    return [
        ("step", f"{history.step} of {history.total}"),
        ("loss, smoothed", f"{smoothed[0]:.4f}" if smoothed else ""),
        ("learning rate", "" if rate is None else f"{rate:.2e}"),
        ("seconds a step", "" if speed is None else f"{speed:.3g}"),
        ("time left", "" if left is None else duration(left)),
    ]


def _lines(console: Console, history: History) -> Callable[[Event], None]:
    """Return what writes a line for each event that says something new."""
    said_s = float("-inf")

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    def tell(event: Event) -> None:
        nonlocal said_s
        history.add(event)
        now_s = float(event.get("time", 0.0))
        kind = event.get("event")
        if kind == "validation":
            dice = ", ".join(
                f"{name} {value:.3f}"
                for name, (value, _) in history.last_dice().items()
            )
            say(f"step {history.step}: Dice {dice}")
        elif kind == "start":
            say(headline(history))
            for note in history.notes:
                say(f"note: {note}")
        elif kind == "end" or (kind == "step" and now_s - said_s >= _EVERY_S):
            said_s = now_s
            say(headline(history))

    return tell
