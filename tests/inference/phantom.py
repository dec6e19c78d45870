"""A brain made of ellipsoids whose sides are known, on any grid."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from napari_mednext.labels import LabelSet, SidedLabels
from napari_mednext.volume import VoxelGrid

CORTEX, WHITE, VENTRICLES, CEREBELLUM, DEEP, STEM, HEAD = 1, 2, 3, 5, 7, 9, 10
NAMES = {
    CORTEX: "cortex",
    WHITE: "white matter",
    VENTRICLES: "ventricles",
    CEREBELLUM: "cerebellum",
    DEEP: "deep grey",
    STEM: "brainstem",
    HEAD: "rest of the head",
}
PAIRED = (CORTEX, WHITE, CEREBELLUM, DEEP)
SIDED = SidedLabels(LabelSet.from_names(NAMES), PAIRED, (VENTRICLES, STEM), (WHITE,))


def tilt(yaw=0.0, roll=0.0, pitch=0.0):
    """How the head lies in the scanner: turned about S, then P, then L, in degrees."""
    return Rotation.from_euler("ZYX", (yaw, roll, pitch), degrees=True).as_matrix()


def grid_around(shape, spacing, direction=None, centre=(5.0, -12.0, 30.0)):
    """A grid whose middle lies at a point of the world."""
    direction = np.eye(3) if direction is None else np.asarray(direction, dtype=float)
    rows = tuple(map(tuple, direction))
    at_zero = VoxelGrid(shape, spacing, (0.0, 0.0, 0.0), rows)
    middle = at_zero.to_world((np.array(shape) - 1) / 2)
    return VoxelGrid(shape, spacing, tuple(np.array(centre) - middle), rows)


def head(grid, rotation=None, centre=(5.0, -12.0, 30.0), bulge_mm=2.5):
    """Return labels, and +1 on the left, -1 on the right, 0 where there is no side.

    The left half is larger, and at the back it reaches over the middle by ``bulge_mm``.
    """
    rotation = np.eye(3) if rotation is None else rotation
    index = np.stack(np.indices(grid.shape), axis=-1)
    world = grid.to_world(index) - np.asarray(centre)
    left, back, up = np.moveaxis(world @ rotation, -1, 0)
    # The back of the left half reaches over to the right.
    fissure = left + bulge_mm * np.clip(back / 70.0, 0.0, None) ** 2
    side = np.where(fissure > 0, 1, -1)
    width = np.where(side > 0, 66.0, 61.0)

    def ball(x, y, z, radii):
        a, b, c = radii
        return (left - x) ** 2 / a**2 + (back - y) ** 2 / b**2 + (
            up - z
        ) ** 2 / c**2 < 1

    def both(x, y, z, radii):
        a, b, c = radii
        x = (np.abs(fissure) - x) / a
        return x**2 + (back - y) ** 2 / b**2 + (up - z) ** 2 / c**2 < 1

    labels = np.zeros(grid.shape, dtype=np.uint8)
    labels[ball(0, 5, -5, (82, 102, 92))] = HEAD
    cerebrum = (fissure / width) ** 2 + (back / 85) ** 2 + (up / 62) ** 2 < 1
    cerebrum &= up > -28 - 0.1 * back
    labels[cerebrum] = CORTEX
    inside = (fissure / (width - 6)) ** 2 + (back / 79) ** 2 + (up / 56) ** 2 < 1
    gyri = np.abs(fissure) > 4 + 2 * np.sin(back / 7) * np.sin(up / 6)
    bridge = ball(0, 0, 5, (25, 30, 6))
    labels[cerebrum & inside & (up > -20) & (gyri | bridge)] = WHITE
    labels[both(16, 5, -5, (11, 22, 10))] = DEEP
    labels[both(9, 0, 8, (5, 30, 5))] = VENTRICLES
    labels[both(24, 45, -45, (27, 25, 18)) & (up < -30)] = CEREBELLUM
    labels[ball(0, 15, -45, (13, 12, 28))] = STEM
    side = np.where(np.isin(labels, PAIRED), side, 0)
    return labels, side


def accuracy(result, labels, side):
    """Part of the voxels of each paired label that got their side."""
    found = {}
    for value in PAIRED:
        of_label = labels == value
        wanted = np.where(side > 0, SIDED.left(value), SIDED.right(value))
        if of_label.any():
            found[value] = float((result[of_label] == wanted[of_label]).mean())
    return found
