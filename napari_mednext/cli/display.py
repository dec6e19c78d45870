"""Progress on stderr: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from napari_mednext.app.batch import BatchEvent, BatchState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from rich.progress import Progress as Bars

    from napari_mednext.progress import Progress, ProgressCallback

__all__ = ["batch_display", "step_display"]


@contextlib.contextmanager
def batch_display() -> Iterator[Callable[[BatchEvent], None]]:
    """Show the events of a batch while the block lasts.

    Yields
    ------
    callable
        For ``run_batch(on_event=...)``.
    """
    console = _console()
    if not console.is_terminal:
        yield lambda event: _say_end(console, event)
        return
    with _bars(console) as bars:
        whole = bars.add_task("", total=None, left="", visible=False)
        current = bars.add_task("", total=None, left="")

        def show(event: BatchEvent) -> None:
            progress = event.progress
            if event.result is not None:
                _say_end(console, event)
            bars.update(
                whole,
                description=f"{event.done} of {event.total}",
                completed=event.done,
                total=event.total,
                left=_left(event.remaining_s),
                visible=event.total > 1,
            )
            if event.state is not BatchState.QUEUED:
                bars.update(
                    current,
                    description=f"{event.item.name}: {event.state}",
                    completed=progress.done if progress else 0,
                    total=progress.total if progress else None,
                    left=_left(progress.remaining_s) if progress else "",
                )

        yield show


@contextlib.contextmanager
def step_display() -> Iterator[ProgressCallback]:
    """Show the progress of one long piece of work while the block lasts.

    Yields
    ------
    callable
        For ``on_progress``. Elsewhere than on a terminal it writes a line when the
        kind of work changes.
    """
    console = _console()
    if not console.is_terminal:
        said: list[str] = []

        def tell(progress: Progress) -> None:
            if said[-1:] != [progress.text]:
                said.append(progress.text)
                say(console, progress.text)

        yield tell
        return
    with _bars(console) as bars:
        task = bars.add_task("", total=None, left="")

        def show(progress: Progress) -> None:
            bars.update(
                task,
                description=progress.text,
                completed=progress.done,
                total=progress.total,
                left=_left(progress.remaining_s),
            )

        yield show


def say(console: Console, text: str) -> None:
    """Write a line as it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _say_end(console: Console, event: BatchEvent) -> None:
    """Write a line for a scan that ended."""
    result = event.result
    if result is None:
        return
    place = f"[{event.done}/{event.total}] {event.item.name}"
    if result.state is BatchState.SAVED:
        line = f"{place}: saved {event.item.output} in {result.elapsed_s:.1f} s"
    elif event.total > 1:
        line = f"{place}: {result.state}: {result.sentence}".removesuffix(": ")
    else:
        return  # the outcome says it
    found = [f"  {each.severity}: {each.sentence}" for each in result.quality.findings]
    for text in (line, *found, *(f"  note: {note}" for note in result.notes)):
        say(console, text)


def _console() -> Console:
    """Return a console on stderr."""
    from rich.console import Console

    return Console(file=sys.stderr)


def _bars(console: Console) -> Bars:
    """Return bars that vanish at the end, with the time left."""
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
    )


def _left(remaining_s: float | None) -> str:
    """Return the time left in words."""
    if remaining_s is None:
        return ""
    minutes, seconds = divmod(round(remaining_s), 60)
    return f"{minutes} min {seconds:02d} s left" if minutes else f"{seconds} s left"
