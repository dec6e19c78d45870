"""Slices as PNG: outlines of two masks over an image, or the errors filled.

Colours are from Okabe and Ito's palette, which people with any kind of colour blindness
can tell apart; the outlines differ in their dashes too. Every picture has a palette of
its own, which makes it a third as large as one in true colours.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "ADDED",
    "MISSED",
    "MIXED",
    "PREDICTION",
    "REFERENCE",
    "Canvas",
    "errors_png",
    "outlines_png",
]

#: (r, g, b) of the outlines, and of what is wrong.
PREDICTION, REFERENCE = (230, 159, 0), (86, 180, 233)
ADDED, MISSED, MIXED = PREDICTION, REFERENCE, (204, 121, 167)
#: How much of the colour covers the image where something is wrong.
_FILL = 0.62
_GREYS, _BLENDED_GREYS = 64, 32
_LINE_PX, _DASH_PX, _GAP_PX = 1.7, 5.0, 4.0
#: Lines are drawn so much larger and made smaller again, which makes them smooth.
_FINER = 3
_INK, _SHADE = 255, 0
#: Lengths that a scale bar may have, in mm.
_BAR_LENGTHS_MM = (200, 100, 50, 20, 10, 5, 2, 1)

Colour = tuple[int, int, int]
Size = tuple[int, int]


@dataclass(frozen=True)
class Canvas:
    """How one slice is drawn.

    Parameters
    ----------
    voxel_mm : (height, width) mm
        Of a voxel as it is seen.
    px_per_mm : float
        The same for all slices of a case, so that they can be compared.
    size_px : (width, height)
        Of the whole picture; the slice lies in its middle.
    edges : letters
        At the left, right, upper and lower edge.
    """

    voxel_mm: tuple[float, float]
    px_per_mm: float
    size_px: Size
    edges: tuple[str, str, str, str]

    def slice_px(self, shape: tuple[int, ...]) -> Size:
        """Return the (width, height) of a slice of a (rows, columns) shape."""
        height, width = (
            max(1, round(count * mm * self.px_per_mm))
            for count, mm in zip(shape, self.voxel_mm, strict=True)
        )
        return width, height

    def corner_px(self, shape: tuple[int, ...]) -> Size:
        """Return the (x, y) of the upper left corner of a slice on the picture."""
        width, height = self.slice_px(shape)
        return (self.size_px[0] - width) // 2, (self.size_px[1] - height) // 2


def outlines_png(
    grey: NDArray[np.float64],
    prediction: Sequence[NDArray[np.bool_]],
    reference: Sequence[NDArray[np.bool_]],
    canvas: Canvas,
) -> bytes:
    """Return a picture of a slice with the outlines of the regions over it.

    Parameters
    ----------
    grey : (rows, columns) float64
        The image, from 0 (black) to 1 (white).
    prediction : sequence of (rows, columns) bool
        The regions; drawn as solid lines.
    reference : sequence of (rows, columns) bool
        The regions; drawn dashed over the others, so that both are seen where they
        agree.
    canvas : Canvas
        Sizes and letters.

    Returns
    -------
    bytes
        PNG.
    """
    picture = _backdrop(grey, canvas)
    for regions, colour, dashed in (
        (prediction, PREDICTION, False),
        (reference, REFERENCE, True),
    ):
        lines = _lines(regions, canvas, dashed=dashed)
        picture.paste(colour, (0, 0), lines)
    _annotate(picture, grey.shape, canvas)
    blends = [(colour, share) for colour in (PREDICTION, REFERENCE) for share in _LINES]
    return _png(picture, blends)


def errors_png(
    grey: NDArray[np.float64],
    errors: tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
    canvas: Canvas,
) -> bytes:
    """Return a picture of a slice with what is wrong filled in colour.

    Parameters
    ----------
    grey : (rows, columns) float64
        The image, from 0 (black) to 1 (white).
    errors : three of (rows, columns) bool
        Missed: in the reference only. Added: in the prediction only. Mixed: in both,
        but as other regions.
    canvas : Canvas
        Sizes and letters.

    Returns
    -------
    bytes
        PNG.
    """
    picture = _backdrop(grey, canvas)
    kinds = tuple(zip(errors, (MISSED, ADDED, MIXED), strict=True))
    for there, colour in kinds:
        strength = Image.fromarray(there.astype(np.uint8) * round(_FILL * 255))
        strength = strength.resize(
            canvas.slice_px(grey.shape), Image.Resampling.NEAREST
        )
        picture.paste(colour, canvas.corner_px(grey.shape), strength)
    _annotate(picture, grey.shape, canvas)
    return _png(picture, [(colour, _FILL) for _, colour in kinds])


#: How much of a line's colour covers a pixel that the line touches.
_LINES = (0.34, 0.67, 1.0)


def _backdrop(grey: NDArray[np.float64], canvas: Canvas) -> Image.Image:
    """Return the image alone, in its true proportions."""
    steps = np.round(np.clip(grey, 0.0, 1.0) * 255).astype(np.uint8)
    slice_ = Image.fromarray(steps).resize(
        canvas.slice_px(grey.shape), Image.Resampling.BICUBIC
    )
    levels = np.round(np.asarray(slice_) / 255 * (_GREYS - 1)) / (_GREYS - 1) * 255
    picture = Image.new("RGB", canvas.size_px)
    shown = Image.fromarray(np.round(levels).astype(np.uint8)).convert("RGB")
    picture.paste(shown, canvas.corner_px(grey.shape))
    return picture


def _lines(
    regions: Sequence[NDArray[np.bool_]], canvas: Canvas, *, dashed: bool
) -> Image.Image:
    """Return how much of every pixel the outlines cover, in three steps."""
    width, height = canvas.size_px
    fine = Image.new("L", (width * _FINER, height * _FINER))
    pen = ImageDraw.Draw(fine)
    drawn: set[frozenset[tuple[float, ...]]] = set()
    for region in regions:
        left, top = canvas.corner_px(region.shape)
        size = canvas.slice_px(region.shape)
        scale = np.asarray(size[::-1]) / region.shape
        for chain in _new_borders(region, drawn):
            points = ((chain + 0.5) * scale + (top, left))[:, ::-1] * _FINER
            dash = (_DASH_PX, _GAP_PX) if dashed else (np.inf, 0.0)
            for part in _dashes(points, dash[0] * _FINER, dash[1] * _FINER):
                xy = [tuple(point) for point in part.tolist()]
                pen.line(xy, 255, round(_LINE_PX * _FINER), joint="curve")
    covered = np.asarray(fine.resize((width, height), Image.Resampling.BOX)) / 255
    steps = np.asarray((0.0, *_LINES))
    nearest = np.abs(covered[..., None] - steps).argmin(axis=-1)
    return Image.fromarray(np.round(steps[nearest] * 255).astype(np.uint8))


def _new_borders(
    region: NDArray[np.bool_], drawn: set[frozenset[tuple[float, ...]]]
) -> Iterator[NDArray[np.float64]]:
    """Give chains of (row, column) points round a region, each border once.

    Neighbours share a border; drawn twice, the dashes of one would fill the gaps of
    the other. ``drawn`` holds the pieces that were given before.
    """
    if not region.any():
        return
    padded = np.pad(region, 1).astype(np.float64)
    contours: list[NDArray[np.float64]] = measure.find_contours(padded, 0.5)  # type: ignore[no-untyped-call]  # it has no types
    for contour in contours:
        points = contour - 1
        chain = [points[0]]
        for start, end in pairwise(points):
            piece = frozenset((tuple(start.tolist()), tuple(end.tolist())))
            if piece in drawn:
                if len(chain) > 1:
                    yield np.asarray(chain)
                chain = [end]
                continue
            drawn.add(piece)
            chain.append(end)
        if len(chain) > 1:
            yield np.asarray(chain)


def _dashes(
    points: NDArray[np.float64], dash: float, gap: float
) -> Iterator[NDArray[np.float64]]:
    """Cut a chain of points into dashes; the whole chain where a dash is endless."""
    if not np.isfinite(dash):
        yield points
        return
    steps = np.hypot(*np.diff(points, axis=0).T)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    for start in np.arange(0.0, at[-1], dash + gap):
        end = min(start + dash, at[-1])
        inside = (at > start) & (at < end)
        ends = [[np.interp(t, at, axis) for axis in points.T] for t in (start, end)]
        yield np.vstack([ends[0], points[inside], ends[1]])


def _annotate(picture: Image.Image, shape: tuple[int, ...], canvas: Canvas) -> None:
    """Write the letters at the edges, and a scale bar."""
    pen = ImageDraw.Draw(picture)
    width, height = canvas.size_px
    left, top = canvas.corner_px(shape)
    right, lower = width - left, height - top
    font = ImageFont.load_default(15)
    ink, shade = (_INK,) * 3, (_SHADE,) * 3
    for letters, place, anchor in zip(
        canvas.edges,
        (
            (left + 5, height / 2),
            (right - 5, height / 2),
            (width / 2, top + 4),
            (width / 2, lower - 4),
        ),
        ("lm", "rm", "ma", "md"),
        strict=True,
    ):
        pen.text(place, letters, ink, font, anchor, stroke_width=2, stroke_fill=shade)
    wide_mm = shape[1] * canvas.voxel_mm[1]
    lengths = [mm for mm in _BAR_LENGTHS_MM if mm <= wide_mm / 3]
    if not lengths:
        return
    bar_px = round(lengths[0] * canvas.px_per_mm)
    y = height - 10
    pen.line((width - 8 - bar_px, y, width - 9, y), shade, 5)
    pen.line((width - 7 - bar_px, y, width - 10, y), ink, 2)
    pen.text(
        (width - 8 - bar_px / 2, y - 5),
        f"{lengths[0]} mm",
        ink,
        ImageFont.load_default(12),
        "md",
        stroke_width=2,
        stroke_fill=shade,
    )


def _png(picture: Image.Image, blends: Sequence[tuple[Colour, float]]) -> bytes:
    """Return a picture in the greys and in the greys blended with colours."""
    levels = np.linspace(0, 255, _GREYS)
    palette = [(level, level, level) for level in np.round(levels).astype(int).tolist()]
    steps = np.linspace(0, 255, _BLENDED_GREYS)
    for colour, share in blends:
        kept = steps if share < 1 else steps[:1]
        for level in kept.tolist():
            mixed = np.round(level * (1 - share) + np.asarray(colour) * share)
            palette.append(tuple(mixed.astype(int).tolist()))
    holder = Image.new("P", (1, 1))
    holder.putpalette(bytes(np.asarray(palette, dtype=np.uint8).reshape(-1)))
    indexed = picture.quantize(palette=holder, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    indexed.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
