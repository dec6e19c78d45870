"""One segmentation of a layer: the work in a thread, the labels on screen."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_mednext.errors import Cancelled
from napari_mednext.labels import LabelSet
from napari_mednext.settings import InferenceSettings
from napari_mednext.ui.jobs import Job, explain
from napari_mednext.ui.live_labels import LiveLabels, load_what_labels_need, new_layer
from napari_mednext.ui.painting import drawn_later
from napari_mednext.volume import Volume

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_mednext.app import Session
    from napari_mednext.progress import Progress
    from napari_mednext.volume import Segmentation

__all__ = ["Segmenting", "Task"]

#: How often progress and previews are looked at, in ms: ten times a second.
TICK_MS = 100
#: Every so many ticks previews are drawn.
TICKS_PER_DRAWING = 2


@dataclass(frozen=True)
class Task:
    """What is segmented, with what, and where the user looks.

    ``labels`` are those that may come out, ``sides`` whether left and right are told
    apart.
    """

    volume: Volume
    model: Path
    labels: LabelSet
    settings: InferenceSettings
    focus: tuple[int, int, int]
    name: str
    sides: bool = False


class Segmenting(QObject):
    """Runs one task; ends with one of succeeded, failed, cancelled, then ``ended``.

    ``succeeded`` brings what the engine had to tell, as fall-backs; ``named`` brings
    the labels of the result; ``counted`` the volumes in mL; ``judged`` what speaks
    against trusting them.
    """

    progressed = Signal(object)
    named = Signal(object)
    counted = Signal(dict)
    judged = Signal(object)
    succeeded = Signal(list)
    failed = Signal(str)
    cancelled = Signal()
    ended = Signal()

    def __init__(
        self,
        viewer: Any,
        session: Session,
        task: Task,
        reused: Labels | None,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._session = session
        self._task = task
        self._layer = reused
        self._is_loaded = False
        self._is_table_behind = False
        self.live: LiveLabels | None = None
        self._ticks = 0
        self._job = Job(self._work, f"MedNeXt: segmenting {task.volume.name}")
        self._job.succeeded.connect(self._on_succeeded)
        self._job.failed.connect(self._on_failed)
        self._job.cancelled.connect(self._on_cancelled)
        self._job.ended.connect(self._on_ended)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._on_tick)
        # The window may go while this runs: then nobody waits for the result.
        self.destroyed.connect(self._job.cancel)

    def start(self) -> None:
        """Start the work."""
        # A full garbage collection over napari's million objects stops the window for
        # 0.1 to 0.3 s; what exists now is left out of them until the run has ended.
        gc.freeze()
        self.destroyed.connect(_unfreeze)
        self._job.start()
        self._timer.start()

    def cancel(self) -> None:
        """Stop within one tile."""
        self._job.cancel()

    def _work(self, job: Job) -> tuple[Segmentation, dict[int, float]]:
        """Have the volume segmented, and measure the labels."""
        task = self._task
        load_what_labels_need()
        self._is_loaded = True
        result = self._session.service.segment(
            task.volume,
            model=task.model,
            settings=task.settings,
            focus=task.focus,
            sides=task.sides,
            on_progress=job.report,
            on_preview=job.show,
            cancel=job,
        )
        return result, result.volumes_ml()

    def _on_tick(self) -> None:
        """Show what came since the last tick."""
        self._ticks += 1
        if self.live is None and self._is_loaded:
            # Make, add and show it in three ticks: the window breathes between them.
            if self._layer is None:
                self._make_layer()
            else:
                self._begin()
            return
        if self.live is not None and not self.live.is_there:
            self._job.cancel()  # nobody wants the labels any more
            return
        if self.live is not None and self.live.reveal():
            return
        progress: Progress | None = self._job.take_progress()
        if progress is not None:
            self.progressed.emit(progress)
        if self.live is None:
            return
        if self._is_table_behind:  # not in the turn that draws
            self._is_table_behind = False
            self.counted.emit(self.live.volumes_ml())
        elif self._ticks % TICKS_PER_DRAWING == 0 and self._job.previews:
            self.live.apply(self._job.previews)
            self._is_table_behind = True

    def _make_layer(self) -> Labels:
        """Make the layer."""
        task = self._task
        self._layer = new_layer(task.volume, task.labels, task.name)
        return self._layer

    def _begin(self) -> LiveLabels:
        """Put the layer on screen."""
        task = self._task
        layer = self._layer if self._layer is not None else self._make_layer()
        self.live = LiveLabels(self._viewer, layer, task.volume, task.labels, task.name)
        with drawn_later(self.parent()):
            self.live.begin()
        return self.live

    def _on_succeeded(self, outcome: tuple[Segmentation, dict[int, float]]) -> None:
        self._timer.stop()
        result, volumes_ml = outcome
        live = self.live or self._begin()  # it may be done before the first tick
        try:
            live.finish(result)
        except Cancelled:
            self.cancelled.emit()
            return
        self.named.emit(LabelSet.from_names(result.names, result.colors))
        self.counted.emit(volumes_ml)
        self.judged.emit(result.quality)
        known = self._task.volume.source.notes
        self.succeeded.emit([n for n in result.source.notes if n not in known])

    def _on_failed(self, error: BaseException) -> None:
        self._stop()
        self.failed.emit(explain(error))

    def _on_cancelled(self) -> None:
        self._stop()
        self.cancelled.emit()

    def _on_ended(self) -> None:
        self._timer.stop()
        gc.unfreeze()
        self.ended.emit()
        self.deleteLater()

    def _stop(self) -> None:
        """Leave the layer as far as it came."""
        self._timer.stop()
        if self.live is not None:
            self.live.stop()


def _unfreeze(*_: object) -> None:
    """Let the garbage collection look at everything again."""
    gc.unfreeze()
