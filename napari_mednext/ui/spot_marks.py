"""Which doubtful spots somebody has seen, on their way into the study."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_mednext.errors import MednextError
from napari_mednext.ui.jobs import Job, explain

if TYPE_CHECKING:
    from napari_mednext.correction.spots import Spot
    from napari_mednext.ui.spot_search import SpotPlace

__all__ = ["SpotMarks"]

Mark = tuple[tuple[int, int, int], bool]


class SpotMarks(QObject):
    """Writes marks in a thread, in order; ``failed`` brings a sentence.

    Parameters
    ----------
    parent : QObject
        Goes with it.
    """

    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.seen: set[int] = set()
        self._place: SpotPlace | None = None
        self._waiting: dict[int, Mark] = {}
        self._job: Job | None = None
        # Held while marks are written, so that older ones never come after newer ones.
        self._is_writing = threading.Lock()

    def begin(self, place: SpotPlace | None, seen: set[int]) -> None:
        """Keep marks for a place from now on; without one, in memory only."""
        self.end()
        self._place = place
        self.seen = set(seen)

    def mark(self, spot: Spot, *, is_seen: bool) -> None:
        """Say that somebody has seen a spot, or shall see it again."""
        (self.seen.add if is_seen else self.seen.discard)(spot.number)
        self._waiting[spot.number] = spot.center, is_seen
        self._write()

    def end(self) -> None:
        """Write what waits, and forget it: the case is closed."""
        place, self._place = self._place, None
        waiting, self._waiting = self._waiting, {}
        self.seen = set()
        if place is None or not waiting:
            return
        try:
            _put(place, waiting, self._is_writing)
        except MednextError as error:
            self.failed.emit(explain(error))
        # What a thread still holds is written.
        waiting.clear()

    @property
    def is_written(self) -> bool:
        """Whether no mark waits and no thread writes."""
        return self._job is None and not self._waiting

    def _write(self) -> None:
        """Write what waits in a thread, unless one does already."""
        place = self._place
        if place is None:
            self._waiting = {}
        if place is None or self._job is not None or not self._waiting:
            return
        waiting, lock = self._waiting, self._is_writing
        job = self._job = Job(
            lambda _: _put(place, waiting, lock),
            f"MedNeXt: noting spots of {place.name}",
        )
        job.succeeded.connect(lambda marks: self._on_written(place, marks))
        job.failed.connect(lambda error: self._on_failed(place, error))
        job.ended.connect(self._on_ended)
        job.start()

    def _on_written(self, place: SpotPlace, marks: dict[int, Mark]) -> None:
        if place is self._place:
            for number, mark in marks.items():
                if self._waiting.get(number) == mark:
                    del self._waiting[number]

    def _on_failed(self, place: SpotPlace, error: BaseException) -> None:
        if place is self._place:
            self._waiting = {}
            self.failed.emit(explain(error))

    def _on_ended(self) -> None:
        self._job = None
        self._write()


def _put(
    place: SpotPlace, waiting: dict[int, Mark], lock: threading.Lock
) -> dict[int, Mark]:
    """Write the marks that wait, and return them."""
    with lock:
        # The window may add one at this moment; that waits for its turn.
        marks = dict(waiting)
        for number, (center, is_seen) in marks.items():
            place.study.mark_spot(
                place.name, number, center, model=place.code, seen=is_seen
            )
    return marks
