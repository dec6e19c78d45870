"""Resample images as nnU-Net does, with less memory, and tell the way back.

What is computed is that of nnunetv2 2.8.1 (Apache-2.0, ``preprocessing/resampling``),
which calls ``skimage.transform.resize`` (edge mode, no anti-aliasing): spline
interpolation at ``(i + 0.5) * size_in / size_out - 0.5`` with the border repeated, then
clipping to the range of the input. A spline interpolation on a grid is a product of
one-dimensional ones, so it is done here one axis after another, in float64 and in
slabs: the same numbers to rounding, at a third of the time and memory.

Separate z: when the voxels of either grid are more than three times longer along one
axis, that axis is done by itself at its own order (0, nearest, by default), and every
plane across it is resized and clipped by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.interpolate import BSpline

from napari_mednext.errors import ModelError
from napari_mednext.progress import CancelFlag, check_cancelled

__all__ = [
    "AxisSampling",
    "ResamplingRule",
    "resample",
    "resampled_shape",
    "sample_axis",
    "separate_axis",
]

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]

#: Ratio of the longest to the shortest voxel edge beyond which an axis is separate.
ANISOTROPY_THRESHOLD = 3.0
#: Voxels of repeated border before spline filtering, as scipy's for mode "nearest".
SPLINE_BORDER = 12
#: Voxels of float64 work at once.
SLAB_VOXELS = 4_000_000


class ResamplingRule(Protocol):
    """How a plan resamples images or logits."""

    @property
    def order(self) -> int:
        """Spline order in general."""
        ...

    @property
    def order_z(self) -> int:
        """Spline order along a separate axis."""
        ...

    @property
    def force_separate_z(self) -> bool | None:
        """Whether one axis is always, never, or (None) by the threshold separate."""
        ...


def resampled_shape(shape: Shape, spacing: Spacing, new_spacing: Spacing) -> Shape:
    """Return the shape that covers the same extent with another spacing.

    Parameters
    ----------
    shape : (z, y, x) voxels
        Before.
    spacing : (z, y, x) mm
        Before.
    new_spacing : (z, y, x) mm
        After.

    Returns
    -------
    (z, y, x) voxels
        Python's rounding, halves to even; at least one voxel.
    """
    return tuple(
        max(1, round(old / new * size))
        for old, new, size in zip(spacing, new_spacing, shape, strict=True)
    )  # type: ignore[return-value]  # three entries by the zip


def separate_axis(
    spacing: Spacing, new_spacing: Spacing, *, force: bool | None = None
) -> int | None:
    """Return the axis that is resampled by itself, or None.

    Parameters
    ----------
    spacing, new_spacing : (z, y, x) mm
        Before and after; the first that exceeds the threshold decides.
    force : bool or None
        The plan's ``force_separate_z``.

    Returns
    -------
    int or None
        The axis with the longest voxels; None when two or three axes share it.
    """
    if force is False:
        return None
    for candidate in (spacing, new_spacing):
        if force or max(candidate) / min(candidate) > ANISOTROPY_THRESHOLD:
            longest = [
                axis
                for axis, edge in enumerate(candidate)
                if max(candidate) / edge == 1
            ]
            return longest[0] if len(longest) == 1 else None
    return None


@dataclass(frozen=True)
class AxisSampling:
    """Which input positions an output voxel reads along one axis, order 0 or 1.

    ``low`` and ``high`` are indices of the input, ``weight`` that of ``high`` in 0..1;
    nearest sampling has weight 0 and ``high`` equal to ``low``.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    weight: NDArray[np.float64]

    @property
    def is_identity(self) -> bool:
        """Whether output voxel i is input voxel i."""
        return bool(
            (self.weight == 0).all()
            and np.array_equal(self.low, np.arange(self.low.size))
        )


def _positions(size: int, new_size: int) -> NDArray[np.float64]:
    """Centres of the new voxels in units of old voxels."""
    scale = float(size) / new_size
    centres = np.arange(new_size, dtype=np.float64) + 0.5
    return scale * centres - 0.5


def sample_axis(size: int, new_size: int, order: int) -> AxisSampling:
    """Return where each of ``new_size`` voxels reads from ``size``, border repeated.

    Parameters
    ----------
    size, new_size : int
        Voxels before and after.
    order : int
        0 for nearest, 1 for linear.

    Returns
    -------
    AxisSampling

    Raises
    ------
    ModelError
        If the order is neither.
    """
    if order not in (0, 1):
        msg = (
            "logits can be resampled with order 0 or 1, the plan asks for "
            f"{order!r}: set order 1 in plans.json"
        )
        raise ModelError(msg)
    if size == new_size:
        index = np.arange(size)
        return AxisSampling(index, index, np.zeros(size))
    position = np.clip(_positions(size, new_size), 0, size - 1)
    if order == 0:
        nearest = np.floor(_positions(size, new_size) + 0.5).astype(np.int64)
        nearest = np.clip(nearest, 0, size - 1)
        return AxisSampling(nearest, nearest, np.zeros(new_size))
    low = np.floor(position).astype(np.int64)
    weight = position - low
    high = np.where(weight > 0, np.minimum(low + 1, size - 1), low)
    return AxisSampling(low, high, weight)


def _spline_matrix(size: int, new_size: int, order: int) -> sparse.csr_array:
    """(new_size, size + border) weights of B-spline coefficients at the new voxels."""
    if order <= 1:
        sampling = sample_axis(size, new_size, order)
        rows = np.arange(new_size)
        weights = np.concatenate([1 - sampling.weight, sampling.weight])
        columns = np.concatenate([sampling.low, sampling.high])
        return sparse.csr_array(
            (weights, (np.concatenate([rows, rows]), columns)), (new_size, size)
        )
    padded = size + 2 * SPLINE_BORDER
    position = _positions(size, new_size) + SPLINE_BORDER
    offset = 0.0 if order % 2 else 0.5
    first = np.floor(position + offset).astype(np.int64) - order // 2
    basis = BSpline.basis_element(np.arange(order + 2) - (order + 1) / 2)
    nodes = first[:, None] + np.arange(order + 1)
    inside = np.abs(position[:, None] - nodes) < (order + 1) / 2
    weights = np.where(inside, basis(position[:, None] - nodes), 0.0)
    rows = np.repeat(np.arange(new_size), order + 1)
    return sparse.csr_array(
        (weights.ravel(), (rows, nodes.ravel())), (new_size, padded)
    )


def _along(
    array: NDArray[np.float64], axis: int, new_size: int, order: int
) -> NDArray[np.float64]:
    """Interpolate a float64 array along one axis; any order from 0 to 5."""
    size = array.shape[axis]
    if size == new_size:
        return array
    matrix = _spline_matrix(size, new_size, order)
    array = np.moveaxis(array, axis, 0)
    if order > 1:
        border = [(SPLINE_BORDER, SPLINE_BORDER)] + [(0, 0)] * (array.ndim - 1)
        array = np.pad(array, border, mode="edge")
        array = ndimage.spline_filter1d(array, order, axis=0, mode="nearest")
    flat = np.ascontiguousarray(array).reshape(array.shape[0], -1)
    result = (matrix @ flat).reshape(new_size, *array.shape[1:])
    return np.moveaxis(result, 0, axis)


def _slabs(length: int, voxels_per_index: int) -> list[slice]:
    """Cut an axis into pieces of bounded work."""
    step = max(1, SLAB_VOXELS // max(1, voxels_per_index))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def resample(
    channel: NDArray[np.float32],
    new_shape: Shape,
    rule: ResamplingRule,
    axis: int | None,
    *,
    cancel: CancelFlag | None = None,
) -> NDArray[np.float32]:
    """Return one channel on another number of voxels over the same extent.

    Parameters
    ----------
    channel : (z, y, x) float32
        Not modified; returned itself when its shape is the wanted one.
    new_shape : (z, y, x) voxels
        Wanted shape.
    rule : ResamplingRule
        The plan's orders.
    axis : int or None
        What :func:`separate_axis` said.
    cancel : CancelFlag, optional
        Looked at between slabs.

    Returns
    -------
    (z, y, x) float32

    Raises
    ------
    Cancelled
        If ``cancel`` was set.

    Notes
    -----
    Beside input and output one float64 array exists, with the in-plane size of the
    output and the depth of the input.
    """
    if channel.shape == new_shape:
        return channel
    last = 0 if axis is None else axis
    order_last = rule.order if axis is None else rule.order_z
    in_plane = _resize_planes(channel, last, new_shape, rule.order, axis, cancel)
    limits = (channel.min(), channel.max()) if axis is None and rule.order else None
    result = np.empty(new_shape, dtype=np.float32)
    # Slabs run along an axis that is finished, with the last axis whole in each.
    across = 1 if last == 0 else 0
    for piece in _slabs(new_shape[across], in_plane.size // new_shape[across]):
        check_cancelled(cancel)
        where = tuple(piece if a == across else slice(None) for a in range(3))
        block = _along(in_plane[where], last, new_shape[last], order_last)
        if limits is not None:
            block = np.clip(block, *limits)
        result[where] = block
    return result


def _resize_planes(
    channel: NDArray[np.float32],
    last: int,
    new_shape: Shape,
    order: int,
    axis: int | None,
    cancel: CancelFlag | None,
) -> NDArray[np.float64]:
    """Resize the two axes other than ``last``, each plane clipped when separate."""
    others = [a for a in range(3) if a != last]
    shape = list(new_shape)
    shape[last] = channel.shape[last]
    result = np.empty(shape, dtype=np.float64)
    largest = max(channel.size, result.size) // channel.shape[last]
    for piece in _slabs(channel.shape[last], largest):
        check_cancelled(cancel)
        where = tuple(piece if a == last else slice(None) for a in range(3))
        source = channel[where].astype(np.float64)
        block = source
        # The axis that shrinks most goes first: less is left for the next one.
        for a in sorted(others, key=lambda a: new_shape[a] / channel.shape[a]):
            block = _along(block, a, new_shape[a], order)
        if axis is not None and order > 0:
            over = tuple(others)
            low = source.min(axis=over, keepdims=True)
            block = np.clip(block, low, source.max(axis=over, keepdims=True))
        result[where] = block
    return result
