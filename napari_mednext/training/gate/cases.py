"""A case that both models have answered, and what is known of the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import GeometryError, InputError
from napari_mednext.evaluation.metrics import label_values

__all__ = ["GateCase", "Group"]

Group = Literal["corrected", "old"]


@dataclass(frozen=True)
class GateCase:
    """One judged case, or one judged part of it.

    Parameters
    ----------
    name : str
        Of the case; shared by its parts.
    group : "corrected" or "old"
        Whether it was corrected since the model before was made.
    reference : (z, y, x) whole numbers
        Label values; looked at where known.
    known : (z, y, x) bool
        What was reviewed, and is judged.
    before, after : (z, y, x) whole numbers
        Answers of both models.
    spacing : (z, y, x) mm
        Of the voxels.
    part : str
        Which part of the case is judged here, "" for all of it.
    scan : (z, y, x) real, optional
        For pictures.
    drawn : (z, y, x) bool, optional
        Where a person made the reference; elsewhere it is what a model said and a
        person let stand. None where nobody knows: everywhere then.

    Raises
    ------
    GeometryError
        If the arrays differ in shape.
    InputError
        If the group is unknown, or an array does not hold label values.
    """

    name: str
    group: Group
    reference: NDArray[Any]
    known: NDArray[np.bool_]
    before: NDArray[Any]
    after: NDArray[Any]
    spacing: tuple[float, float, float]
    part: str = ""
    scan: NDArray[Any] | None = None
    drawn: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.group not in ("corrected", "old"):
            msg = f"a group must be corrected or old, got {self.group!r}: name one"
            raise InputError(msg)
        arrays = [self.reference, self.known, self.before, self.after]
        arrays += [each for each in (self.scan, self.drawn) if each is not None]
        shapes = {each.shape for each in arrays}
        if len(shapes) > 1 or self.reference.ndim != 3:
            msg = (
                f"all arrays of {self.name!r} must have one (z, y, x) shape, got "
                f"{sorted(shapes)}: bring them to the grid of the scan"
            )
            raise GeometryError(msg)
        for side in ("reference", "before", "after"):
            values = label_values(getattr(self, side), f"{side} of {self.name!r}")
            object.__setattr__(self, side, values)
        object.__setattr__(self, "known", np.asarray(self.known, dtype=bool))

    @property
    def title(self) -> str:
        """The name, with the part if it is one."""
        return f"{self.name}, {self.part}" if self.part else self.name
