"""How much of each case people have looked at, read from the files of a study."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.correction.provenance import HUMAN, REVIEWED, SOURCE_BITS
from napari_mednext.formats import open_volume
from napari_mednext.study import Case, CaseState

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_mednext.study import Study

__all__ = ["Reviewed", "known_and_labels", "reviewed_cases"]

#: Source of what a person drew.
_PERSON = HUMAN & SOURCE_BITS


@dataclass(frozen=True)
class Reviewed:
    """A case that somebody looked at.

    Parameters
    ----------
    case : Case
        Of the study.
    labels, provenance : Path
        Its working labels, and who said so.
    voxels, changed : int
        Reviewed, and drawn by a person.
    share : float
        Of the scan that was reviewed, 0..1.
    shape : (z, y, x)
        Of the scan.
    spacing : (z, y, x) mm
        Of the scan.
    sha256 : str
        Of both files: it changes when anything is changed.
    """

    case: Case
    labels: Path
    provenance: Path
    voxels: int
    changed: int
    share: float
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]
    sha256: str


@dataclass(frozen=True)
class _Counts:
    voxels: int
    changed: int
    size: int
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]
    sha256: str


def reviewed_cases(
    study: Study, *, check: Callable[[], None] | None = None
) -> tuple[Reviewed, ...]:
    """Return the cases with reviewed voxels, in the order of the study.

    Flagged ones are left out: somebody is to look at them first.

    Parameters
    ----------
    study : Study
        Its cases are read as they were saved last.
    check : callable, optional
        Called before every case; may raise to stop.

    Returns
    -------
    tuple of Reviewed
    """
    found = []
    for case in study.cases():
        if check is not None:
            check()
        if case.state is CaseState.FLAGGED:
            continue
        paths = study.folder.case(case.name)
        if not (paths.annotation.exists() and paths.provenance.exists()):
            continue
        counts = _counts(
            paths.annotation,
            paths.provenance,
            _stamp(paths.annotation),
            _stamp(paths.provenance),
        )
        if counts.voxels:
            found.append(
                Reviewed(
                    case,
                    paths.annotation,
                    paths.provenance,
                    counts.voxels,
                    counts.changed,
                    counts.voxels / counts.size,
                    counts.shape,
                    counts.spacing,
                    counts.sha256,
                )
            )
    return tuple(found)


def known_and_labels(
    reviewed: Reviewed,
) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return where somebody looked, and the labels, (z, y, x) as the files have it."""
    provenance = _mask(reviewed.provenance)
    return _known(provenance), _mask(reviewed.labels)


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=4096)
def _counts(
    labels: Path,
    provenance: Path,
    _labels_stamp: tuple[int, int],
    _provenance_stamp: tuple[int, int],
) -> _Counts:
    """Read both files, once for each time that they were written."""
    volume = open_volume(provenance)
    spacing, sources = volume.grid.spacing, _whole(volume.array[0])
    known = _known(sources)
    drawn = (sources & SOURCE_BITS) == _PERSON
    digest = hashlib.sha256(labels.read_bytes() + provenance.read_bytes())
    return _Counts(
        int(np.count_nonzero(known)),
        int(np.count_nonzero(drawn)),
        known.size,
        known.shape,
        spacing,
        digest.hexdigest(),
    )


def _known(provenance: NDArray[Any]) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = ((provenance & REVIEWED) != 0) | (
        (provenance & SOURCE_BITS) == _PERSON
    )
    return known


def _mask(path: Path) -> NDArray[Any]:
    return _whole(open_volume(path).array[0])


def _whole(array: NDArray[Any]) -> NDArray[Any]:
    """Return label values as the smallest unsigned type that holds them."""
    kind = np.uint8 if array.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    mask: NDArray[Any] = array.astype(kind, copy=False)
    return mask
