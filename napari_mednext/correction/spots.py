"""The list of doubtful spots of a case: where to look next.

Every border between labels is a little doubtful, and what is doubtful there is a thin
shell around every organ. A spot is a place and not a shell: the doubt is averaged in a
small ball, in which a shell fills little and a place much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_mednext.correction.case_doubt import case_doubt, doubt_by_label
from napari_mednext.correction.cells import Cells, check_doubt
from napari_mednext.correction.change import Box, grown
from napari_mednext.correction.places import Place, find_places
from napari_mednext.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

__all__ = [
    "Spot",
    "case_doubt",
    "doubt_by_label",
    "find_spots",
    "next_spot",
    "spot_threshold",
]

#: Radius of the ball in which doubts are averaged. In a border that is as doubtful as
#: can be over w mm their mean is at most 3 w / (4 radius) of that: 0.4 for 2 mm.
BALL_MM = 4.0
#: Part of the usual doubt at borders that the mean in a ball has to reach.
BORDER_PART = 0.6
#: Where nothing is labelled, and for models that are certain of every border.
NO_BORDER, LEAST = 0.25, 0.02
#: A place that is larger than this shall fall apart: 27 mm across if it is round.
LARGEST_ML = 10.0
#: Planes in which the doubt at borders is looked at.
BORDER_PLANES = 64


@dataclass(frozen=True)
class Spot:
    """A place that the model is in doubt about.

    Parameters
    ----------
    number : int
        Place in the list, from 1: the biggest first.
    box : three slices
        Around it, in (z, y, x) voxels.
    center : (z, y, x) voxels
        In the spot: the most doubtful voxel near its middle.
    label : int
        The most frequent label in it and around it; 0 where there is none.
    volume_ml : float
        Of the part around whose voxels the doubt is large: a small place has a rim of
        up to 2 mm besides.
    mean_doubt : float
        Of that part, 0 to 1.
    """

    number: int
    box: Box
    center: tuple[int, int, int]
    label: int
    volume_ml: float
    mean_doubt: float

    @property
    def rank(self) -> float:
        """How big it is: volume times mean doubt, in mL."""
        return self.volume_ml * self.mean_doubt


def spot_threshold(doubt: NDArray[np.uint8], labels: NDArray[Any]) -> float:
    """Return how large the mean doubt in a ball must be to make a spot.

    A voxel that lies between two of k classes has the doubt log 2 / log k, whatever
    the model: little with many classes. So doubts are compared with the usual ones at
    the borders of labels, their median.

    Parameters
    ----------
    doubt : (z, y, x) uint8
        0 certain to 255.
    labels : (z, y, x) unsigned integers
        Of the same shape.

    Returns
    -------
    float
        0 to 1.
    """
    step = math.ceil(len(labels) / BORDER_PLANES)
    histogram = np.zeros(256, dtype=np.int64)
    for plane, values in zip(labels[::step], doubt[::step], strict=True):
        across, down = plane[:, 1:] != plane[:, :-1], plane[1:] != plane[:-1]
        for side in (values[:, 1:][across], values[:, :-1][across]):
            histogram += np.bincount(side, minlength=256)
        for side in (values[1:][down], values[:-1][down]):
            histogram += np.bincount(side, minlength=256)
    total = histogram.cumsum()
    if total[-1] == 0:
        return NO_BORDER
    median = int(np.searchsorted(total, total[-1] / 2))
    return max(LEAST, BORDER_PART * median / 255)


def find_spots(
    doubt: NDArray[np.uint8],
    labels: NDArray[Any],
    spacing: tuple[float, float, float],
    *,
    threshold: float | None = None,
    smallest_ml: float = 0.05,
    most: int = 200,
) -> tuple[Spot, ...]:
    """Return the doubtful spots, the biggest first.

    The doubt is averaged in cells of at least 2 mm, and then around each cell in a ball
    of 4 mm. Connected cells whose mean is large enough are a spot. The shell of doubt
    along a border fills less than half of a ball and is none, unless it is several mm
    thick. Where a spot would be larger than 10 mL, as in a folded cortex, the threshold
    is raised until it falls apart into the places that stand out.

    Parameters
    ----------
    doubt : (z, y, x) uint8
        0 certain to 255. Set it to 0 where nobody needs to look, say where voxels were
        reviewed.
    labels : (z, y, x) unsigned integers
        The labels that belong to it.
    spacing : (z, y, x) mm
        Of both.
    threshold : float, optional
        Least mean doubt in a ball, above 0 to 1; that of :func:`spot_threshold` when
        left out.
    smallest_ml : float
        Smaller spots are left out.
    most : int
        At most so many spots.

    Returns
    -------
    tuple of Spot
        By falling rank; equal ones in the order of their boxes.

    Raises
    ------
    GeometryError
        If the shapes differ.
    InputError
        If the doubt is not uint8, or a spacing is not positive.
    SettingsError
        If the threshold, the smallest volume or the number lies outside its range.
    """
    check_doubt(doubt, labels, spacing)
    _check_limits(threshold, smallest_ml, most)
    if not doubt.any():
        return ()
    if threshold is None:
        threshold = spot_threshold(doubt, labels)
    cells = Cells.of(doubt, spacing)
    per_ml = 1000.0 / math.prod(spacing)
    places = find_places(
        cells.local_means(BALL_MM),
        cells.counts,
        threshold * 255,
        smallest=smallest_ml * per_ml,
        largest=LARGEST_ML * per_ml,
    )
    sized = [(_mean(cells, place), place) for place in places]
    sized.sort(key=lambda each: (-each[0] * each[1].voxels, _starts(each[1].box)))
    return tuple(
        Spot(
            number=number,
            box=cells.voxels(place.box),
            center=_center(doubt, cells, place),
            label=_label(labels, cells, place),
            volume_ml=place.voxels / per_ml,
            mean_doubt=mean,
        )
        for number, (mean, place) in enumerate(sized[:most], start=1)
    )


def next_spot(
    spots: Sequence[Spot], seen: Collection[int], after: int | None = None
) -> Spot | None:
    """Return the biggest spot that nobody has seen yet, None when all are seen.

    Parameters
    ----------
    spots : sequence of Spot
        As :func:`find_spots` returns them.
    seen : collection of int
        Numbers of spots.
    after : int, optional
        Number of the spot that is shown now: the next one after it in the list is
        taken, and from the end it goes on at the beginning.
    """
    unseen = [spot for spot in spots if spot.number not in seen]
    if after is None:
        return unseen[0] if unseen else None
    later = [spot for spot in unseen if spot.number > after]
    return next(iter([*later, *unseen]), None)


def _check_limits(threshold: float | None, smallest_ml: float, most: int) -> None:
    """Refuse limits outside their range."""
    if threshold is not None and not 0 < threshold <= 1:
        msg = (
            "the threshold of doubtful spots must lie above 0 and be at most 1, got "
            f"{threshold}: leave it out to have one chosen"
        )
        raise SettingsError(msg)
    if not 0 <= smallest_ml < math.inf:
        msg = (
            "the smallest volume of a spot must be 0 mL or more, got "
            f"{smallest_ml}: choose a volume"
        )
        raise SettingsError(msg)
    if most < 1:
        msg = f"at least one spot must be allowed, got {most}: choose a number"
        raise SettingsError(msg)


def _starts(box: Box) -> tuple[int, int, int]:
    """Return where a box begins."""
    z, y, x = (int(part.start) for part in box)
    return z, y, x


def _mean(cells: Cells, place: Place) -> float:
    """Return the mean doubt of the voxels of a place, 0 to 1."""
    return float(cells.sums[place.box][place.mask].sum()) / place.voxels / 255


def _center(
    doubt: NDArray[np.uint8], cells: Cells, place: Place
) -> tuple[int, int, int]:
    """Return the most doubtful voxel of the most doubtful cell near the middle."""
    at = np.argwhere(place.mask)
    away = (at - at.mean(axis=0)) * cells.cell_mm
    far_mm = np.sqrt((away**2).sum(axis=1))
    volume_mm3 = place.voxels * math.prod(cells.spacing)
    near_mm = max(0.5 * (0.75 * volume_mm3 / math.pi) ** (1 / 3), float(far_mm.min()))
    means = cells.sums[place.box][place.mask] / cells.counts[place.box][place.mask]
    near = far_mm <= near_mm
    order = np.lexsort((far_mm, -means, ~near))
    cell = at[order[0]] + _starts(place.box)
    z, y, x = (slice(int(n), int(n) + 1) for n in cell)
    voxels = cells.voxels((z, y, x))
    inside = doubt[voxels]
    best = np.unravel_index(int(inside.argmax()), inside.shape)
    z0, y0, x0 = (int(part.start + n) for part, n in zip(voxels, best, strict=True))
    return z0, y0, x0


def _label(labels: NDArray[Any], cells: Cells, place: Place) -> int:
    """Return the most frequent label in a place and the cells beside it."""
    box = grown(place.box, (1, 1, 1), cells.sums.shape)
    z, y, x = (
        (inner.start - outer.start, outer.stop - inner.stop)
        for inner, outer in zip(place.box, box, strict=True)
    )
    mask = ndimage.binary_dilation(np.pad(place.mask, (z, y, x)))
    for axis, edge in enumerate(cells.edges):
        mask = mask.repeat(edge, axis=axis)
    inside = labels[cells.voxels(box)]
    depth, height, width = inside.shape
    counts = np.bincount(inside[mask[:depth, :height, :width]])
    counts[0] = 0
    return int(counts.argmax())
