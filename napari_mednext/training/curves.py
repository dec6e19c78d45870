"""Line charts as SVG text, for a page that needs nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Curve", "line_chart"]

#: Size of a chart and the room around its axes, in SVG units.
_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 12, 34
#: More points than pixels help nobody.
_MOST_POINTS = 600


@dataclass(frozen=True)
class Curve:
    """One line: (x, y) points in order of x, a colour of CSS, and how strong it is."""

    name: str
    points: Sequence[tuple[float, float]]
    color: str
    faint: bool = False


def line_chart(
    curves: Sequence[Curve],
    *,
    label: str,
    x_end: float,
    y_range: tuple[float, float] | None = None,
) -> str:
    """Draw curves over a common x axis that begins at 0.

    Parameters
    ----------
    curves : sequence of Curve
        Points that are not finite are left out.
    label : str
        What the chart shows, for people who hear it.
    x_end : float
        Where the x axis ends at least.
    y_range : (float, float), optional
        Ends of the y axis; round numbers around the data by default.

    Returns
    -------
    str
        One ``<svg>`` element.
    """
    curves = [
        Curve(c.name, _thinned([p for p in c.points if _finite(p)]), c.color, c.faint)
        for c in curves
    ]
    xs = [x for c in curves for x, _ in c.points]
    ys = [y for c in curves for _, y in c.points]
    x_ticks = _ticks(0.0, max([x_end, *xs, 1.0]))
    low, high = y_range or (min(ys, default=0.0), max(ys, default=1.0))
    y_ticks = _ticks(low, high)
    if y_range is None:
        low, high = min(low, y_ticks[0]), max(high, y_ticks[-1])
    right = max(x_end, *xs, 1.0) if xs else max(x_end, 1.0)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x / right) * (_WIDTH - _LEFT - _RIGHT)
        up = (y - low) / ((high - low) or 1.0) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + across, _HEIGHT - _BOTTOM - up

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}" xmlns="http://www.w3.org/2000/svg">'
    ]
    for tick in y_ticks:
        if low <= tick <= high:
            x, y = place(0, tick)
            parts.append(
                f'<path class="grid" d="M{x:.1f} {y:.1f}H{_WIDTH - _RIGHT}"/>'
                f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">'
                f"{_number(tick)}</text>"
            )
    for tick in x_ticks:
        if tick <= right:
            x, y = place(tick, low)
            parts.append(
                f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">'
                f"{_number(tick)}</text>"
            )
    x, y = place(0, low)
    parts.append(f'<path class="axis" d="M{x:.1f} {y:.1f}H{_WIDTH - _RIGHT}"/>')
    parts += [
        _line(curve, [place(*point) for point in curve.points]) for curve in curves
    ]
    return "".join([*parts, "</svg>"])


def _line(curve: Curve, places: list[tuple[float, float]]) -> str:
    """Return a curve as a path with its name; a single point as a dot."""
    title = f"<title>{escape(curve.name)}</title>"
    color = escape(curve.color)
    if len(places) == 1:
        x, y = places[0]
        return (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}">{title}</circle>'
        )
    if not places:
        return ""
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    faint = ' class="faint"' if curve.faint else ""
    return f'<path{faint} fill="none" stroke="{color}" d="M{steps}">{title}</path>'


def _finite(point: tuple[float, float]) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most so many points as a chart can show, the last one among them."""
    stride = math.ceil(len(points) / _MOST_POINTS)
    return points[::-stride][::-1] if stride > 1 else points


def _ticks(low: float, high: float) -> list[float]:
    """Return four to eight round numbers that enclose a range."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        low, high, span = low - 0.5, low + 0.5, 1.0
    raw = span / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


def _number(value: float) -> str:
    """Return a tick as text, without digits that say nothing."""
    if value and abs(value) < 1e-2:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{round(value, 6):g}"
