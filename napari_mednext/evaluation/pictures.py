"""Pictures of a case: its worst slices, with the outlines of both masks and the errors.

A label map is read as *codes*: voxels that belong to the same regions have the same
code, on both sides. So regions may overlap, as a brain and its grey matter do, and
there may be hundreds of them, yet there is one array for each side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_mednext.errors import GeometryError
from napari_mednext.evaluation.drawing import Canvas, errors_png, outlines_png
from napari_mednext.evaluation.metrics import label_values
from napari_mednext.evaluation.regions import Region
from napari_mednext.evaluation.slices import Slice, field_around, worst_slices
from napari_mednext.formats import open_volume
from napari_mednext.volume import (
    Segmentation,
    Volume,
    VoxelGrid,
    reorient,
    turn_between,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


__all__ = ["SlicePicture", "draw_case", "slice_pictures"]

#: The longer side of a picture, in pixels.
_SIDE_PX = 440
#: Grey where there is no image.
_NO_IMAGE = 0.3
#: Percentiles of the image where something is labelled; their distance is widened by
#: this share at both ends and becomes black to white. Works for CT windows and MR.
_WINDOW, _WIDENED = (1.0, 99.0), 0.35
#: About so many voxels are looked at to choose the grey values.
_SAMPLED_VOXELS = 500_000
#: Grids that are nearer than this hold the same voxels.
_SAME_MM = 1e-2


@dataclass(frozen=True)
class SlicePicture:
    """One slice of a case, drawn twice, and what is wrong on it.

    ``outlines`` and ``errors`` are PNG of ``size_px`` (width, height). The areas are
    those of the whole slice: missed are voxels that only the reference labels, added
    those that only the prediction labels, mixed those that both label, but as other
    regions. ``worst_region`` is the region with the most wrong area, empty when
    nothing is wrong.
    """

    plane: str
    place: str
    index: int
    size_px: tuple[int, int]
    outlines: bytes
    errors: bytes
    wrong_mm2: float
    missed_mm2: float
    added_mm2: float
    mixed_mm2: float
    worst_region: str


def draw_case(
    prediction: Path,
    reference: Path,
    image: Path | None,
    regions: Sequence[Region],
    *,
    ignore: Iterable[int] = (),
) -> tuple[SlicePicture, ...]:
    """Open the files of a case and draw its worst slices.

    A prediction or image on another grid is looked up at the voxels of the reference:
    the nearest label, and grey values in between.

    Parameters
    ----------
    prediction, reference : Path
        Label maps.
    image : Path, optional
        Its first channel is shown; a grey ground without it.
    regions : sequence of Region
        What is compared.
    ignore : iterable of int
        Reference values at which the prediction is not judged.

    Returns
    -------
    tuple of SlicePicture
        The slice with the most wrong area first.

    Raises
    ------
    InputError
        If a file cannot be read, or a mask does not hold whole numbers.
    """
    true = _mask(reference)
    guess = _mask(prediction)
    ids = _on_grid(guess.array, guess.grid, true.grid, order=0)
    guess = Segmentation(ids, true.grid)
    scan = None if image is None else open_volume(image)
    return slice_pictures(guess, true, scan, regions, ignore=ignore)


def slice_pictures(
    prediction: Segmentation,
    reference: Segmentation,
    image: Volume | None,
    regions: Sequence[Region],
    *,
    ignore: Iterable[int] = (),
) -> tuple[SlicePicture, ...]:
    """Draw the worst slice of every plane, the worst first.

    Parameters
    ----------
    prediction, reference : Segmentation
        On the same grid, in any orientation.
    image : Volume, optional
        On any grid.
    regions : sequence of Region
        What is compared; they may overlap.
    ignore : iterable of int
        Reference values at which the prediction is not judged.

    Returns
    -------
    tuple of SlicePicture

    Raises
    ------
    GeometryError
        If the masks have different shapes.
    """
    if prediction.array.shape != reference.array.shape:
        msg = (
            "both masks must have the same shape, got "
            f"{prediction.array.shape} and {reference.array.shape}: resample one"
        )
        raise GeometryError(msg)
    guess, true, members = _codes(prediction.array, reference.array, regions, ignore)
    turned = [reorient(Segmentation(c, reference.grid), "LPS") for c in (guess, true)]
    grid = turned[0].grid
    guess, true = turned[0].array, turned[1].array
    labelled = (guess > 0) | (true > 0)
    scan = None
    if image is not None:
        scan = Volume(_on_grid(image.array[0], image.grid, grid, order=1), grid)
    window = (0.0, 1.0) if scan is None else _window(scan.array[0], labelled)
    case = _Case(guess, true, labelled, grid, members, regions, scan, window)
    return tuple(case.picture(each) for each in case.worst())


@dataclass(frozen=True)
class _Case:
    """Codes of both sides in LPS, and what is drawn with them.

    ``members`` holds, for every code, the numbers of the regions it belongs to.
    """

    guess: NDArray[np.uint16]
    true: NDArray[np.uint16]
    labelled: NDArray[np.bool_]
    grid: VoxelGrid
    members: tuple[frozenset[int], ...]
    regions: Sequence[Region]
    image: Volume | None
    window: tuple[float, float]

    def worst(self) -> tuple[Slice, ...]:
        """Return the worst slice of every plane."""
        return worst_slices(self.guess != self.true, self.labelled, self.grid)

    def picture(self, slice_: Slice) -> SlicePicture:
        """Draw one slice."""
        plane, index = slice_.plane, slice_.index
        guess, true = plane.cut(self.guess, index), plane.cut(self.true, index)
        down, across = plane.pixel_mm(self.grid)
        missed = (guess == 0) & (true > 0)
        added = (guess > 0) & (true == 0)
        mixed = (guess != true) & ~missed & ~added
        canvas, part = self._canvas(slice_), self._part(slice_)
        grey = self._grey(slice_)[part]
        shown = missed[part], added[part], mixed[part]
        areas = [
            float(np.count_nonzero(each)) * down * across
            for each in (missed, added, mixed)
        ]
        return SlicePicture(
            plane=plane.name,
            place=plane.place(self.grid, index),
            index=index,
            size_px=canvas.size_px,
            outlines=outlines_png(
                grey, self._masks(guess[part]), self._masks(true[part]), canvas
            ),
            errors=errors_png(grey, shown, canvas),
            wrong_mm2=slice_.wrong_mm2,
            missed_mm2=areas[0],
            added_mm2=areas[1],
            mixed_mm2=areas[2],
            worst_region=self._worst_region(guess, true),
        )

    def _field(self) -> tuple[slice, slice, slice]:
        """Return the box that is shown of all slices of the case."""
        return field_around(self.labelled, self.grid.spacing)

    def _part(self, slice_: Slice) -> tuple[slice, slice]:
        """Return the rows and columns of a seen slice that are shown."""
        plane = slice_.plane
        rows, columns = (
            part for axis, part in enumerate(self._field()) if axis != plane.axis
        )
        if plane.upside_down:
            count = plane.cut(self.guess, slice_.index).shape[0]
            rows = slice(count - rows.stop, count - rows.start)
        return rows, columns

    def _canvas(self, slice_: Slice) -> Canvas:
        """Return the sizes of a picture: one scale and one size for all planes."""
        deep, high, wide = (
            (part.stop - part.start) * mm
            for part, mm in zip(self._field(), self.grid.spacing, strict=True)
        )
        px_per_mm = _SIDE_PX / max(deep, high, wide)
        size = max(wide, high) * px_per_mm, max(high, deep) * px_per_mm
        return Canvas(
            voxel_mm=slice_.plane.pixel_mm(self.grid),
            px_per_mm=px_per_mm,
            size_px=(max(60, round(size[0])), max(60, round(size[1]))),
            edges=slice_.plane.edges(self.grid),
        )

    def _masks(self, codes: NDArray[np.uint16]) -> list[NDArray[np.bool_]]:
        """Return the regions that occur on a slice, one mask each."""
        there = [int(code) for code in np.unique(codes)]
        numbers = sorted({n for code in there for n in self.members[code]})
        return [
            np.isin(codes, [code for code in there if number in self.members[code]])
            for number in numbers
        ]

    def _worst_region(self, guess: NDArray[np.uint16], true: NDArray[np.uint16]) -> str:
        """Return the name of the region with the most wrong voxels on a slice."""
        wrong = guess != true
        counts = np.zeros(len(self.regions), dtype=np.int64)
        pairs, sizes = np.unique(
            np.stack([guess[wrong], true[wrong]]), axis=1, return_counts=True
        )
        for (one, other), size in zip(pairs.T.tolist(), sizes.tolist(), strict=True):
            for number in self.members[one] ^ self.members[other]:
                counts[number] += size
        return self.regions[int(counts.argmax())].name if counts.any() else ""

    def _grey(self, slice_: Slice) -> NDArray[np.float64]:
        """Return the image on a slice, 0 black to 1 white."""
        if self.image is None:
            return np.full(slice_.plane.cut(self.guess, 0).shape, _NO_IMAGE)
        low, high = self.window
        grey = slice_.plane.cut(self.image.array[0], slice_.index).astype(np.float64)
        shown: NDArray[np.float64] = np.clip(
            (np.nan_to_num(grey, nan=low) - low) / (high - low), 0.0, 1.0
        )
        return shown


def _mask(path: Path) -> Segmentation:
    """Open a label map."""
    volume = open_volume(path)
    return Segmentation(label_values(volume.array[0], repr(path.name)), volume.grid)


def _codes(
    prediction: NDArray[np.unsignedinteger],
    reference: NDArray[np.unsignedinteger],
    regions: Sequence[Region],
    ignore: Iterable[int],
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], tuple[frozenset[int], ...]]:
    """Return both sides as codes, and the numbers of the regions of every code."""
    known: dict[frozenset[int], int] = {frozenset(): 0}
    sides = [
        _coded(array, [getattr(region, side) for region in regions], known)
        for array, side in ((prediction, "prediction"), (reference, "reference"))
    ]
    unjudged = np.isin(reference, list(ignore))
    if unjudged.any():
        for side in sides:
            side[unjudged] = 0
    return sides[0], sides[1], tuple(known)


def _coded(
    array: NDArray[np.unsignedinteger],
    regions: Sequence[Sequence[int]],
    known: dict[frozenset[int], int],
) -> NDArray[np.uint16]:
    """Return an array with the code of every voxel; adds codes that are new."""
    belongs: dict[int, set[int]] = {}
    for number, region in enumerate(regions):
        for value in region:
            belongs.setdefault(value, set()).add(number)
    table = np.zeros(int(array.max()) + 1, dtype=np.uint16)
    for value in sorted(belongs):
        if value < table.size:
            members = frozenset(belongs[value])
            table[value] = known.setdefault(members, len(known))
    coded: NDArray[np.uint16] = table[array]
    return coded


def _window(
    array: NDArray[np.generic], labelled: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the grey values that become black and white."""
    inside = array[labelled] if labelled.any() else array.reshape(-1)
    sample = inside[:: max(1, inside.size // _SAMPLED_VOXELS)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(sample, _WINDOW)
    low, high = low - _WIDENED * (high - low), high + _WIDENED * (high - low)
    return float(low), float(high if high > low else low + 1.0)


def _on_grid(
    array: NDArray[Any], grid: VoxelGrid, target: VoxelGrid, *, order: int
) -> NDArray[Any]:
    """Return the values of an array at the voxels of another grid; 0 outside.

    Exact where both grids hold the same voxels, maybe in another order.
    """
    if grid.is_close(target, tolerance_mm=_SAME_MM):
        return array
    turn = turn_between(grid, target)
    if turn is not None:
        turned: NDArray[Any] = turn.array(array[None])[0]
        return turned
    step = np.linalg.solve(grid.affine, target.affine)  # target index -> grid index
    values: NDArray[Any] = ndimage.affine_transform(
        array if order == 0 else array.astype(np.float32),
        step[:3, :3],
        step[:3, 3],
        output_shape=target.shape,
        order=order,
        mode="grid-constant",  # "constant" would drop half a voxel at the border
        prefilter=False,
    )
    return values
