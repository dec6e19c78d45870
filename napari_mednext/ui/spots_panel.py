"""Where to look next: the places that the model is in doubt about, biggest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.labels import LabelSet
from napari_mednext.ui.controls import Heading, IconButton, allow, pressing
from napari_mednext.ui.doubt_measuring import DoubtMeasuring
from napari_mednext.ui.keys import hint
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.spot_marks import SpotMarks
from napari_mednext.ui.spot_search import (
    FoundSpots,
    SpotPlace,
    look_for_spots,
    reviewed_spots,
)
from napari_mednext.ui.spot_view import show_voxel
from napari_mednext.ui.spots_table import SpotsTable

if TYPE_CHECKING:
    from napari_mednext.app.open_case import Answer
    from napari_mednext.correction.spots import Spot
    from napari_mednext.ui.jobs import Job
    from napari_mednext.ui.keys import KeyBinder
    from napari_mednext.ui.study_flow import StudyFlow

__all__ = ["SpotsPanel"]

#: A spot is shown with so much around it: the shorter side of the picture.
FIELD_MM = 70.0
#: And a spot that is larger than that with some margin, as a factor.
MARGIN = 1.3
NO_CASE = "no case is open"
NO_SPOT = "there is no doubtful spot"


class SpotsPanel(QWidget):
    """Leads from one doubtful spot of the case to the next.

    Parameters
    ----------
    flow : StudyFlow
        Whose case.
    parent : QWidget
        The dock.
    """

    def __init__(self, flow: StudyFlow, parent: QWidget) -> None:
        super().__init__(parent)
        self._flow = flow
        self._layer: Any = None
        self._answer: Answer | None = None
        self._reviewed: set[int] = set()
        self._trail: list[int] = []
        self._marks = SpotMarks(self)
        self._search = SingleJob(self)
        self._review = SingleJob(self)
        self.count = QLabel(self)
        self.next = QPushButton("Ne&xt spot", self)
        self.previous = IconButton("previous", hint("previous_spot"), self)
        self.shown = QCheckBox("Show &doubt", self)
        self.table = SpotsTable(self)
        self.nothing = QLabel("Nothing stands out: no spot is worth a visit.", self)
        self.measuring = DoubtMeasuring(flow, self)
        self._build()
        self._connect()
        self._refresh()

    def bind_keys(self, binder: KeyBinder) -> None:
        """Bind the keys that go to spots, and the one that shows the doubt."""
        for name, button, title in (
            ("next_spot", self.next, "Going to the next spot"),
            ("previous_spot", self.previous, "Going to the previous spot"),
            ("toggle_doubt", self.shown, "Showing the doubt"),
        ):
            binder.bind(name, pressing(button, title, self._flow.said.emit))
        binder.let_through(self.table)

    @property
    def spots(self) -> tuple[Spot, ...]:
        """The spots of the case in hand, the biggest first."""
        return self.table.spots.spots

    @property
    def done(self) -> set[int]:
        """Numbers of the spots that were seen, or of which all is reviewed."""
        return self._marks.seen | self._reviewed

    @property
    def is_looking(self) -> bool:
        """Whether spots are looked for."""
        return self._search.is_busy

    @property
    def is_saved(self) -> bool:
        """Whether the study knows all that was seen."""
        return self._marks.is_written

    def _build(self) -> None:
        """Lay the controls out."""
        self.next.setToolTip(hint("next_spot", "Go to the biggest spot not seen yet"))
        self.next.setMinimumHeight(30)
        self.shown.setToolTip(hint("toggle_doubt", "Tint where the model is in doubt"))
        self.count.setToolTip("Spots that were looked at, or are reviewed")
        head = QHBoxLayout()
        head.addWidget(Heading("Doubtful spots"))
        head.addStretch(1)
        head.addWidget(self.count)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.previous)
        row.addWidget(self.next, 1)
        row.addWidget(self.shown)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(head)
        layout.addLayout(row)
        layout.addWidget(self.measuring)
        layout.addWidget(self.nothing)
        layout.addWidget(self.table, 1)
        # Keeps the rest at the top while the table is hidden.
        layout.addStretch(0)

    def _connect(self) -> None:
        """Wire the controls."""
        flow = self._flow
        flow.caseOpened.connect(self._on_opened)
        flow.caseClosed.connect(self._on_closed)
        flow.labelsChanged.connect(self._on_labels)
        flow.phaseChanged.connect(self._on_phase)
        self.next.clicked.connect(self._on_next)
        self.previous.clicked.connect(self._on_previous)
        self.shown.clicked.connect(self._on_shown)
        self.measuring.measured.connect(self._on_answer)
        self.table.placeWanted.connect(self._on_place)
        self.table.spots.seenWanted.connect(self._on_seen)
        self._search.changed.connect(self._refresh)
        for part in (self._search, self._review, self._marks):
            part.failed.connect(lambda text: flow.said.emit(text, "error"))

    # ---- finding ----

    def _look(self) -> None:
        """Look for the spots of the case in hand, in a thread."""
        self._forget()
        case, study = self._flow.case, self._flow.study
        answer = self._answer = case.answer if case is not None else None
        if case is None or study is None or answer is None or answer.doubt is None:
            self._refresh()
            return
        doubt, labels, spacing = answer.doubt, answer.labels, case.spacing
        provenance = case.editing.provenance
        place = SpotPlace(study, case.name, answer.version.code)

        def work(_: Job) -> FoundSpots:
            return look_for_spots(
                doubt, labels, provenance, spacing=spacing, place=place
            )

        def found(result: FoundSpots) -> None:
            # Another window that has the case keeps its own marks.
            self._marks.begin(None if case.is_read_only else place, result.seen)
            self._reviewed = result.reviewed
            self.table.spots.set_spots(result.spots, case.labels)
            self._refresh()

        self._search.start(work, f"MedNeXt: looking for doubt in {case.name}", found)

    def _forget(self) -> None:
        """Show no spots."""
        for job in (self._search, self._review):
            job.drop()
        self._marks.end()
        self._answer = None
        self._reviewed = set()
        self._trail = []
        self.table.spots.set_spots((), LabelSet())

    # ---- going there ----

    def _on_next(self) -> None:
        """Go to the biggest spot that nobody has seen."""
        from napari_mednext.correction.spots import next_spot

        spot = next_spot(self.spots, self.done)
        if spot is None:
            self._flow.said.emit(f"All {len(self.spots)} spots are seen.", "info")
        else:
            self._go(spot)

    def _on_previous(self) -> None:
        """Go to the spot that was looked at before this one."""
        if len(self._trail) > 1:
            self._trail.pop()
            self._on_place(self._trail[-1])

    def _on_place(self, number: int) -> None:
        self._go(self.spots[number - 1])

    def _go(self, spot: Spot) -> None:
        """Show a spot, choose its label, and note that it was seen."""
        case, layer = self._flow.case, self._flow.layer
        if case is None or layer is None:
            self._flow.said.emit(
                "The labels layer was removed, open the case again.", "warning"
            )
            return
        size_mm = max(
            (part.stop - part.start) * mm
            for part, mm in zip(spot.box, case.spacing, strict=True)
        )
        field_mm = max(FIELD_MM, MARGIN * size_mm)
        show_voxel(self._flow.viewer, layer, spot.center, field_mm)
        if 0 < spot.label <= np.iinfo(layer.data.dtype).max:
            layer.selected_label = spot.label
        if self._trail[-1:] != [spot.number]:
            self._trail.append(spot.number)
        if spot.number not in self._marks.seen:
            self._marks.mark(spot, is_seen=True)
        case.clock.event()
        self.table.choose(spot.number)
        self._refresh()

    def _on_seen(self, number: int, is_seen: bool) -> None:  # noqa: FBT001 - a Qt slot
        self._marks.mark(self.spots[number - 1], is_seen=is_seen)
        self._refresh()

    def _on_shown(self) -> None:
        """Show the doubt, or hide it, whatever the list of layers was used for."""
        layers = self._flow.layers
        if layers is not None:
            layers.show_doubt(is_shown=not layers.shows_doubt)
            self.shown.setChecked(layers.shows_doubt)

    # ---- following ----

    def _on_opened(self, _: object) -> None:
        """Look for spots in the case that was opened."""
        self._layer = self._flow.layer
        if self._layer is not None:
            # Names and colours come with other colours.
            self._layer.events.colormap.connect(self._on_colors)
        if self.shown.isChecked() and self._flow.layers is not None:
            self._flow.layers.show_doubt(is_shown=True)
        self._look()

    def _on_closed(self, _: object) -> None:
        layer, self._layer = self._layer, None
        if layer is not None:
            layer.events.colormap.disconnect(self._on_colors)
        self._forget()
        self._refresh()

    def _on_colors(self, *_: object) -> None:
        if self._flow.case is not None:
            self.table.spots.set_labels(self._flow.case.labels)

    def _on_phase(self) -> None:
        """See whether the model has answered since."""
        case = self._flow.case
        if case is not None and case.answer is not self._answer:
            self._on_answer()

    def _on_answer(self) -> None:
        """Look for the spots of another answer, and draw its doubt."""
        layers = self._flow.layers
        if layers is not None and layers.shows_doubt:
            layers.show_doubt(is_shown=True)
        self._look()

    def _on_labels(self) -> None:
        """See what was reviewed since."""
        case, answer, spots = self._flow.case, self._answer, self.spots
        if case is None or answer is None or answer.doubt is None or not spots:
            return
        doubt, provenance = answer.doubt, case.editing.provenance

        def found(reviewed: set[int]) -> None:
            self._reviewed = reviewed
            self._refresh()

        self._review.start(
            lambda _: reviewed_spots(spots, doubt, provenance),
            f"MedNeXt: looking for doubt in {case.name}",
            found,
        )

    def _refresh(self) -> None:
        """Enable, disable and show what fits."""
        case, spots, done = self._flow.case, self.spots, self.done
        has_doubt = (
            case is not None and case.answer is not None
        ) and case.answer.doubt is not None
        is_busy = self.is_looking
        self.measuring.refresh()
        self.table.spots.set_done(self._marks.seen, self._reviewed)
        self.table.setVisible(bool(spots))
        self.nothing.setVisible(has_doubt and not spots and not is_busy)
        self.count.setText(f"{len(done)} of {len(spots)} seen" if spots else "")
        if is_busy:
            self.count.setText("looking…")
        reason = NO_CASE if case is None else None if spots else NO_SPOT
        allow(self.next, reason)
        first = None if len(self._trail) > 1 else "no spot was visited before this one"
        allow(self.previous, reason or first)
        unknown = None if has_doubt else "no doubt is known"
        allow(self.shown, NO_CASE if case is None else unknown)
