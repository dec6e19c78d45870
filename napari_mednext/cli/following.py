"""A job on stderr while it works: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from napari_mednext.jobs import JobState
from napari_mednext.training.history import History
from napari_mednext.training.page import duration, headline

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console, RenderableType

    from napari_mednext.jobs import Job, JobView

__all__ = ["JobProgress", "doing", "follow_job"]

_POLL_S = 0.3
#: Without a terminal, steps are told so often at most.
_EVERY_S = 60.0
_WAITS = {
    "another job": "waits for another job",
    "segmentation": "waits while a scan is segmented",
}


class JobProgress:
    """What is known of a job that is followed."""

    def __init__(self) -> None:
        self.view: JobView | None = None
        self.history = History()
        self.part = ""
        """What is being trained, in words."""

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one more event; those of unknown kinds change nothing."""
        if event.get("event") == "start":
            self.part = str(event.get("part", ""))
        # Jobs of other kinds, and other versions, may use these words differently.
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            self.history.add(event)


def follow_job(
    job: Job, cancel: threading.Event, *, console: Console | None = None
) -> JobView:
    """Show a job until it is over, has lost its process, or ``cancel`` is set.

    The job itself is never touched.

    Parameters
    ----------
    job : Job
        In any state.
    cancel : threading.Event
        Set to stop following.
    console : rich.console.Console, optional
        Where to; stderr by default.

    Returns
    -------
    JobView
        Where the job stood last.

    Raises
    ------
    InputError
        If the state of the job is damaged.
    """  # noqa: DOC501 - by view
    from rich.console import Console

    console = console or Console(file=sys.stderr)
    progress, offset = JobProgress(), 0
    with _display(console, progress) as show:
        while True:
            # The state comes first: whatever led to an end is then in the events.
            progress.view = job.view()
            events, offset = job.events(offset)
            show(events)
            if progress.view.is_over or progress.view.state is JobState.INTERRUPTED:
                return progress.view
            if cancel.wait(_POLL_S):
                return progress.view


def doing(view: JobView) -> str:
    """Return what a job does now, in words; empty when it is over."""
    if view.is_over:
        return ""
    if view.waiting_for:
        return _WAITS.get(view.waiting_for, f"waits for {view.waiting_for}")
    parts = [view.phase] if view.phase else []
    if view.total:
        parts.append(f"step {view.step} of {view.total}")
    if view.remaining_s is not None and view.state is JobState.RUNNING:
        parts.append(f"{duration(view.remaining_s)} left")
    return ", ".join(parts)


@contextlib.contextmanager
def _display(
    console: Console, progress: JobProgress
) -> Iterator[Callable[[Sequence[Mapping[str, Any]]], None]]:
    """Show the progress while the block lasts; gives what takes new events."""
    if not console.is_terminal:
        yield _Lines(console, progress).show
        return
    from rich.live import Live

    def draw() -> RenderableType:
        return _picture(progress)

    with Live(get_renderable=draw, console=console, refresh_per_second=4) as live:

        def show(events: Sequence[Mapping[str, Any]]) -> None:
            for event in events:
                progress.add(event)
            if progress.view is not None and progress.view.is_over:
                live.refresh()

        yield show


def _picture(progress: JobProgress) -> RenderableType:
    """Return a job as a terminal shows it."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from napari_mednext.cli.training_display import training_table

    view = progress.view
    if view is None:
        return Text("")
    parts: list[RenderableType] = [Text(f"{view.title} ({view.id}): {view.state}")]
    if text := doing(view):
        parts.append(Text(text))
    if view.total and not view.is_over:
        line = Table.grid()  # a bar alone does not end its line
        line.add_row(ProgressBar(view.total, view.step, width=40))
        parts.append(line)
    if progress.history.total:
        if progress.part:
            parts.append(Text(progress.part))
        parts.append(training_table(progress.history))
    return Group(*parts)


class _Lines:
    """Writes a line for each event that says something new."""

    def __init__(self, console: Console, progress: JobProgress) -> None:
        self._console = console
        self._progress = progress
        self._told_s = float("-inf")
        self._state = ""
        self._has_begun = False

    def show(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Take new events; of the first, which may be old, only the sum is told."""
        for event in events:
            self._progress.add(event)
            if self._has_begun:
                self._tell(event)
        if not self._has_begun:
            self._begin()
        self._tell_state()

    def _begin(self) -> None:
        self._has_begun = True
        view = self._progress.view
        if view is None or view.is_over:
            return
        now = doing(view)
        self._say(f"{view.title} ({view.id})" + (f": {now}" if now else ""))
        if self._progress.history.points:
            self._say(self._part() + headline(self._progress.history))

    def _part(self) -> str:
        """Return the beginning of lines about what is being trained."""
        return f"{self._progress.part}, " if self._progress.part else ""

    def _tell_state(self) -> None:
        """Say that the job waits, or goes on after that."""
        view = self._progress.view
        if view is None or view.is_over:
            return
        state = doing(view) if view.waiting_for else str(view.state)
        if state != self._state and (self._state or view.state is not JobState.RUNNING):
            self._say(state)
        self._state = state

    def _tell(self, event: Mapping[str, Any]) -> None:
        history, kind = self._progress.history, event.get("event")
        part = self._part()
        if kind == "phase":
            is_training = event.get("phase") == "training"
            self._say(("training: " if is_training else "") + str(event.get("text")))
        elif kind == "warning":
            self._say(f"warning: {event.get('text')}")
        elif kind == "validation":
            told = history.last_dice().items()
            dice = ", ".join(f"{name} {value:.3f}" for name, (value, _) in told)
            self._say(f"{part}step {history.step}: Dice {dice}")
        elif kind == "end":
            self._say(part + headline(history))
            if event.get("note"):
                self._say(f"note: {event['note']}")
        elif kind == "step":
            now_s = float(event.get("time", 0.0))
            if now_s - self._told_s >= _EVERY_S:
                self._told_s = now_s
                self._say(part + headline(history))

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
