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
