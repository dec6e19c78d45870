"""The panel that measures: how much of each label there is, and what was changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.labels import LabelSet
from napari_mednext.ui.controls import Heading, IconButton, Notice, allow
from napari_mednext.ui.figures_table import NOTHING, Column, FiguresTable
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.sources import Source, taken_from
from napari_mednext.ui.wording import TIMES, millilitres
from napari_mednext.volume import VoxelGrid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.correction.measure import LabelMeasure
    from napari_mednext.ui.jobs import Job

__all__ = ["MeasurePanel"]

TABLE_FILTERS = "CSV (*.csv)"
_STALE = "The labels were changed since. Measure again for their new figures."


@dataclass(frozen=True)
class _Measured:
    """What is measured."""

    get_labels: Source
    grid: VoxelGrid
    labels: LabelSet
    image: NDArray[Any] | None
    baseline: Source | None
    path: Path


class MeasurePanel(QWidget):
    """A table of figures a label, with the buttons that copy and save it.

    Measuring runs in a thread. ``labelChosen`` tells the label of a row that was
    chosen; a double click or Enter moves the viewer to the middle of its box.
    """

    labelChosen = Signal(int)  # noqa: N815 - Qt's way of writing signals

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._source: _Measured | None = None
        self._rows: tuple[LabelMeasure, ...] = ()
        self._is_stale = False
        self._job = SingleJob(self)
        self.total = QLabel(self)
        self.notice = Notice(self)
        self.table = FiguresTable(_columns(), "Figures of the labels", self)
        self.table.setToolTip(
            "Figures of the labels: a click on a heading sorts, a double click on a "
            "label goes there, Ctrl+C copies the table"
        )
        self.only_occurring = QCheckBox("&Only labels that occur", self)
        self.only_occurring.setToolTip(
            "Leave out labels that have no voxel and lost none; copies and files hold "
            "all of them"
        )
        self.only_occurring.setChecked(True)
        self.measure = QPushButton("&Measure", self)
        self.measure.setToolTip("Measure the labels as they are now")
        self.save = QPushButton("Save &CSV…", self)
        self.save.setToolTip("Write the table of all labels to a CSV file")
        self.copy = IconButton(
            "copy", "Copy the table of all labels as tab-separated text", self
        )
        self._build()
        self._connect()
        self.show_measures(())

    def _build(self) -> None:
        """Lay the controls out."""
        head = QHBoxLayout()
        head.addWidget(Heading("Measures"))
        head.addStretch(1)
        head.addWidget(self.total)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.measure, self.save):
            button.setMinimumHeight(30)
            buttons.addWidget(button, 1)
        buttons.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(head)
        layout.addWidget(self.notice)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.only_occurring)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        """Wire the controls."""
        self.measure.clicked.connect(self.refresh)
        self.save.clicked.connect(self._on_save)
        self.copy.clicked.connect(self.copy_table)
        self.table.copyWanted.connect(self.copy_table)
        self.table.labelChosen.connect(self.labelChosen.emit)
        self.table.placeWanted.connect(self.go_to)
        self.only_occurring.toggled.connect(self._show_rows)
        self._job.changed.connect(self._update)
        self._job.failed.connect(lambda text: self.notice.say(text, "error"))

    def set_source(
        self,
        get_labels: Source,
        *,
        grid: VoxelGrid,
        labels: LabelSet,
        image: NDArray[Any] | None = None,
        baseline: Source | None = None,
        path: Path | None = None,
    ) -> None:
        """Measure these labels from now on; the table is emptied.

        Parameters
        ----------
        get_labels : Source
            Gives the labels (z, y, x) as they are.
        grid : VoxelGrid
            Of the labels as they lie on screen.
        labels : LabelSet
            Names and colours.
        image : (z, y, x), optional
            Grey values on the same grid.
        baseline : Source, optional
            Gives the labels that the model predicted.
        path : Path, optional
            The CSV file that is suggested; ``measures.csv`` at home by default.
        """
        path = path or Path.home() / "measures.csv"
        self._job.drop()
        self._source = _Measured(get_labels, grid, labels, image, baseline, path)
        self.show_measures(())

    def clear(self) -> None:
        """Measure nothing: no case is open."""
        self._job.drop()
        self._source = None
        self.show_measures(())

    def refresh(self) -> None:
        """Measure in a thread, then show the figures."""
        source = self._source
        if source is None:
            return
        self._is_stale = False
        get_labels = taken_from(source.get_labels)
        get_baseline = taken_from(source.baseline or (lambda: None))

        def work(job: Job) -> tuple[LabelMeasure, ...] | None:
            from napari_mednext.correction.measure import measure

            labels = get_labels()
            if labels is None:
                return None
            return measure(
                labels,
                source.grid.spacing,
                source.labels,
                image=source.image,
                baseline=get_baseline(),
                cancel=job,
            )

        self._job.start(work, "MedNeXt: measuring labels", self._on_measured)

    def show_measures(self, rows: Sequence[LabelMeasure]) -> None:
        """Show figures.

        Parameters
        ----------
        rows : sequence of LabelMeasure
            In order of value.
        """
        self._rows = tuple(rows)
        self.notice.say("" if rows else self._hint())
        self._show_rows()
        self._update()

    def mark_stale(self) -> None:
        """Say that the labels were changed since they were measured."""
        self._is_stale = True
        if self._rows:
            self.notice.say(_STALE)

    def rows(self) -> tuple[LabelMeasure, ...]:
        """Return the figures of all labels."""
        return self._rows

    def copy_table(self) -> None:
        """Put the table of all labels on the clipboard."""
        if self._rows:
            from napari_mednext.correction.measure import tsv_text

            QApplication.clipboard().setText(tsv_text(self._rows))

    def save_to(self, path: Path) -> None:
        """Write the table of all labels as CSV, replacing a file that is there.

        Parameters
        ----------
        path : Path
            A name without an ending becomes ``.csv``.
        """
        from napari_mednext.correction.measure import csv_text
        from napari_mednext.formats.tables.text import write_text

        path = path if path.suffix else path.with_suffix(".csv")
        text = csv_text(self._rows)
        self._job.start(
            lambda _: write_text(path, text),
            f"MedNeXt: saving {path.name}",
            lambda _: self.notice.say(f"Saved as {path.name}.", "done"),
        )

    def go_to(self, value: int) -> None:
        """Move the viewer to the middle of the box around a label."""
        box = next((row.box for row in self._rows if row.value == value), None)
        axes = range(self._viewer.dims.ndim)[-3:]
        if box is None or self._source is None or len(axes) < 3:
            return
        grid = self._source.grid
        point = [
            origin + mm * (part.start + part.stop - 1) / 2
            for origin, mm, part in zip(
                reversed(grid.origin), grid.spacing, box, strict=True
            )
        ]
        self._viewer.dims.set_point(list(axes), point)

    def _show_rows(self) -> None:
        """Fill the table, and say how much there is in all."""
        occurring = [row for row in self._rows if row.voxels or row.changed]
        self.table.set_rows(
            occurring if self.only_occurring.isChecked() else self._rows
        )
        whole_ml = sum(row.volume_ml for row in self._rows)
        self.total.setText(f"{millilitres(whole_ml)} mL in all" if self._rows else "")
        self.total.setToolTip("Volume of all labels together")

    def _hint(self) -> str:
        """Return what to do while there are no figures."""
        if self._source is None:
            return "Open a case and segment it; then its labels can be measured."
        return "Press Measure for the figures of the labels."

    def _update(self) -> None:
        """Enable what is possible, and say why the rest is not."""
        busy = "work is going on" if self._job.is_busy else None
        missing = None if self._source is not None else "nothing is segmented yet"
        unmeasured = None if self._rows else "nothing is measured yet"
        allow(self.measure, busy or missing)
        self.measure.setText("Measuring…" if busy and not self._rows else "&Measure")
        allow(self.save, busy or unmeasured)
        allow(self.copy, unmeasured)
        allow(self.only_occurring, unmeasured)

    def _on_measured(self, rows: tuple[LabelMeasure, ...] | None) -> None:
        self.show_measures(rows or ())
        if rows is None:
            self.notice.say("There are no labels to measure.", "warning")
        elif not rows:
            self.notice.say("No voxel is labelled.")
        elif self._is_stale:
            self.notice.say(_STALE)

    def _on_save(self) -> None:
        suggested = self._source.path if self._source else Path.home() / "measures.csv"
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save the table", str(suggested), TABLE_FILTERS
        )
        if chosen:
            self.save_to(Path(chosen))


def _columns() -> tuple[Column, ...]:
    """Return the figures that are shown."""
    return (
        Column(
            "mL",
            "Volume in millilitres",
            lambda row: millilitres(row.volume_ml),
            lambda row: row.voxels,
        ),
        Column(
            "Changed",
            "Voxels added and removed since the prediction of the model",
            _changed,
            lambda row: row.changed,
        ),
        Column(
            "Mean ± SD",
            "Mean and standard deviation of the grey values inside",
            _greys,
            lambda row: row.mean,
        ),
        Column(
            "Box (mm)",
            f"Size of the box around it: left-right {TIMES} front-back {TIMES} up-down",
            _box,
            lambda row: max(row.size_mm) if row.size_mm else None,
        ),
        Column(
            "mm³",
            "Volume in cubic millimetres",
            lambda row: _digits(row.volume_mm3),
            lambda row: row.voxels,
        ),
        Column(
            "Voxels",
            "Number of voxels",
            lambda row: f"{row.voxels:,}",
            lambda row: row.voxels,
        ),
    )


def _changed(row: LabelMeasure) -> str:
    """Return the voxels that were added and removed."""
    if row.changed is None:
        return NOTHING
    return f"+{row.added:,} \u2212{row.removed:,}" if row.changed else "0"


def _greys(row: LabelMeasure) -> str:
    """Return mean and spread of the grey values."""
    if row.mean is None or row.spread is None:
        return NOTHING
    return f"{_digits(row.mean)} ± {_digits(row.spread)}"


def _box(row: LabelMeasure) -> str:
    """Return the size of the box, x first as people are used to."""
    if row.size_mm is None:
        return NOTHING
    return f" {TIMES} ".join(_digits(mm) for mm in reversed(row.size_mm))


def _digits(value: float) -> str:
    """Return a number with three digits, and with all before the point."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"
    return text.replace("-", "\u2212")
