"""Small labels to try tools on, and the rules that every tool keeps."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_mednext.correction import Scope

SPACING = (3.0, 0.9, 1.1)
SHAPE = (5, 8, 7)

#: Labels 0, 1 and 2 in a volume without symmetry, 1 the most frequent.
labelled = hnp.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 1, 2]))


def written(labels, change):
    """Return the labels after a change, which must be one and as small as can be."""
    if change is None:
        return labels
    after = labels.copy()
    after[change.box] = change.labels
    assert change.labels.dtype == labels.dtype
    differing = np.argwhere(after != labels)
    for axis, part in enumerate(change.box):
        assert part.start == differing[:, axis].min()
        assert part.stop == differing[:, axis].max() + 1
    return after


def check_rules(tool, labels, *, new=(0, 1), gets=1):
    """Check that a tool changes what it would change without rules, where it may.

    ``tool`` takes labels and a scope of label 1; ``new`` are the values it may write,
    and ``gets`` the label that protection does not keep from it.
    """
    labels = labels.copy()
    labels.setflags(write=False)
    before = labels.copy()
    grey = (np.arange(labels.size).reshape(labels.shape) * 7) % 10
    free = Scope(1, SPACING)
    wished = written(labels, tool(labels, free))
    assert np.isin(wished[wished != before], new).all()
    windowed = replace(free, image=grey, window=(2, 6))
    inside = (grey >= 2) & (grey <= 6)
    unprotected = (before == 0) | (before == gets)
    for scope, may in (
        (windowed, inside),
        (replace(free, protect=True), unprotected),
        (replace(windowed, protect=True), inside & unprotected),
    ):
        after = written(labels, tool(labels, scope))
        np.testing.assert_array_equal(after, np.where(may, wished, before))
    np.testing.assert_array_equal(labels, before)


def positions(shape):
    """Return the centres of voxels in mm, (z, y, x, 3)."""
    return np.stack(np.indices(shape), axis=-1) * SPACING


def ball(shape, centre, radius_mm):
    """Return the voxels whose centre is at most so far from a voxel's."""
    away = positions(shape) - np.asarray(centre) * SPACING
    return (away**2).sum(axis=-1) <= radius_mm**2
