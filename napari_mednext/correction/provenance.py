"""Who says what a voxel is: nobody, a person, or one of the models; and who looked.

One byte a voxel. The lower seven bits name the source of the label, background
included: 0 nobody, 1 a person, 2 to 127 the version of a model, by the numbers that
the study gave them. The highest bit says that a person has reviewed the voxel; what a
person painted is reviewed as such. So a model's voxel that was confirmed still says
which model it came from, and a review can be taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FIRST_MODEL",
    "HUMAN",
    "LAST_MODEL",
    "NOBODY",
    "REVIEWED",
    "SOURCE_BITS",
    "is_reviewed",
    "reviewed_slices",
    "source_names",
]

NOBODY = 0x00
REVIEWED = 0x80
SOURCE_BITS = 0x7F
#: What a person painted.
HUMAN = 0x01 | REVIEWED
FIRST_MODEL, LAST_MODEL = 2, 127


def is_reviewed(provenance: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where a person painted or confirmed the label."""
    reviewed: NDArray[np.bool_] = (provenance & REVIEWED) != 0
    return reviewed


def reviewed_slices(provenance: NDArray[np.uint8], axis: int) -> NDArray[np.bool_]:
    """Return for every slice along an axis whether all of it is reviewed.

    Parameters
    ----------
    provenance : (z, y, x) uint8
        Of a whole volume.
    axis : int
        0, 1 or 2.

    Returns
    -------
    (n,) bool
    """
    others = tuple(other for other in range(3) if other != axis)
    # The smallest value of a slice has the bit when all have it.
    lowest: NDArray[Any] = provenance.min(axis=others)
    return is_reviewed(lowest)


def source_names(models: Mapping[int, str]) -> dict[int, str]:
    """Return a name for every value that a provenance volume can hold.

    Parameters
    ----------
    models : mapping of 2..127 to name
        The models of the study.
    """
    names = {NOBODY: "nobody", REVIEWED: "confirmed background", HUMAN: "human"}
    for code, name in models.items():
        names[code] = name
        names[code | REVIEWED] = f"{name}, confirmed"
    return names
