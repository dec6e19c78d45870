"""Colours as other programs write them, turned to three numbers from 0 to 255."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from PIL import ImageColor

from napari_mednext.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["hex_of", "named_color", "rgb_of"]

#: Red, green and blue, one or two digits each; two digits of opacity may stand first.
_HEX = re.compile(r"#(?:[0-9a-f]{3}|(?:[0-9a-f]{2})?[0-9a-f]{6})", re.IGNORECASE)


def rgb_of(
    texts: Sequence[str], highest: float, place: str, file: str
) -> tuple[int, int, int]:
    """Return the colour of three numbers that run from 0 to ``highest``.

    Raises
    ------
    FormatError
        If one of them is no number or lies outside.
    """
    try:
        red, green, blue = (float(text) / highest for text in texts)
    except ValueError:
        red = green = blue = math.nan
    if not all(0 <= part <= 1 for part in (red, green, blue)):
        msg = (
            f"the parts of a colour must lie in 0..{highest:g}, got "
            f"{' '.join(texts)!r} in {place} of {file!r}: correct them there"
        )
        raise FormatError(msg)
    return round(red * 255), round(green * 255), round(blue * 255)


def named_color(text: str) -> tuple[int, int, int] | None:
    """Return the colour of ``#rgb``, ``#rrggbb``, ``#aarrggbb`` or a name of SVG.

    None where it is nothing of this.
    """
    if _HEX.fullmatch(text):
        digits = text[1:] if len(text) != 9 else text[3:]
        return ImageColor.getrgb("#" + digits)[:3]
    # Names are written with capitals and spaces as one likes, as CornflowerBlue.
    code = ImageColor.colormap.get(text.replace(" ", "").lower())
    return None if code is None else ImageColor.getrgb(str(code))[:3]


def hex_of(color: tuple[int, int, int]) -> str:
    """Return ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)
