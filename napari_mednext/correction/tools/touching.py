"""Parting what touches: one label of several bodies becomes several labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from napari_mednext.correction.change import Change, grown
from napari_mednext.correction.tools.arguments import check_value, check_voxel
from napari_mednext.correction.tools.extent import label_box, within
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.correction.change import Box
    from napari_mednext.correction.scope import Scope

__all__ = ["split_touching"]


def split_touching(
    labels: NDArray[Any],
    scope: Scope,
    *,
    seeds: Sequence[Sequence[float]],
    new_labels: Sequence[int],
) -> Change | None:
    """Part the bodies of the selected label at their necks, one for each seed.

    The depth below the surface, in mm, is flooded from the seeds: the floods meet where
    the label is thinnest between them. The body of the first seed keeps the selected
    label, and so do islands that hold no seed.

    Parameters
    ----------
    labels : (z, y, x)
        The whole label array; not modified.
    scope : Scope
        The selected label, and what may change.
    seeds : (n, 3) voxels, order (z, y, x)
        A point on each body, rounded to the nearest voxel.
    new_labels : n - 1 numbers
        For the second seed, the third, and so on.

    Raises
    ------
    InputError
        If there is not one new label for each seed but the first, a new label does not
        fit the array, or a seed lies outside the volume, not on the selected label, or
        on the voxel of another seed.
    """
    if len(seeds) < 2 or len(new_labels) != len(seeds) - 1:
        msg = (
            f"parting needs two seeds or more and a new label for each but the first, "
            f"got {len(seeds)} seeds and {len(new_labels)} new labels"
        )
        raise InputError(msg)
    for value in new_labels:
        check_value(value, labels)
    voxels = _seed_voxels(labels, scope, seeds)
    box = label_box(labels, scope.label)
    if box is None:
        return None
    numbers = _bodies(labels, scope, voxels, box)
    values = np.array([scope.label, scope.label, *new_labels])
    before = labels[box]
    free = (numbers > 0) & scope.open(labels, box)
    after = before.copy()
    after[free] = values[numbers[free]]
    return Change.between(before, after, [part.start for part in box])


def _seed_voxels(
    labels: NDArray[Any], scope: Scope, seeds: Sequence[Sequence[float]]
) -> list[tuple[int, int, int]]:
    """Return the voxels of the seeds, each on the selected label and different."""
    voxels = [check_voxel(seed, labels.shape) for seed in seeds]
    for number, voxel in enumerate(voxels):
        if labels[voxel] != scope.label or voxel in voxels[:number]:
            msg = (
                f"each seed must lie on a voxel of its own of label {scope.label}, got "
                f"{voxel}, which holds {labels[voxel]}: choose a point on each body"
            )
            raise InputError(msg)
    return voxels


def _bodies(
    labels: NDArray[Any],
    scope: Scope,
    voxels: Sequence[tuple[int, int, int]],
    box: Box,
) -> NDArray[np.int32]:
    """Return the number of the body that each voxel of a box belongs to, from 1."""
    around = grown(box, (1, 1, 1), labels.shape)
    form = labels[around] == scope.label
    depth = np.zeros(form.shape)
    # A label that fills the whole array has no surface to be measured from.
    if not form.all():
        depth = -ndimage.distance_transform_edt(form, sampling=scope.spacing)
    seeds = np.zeros(form.shape, dtype=np.int32)
    for number, voxel in enumerate(voxels):
        place = [v - part.start for v, part in zip(voxel, around, strict=True)]
        seeds[tuple(place)] = number + 1
    # scikit-image has no types.
    bodies: NDArray[np.int32] = watershed(  # type: ignore[no-untyped-call]
        depth, seeds, mask=form
    )
    return bodies[within(box, around)]
