"""Curves of a training: the loss, and the Dice of every label.

They are drawn by pyqtgraph where it is installed, and painted plainly where it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_mednext.ui.flow_base import timer
from napari_mednext.ui.painted_curves import HEIGHT, Line, PaintedCurves
from napari_mednext.ui.single_job import SingleJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.ui.job_reading import JobDetail

__all__ = ["CurvesView", "JobPlots"]

#: Curves are drawn anew no more often than this, in ms.
REDRAW_MS = 500
_EMPTY = "The curves begin with the first step."
_LOADING = "The curves are being drawn\u2026"
_LOSS = QColor("#5aa9e6")
#: Where a label has no colour of its own.
_PLAIN = QColor("#9aa4b2")

#: Title and limits of what is shown, from above.
_PLOTS: tuple[tuple[str, tuple[float, float] | None], ...] = (
    ("Loss", None),
    ("Dice of the labels", (0.0, 1.0)),
)


class CurvesView(Protocol):
    """What shows curves over steps."""

    def show_lines(self, lines: Sequence[Line], *, last_step: int) -> None:
        """Draw these curves and no others; the axis reaches to the last step."""


#: Gets title, limits and parent, returns what shows curves, and its widget.
MakeView = Callable[
    [str, "tuple[float, float] | None", QWidget], "tuple[CurvesView, QWidget]"
]


class _GraphCurves:
    """Curves drawn by pyqtgraph: they can be zoomed and moved."""

    def __init__(
        self,
        title: str,
        limits: tuple[float, float] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        import pyqtgraph

        self._graph = pyqtgraph
        self.widget = pyqtgraph.PlotWidget(parent, background=None)
        self.widget.setAccessibleName(title)
        self.widget.setToolTip(
            f"{title} over steps: drag to move, turn the wheel to zoom, A shows all"
        )
        self.widget.setMinimumHeight(HEIGHT)
        self._item = self.widget.getPlotItem()
        self._item.hideButtons()
        self._item.setMenuEnabled(False)
        self._item.showGrid(x=False, y=True, alpha=0.15)
        self._limits = limits
        if limits is not None:
            self._item.setYRange(*limits, padding=0.02)
        self._curves: dict[str, Any] = {}
        self._last_step = 0
        self._ink = ""

    def show_lines(self, lines: Sequence[Line], *, last_step: int) -> None:
        """Draw these curves and no others."""
        self._use_ink()
        for name in set(self._curves) - {line[0] for line in lines}:
            self._item.removeItem(self._curves.pop(name))
        for name, color, curve, width in lines:
            if name not in self._curves:
                self._curves[name] = self._item.plot()
            item = self._curves[name]
            item.setPen(self._graph.mkPen(color, width=width))
            is_point = len(curve.steps) == 1
            item.setData(
                curve.steps,
                curve.values,
                symbol="o" if is_point else None,
                symbolBrush=color,
                symbolPen=None,
                symbolSize=5,
            )
        # Who has zoomed in keeps the view until another part begins.
        if last_step != self._last_step:
            self._last_step = last_step
            self._item.setXRange(0, max(1, last_step), padding=0.02)

    def _use_ink(self) -> None:
        """Draw axes in the colour of text, which napari's theme may have changed."""
        color = self.widget.palette().color(QPalette.ColorRole.WindowText)
        if color.name() == self._ink:
            return
        self._ink = color.name()
        for side in ("left", "bottom"):
            axis = self._item.getAxis(side)
            axis.setPen(self._graph.mkPen(color, width=1))
            axis.setTextPen(color)


class JobPlots(QWidget):
    """The curves of a job.

    Parameters
    ----------
    color_of : callable
        Gets the name of a label, returns its colour as (r, g, b) or None.
    parent : QWidget, optional
        As for any widget.
    has_graphs : bool, optional
        Whether pyqtgraph draws; by default when it is installed.
    """

    def __init__(
        self,
        color_of: Callable[[str], tuple[int, int, int] | None],
        parent: QWidget | None = None,
        *,
        has_graphs: bool | None = None,
    ) -> None:
        super().__init__(parent)
        self._color_of = color_of
        self._detail: JobDetail | None = None
        self.loss: CurvesView | None = None
        self.dice: CurvesView | None = None
        self.empty = QLabel(_EMPTY, self)
        self.legend = QLabel(self)
        self._titles = [QLabel(title, self) for title, _ in _PLOTS]
        self._layout = QVBoxLayout(self)
        self._loading = SingleJob(self)
        if has_graphs is None:
            has_graphs = find_spec("pyqtgraph") is not None
        self._has_graphs = has_graphs
        self._rest = timer(self, REDRAW_MS, self._on_rest, single=True)
        self._is_waiting = False
        self._is_making = False
        self._widgets: list[QWidget] = []
        self._turns: list[Callable[[], None]] = []
        self._turn = timer(self, 0, self._on_turn, single=True)
        self._build()

    def _build(self) -> None:
        """Lay out what is there before the first curve."""
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setToolTip("Labels, with their Dice at the last validation")
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addWidget(self.empty)
        for title in self._titles:
            title.hide()
        self.legend.hide()

    def show_detail(self, detail: JobDetail | None) -> None:
        """Show how a job goes; curves are drawn at most twice a second."""
        self._detail = detail
        if self._rest.isActive():
            self._is_waiting = True
        else:
            self._rest.start()
            self._draw()

    def _on_rest(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._rest.start()
            self._draw()

    def _draw(self) -> None:
        """Draw what is known by now."""
        detail = self._detail
        has_curves = detail is not None and (detail.loss is not None or detail.dice)
        is_ready = len(self._widgets) == len(_PLOTS)
        self.empty.setText(_LOADING if has_curves else _EMPTY)
        self.empty.setVisible(not (has_curves and is_ready))
        for widget in (*self._titles, *self._widgets):
            widget.setVisible(bool(has_curves) and is_ready)
        if not has_curves:
            self.legend.hide()
        elif is_ready:
            # One a turn of the event loop: the first time takes a while.
            self._turns = [self._draw_loss, self._draw_dice]
            self._turn.start()
        elif not self._is_making:
            self._is_making = True
            self._make_views()

    def _on_turn(self) -> None:
        """Do one of the things that wait, and come back for the next."""
        if self._turns:
            self._turns.pop(0)()
        if self._turns:
            self._turn.start()

    def _draw_loss(self) -> None:
        detail = self._detail
        if self.loss is None or detail is None:
            return
        lines: list[Line] = []
        if detail.loss is not None and detail.smooth is not None:
            pale = QColor(_LOSS)
            pale.setAlpha(90)
            lines = [
                ("loss", pale, detail.loss, 1.0),
                ("mean", _LOSS, detail.smooth, 2.0),
            ]
        self.loss.show_lines(lines, last_step=detail.total)

    def _draw_dice(self) -> None:
        detail = self._detail
        if self.dice is None or detail is None:
            return
        shown = [(n, self._color(n), c, 2.0) for n, c in detail.dice.items()]
        self.dice.show_lines(shown, last_step=detail.total)
        self.legend.setText(_legend(shown))
        self.legend.setVisible(bool(shown))

    def _make_views(self) -> None:
        """Make what draws; loading pyqtgraph takes a while, so a worker does it."""
        if not self._has_graphs:
            self._take_views(_painted)
        else:
            self._loading.start(
                lambda _: _load_graphs(), "MedNeXt: loading", self._take_views
            )

    def _take_views(self, make: MakeView) -> None:
        """Put the views in place, one a turn of the event loop."""
        self._turns = [lambda: self._add_loss(make), lambda: self._add_dice(make)]
        self._turn.start()

    def _add_loss(self, make: MakeView) -> None:
        self.loss, widget = make(*_PLOTS[0], self)
        self._add(widget)

    def _add_dice(self, make: MakeView) -> None:
        self.dice, widget = make(*_PLOTS[1], self)
        self._add(widget)
        self._layout.addWidget(self.legend)
        self._draw()

    def _add(self, widget: QWidget) -> None:
        """Put a view below its title."""
        widget.hide()
        self._layout.addWidget(self._titles[len(self._widgets)])
        self._layout.addWidget(widget, 1)
        self._widgets.append(widget)

    def _color(self, name: str) -> QColor:
        """Return the colour of a label."""
        found = self._color_of(name)
        return QColor(*found) if found is not None else _PLAIN


def _painted(
    title: str, limits: tuple[float, float] | None, parent: QWidget
) -> tuple[CurvesView, QWidget]:
    """Return a view that paints, and its widget."""
    view = PaintedCurves(title, limits, parent)
    return view, view


def _load_graphs() -> MakeView:
    """Load pyqtgraph, in a worker, and return what makes views with it."""
    try:
        import pyqtgraph  # noqa: F401 - it takes half a second where machines are slow
    except ImportError:  # it is there and does not fit Qt
        return _painted

    def make(
        title: str, limits: tuple[float, float] | None, parent: QWidget
    ) -> tuple[CurvesView, QWidget]:
        view = _GraphCurves(title, limits, parent)
        return view, view.widget

    return make


def _legend(lines: Sequence[Line]) -> str:
    """Return the names of labels in their colours, with their last values."""
    from html import escape

    return "&nbsp; ".join(
        f'<span style="color:{color.name()}">■</span>&nbsp;{escape(name)}'
        f"&nbsp;{curve.values[-1]:.3f}"
        for name, color, curve, _ in lines
        if len(curve.values)
    )
