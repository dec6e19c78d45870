"""Line icons drawn in the colour of the text around them."""

from __future__ import annotations

from functools import cache

from qtpy.QtCore import QByteArray, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPixmap
from qtpy.QtSvg import QSvgRenderer

__all__ = ["pixmap"]

#: Paths in a 24 x 24 box, stroked 2 wide with round ends.
_PATHS = {
    "file": "M14 3H6v18h12V7zM14 3v4h4",
    "folder": "M3 6h6l2 2h10v11H3z",
    "play": "M7 4l13 8-13 8z",
    "stop": "M6 6h12v12H6z",
    "pause": "M8 5v14M16 5v14",
    "save": "M12 4v11M7 11l5 5 5-5M4 20h16",
    "drop": "M12 3v11M7 9l5 5 5-5M3 14v6h18v-6",
    "info": "M12 11v6M12 7v.5M12 2a10 10 0 1 0 .01 0z",
    "warning": "M12 3l10 18H2zM12 10v5M12 18v.3",
    "error": "M8 8l8 8M16 8l-8 8M12 2a10 10 0 1 0 .01 0z",
    "done": "M4 13l5 5L20 6",
    "close": "M6 6l12 12M18 6L6 18",
    "copy": "M9 9h11v11H9zM5 15H4V4h11v1",
    "cube": "M12 2l9 5v10l-9 5-9-5V7zM3 7l9 5 9-5M12 12v10",
    "refresh": "M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5",
    "clock": "M12 7v5l4 2M12 2a10 10 0 1 0 .01 0z",
    "state_new": "M12 5a7 7 0 1 0 .01 0z",
    "state_predicted": "M12 5a7 7 0 1 0 .01 0zM12 11a1 1 0 1 0 .01 0z",
    "state_in_progress": "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4",
    "state_accepted": "M4 13l5 5L20 6",
    "state_flagged": "M6 21V4h13l-4 4.5 4 4.5H6",
    "plus": "M12 5v14M5 12h14",
    "ball": "M12 3a9 9 0 1 0 .01 0zM8 11a4.5 4.5 0 0 1 4-4",
    "disc": "M12 7c6 0 9 2.2 9 5s-3 5-9 5-9-2.2-9-5 3-5 9-5z",
    "inside": "M12 3a9 9 0 1 0 .01 0zM12 8v8M8 12h8",
    "outside": "M12 3a9 9 0 1 0 .01 0zM8 12h8",
    "grow": "M13 11l7-7M14 4h6v6M11 13l-7 7M4 14v6h6",
    "interpolate": "M12 3l9 4-9 4-9-4zM3 12l3 1.3M9.5 14.9L12 16l2.5-1.1M21 12l-3 1.3"
    "M3 17l9 4 9-4",
    "copy_next": "M5 5h14M12 9v10M8 15l4 4 4-4",
    "copy_previous": "M5 19h14M12 15V5M8 9l4-4 4 4",
    "mirror": "M12 3v3M12 10v4M12 18v3M8 6L3 18h5zM16 6l5 12h-5z",
    "smooth": "M3 14c3-8 6-8 9 0s6 8 9 0",
    "dilate": "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5",
    "erode": "M4 9h5V4M20 9h-5V4M4 15h5v5M20 15h-5v5",
    "snap": "M5 4v8a7 7 0 0 0 14 0V4h-4v8a3 3 0 0 1-6 0V4zM5 8h4M15 8h4",
    "holes": "M12 3a9 9 0 1 0 .01 0zM12 9a3 3 0 1 0 .01 0z",
    "holes_slice": "M12 6c6 0 9 2.5 9 6s-3 6-9 6-9-2.5-9-6 3-6 9-6zM9 12h6",
    "lasso": "M12 4c5 0 9 2.3 9 5.5S17 15 12 15s-9-2.3-9-5.5S7 4 12 4z"
    "M7 14c-1.5 2 1 3.5-1 7",
    "plane": "M5 21L19 3M4 10V6h4M20 14v4h-4",
    "largest": "M9 4a6.5 6.5 0 1 0 .01 0zM19 17a2 2 0 1 0 .01 0z",
    "remove": "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
    "pick": "M12 3v5M12 16v5M3 12h5M16 12h5M12 12v.3",
    "pick_out": "M12 3a9 9 0 1 0 .01 0zM9 9l6 6M15 9l-6 6",
    "split": "M6 4a3.5 3.5 0 1 0 .01 0zM18 13a3.5 3.5 0 1 0 .01 0zM18 4L6 20",
    "part": "M10 6a6 6 0 1 0 0 12M14 6a6 6 0 1 1 0 12M12 3v18",
    "segment_box": "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M10 8l6 4-6 4z",
    "answer": "M9 14L4 9l5-5M4 9h10a5.5 5.5 0 0 1 0 11h-3",
    "review_box": "M4 4h16v16H4zM8 12l3 3 5-6",
    "histogram": "M4 20h16M6 16v-3M10 16V8M14 16V5M18 16v-6",
    "axial": "M12 5c6 0 9 3 9 7s-3 7-9 7-9-3-9-7 3-7 9-7zM12 14a1 1 0 1 0 .01 0z",
    "coronal": "M12 3a4.5 4.5 0 1 0 .01 0zM4 21c0-6 3-8 8-8s8 2 8 8",
    "sagittal": "M8 21v-4c-3-2-4-4-4-7a7 7 0 0 1 14 0l2 4h-2v3h-4v4",
    "outline": "M5 8c2-5 12-5 14 1s-3 11-8 10S3 13 5 8z",
    "opacity": "M12 3a9 9 0 1 0 .01 0zM12 3v18M15.5 4v16M19 7v10",
    "panes": "M3 4h18v16H3zM13 4v16M13 12h8",
    "previous": "M15 5l-7 7 7 7",
    "next": "M9 5l7 7-7 7",
    "flag": "M6 21V4h13l-4 4.5 4 4.5H6",
    "undo": "M8 4L3 9l5 5M3 9h11a6 6 0 0 1 0 12h-4",
    "redo": "M16 4l5 5-5 5M21 9H10a6 6 0 0 0 0 12h4",
}


@cache
def _svg(name: str, color: str) -> bytes:
    """Return an icon as the text of an SVG file."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
        f'stroke="{color}" stroke-width="2" stroke-linecap="round" '
        f'stroke-linejoin="round"><path d="{_PATHS[name]}"/></svg>'
    ).encode()


def pixmap(name: str, color: QColor | str, size: int = 16) -> QPixmap:
    """Return an icon as a picture of ``size`` logical pixels, twice as many real ones.

    Raises
    ------
    KeyError
        If there is no icon of this name.
    """
    picture = QPixmap(2 * size, 2 * size)
    picture.fill(Qt.GlobalColor.transparent)
    renderer = QSvgRenderer(QByteArray(_svg(name, QColor(color).name())))
    painter = QPainter(picture)
    renderer.render(painter, QRectF(0, 0, 2 * size, 2 * size))
    painter.end()
    picture.setDevicePixelRatio(2.0)
    return picture
