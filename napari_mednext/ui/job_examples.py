"""How a model labels one slice as it learns: pictures, one every some steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent, QPixmap
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_mednext.ui.single_job import SingleJob

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["JobExamples", "Picture"]

_HEIGHT = 140


class Picture(QWidget):
    """A picture as large as its place allows, its proportions kept."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture: QPixmap | None = None
        self.setAccessibleName(name)
        self.setMinimumHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_image(self, image: QImage | None) -> None:
        """Show a picture, or none."""
        is_there = image is not None and not image.isNull()
        self._picture = QPixmap.fromImage(image) if is_there else None
        self.update()

    @property
    def is_empty(self) -> bool:
        """Whether no picture is shown."""
        return self._picture is None

    def sizeHint(self) -> QSize:
        """Return the size of the picture."""
        return self._picture.size() if self._picture else QSize(_HEIGHT, _HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture in the middle."""
        del event
        if self._picture is None:
            return
        size = self._picture.size()
        size.scale(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        left = (self.width() - size.width()) // 2
        top = (self.height() - size.height()) // 2
        painter.drawPixmap(left, top, size.width(), size.height(), self._picture)


class JobExamples(QWidget):
    """The newest picture of a job, and a slider to those before."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._examples: tuple[tuple[int, Path], ...] = ()
        self._shown: Path | None = None
        self._reading = SingleJob(self)
        self.picture = Picture("Example of the validation case", self)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.step = QLabel(self)
        self.empty = QLabel("Pictures follow after some steps.", self)
        self.slider.setAccessibleName("Step of the example")
        self.slider.setToolTip("Which step; at the right end the newest is shown")
        self.picture.setToolTip(
            "A slice of a case that is not learned, as labelled now"
        )
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.slider, 1)
        row.addWidget(self.step)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.empty)
        layout.addWidget(self.picture, 1)
        layout.addLayout(row)
        self.slider.valueChanged.connect(lambda _: self._show())
        self.show_examples(())

    def show_examples(self, examples: Sequence[tuple[int, Path]]) -> None:
        """Show pictures, the newest unless somebody looks at another one."""
        was_newest = self.slider.value() >= self.slider.maximum()
        # Another job has other files.
        is_other = self._examples[:1] != tuple(examples)[:1]
        self._examples = tuple(examples)
        last = max(0, len(examples) - 1)
        self.slider.blockSignals(True)
        self.slider.setRange(0, last)
        if was_newest or is_other:
            self.slider.setValue(last)
        self.slider.blockSignals(False)
        self._show()

    def _show(self) -> None:
        """Read the picture of the slider, unless it is shown already."""
        is_any = bool(self._examples)
        self.empty.setVisible(not is_any)
        for widget in (self.picture, self.step, self.slider):
            widget.setVisible(is_any)
        if not is_any:
            self._shown = None
            self._reading.drop()
            self.picture.show_image(None)
            return
        step, path = self._examples[self.slider.value()]
        self.step.setText(f"Step {step}")
        if path != self._shown:
            self._shown = path
            self._reading.start(
                lambda _: QImage(str(path)), "MedNeXt: reading", self.picture.show_image
            )
