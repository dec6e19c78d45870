"""A picture of a segmentation: three slices, the labels in colour, a legend.

The slices are shown as radiologists expect them: the patient's right on the left of
the picture, the front or the top of the head upwards.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_mednext.app.table import rows
from napari_mednext.volume import reorient

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_mednext.app.table import Row
    from napari_mednext.volume import Segmentation, Volume

__all__ = ["draw", "save"]

_BACKGROUND = (18, 20, 24)
_PANEL = (0, 0, 0)
_INK = (236, 239, 244)
_QUIET_INK = (150, 158, 171)
#: The longest axis of the volume in the picture, in pixels.
_SLICE_PX = 420
_MARGIN_PX = 28
_GAP_PX = 14
_LEGEND_PX = 390
_ROW_PX = 27
#: How much of the label's colour covers the image, inside and at the border.
_FILL, _EDGE = 0.42, 0.95
#: Grey values from the darkest to the brightest percentile are spread over the picture.
_WINDOW = (0.5, 99.5)
#: Lengths that a scale bar may have, in mm.
_BAR_LENGTHS_MM = (200, 100, 50, 20, 10, 5, 2, 1)
#: About so many voxels are looked at to choose the grey values.
_SAMPLED_VOXELS = 500_000


@dataclass(frozen=True)
class _Plane:
    """One of the three planes of a volume in orientation LPS.

    ``axis`` is the (z, y, x) axis it is perpendicular to, ``edges`` the letters at its
    left, right, upper and lower edge; with ``upside_down`` the rows are turned over,
    so that the head is at the top.
    """

    name: str
    axis: int
    edges: tuple[str, str, str, str]
    upside_down: bool


_PLANES = (
    _Plane("axial", 0, ("R", "L", "A", "P"), upside_down=False),
    _Plane("coronal", 1, ("R", "L", "S", "I"), upside_down=True),
    _Plane("sagittal", 2, ("A", "P", "S", "I"), upside_down=True),
)


def draw(
    volume: Volume,
    segmentation: Segmentation,
    *,
    title: str = "",
    subtitle: str = "",
) -> NDArray[np.uint8]:
    """Draw three orthogonal slices with the labels over them, and a legend.

    The slices go through the middle of what is labelled; the middle of the volume when
    nothing is. Anisotropic voxels are shown in their true proportions.

    Parameters
    ----------
    volume : Volume
        Its first channel is shown, in any orientation.
    segmentation : Segmentation
        On the same grid.
    title : str
        The name of the volume when left out.
    subtitle : str
        The shape and spacing when left out.

    Returns
    -------
    (height, width, 3) uint8
        RGB.
    """
    image, labels = reorient(volume, "LPS"), reorient(segmentation, "LPS")
    centre = _middle(labels.array)
    low, high = _window(image.array[0])
    px_per_mm = _SLICE_PX / max(
        count * mm
        for count, mm in zip(image.grid.shape, image.grid.spacing, strict=True)
    )
    panels = [
        _panel(image, labels, plane, centre[plane.axis], (low, high), px_per_mm)
        for plane in _PLANES
    ]
    sizes = ", ".join(f"{mm:.3g}" for mm in volume.grid.spacing)
    shape = " x ".join(str(n) for n in volume.grid.shape)
    return _compose(
        panels,
        rows(segmentation),
        title or volume.name,
        subtitle or f"{shape} voxels of {sizes} mm (z, y, x)",
    )


def save(picture: NDArray[np.uint8], path: Path) -> Path:
    """Write a picture as PNG, whole or not at all, replacing an older one.

    Parameters
    ----------
    picture : (height, width, 3) uint8
        From :func:`draw`.
    path : Path
        Its folder exists.

    Returns
    -------
    Path
        Where it is.
    """
    from napari_mednext.formats.placing import placed

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG", optimize=True)
    with placed(path) as draft:
        draft.write_bytes(stream.getvalue())
    return path


def _middle(labels: NDArray[Any]) -> tuple[int, int, int]:
    """Return the (z, y, x) slices through the middle of what is labelled."""
    middle = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        counts = np.count_nonzero(labels, axis=others).astype(np.float64)
        if not counts.any():
            middle.append(labels.shape[axis] // 2)
            continue
        share = np.cumsum(counts) / counts.sum()
        middle.append(int(np.searchsorted(share, 0.5)))
    return middle[0], middle[1], middle[2]


def _window(array: NDArray[Any]) -> tuple[float, float]:
    """Return the grey values that become black and white."""
    stride = max(1, round((array.size / _SAMPLED_VOXELS) ** (1 / 3)))
    sample = np.asarray(array[::stride, ::stride, ::stride], dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(sample, _WINDOW)
    return float(low), float(high if high > low else low + 1.0)


@dataclass(frozen=True)
class _Panel:
    """A slice ready to be placed: its colours, its width, and where it lies."""

    colours: NDArray[np.uint8]
    width_mm: float
    plane: _Plane
    place: str


def _panel(
    image: Volume,
    labels: Segmentation,
    plane: _Plane,
    index: int,
    window: tuple[float, float],
    px_per_mm: float,
) -> _Panel:
    """Return one slice, coloured, in voxels."""
    grey = np.take(image.array[0], index, axis=plane.axis).astype(np.float64)
    mask = np.take(labels.array, index, axis=plane.axis)
    low, high = window
    grey = np.clip((np.nan_to_num(grey, nan=low) - low) / (high - low), 0.0, 1.0)
    if plane.upside_down:
        grey, mask = grey[::-1], mask[::-1]
    down, across = (
        spacing for axis, spacing in enumerate(image.grid.spacing) if axis != plane.axis
    )
    height_mm, width_mm = grey.shape[0] * down, grey.shape[1] * across
    size = max(1, round(width_mm * px_per_mm)), max(1, round(height_mm * px_per_mm))
    grey_px = np.asarray(
        Image.fromarray((grey * 255).astype(np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
    )
    mask_px = np.asarray(
        Image.fromarray(mask.astype(np.int32)).resize(size, Image.Resampling.NEAREST)
    )
    return _Panel(
        _coloured(grey_px, mask_px, labels),
        width_mm,
        plane,
        f"{plane.name} {index + 1}",
    )


def _coloured(
    grey: NDArray[np.uint8], mask: NDArray[np.integer], labels: Segmentation
) -> NDArray[np.uint8]:
    """Lay the colours over the image, stronger at the borders of labels."""
    picture = np.repeat(grey[..., None].astype(np.float64), 3, axis=2)
    colours = {row.value: row.color for row in rows(labels)}
    border = np.zeros(mask.shape, dtype=bool)
    border[1:] |= mask[1:] != mask[:-1]
    border[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    for value in np.unique(mask[mask != 0]):
        inside = mask == value
        strength = np.where(border[inside], _EDGE, _FILL)[:, None]
        colour = np.asarray(colours[int(value)], dtype=np.float64)
        picture[inside] = picture[inside] * (1 - strength) + colour * strength
    return picture.round().astype(np.uint8)


def _compose(
    panels: Sequence[_Panel], table: Sequence[Row], title: str, subtitle: str
) -> NDArray[np.uint8]:
    """Put title, slices and legend on one page."""
    top = _MARGIN_PX + 74
    slices_px = sum(p.colours.shape[1] for p in panels) + _GAP_PX * (len(panels) - 1)
    columns = max(1, -(-len(table) * _ROW_PX // (_SLICE_PX + _ROW_PX)))
    width = 2 * _MARGIN_PX + slices_px + (_GAP_PX * 2 + _LEGEND_PX * columns)
    height = top + _SLICE_PX + _ROW_PX + 2 * _MARGIN_PX
    page = Image.new("RGB", (width, height), _BACKGROUND)
    pen = ImageDraw.Draw(page)
    pen.text((_MARGIN_PX, _MARGIN_PX - 6), title, _INK, font=_font(30))
    pen.text((_MARGIN_PX, _MARGIN_PX + 36), subtitle, _QUIET_INK, font=_font(16))
    left = _MARGIN_PX
    for panel in panels:
        _place(page, panel, left, top)
        left += panel.colours.shape[1] + _GAP_PX
    _legend(pen, table, left + _GAP_PX, top)
    picture: NDArray[np.uint8] = np.asarray(page)
    return picture


def _place(page: Image.Image, panel: _Panel, left: int, top: int) -> None:
    """Put one slice on the page, with its letters, scale bar and name."""
    height, width = panel.colours.shape[:2]
    pen = ImageDraw.Draw(page)
    pen.rectangle((left, top, left + width - 1, top + _SLICE_PX - 1), _PANEL)
    upper = top + (_SLICE_PX - height) // 2
    page.paste(Image.fromarray(panel.colours), (left, upper))
    west, east, north, south = panel.plane.edges
    half_x, half_y = left + width / 2, top + _SLICE_PX / 2
    font = _font(16)
    for letter, place, anchor in (
        (west, (left + 7, half_y), "lm"),
        (east, (left + width - 7, half_y), "rm"),
        (north, (half_x, top + 6), "ma"),
        (south, (half_x, top + _SLICE_PX - 6), "md"),
    ):
        pen.text(place, letter, _INK, font, anchor, stroke_width=2, stroke_fill=_PANEL)
    pen.text((left, top + _SLICE_PX + 9), panel.place, _QUIET_INK, font=_font(15))
    _scale_bar(pen, panel, left + width, top + _SLICE_PX + 19)


def _scale_bar(pen: ImageDraw.ImageDraw, panel: _Panel, right: int, y: int) -> None:
    """Draw a scale bar below a slice, at most a third as long as it is wide."""
    fitting = [mm for mm in _BAR_LENGTHS_MM if mm <= panel.width_mm / 3]
    if not fitting:
        return
    length = round(fitting[0] / panel.width_mm * panel.colours.shape[1])
    pen.line((right - length, y, right - 1, y), _QUIET_INK, 2)
    text = f"{fitting[0]} mm"
    pen.text((right - length - 8, y), text, _QUIET_INK, _font(14), "rm")


def _legend(
    pen: ImageDraw.ImageDraw, table: Sequence[Row], left: int, top: int
) -> None:
    """Write the labels with their colours and volumes, in columns."""
    fit = (_SLICE_PX + _ROW_PX) // _ROW_PX
    for number, row in enumerate(table):
        column, line = divmod(number, fit)
        x, y = left + column * _LEGEND_PX, top + line * _ROW_PX
        pen.rounded_rectangle((x, y + 3, x + 15, y + 18), 4, row.color)
        ink = _INK if row.voxels else _QUIET_INK
        font = _font(17)
        name = _fitting(row.name, font, _LEGEND_PX - 150)
        pen.text((x + 27, y + 11), name, ink, font, "lm")
        volume = f"{row.volume_ml:,.1f} mL"
        pen.text((x + _LEGEND_PX - 24, y + 11), volume, ink, font, "rm")


def _fitting(text: str, font: Any, width_px: int) -> str:
    """Return the text, shortened where it is wider than its place."""
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(text + "…") > width_px:
        text = text[:-1]
    return text + "…"


def _font(size: int) -> Any:
    """Return the font that comes with Pillow."""
    return ImageFont.load_default(size)
