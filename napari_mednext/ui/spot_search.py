"""What is known of the doubtful spots of a case: which there are, which are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from napari_mednext.correction.provenance import is_reviewed

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from napari_mednext.correction.spots import Spot
    from napari_mednext.study import Study

__all__ = ["FoundSpots", "SpotPlace", "look_for_spots", "reviewed_spots", "seen_before"]

#: Voxels less doubtful than this part of a spot's mean are not what it is there for.
DOUBTFUL_PART = 0.5


class SpotPlace(NamedTuple):
    """Where marks of spots belong: a study, the name of a case, a model's code."""

    study: Study
    name: str
    code: int


class FoundSpots(NamedTuple):
    """The spots of a case, and the numbers of those that are done.

    Parameters
    ----------
    spots : tuple of Spot
        The biggest first.
    seen : set of int
        That somebody has looked at.
    reviewed : set of int
        In which all that is doubtful was reviewed.
    """

    spots: tuple[Spot, ...]
    seen: set[int]
    reviewed: set[int]


def look_for_spots(
    doubt: NDArray[np.uint8],
    labels: NDArray[Any],
    provenance: NDArray[np.uint8],
    *,
    spacing: tuple[float, float, float],
    place: SpotPlace,
) -> FoundSpots:
    """Return the doubtful spots of a model's answer, and what was done about them.

    Reviewed voxels count while spots are looked for, so that the same answer always
    has the same spots.

    Parameters
    ----------
    doubt : (z, y, x) uint8
        Of the answer.
    labels : (z, y, x) unsigned integers
        Of the answer.
    provenance : (z, y, x) uint8
        As :mod:`napari_mednext.correction.provenance` says.
    spacing : (z, y, x) mm
        Of the voxels.
    place : SpotPlace
        Where marks are read.

    Raises
    ------
    StorageError
        If the study cannot be read.
    """  # noqa: DOC501 - by what is called
    # Brings in scipy.ndimage, which takes a moment.
    from napari_mednext.correction.spots import find_spots

    spots = find_spots(doubt, labels, spacing)
    return FoundSpots(
        spots, seen_before(spots, place), reviewed_spots(spots, doubt, provenance)
    )


def seen_before(spots: Iterable[Spot], place: SpotPlace) -> set[int]:
    """Return the numbers of the spots that the study knows as seen, by their centres.

    Parameters
    ----------
    spots : iterable of Spot
        As they are found now; their numbers may be others than they were.
    place : SpotPlace
        Where they were marked.

    Raises
    ------
    StorageError
        If the study cannot be read.
    """  # noqa: DOC501 - by what is called
    marked = place.study.spots(place.name, model=place.code)
    centers = {mark.center for mark in marked if mark.seen}
    return {spot.number for spot in spots if spot.center in centers}


def reviewed_spots(
    spots: Iterable[Spot], doubt: NDArray[np.uint8], provenance: NDArray[np.uint8]
) -> set[int]:
    """Return the numbers of the spots in which all that is doubtful was reviewed.

    Parameters
    ----------
    spots : iterable of Spot
        Found in ``doubt``.
    doubt : (z, y, x) uint8
        0 certain to 255.
    provenance : (z, y, x) uint8
        As :mod:`napari_mednext.correction.provenance` says.
    """
    numbers = set()
    for spot in spots:
        least = DOUBTFUL_PART * 255 * spot.mean_doubt
        is_left = (doubt[spot.box] >= least) & ~is_reviewed(provenance[spot.box])
        if not is_left.any():
            numbers.add(spot.number)
    return numbers
