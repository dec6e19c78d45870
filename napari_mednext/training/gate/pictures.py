"""Pictures of the largest changes: the scan with both answers and the reference."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_mednext.formats import check_output
from napari_mednext.formats.placing import placed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_mednext.labels import LabelSet
    from napari_mednext.training.gate.cases import GateCase

__all__ = ["PANELS", "ChangePicture", "change_pictures", "write_pictures"]

#: From left to right.
PANELS = ("before", "after", "reference")
#: Places of one case that are shown, at most.
_A_CASE = 2
#: Room around a change, and the smallest field that is shown, in mm.
_MARGIN_MM, _SMALLEST_MM = 15.0, 60.0
#: The longer side of a panel, the room between panels and that of the titles, in
#: pixels.
_SIDE_PX, _GAP_PX, _TITLE_PX = 280, 6, 20
#: Grey where there is no scan; how much of a colour covers it.
_NO_SCAN, _COVER = 0.3, 0.55
#: Percentiles of the scan that become black and white.
_WINDOW = (0.5, 99.5)
#: About so many voxels are looked at to choose the grey values.
_SAMPLED_VOXELS = 500_000
#: What nobody reviewed is darkened in the reference.
_UNKNOWN_SHADE = 0.45
_INK, _PAPER = (235, 235, 235), (0, 0, 0)


@dataclass(frozen=True)
class ChangePicture:
    """A place where both models differ most.

    Parameters
    ----------
    case, part : str
        As in `GateCase`.
    centre : (z, y, x) voxels
        On the slice, in the middle of what changed there.
    axis, index : int
        The slice that is shown.
    voxels : int
        That changed in this place.
    corner : (row, column) voxels
        Of the slice, at the upper left of every panel.
    scale_px : (float, float)
        Height and width of a voxel.
    png : bytes
        Three panels: before, after, reference.
    """

    case: str
    part: str
    centre: tuple[int, int, int]
    axis: int
    index: int
    voxels: int
    corner: tuple[int, int]
    scale_px: tuple[float, float]
    png: bytes


def change_pictures(
    cases: Sequence[GateCase], labels: LabelSet, *, count: int = 4
) -> tuple[ChangePicture, ...]:
    """Draw the places where the answers differ most, the largest first.

    A place is a connected piece of differing voxels, in the box of what is known:
    models are asked there only, and elsewhere an answer may be empty. Shown is the
    slice with most of it, perpendicular to the axis with the largest spacing.

    Parameters
    ----------
    cases : sequence of GateCase
        With scans where there are any; a grey ground without.
    labels : LabelSet
        For the colours.
    count : int
        Of pictures, at most; no case has more than two.

    Returns
    -------
    tuple of ChangePicture
        Empty where the answers are equal.
    """
    places = []
    for number, case in enumerate(cases):
        asked = ndimage.find_objects(case.known.astype(np.uint8))
        if not asked:
            continue
        inside = asked[0]
        pieces, found = ndimage.label(case.before[inside] != case.after[inside])
        if not found:
            continue
        sizes = np.bincount(pieces.reshape(-1))[1:]
        boxes = ndimage.find_objects(pieces)
        for piece in np.argsort(-sizes, kind="stable")[:_A_CASE]:
            box = boxes[piece]
            mask = pieces[box] == piece + 1
            moved = tuple(
                slice(part.start + whole.start, part.stop + whole.start)
                for part, whole in zip(box, inside, strict=True)
            )
            places.append((int(sizes[piece]), number, moved, mask))
    places.sort(key=lambda place: (-place[0], place[1]))
    return tuple(
        _picture(cases[number], labels, voxels, box, mask)
        for voxels, number, box, mask in places[:count]
    )


def write_pictures(pictures: Sequence[ChangePicture], folder: Path) -> tuple[Path, ...]:
    """Write pictures as ``change_1.png`` and so on, replacing older ones.

    Parameters
    ----------
    pictures : sequence of ChangePicture
        The largest change first.
    folder : Path
        Is there.

    Returns
    -------
    tuple of Path
        In the same order.

    Raises
    ------
    StorageError
        If one cannot be written.
    """
    paths = []
    for number, picture in enumerate(pictures, start=1):
        path = check_output(folder / f"change_{number}.png", overwrite=True)
        with placed(path) as draft:
            draft.write_bytes(picture.png)
        paths.append(path)
    return tuple(paths)


def _picture(
    case: GateCase,
    labels: LabelSet,
    voxels: int,
    box: tuple[slice, ...],
    mask: NDArray[np.bool_],
) -> ChangePicture:
    """Draw one place."""
    axis = int(np.argmax(case.spacing))
    others = tuple(each for each in range(3) if each != axis)
    inside = int(np.count_nonzero(mask, axis=others).argmax())
    index = box[axis].start + inside
    changed = np.argwhere(np.take(mask, inside, axis=axis))
    start = [box[each].start for each in others]
    # A voxel of the change itself: the middle of a ring would lie outside of it.
    middle = changed[np.abs(changed - changed.mean(0)).sum(1).argmin()] + start
    mm = [case.spacing[each] for each in others]
    ends = (changed.min(0) + start, changed.max(0) + start + 1)
    field = _field(ends, mm, [case.before.shape[each] for each in others])
    size_mm = [(s.stop - s.start) * each for s, each in zip(field, mm, strict=True)]
    px_per_mm = _SIDE_PX / max(size_mm)
    size_px = [max(1, round(each * px_per_mm)) for each in size_mm]
    colours = _colours(case, labels)
    grey = _grey(case, axis, index)[field]
    panels = []
    for side in PANELS:
        ids = np.take(getattr(case, side), index, axis=axis)[field]
        panel = _painted(grey, colours[ids], ids > 0)
        if side == "reference":
            known = np.take(case.known, index, axis=axis)[field]
            panel = np.where(known[..., None], panel, panel * _UNKNOWN_SHADE)
        panels.append(Image.fromarray(panel.round().astype(np.uint8)))
    z, y, x = np.insert(middle, axis, index).tolist()
    return ChangePicture(
        case.name,
        case.part,
        (z, y, x),
        axis,
        index,
        voxels,
        (field[0].start, field[1].start),
        (mm[0] * px_per_mm, mm[1] * px_per_mm),
        _png(panels, (size_px[1], size_px[0])),
    )


def _field(
    ends: tuple[NDArray[np.intp], NDArray[np.intp]],
    mm: Sequence[float],
    shape: Sequence[int],
) -> tuple[slice, slice]:
    """Return the rows and columns to show: the change with some room around it."""
    parts = []
    for first, stop, each, size in zip(*ends, mm, shape, strict=True):
        lacking_mm = (_SMALLEST_MM - (stop - first) * each) / 2
        room = math.ceil(max(_MARGIN_MM, lacking_mm) / each)
        parts.append(slice(max(0, int(first) - room), min(size, int(stop) + room)))
    return parts[0], parts[1]


def _grey(case: GateCase, axis: int, index: int) -> NDArray[np.float64]:
    """Return a slice of the scan, 0 black to 255 white."""
    if case.scan is None:
        plane = np.take(case.known, index, axis=axis)
        return np.full(plane.shape, _NO_SCAN * 255)
    step = max(1, case.scan.size // _SAMPLED_VOXELS)
    sample = case.scan.reshape(-1)[::step].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, _WINDOW) if sample.size else (0.0, 1.0)
    plane = np.take(case.scan, index, axis=axis).astype(np.float64)
    part = (np.nan_to_num(plane, nan=low) - low) / max(high - low, 1e-6)
    shown: NDArray[np.float64] = np.clip(part, 0.0, 1.0) * 255
    return shown


def _colours(case: GateCase, labels: LabelSet) -> NDArray[np.float64]:
    """Return the colour of every label value, (values, 3); white for unknown ones."""
    highest = max(int(getattr(case, side).max(initial=0)) for side in PANELS)
    table = np.full((highest + 1, 3), 255.0)
    for value, colour in labels.colors.items():
        if value <= highest:
            table[value] = colour
    return table


def _painted(
    grey: NDArray[np.float64], colours: NDArray[np.float64], there: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the scan under its labels, (rows, columns, 3)."""
    base = np.repeat(grey[..., None], 3, axis=2)
    mixed = (1 - _COVER) * base + _COVER * colours
    painted: NDArray[np.float64] = np.where(there[..., None], mixed, base)
    return painted


def _png(panels: Sequence[Image.Image], size: tuple[int, int]) -> bytes:
    """Put panels beside each other under their titles."""
    width = len(panels) * size[0] + (len(panels) - 1) * _GAP_PX
    picture = Image.new("RGB", (width, size[1] + _TITLE_PX), _PAPER)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    for number, (panel, title) in enumerate(zip(panels, PANELS, strict=True)):
        left = number * (size[0] + _GAP_PX)
        shown = panel.resize(size, Image.Resampling.NEAREST)
        picture.paste(shown, (left, _TITLE_PX))
        pen.text((left + size[0] / 2, 3), title, _INK, font, "ma")
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()
