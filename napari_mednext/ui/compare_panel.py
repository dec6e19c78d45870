"""The panel that compares two label maps of a scan, and shows where they differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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

from napari_mednext.errors import GeometryError, InputError
from napari_mednext.ui.compare_choice import CompareChoice
from napari_mednext.ui.compare_columns import compare_columns, summary
from napari_mednext.ui.controls import Heading, IconButton, Notice, allow
from napari_mednext.ui.difference_layer import DifferenceLayer, Legend
from napari_mednext.ui.figures_table import FiguresTable
from napari_mednext.ui.single_job import SingleJob
from napari_mednext.ui.sources import taken_from
from napari_mednext.ui.wording import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_mednext.correction.compare import Comparison
    from napari_mednext.labels import LabelSet
    from napari_mednext.ui.jobs import Job
    from napari_mednext.ui.sources import Source
    from napari_mednext.volume import VoxelGrid

__all__ = ["ComparePanel"]

MASK_FILTERS = "Masks (*.nii *.nii.gz *.nrrd *.mha *.mhd);;All files (*)"
TABLE_FILTERS = "CSV (*.csv)"


class _Found(NamedTuple):
    """What a comparison brought."""

    comparison: Comparison
    differences: NDArray[np.uint8]
    titles: tuple[str, str]


class ComparePanel(QWidget):
    """Two choices of label maps, a table of how they agree, and a layer of differences.

    Comparing runs in a thread. ``labelChosen`` tells the label of a row that was
    chosen.
    """

    labelChosen = Signal(int)  # noqa: N815 - Qt's way of writing signals

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._case: tuple[VoxelGrid, LabelSet] | None = None
        self._read: Callable[[Path], NDArray[Any]] | None = None
        self._found: _Found | None = None
        self._is_comparing = False
        self._job = SingleJob(self)
        self.layer = DifferenceLayer(viewer, self)
        self.choice = CompareChoice(self)
        self.compare = QPushButton("Comp&are", self)
        self.compare.setToolTip("Compare the two label maps, label by label")
        self.save = QPushButton("&Save CSV…", self)
        self.save.setToolTip("Write the table to a CSV file")
        self.copy = IconButton("copy", "Copy the table as tab-separated text", self)
        self.notice = Notice(self)
        self.summary = QLabel(self)
        self.summary.setWordWrap(True)
        self.summary.setToolTip("Means over the labels that occur in either map")
        self.table = FiguresTable(compare_columns(), "How the labels agree", self)
        self.table.setToolTip(
            "How the labels agree: a click on a heading sorts, Ctrl+C copies the table"
        )
        self.show_differences = QCheckBox("Show &differences", self)
        self.show_differences.setToolTip(
            "Add a layer of the voxels that differ, or take it away"
        )
        self.legend = Legend(self)
        self._build()
        self._connect()
        self._forget()

    def _build(self) -> None:
        """Lay the controls out."""
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.compare, self.save):
            button.setMinimumHeight(30)
            buttons.addWidget(button, 1)
        buttons.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(Heading("Compare"))
        layout.addWidget(self.choice)
        layout.addLayout(buttons)
        layout.addWidget(self.notice)
        layout.addWidget(self.summary)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.show_differences)
        layout.addWidget(self.legend)

    def _connect(self) -> None:
        """Wire the controls."""
        self.choice.changed.connect(self._forget)
        self.choice.openWanted.connect(self._on_open)
        self.compare.clicked.connect(self._on_compare)
        self.save.clicked.connect(self._on_save)
        self.copy.clicked.connect(self.copy_table)
        self.table.copyWanted.connect(self.copy_table)
        self.table.labelChosen.connect(self.labelChosen.emit)
        self.show_differences.toggled.connect(lambda _: self._show_layer())
        self.layer.removed.connect(lambda: self.show_differences.setChecked(False))
        self._job.changed.connect(self._update)
        self._job.progressed.connect(self._say)
        self._job.failed.connect(self._on_failed)

    def set_case(self, grid: VoxelGrid, labels: LabelSet) -> None:
        """Compare label maps of another scan from now on; the choices are emptied.

        Parameters
        ----------
        grid : VoxelGrid
            Of the label maps as they lie on screen.
        labels : LabelSet
            Names and colours.
        """
        self._case = grid, labels
        self.choice.clear()

    def set_sources(self, sources: Mapping[str, Source]) -> None:
        """Offer label maps to choose from; results are emptied.

        Parameters
        ----------
        sources : mapping of name to Source
            The first two are chosen unless others were.
        """
        self.choice.offer(sources)

    def set_reader(self, read: Callable[[Path], NDArray[Any]] | None) -> None:
        """Let people open a mask from a file, or take that away.

        Parameters
        ----------
        read : callable, optional
            Returns the labels (z, y, x) of a file on the grid of the case; runs in a
            thread.
        """
        self._read = read
        self._update()

    def clear(self) -> None:
        """Compare nothing: no case is open."""
        self._case = None
        self.choice.clear()

    def comparison(self) -> Comparison | None:
        """Return what is shown, None before anything was compared."""
        return None if self._found is None else self._found.comparison

    def run(self) -> None:
        """Compare what is chosen in a thread, then show how it agrees."""
        if self._case is None or self._problem() is not None:
            return
        self._forget()
        self._is_comparing = True
        self._job.start(
            _comparing(self.choice, *self._case),
            "MedNeXt: comparing labels",
            self._on_found,
        )

    def open_mask(self, path: Path) -> None:
        """Read a mask in a thread, and choose it as the second map."""
        read = self._read
        if read is None:
            return
        self._job.start(
            lambda _: read(path),
            f"MedNeXt: reading {path.name}",
            lambda array: self.choice.offer_opened(path.name, array),
        )

    def copy_table(self) -> None:
        """Put the table on the clipboard."""
        if self._found is not None:
            from napari_mednext.correction.compare import tsv_text

            text = tsv_text(self._found.comparison, self._found.titles)
            QApplication.clipboard().setText(text)

    def save_to(self, path: Path) -> None:
        """Write the table as CSV, replacing a file that is there.

        Parameters
        ----------
        path : Path
            A name without an ending becomes ``.csv``.
        """
        if self._found is None:
            return
        from napari_mednext.correction.compare import csv_text
        from napari_mednext.formats.tables.text import write_text

        path = path if path.suffix else path.with_suffix(".csv")
        text = csv_text(self._found.comparison, self._found.titles)
        self._job.start(
            lambda _: write_text(path, text),
            f"MedNeXt: saving {path.name}",
            lambda _: self.notice.say(f"Saved as {path.name}.", "done"),
        )

    def _problem(self) -> str | None:
        """Return why nothing can be compared, None when something can."""
        return "no case is open" if self._case is None else self.choice.problem()

    def _forget(self) -> None:
        """Drop what was found for other choices; the wish to see differences stays."""
        self._job.drop()
        self._found = None
        self.layer.hide()
        problem = self._problem()
        self.notice.say(sentence(problem) if problem else "")
        self._say("")
        self.table.set_rows(())
        self._update()

    def _update(self) -> None:
        """Enable what is possible, and say why the rest is not."""
        self._is_comparing = self._is_comparing and self._job.is_busy
        busy = "work is going on" if self._job.is_busy else None
        closed = "no case is open" if self._case is None else None
        unreadable = "masks cannot be read here" if self._read is None else None
        uncompared = None if self._found is not None else "nothing is compared yet"
        allow(self.compare, None if self._is_comparing else busy or self._problem())
        self.compare.setText("S&top" if self._is_comparing else "Comp&are")
        self.choice.permit(busy or closed, unreadable)
        allow(self.save, busy or uncompared)
        allow(self.copy, uncompared)
        allow(self.show_differences, uncompared)
        self.legend.setVisible(self.layer.is_shown)

    def _show_layer(self) -> None:
        """Add the layer or take it away, as the check box says."""
        found, case = self._found, self._case
        if found is None or case is None:
            return
        if self.show_differences.isChecked():
            self.layer.show(found.differences, case[0], found.titles)
        else:
            self.layer.hide()
        self._update()

    def _say(self, text: str) -> None:
        """Show a line under the buttons, or none."""
        self.summary.setText(text)
        self.summary.setVisible(bool(text))

    def _on_compare(self) -> None:
        if self._is_comparing:
            self._forget()
        else:
            self.run()

    def _on_found(self, found: _Found) -> None:
        self._found = found
        self.table.set_rows(found.comparison.occurring)
        self._say(summary(found.comparison))
        if not found.comparison.occurring:
            self.notice.say("Nothing is labelled in either of them.")
        self.legend.set_titles(found.titles)
        self._show_layer()

    def _on_failed(self, text: str) -> None:
        if self._found is None:
            self._say("")
        self.notice.say(text, "error")

    def _on_open(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Open a mask", "", MASK_FILTERS)
        if chosen:
            self.open_mask(Path(chosen))

    def _on_save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save the table", str(Path.home() / "comparison.csv"), TABLE_FILTERS
        )
        if chosen:
            self.save_to(Path(chosen))


def _comparing(
    choice: CompareChoice, grid: VoxelGrid, labels: LabelSet
) -> Callable[[Job], _Found]:
    """Return the work of comparing what is chosen now."""
    titles, tolerance_mm = choice.titles(), choice.tolerance_mm()
    takes = [taken_from(source) for source in choice.sources()]

    def work(job: Job) -> _Found:
        from napari_mednext.correction.compare import compare, difference_layer
        from napari_mednext.progress import Stopwatch

        first, second = (
            _fitting(take(), title, grid)
            for take, title in zip(takes, titles, strict=True)
        )
        watch = Stopwatch(0, "comparing")

        def tell(done: int, total: int) -> None:
            watch.total = total
            job.report(watch.at(done))

        comparison = compare(
            first,
            second,
            grid.spacing,
            labels,
            tolerance_mm=tolerance_mm,
            cancel=job,
            on_label=tell,
        )
        return _Found(comparison, difference_layer(first, second), titles)

    return work


def _fitting(array: NDArray[Any] | None, title: str, grid: VoxelGrid) -> NDArray[Any]:
    """Return labels if there are some, on the grid of the case.

    Raises
    ------
    GeometryError
        If they have another shape.
    InputError
        If there are none.
    """
    if array is None:
        msg = f"{title!r} must hold labels, but there are none: choose another"
        raise InputError(msg)
    if array.shape != grid.shape:
        msg = (
            f"{title!r} must have the shape of the scan {grid.shape}, got "
            f"{array.shape}: choose a mask of this scan"
        )
        raise GeometryError(msg)
    return array
