"""Curves as they are drawn: what is shown, how often, and without pyqtgraph too."""

import numpy as np
import pytest
from qtpy.QtGui import QColor

from napari_mednext.ui.job_plots import JobPlots
from napari_mednext.ui.job_reading import Curve, JobDetail
from napari_mednext.ui.painted_curves import PaintedCurves, nice_ticks

RED = QColor(255, 0, 0)


def detail(count, names=("dark", "a & b")):
    steps = np.arange(1.0, count + 1)
    curve = Curve(steps, 1 / steps)
    return JobDetail(
        "job", total=50, loss=curve, smooth=curve, dice=dict.fromkeys(names, curve)
    )


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.5, 1]),
        (0, 200, [0, 50, 100, 150, 200]),
        (-0.3, 0.9, [0, 0.5]),
        (3, 11, [4, 6, 8, 10]),
        (0, 0.0008, [0, 0.0002, 0.0004, 0.0006, 0.0008]),
    ],
)
def test_ticks_are_round_and_inside(low, high, ticks):
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_a_painted_curve_is_where_its_numbers_are(qtbot):
    view = PaintedCurves("Dice", (0.0, 1.0))
    qtbot.addWidget(view)
    view.resize(200, 150)
    flat = Curve(np.array([0.0, 10.0]), np.array([0.25, 0.25]))
    view.show_lines([("flat", RED, flat, 3.0)], last_step=20)
    image = view.grab().toImage()
    pixels = [
        (x, y)
        for x in range(image.width())
        for y in range(image.height())
        if image.pixelColor(x, y).red() > 200 and image.pixelColor(x, y).green() < 60
    ]
    scale = image.width() / 200
    xs, ys = ({p[k] / scale for p in pixels} for k in (0, 1))
    # The frame is 44 and 8 pixels from the sides, 8 from above, 20 from below.
    assert min(xs) == pytest.approx(44, abs=2.5)
    assert max(xs) == pytest.approx(44 + 148 / 2, abs=2.5)
    assert np.mean(list(ys)) == pytest.approx(8 + 0.75 * 122, abs=1.5)


def test_the_axis_fits_what_is_there(qtbot):
    view = PaintedCurves("Loss")
    qtbot.addWidget(view)
    assert view.span() == (0.0, 1.0)
    curve = Curve(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    view.show_lines([("loss", RED, curve, 1.0)], last_step=2)
    low, high = view.span()
    assert low < 2 < 4 < high < 4.5
    level = Curve(np.array([1.0]), np.array([3.0]))
    view.show_lines([("loss", RED, level, 1.0)], last_step=2)
    assert view.span()[0] < 3 < view.span()[1]


@pytest.mark.parametrize("has_graphs", [True, False])
def test_curves_are_drawn_with_and_without_pyqtgraph(qtbot, until, has_graphs):
    if has_graphs:
        pytest.importorskip("pyqtgraph")
    plots = JobPlots({"dark": (9, 8, 7)}.get, has_graphs=has_graphs)
    qtbot.addWidget(plots)
    plots.show()
    assert plots.empty.isVisible()
    plots.show_detail(JobDetail("job"))
    assert plots.loss is None
    plots.show_detail(detail(3))
    until(lambda: plots.loss is not None and plots.legend.isVisible())
    assert isinstance(plots.loss, PaintedCurves) is not has_graphs
    assert not plots.empty.isVisible()
    text = plots.legend.text()
    assert "#090807" in text
    assert "a &amp; b&nbsp;0.333" in text
    plots._rest.stop()
    plots._turn.stop()
    plots.show_detail(None)
    assert not plots.legend.isVisible()
    assert not plots._widgets[0].isVisible()


def test_curves_are_drawn_at_most_twice_a_second_and_the_last_one_always(qtbot, until):
    plots = JobPlots({}.get, has_graphs=False)
    qtbot.addWidget(plots)
    plots.show_detail(detail(1))
    until(lambda: plots.dice is not None and not plots._turns)
    drawn = []
    plots.dice.show_lines = lambda lines, last_step: drawn.append(
        len(lines[0][2].steps)
    )
    for count in range(2, 30):
        plots.show_detail(detail(count))
    assert drawn == []
    assert plots._rest.interval() >= 500
    plots._rest.setInterval(1)
    plots._rest.start()
    until(lambda: drawn)
    assert drawn == [29]
