"""Scans as they arrive in practice: the same head, differently recorded.

Every change takes a scan and its reference and returns both on one new grid, so that
what is lost is the model's doing: references are cut to thick slices and turned along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_mednext.volume import Volume, VoxelGrid, reorient

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CHANGES", "Change"]

#: Scan and reference in, both out.
Change = Callable[[Volume, Volume], tuple[Volume, Volume]]

#: Axis of an array -> what it is called on a head that lies as RAS.
_AXES = {0: "feet-head", 1: "back-front", 2: "left-right"}
_SEED = 27


def _inverted(scan: Volume, reference: Volume) -> tuple[Volume, Volume]:
    return _with(scan, scan.array.max() - scan.array), reference


def _gamma(power: float) -> Change:
    def change(scan: Volume, reference: Volume) -> tuple[Volume, Volume]:
        low, high = float(scan.array.min()), float(scan.array.max())
        unit = (scan.array - low) / (high - low)
        return _with(scan, unit**power * (high - low) + low), reference

    return change


def _bias_and_noise(scan: Volume, reference: Volume) -> tuple[Volume, Volume]:
    """Multiply by a smooth field of 0.6 to 1.6 and add noise of 4 % of the range."""
    rng = np.random.default_rng(_SEED)
    coarse = rng.normal(0, 1, (4, 4, 4))
    factors = [n / 4 for n in scan.grid.shape]
    field = ndimage.zoom(coarse, factors, order=3, mode="nearest")[
        tuple(slice(n) for n in scan.grid.shape)
    ]
    field = np.interp(field, (field.min(), field.max()), (np.log(0.6), np.log(1.6)))
    noise = rng.normal(0, 0.04 * np.percentile(scan.array, 99.5), scan.array.shape)
    return _with(scan, scan.array * np.exp(field) + noise), reference


def _quarter_turn(axis: int) -> Change:
    """Turn the head by 90 degrees about an axis, while the header stays upright."""

    def change(scan: Volume, reference: Volume) -> tuple[Volume, Volume]:
        plane = tuple(a for a in range(3) if a != axis)

        def turned(volume: Volume) -> Volume:
            array = np.rot90(volume.array[0], axes=plane)
            spacing = list(volume.grid.spacing)
            spacing[plane[0]], spacing[plane[1]] = spacing[plane[1]], spacing[plane[0]]
            return _on_new_grid(volume, array, tuple(spacing))

        return turned(scan), turned(reference)

    return change


def _tilted(axis: int, degrees: float) -> Change:
    """Turn the head by some degrees about an axis, on the same grid."""

    def change(scan: Volume, reference: Volume) -> tuple[Volume, Volume]:
        plane = tuple(a for a in range(3) if a != axis)
        image = ndimage.rotate(
            scan.array[0].astype(np.float32), degrees, axes=plane, reshape=True, order=1
        )
        labels = _rotated_labels(reference.array[0], degrees, plane)
        spacing = scan.grid.spacing
        return (
            _on_new_grid(scan, image, spacing),
            _on_new_grid(reference, labels, spacing),
        )

    return change


def _stored_otherwise(axes: str) -> Change:
    def change(scan: Volume, reference: Volume) -> tuple[Volume, Volume]:
        return reorient(scan, axes), reorient(reference, axes)

    return change


def _thick(axis: int, thickness: int) -> Change:
    """Average whole slices along an axis; each reference voxel is its most frequent."""

    def change(scan: Volume, reference: Volume) -> tuple[Volume, Volume]:
        spacing = list(scan.grid.spacing)
        spacing[axis] *= thickness
        image = _blocks(scan.array[0].astype(np.float32), axis, thickness).mean(axis)
        labels = reference.array[0]
        shares = [
            _blocks(labels == value, axis, thickness).mean(axis)
            for value in range(int(labels.max()) + 1)
        ]
        majority = np.argmax(shares, axis=0).astype(labels.dtype)
        return (
            _on_new_grid(scan, image, tuple(spacing)),
            _on_new_grid(reference, majority, tuple(spacing)),
        )

    return change


def _without_skull(scan: Volume, reference: Volume) -> tuple[Volume, Volume]:
    """Blacken all but brain and fluid (1, 2 and 3 of the reference)."""
    inside = np.isin(reference.array, (1, 2, 3))
    return _with(scan, np.where(inside, scan.array, 0)), reference


def _with(volume: Volume, array: NDArray[np.generic]) -> Volume:
    return Volume(np.asarray(array, np.float32), volume.grid, name=volume.name)


def _on_new_grid(
    volume: Volume, array: NDArray[np.generic], spacing: tuple[float, ...]
) -> Volume:
    grid = VoxelGrid(
        array.shape,  # type: ignore[arg-type]  # three axes
        spacing,  # type: ignore[arg-type]  # three axes
        volume.grid.origin,
        volume.grid.direction,
    )
    return Volume(np.ascontiguousarray(array), grid, name=volume.name)


def _blocks(array: NDArray[np.generic], axis: int, length: int) -> NDArray[np.generic]:
    """Split an axis into (n, length), without the rest; ``axis + 1`` is the length.

    The returned array is moved so that averaging over ``axis`` leaves the old order.
    """
    count = array.shape[axis] // length
    kept = np.take(array, range(count * length), axis)
    shape = (*array.shape[:axis], count, length, *array.shape[axis + 1 :])
    return np.moveaxis(kept.reshape(shape), axis + 1, axis)


def _rotated_labels(
    labels: NDArray[np.generic], degrees: float, plane: tuple[int, ...]
) -> NDArray[np.generic]:
    """Rotate every label as a share of the voxel; the largest share wins."""
    best: NDArray[np.float32] | None = None
    result: NDArray[np.generic] | None = None
    for value in range(int(labels.max()) + 1):
        share = ndimage.rotate(
            (labels == value).astype(np.float32),
            degrees,
            axes=plane,
            reshape=True,
            order=1,
        )
        if best is None or result is None:
            best, result = share, np.zeros(share.shape, labels.dtype)
            continue
        larger = share > best
        result[larger] = value
        best = np.maximum(best, share)
    if result is None:
        msg = "a reference must hold labels"
        raise ValueError(msg)
    return result


#: Name -> change. Array axes are those of a scan stored as RAS, (z, y, x).
CHANGES: Mapping[str, Change] = {
    "inverted": _inverted,
    "gamma 0.6": _gamma(0.6),
    "gamma 1.6": _gamma(1.6),
    "bias and noise": _bias_and_noise,
    **{f"turned 90 about {name}": _quarter_turn(axis) for axis, name in _AXES.items()},
    **{f"tilted 30 about {name}": _tilted(axis, 30.0) for axis, name in _AXES.items()},
    **{f"stored as {axes}": _stored_otherwise(axes) for axes in ("LPI", "PIR", "SAL")},
    **{f"5 mm slices {name}": _thick(axis, 5) for axis, name in _AXES.items()},
    "skull-stripped": _without_skull,
}
