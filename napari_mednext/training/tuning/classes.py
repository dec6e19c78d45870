"""Which output head stands for which label, when a model learns a study's labels.

A model knows classes by name; a study has labels of its own, perhaps new ones, perhaps
fewer. The heads of the model keep their order and meaning, new labels get heads behind
them. What a study calls background may be a class that it does not label: there the
model may go on saying so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.errors import InputError
from napari_mednext.labels.labelset import label_key
from napari_mednext.labels.side_words import tell_sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.labels import LabelSet

__all__ = ["IGNORE_HEAD", "ClassMap", "class_map"]

#: Target of voxels that are not learned from, in arrays of uint8.
IGNORE_HEAD = 255


@dataclass(frozen=True)
class ClassMap:
    """The heads of the new model.

    Parameters
    ----------
    names : tuple of str
        One a head from 1 on; head 0 is the background.
    colors : tuple of (r, g, b)
        One a name, 0..255.
    known : int
        So many heads, the background among them, are those of the old model.
    heads : mapping of int to int
        Label value of the study -> head.
    unlabelled : tuple of int
        Heads of the old model that the study has no label for.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    known: int
    heads: Mapping[int, int]
    unlabelled: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many heads there are, the background among them."""
        return len(self.names) + 1

    @property
    def new_names(self) -> tuple[str, ...]:
        """Names that the old model has no head for."""
        return self.names[self.known - 1 :]

    @property
    def rows(self) -> tuple[int | None, ...]:
        """One a head: the old head that it continues, None for a new one."""
        return tuple(k if k < self.known else None for k in range(self.count))

    @property
    def background(self) -> tuple[int, ...]:
        """Heads that are right where a person said background."""
        return (0, *self.unlabelled)

    @property
    def learned(self) -> tuple[int, ...]:
        """Heads of the study's labels, in order."""
        return tuple(sorted(self.heads.values()))

    def mirror_axes(self, model: Sequence[int]) -> tuple[int, ...]:
        """Return the axes along which images may be mirrored.

        Parameters
        ----------
        model : sequence of int
            Those of the old model.

        Returns
        -------
        tuple of int
            None where new labels tell left from right, since a mirrored left kidney is
            a right one; which axis runs from side to side a model need not know.
        """
        own = self.names[: self.known - 1]
        has_new_sides = tell_sides(self.names) and not tell_sides(own)
        return () if has_new_sides else tuple(model)

    def target(
        self, labels: NDArray[np.unsignedinteger], known: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """Return the head that is right at every voxel.

        Parameters
        ----------
        labels : (z, y, x)
            Label values of the study.
        known : (z, y, x) bool
            Where somebody looked.

        Returns
        -------
        (z, y, x) uint8
            `IGNORE_HEAD` where nobody looked, or where the label has no head.
        """
        table = np.full(1 << 16, IGNORE_HEAD, np.uint8)
        table[0] = 0
        for value, head in self.heads.items():
            table[value] = head
        result: NDArray[np.uint8] = table[labels]
        result[~known] = IGNORE_HEAD
        return result


def class_map(model: LabelSet, study: LabelSet) -> ClassMap:
    """Return the heads of a model that learns a study's labels.

    Labels are the same when their names are, but for case and outer spaces.

    Parameters
    ----------
    model : LabelSet
        The old model's, values 1, 2, 3, ... as nnU-Net counts them.
    study : LabelSet
        Of the study; any values.

    Returns
    -------
    ClassMap

    Raises
    ------
    InputError
        If the study has no label, two labels of one name, or there would be more
        heads than a target can tell apart.
    """
    if not len(study):
        msg = "a study must have a label to learn, it has none: add one"
        raise InputError(msg)
    names = [label.name for label in model]
    colors = [label.color for label in model]
    head_of = {label_key(name): head for head, name in enumerate(names, start=1)}
    known, heads = len(names) + 1, {}
    for label in study:
        key = label_key(label.name)
        if key not in head_of:
            names.append(label.name)
            colors.append(label.color)
            head_of[key] = len(names)
        heads[label.value] = head_of[key]
    if len(set(heads.values())) != len(heads):
        msg = (
            "every label of a study must have a name of its own, got one twice in "
            f"{[label.name for label in study]}: rename one"
        )
        raise InputError(msg)
    if len(names) + 1 > IGNORE_HEAD:
        msg = (
            f"a model can learn {IGNORE_HEAD - 1} labels, got {len(names)} with those "
            "that it knows: remove labels from the study"
        )
        raise InputError(msg)
    used = set(heads.values())
    unlabelled = tuple(k for k in range(1, known) if k not in used)
    return ClassMap(tuple(names), tuple(colors), known, heads, unlabelled)
