"""The round in two windows: the first is closed while the training runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.improve_tour.heads import LESION, PEOPLE
from benchmarks.improve_tour.painting import (
    choose_lesion,
    correct_slice,
    planes_to_correct,
)
from benchmarks.improve_tour.pauses import Pauses
from napari_mednext.app.case_keeping import read_mask
from napari_mednext.settings.improve import ImproveSettings
from napari_mednext.ui.keys import KEYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.improve_tour.window import Window

__all__ = ["first_window", "second_window"]

#: Slices that are corrected before, and painted while the training runs.
CORRECTED, MEANWHILE = 3, 4
#: Updates after which the curves are worth a picture.
_SOME_STEPS = 20
#: A training may take so long where the machine has more to do.
PATIENCE_S = 1800.0
_PROGRESS, _COMPARISON, _VERSIONS = range(3)


def first_window(window: Window, steps: int | None) -> dict[str, Any]:
    """Correct three slices, improve, go on working; the caller closes the window.

    Returns
    -------
    dict
        The pauses of the event loop by what was done.
    """
    facts, pauses = window.facts, Pauses(window.viewer)
    window.open_study()
    window.rest()
    case = window.flow.case
    facts["first case"] = case.name
    planes = planes_to_correct(window, CORRECTED + MEANWHILE)
    window.show_plane(planes[0])
    window.viewer.reset_view()
    window.picture("open")
    choose_lesion(window)
    with pauses.during("without a training: correcting"):
        facts["strokes"] = sum(
            correct_slice(window, plane) for plane in planes[:CORRECTED]
        )
    window.show_plane(planes[0])
    window.picture("corrected")
    facts["corrected slices"] = list(planes[:CORRECTED])
    facts["slices"] = int(case.editing.labels.shape[0])
    facts["painted against the reference, Dice"] = _dice(
        case.editing.labels[list(planes[:CORRECTED])],
        window.truth(case.name)[list(planes[:CORRECTED])],
    )
    window.improving.use_settings(ImproveSettings(steps=steps, device="cpu"))
    with pauses.during("pressing Improve"):
        window.press(window.dock.improve.button, "Improve model")
        window.hand.until(lambda: window.improving.watch.running, "the job")
        dock = window.improve_dock
    facts["job"] = window.improving.watch.running.id
    with pauses.during("with a training: painting"):
        for plane in planes[CORRECTED:]:
            correct_slice(window, plane, tick=False)
    window.hand.until(lambda: _step(window) > 1, "the first updates", PATIENCE_S)
    with pauses.during("with a training: painting again"):
        for plane in planes[CORRECTED:]:
            correct_slice(window, plane, tick=False)
    dock.tabs.setCurrentIndex(_PROGRESS)
    window.hand.until(lambda: _step(window) > _SOME_STEPS, "some updates", PATIENCE_S)
    window.picture("running")
    window.hand.settle(0.5)
    window.hand.key(KEYS["next_case"].text)
    facts["second case came after, s"] = round(window.wait_for_case(PEOPLE[1]), 2)
    with pauses.during("with a training: the next case is segmented, stepping"):
        started = time.monotonic()
        middle = window.flow.case.editing.labels.shape[0] // 2
        while window.flow.is_busy_behind or time.monotonic() - started < 3:
            for offset in (*range(12), *range(12, 0, -1)):
                window.show_plane(middle - 6 + offset)
    facts["old model on the second case, Dice"] = _judged(window)
    facts["step when the window was closed"] = _step(window)
    return pauses.found


def second_window(window: Window) -> dict[str, Any]:
    """Find the training again, wait for its end, promote, go on, and go back."""
    facts, pauses = window.facts, Pauses(window.viewer)
    window.open_study()
    window.hand.until(lambda: window.improving.watch.jobs, "the job")
    window.hand.settle(1.0)
    facts["line after reopening"] = window.dock.improve.line.text()
    facts["state after reopening"] = str(window.improving.watch.jobs[0].state)
    window.picture("reopened")
    with pauses.during("the training ends"):
        window.hand.until(
            lambda: window.improving.watch.jobs[0].is_over, "the end", PATIENCE_S
        )
        window.hand.until(lambda: window.improving.watch.reading.offer, "the offer")
        window.hand.settle(1.0)
    job = window.improving.watch.jobs[0]
    facts["job"] = {"id": job.id, "state": str(job.state), "attempts": job.attempts}
    window.picture("ended")
    window.press(window.dock.improve.look, "Look")
    dock = window.improve_dock
    window.hand.settle(1.5)
    offer = window.improving.watch.reading.offer
    facts["verdict"], facts["reason"] = offer.outcome, offer.reason
    window.picture("comparison")
    window.press_and_confirm(dock.comparison.promote, "Promote")
    window.hand.until(lambda: window.improving.watch.reading.offer is None, "it")
    window.hand.until(lambda: not window.improving.is_busy, "the promotion")
    window.rest()
    facts["picker after promoting"] = window.dock.cases.model.models.currentText()
    facts["picker lists"] = window.dock.cases.model.models.count() - 1
    window.key(KEYS["next_case"].text, "Next case")
    facts["next case came after, s"] = round(window.wait_for_case(PEOPLE[1]), 2)
    facts["new model on the second case, Dice"] = _judged(window)
    facts["segmented by"] = _segmented_by(window)
    _show_lesion(window)
    window.picture("next")
    dock.tabs.setCurrentIndex(_VERSIONS)
    window.dock.window().activateWindow()
    _raise(window, dock)
    window.hand.settle(1.0)
    window.picture("versions")
    window.press(dock.versions.back, "Roll back")
    window.hand.until(lambda: not window.improving.is_busy, "going back")
    window.hand.settle(1.0)
    window.picture("rolled_back")
    window.rest()
    facts["picker after going back"] = window.dock.cases.model.models.currentText()
    window.hand.key(KEYS["next_case"].text)
    window.wait_for_case(PEOPLE[2])
    facts["third case segmented by"] = _segmented_by(window)
    return pauses.found


def _step(window: Window) -> int:
    """Return how far the training is."""
    running = window.improving.watch.running
    return running.step if running is not None and running.phase == "training" else 0


def _raise(window: Window, dock: Any) -> None:
    """Bring the Improve dock to the front."""
    from napari_mednext.ui.improve_dock import show_improve_dock

    show_improve_dock(window.viewer)
    window.hand.until(dock.isVisible, "the Improve dock")


def _segmented_by(window: Window) -> str:
    """Return the name of the model whose answer is on screen."""
    return str(window.flow.case.answer.version.name)


def _judged(window: Window) -> dict[str, float]:
    """Return how good the labels on screen are: the lesion, and all other labels."""
    case = window.flow.case
    truth = read_mask(window.heads.references[case.name], case.volume)
    labels = case.editing.labels
    others = [
        _dice(labels, truth, label.value)
        for label in case.labels
        if label.value != LESION and (truth == label.value).sum() > 500
    ]
    return {
        "lesion": _dice(labels, truth),
        "mean of the others": round(float(np.mean(others)), 4),
    }


def _dice(
    labels: NDArray[np.unsignedinteger],
    truth: NDArray[np.unsignedinteger],
    value: int = LESION,
) -> float:
    ours, theirs = labels == value, truth == value
    both = int(ours.sum()) + int(theirs.sum())
    return round(2 * int((ours & theirs).sum()) / max(both, 1), 4)


def _show_lesion(window: Window) -> None:
    """Look at the slice with the most lesion in the case on screen."""
    truth = window.truth(window.flow.case.name)
    window.show_plane(int((truth == LESION).sum((1, 2)).argmax()))
    window.viewer.reset_view()
