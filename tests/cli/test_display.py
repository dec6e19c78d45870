"""Progress on stderr: bars on a terminal, lines elsewhere."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from napari_mednext.app.batch import BatchEvent, BatchItem, BatchState, FileResult
from napari_mednext.cli import display
from napari_mednext.formats import Source
from napari_mednext.progress import Progress
from napari_mednext.volume import Finding, Quality

ITEMS = [
    BatchItem(i, Source(name, (Path(f"{name}.nii"),)), Path(f"out/{name}.nii.gz"))
    for i, name in enumerate(("a", "[b]"))
]


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def console(request, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")  # a dumb one has no bars
    console = Console(
        file=io.StringIO(), force_terminal=request.param, width=100, color_system=None
    )
    monkeypatch.setattr(display, "_console", lambda: console)
    return console


def events():
    quality = Quality((Finding("x", "warning", "odd"), Finding("y", "notice", "new")))
    saved = FileResult(
        ITEMS[0], BatchState.SAVED, "", ("went on",), elapsed_s=1.25, quality=quality
    )
    failed = FileResult(ITEMS[1], BatchState.FAILED, "it is bad")
    yield BatchEvent(ITEMS[0], BatchState.QUEUED, 0, 2)
    yield BatchEvent(ITEMS[0], BatchState.READING, 0, 2)
    yield BatchEvent(
        ITEMS[0], BatchState.SEGMENTING, 0, 2, Progress(3, 4, "x", 1, 75), None, 200
    )
    yield BatchEvent(ITEMS[0], BatchState.SAVED, 1, 2, result=saved)
    yield BatchEvent(ITEMS[1], BatchState.FAILED, 2, 2, result=failed)


def test_ends_of_a_batch_are_said_once(console):
    with display.batch_display() as show:
        for event in events():
            show(event)
    said = console.file.getvalue()
    assert said.count(f"[1/2] a: saved {ITEMS[0].output} in 1.2 s") == 1
    assert said.count("  note: went on") == 1
    assert said.count("  warning: odd") == said.count("  notice: new") == 1
    assert said.count("[2/2] [b]: failed: it is bad") == 1


def test_terminal_shows_the_time_left(console):
    bars = []
    with display.batch_display() as show:
        for event in events():
            show(event)
            bars.append(console.file.getvalue())
    if console.is_terminal:
        with display._bars(console) as whole:
            whole.add_task("scan", total=4, completed=3, left=display._left(75))
            whole.refresh()
        assert "1 min 15 s left" in console.file.getvalue()
        assert "75 %" in console.file.getvalue()
    else:
        assert bars[2] == ""


def test_single_failure_is_left_to_the_last_line(console):
    failed = FileResult(ITEMS[0], BatchState.FAILED, "it is bad")
    with display.batch_display() as show:
        show(BatchEvent(ITEMS[0], BatchState.FAILED, 1, 1, result=failed))
    assert "it is bad" not in console.file.getvalue()


def test_steps_are_named_when_they_change(console):
    with display.step_display() as show:
        for done in range(3):
            show(Progress(done, 3, "loading"))
        show(Progress(1, 2, "segmenting", 1.0, 5.0))
    said = console.file.getvalue()
    if not console.is_terminal:
        assert said.splitlines() == ["loading", "segmenting"]
    else:
        assert said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.4, "0 s left"), (59.4, "59 s left"), (61, "1 min 01 s left")],
)
def test_time_left_in_words(seconds, words):
    assert display._left(seconds) == words
