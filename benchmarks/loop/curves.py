"""Lines over a number, as an SVG file that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_mednext.evaluation.charts import number_text, ticks
from napari_mednext.evaluation.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Curve", "curve_chart"]

_WIDTH, _HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 214, 34, 52
#: Okabe and Ito's colours: people with any colour vision tell them apart.
_COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
)  # fmt: skip
_DASHES = ("none", "6 3", "2 3")
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.t{font-weight:bold}"
    ".g{stroke:#ddd}.m{text-anchor:middle}.e{text-anchor:end}"
)


@dataclass(frozen=True)
class Curve:
    """A named line through points (x, y), in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


def curve_chart(
    curves: Sequence[Curve], *, title: str, x_axis: str, y_axis: str
) -> Markup:
    """Draw lines with a dot at each point.

    Parameters
    ----------
    curves : sequence of Curve
        At least one point among them.
    title, x_axis, y_axis : str

    Returns
    -------
    Markup
        An ``svg`` element with its own style and a white ground.
    """
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [y for curve in curves for _, y in curve.points]
    x_of = _scale(0.0, max(xs), _LEFT, _WIDTH - _RIGHT)
    y_low, y_high = min(ys), max(ys)
    room = 0.06 * (y_high - y_low) or 0.05
    y_low, y_high = y_low - room, y_high + room
    y_of = _scale(y_low, y_high, _HEIGHT - _BOTTOM, _TOP)
    parts = [tag("rect", width=_WIDTH, height=_HEIGHT, fill="#fff")]
    for mark in ticks(y_low, y_high, 6):
        y = _px(y_of(mark))
        parts.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="g"))
        parts.append(tag("text", number_text(mark), x=_LEFT - 6, y=y, class_="e"))
    for mark in ticks(0.0, max(max(xs), 1e-9), 5):
        x = _px(x_of(mark))
        place = _HEIGHT - _BOTTOM + 18
        parts.append(tag("text", number_text(mark), x=x, y=place, class_="m"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts += [
        tag("text", title, x=_LEFT, y=18, class_="t"),
        tag("text", x_axis, x=middle, y=_HEIGHT - 12, class_="m"),
        tag(
            "text",
            y_axis,
            class_="m",
            transform=f"translate(16 {_HEIGHT / 2}) rotate(-90)",
        ),
    ]
    for number, curve in enumerate(curves):
        parts += _line(curve, number, x_of, y_of)
    return tag(
        "svg",
        tag("title", title),
        tag("style", _STYLE),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
    )


def _line(
    curve: Curve,
    number: int,
    x_of: Callable[[float], float],
    y_of: Callable[[float], float],
) -> list[Markup]:
    """Draw one line and its entry in the legend."""
    color = _COLORS[number % len(_COLORS)]
    dash = _DASHES[number // len(_COLORS) % len(_DASHES)]
    places = [(_px(x_of(x)), _px(y_of(y))) for x, y in curve.points]
    text = " ".join(f"{x},{y}" for x, y in places)
    style = {"stroke": color, "stroke_width": 2, "stroke_dasharray": dash}
    parts = [tag("polyline", points=text, fill="none", **style)]
    parts += [tag("circle", cx=x, cy=y, r=3, fill=color) for x, y in places]
    left, y = _WIDTH - _RIGHT + 14, _TOP + 12 + 19 * number
    parts.append(tag("line", x1=left, x2=left + 22, y1=y - 4, y2=y - 4, **style))
    parts.append(tag("text", curve.name, x=left + 28, y=y))
    return parts


def _scale(
    low: float, high: float, first: float, last: float
) -> Callable[[float], float]:
    """Return the map of low..high onto first..last."""
    extent = (high - low) or 1.0
    return lambda value: first + (value - low) / extent * (last - first)


def _px(value: float) -> str:
    return f"{value:.1f}"
