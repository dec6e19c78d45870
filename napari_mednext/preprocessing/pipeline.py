"""An image as the network wants it, and all that is needed to go back.

The steps and their order are nnU-Net's (nnunetv2 2.8.1, Apache-2.0,
``DefaultPreprocessor``): turn the axes, crop to what is not zero, normalise, resample.
Padding up to the size of a tile belongs to inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import ChannelError, InputError
from napari_mednext.preprocessing.crop import Box, filled_mask, nonzero_box
from napari_mednext.preprocessing.normalize import normalise
from napari_mednext.preprocessing.resample import (
    ResamplingRule,
    Shape,
    Spacing,
    resample,
    resampled_shape,
    separate_axis,
)
from napari_mednext.progress import CancelFlag, check_cancelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Geometry", "Plan", "Preprocessed", "plan_geometry", "preprocess"]


class Plan(Protocol):
    """What preprocessing reads from a model's configuration.

    ``spacing`` and ``patch_size`` are in the order of the turned axes.
    """

    @property
    def spacing(self) -> Sequence[float]:
        """Spacing that the network was trained at, mm, turned axes."""
        ...

    @property
    def transpose_forward(self) -> Sequence[int]:
        """Which axis of the image each turned axis is."""
        ...

    @property
    def normalization_schemes(self) -> Sequence[str]:
        """Name of the normalisation of each channel."""
        ...

    @property
    def use_mask_for_norm(self) -> Sequence[bool]:
        """Whether a channel is normalised over its mask only."""
        ...

    @property
    def intensity_properties(self) -> Sequence[Mapping[str, float]]:
        """The training set's intensities, for each channel."""
        ...

    @property
    def resampling_data(self) -> ResamplingRule:
        """How images are resampled."""
        ...


@dataclass(frozen=True)
class Geometry:
    """The shapes that an image goes through, all in the order of the turned axes.

    Parameters
    ----------
    transpose : three ints
        Turned axis k is axis ``transpose[k]`` of the image.
    shape : (z, y, x) voxels
        Before cropping.
    spacing : (z, y, x) mm
        Before resampling.
    box : Box
        What is left after cropping.
    new_shape : (z, y, x) voxels
        After resampling.
    new_spacing : (z, y, x) mm
        The plan's.
    """

    transpose: tuple[int, int, int]
    shape: Shape
    spacing: Spacing
    box: Box
    new_shape: Shape
    new_spacing: Spacing

    @property
    def cropped_shape(self) -> Shape:
        """Voxels of the box."""
        return tuple(stop - start for start, stop in self.box)  # type: ignore[return-value]  # three axes

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as slices."""
        return tuple(slice(*limits) for limits in self.box)  # type: ignore[return-value]  # three axes


@dataclass(frozen=True)
class Preprocessed:
    """What goes into the network.

    Parameters
    ----------
    data : (c, z, y, x) float32
        In the order of the turned axes.
    geometry : Geometry
        The way back.
    notes : tuple of str
        What was repaired, as sentences for the user.
    """

    data: NDArray[np.float32]
    geometry: Geometry
    notes: tuple[str, ...] = ()


def plan_geometry(
    array: NDArray[Any], spacing: Sequence[float], plan: Plan
) -> Geometry:
    """Return the shapes that preprocessing will have; fast, and makes no copy.

    Parameters
    ----------
    array : (c, z, y, x)
        The image.
    spacing : (z, y, x) mm
        Its spacing.
    plan : Plan
        The model's configuration.

    Returns
    -------
    Geometry

    Raises
    ------
    ChannelError
        If the array is not 4D or its channels are not those of the plan.
    """
    expected = len(plan.normalization_schemes)
    if array.ndim != 4 or array.shape[0] != expected:
        msg = (
            f"the image must be a (channel, z, y, x) array with {expected} channels, "
            f"got shape {array.shape}: choose as many channels"
        )
        raise ChannelError(msg)
    axes = _triple(plan.transpose_forward)
    turned = array.transpose(0, *(a + 1 for a in axes))
    old_spacing = tuple(float(spacing[a]) for a in axes)
    box = nonzero_box(turned)
    cropped = tuple(stop - start for start, stop in box)
    new_spacing = tuple(float(s) for s in plan.spacing)
    new_shape = resampled_shape(cropped, old_spacing, new_spacing)  # type: ignore[arg-type]  # three axes each
    return Geometry(axes, turned.shape[1:], old_spacing, box, new_shape, new_spacing)  # type: ignore[arg-type]  # three axes each


def preprocess(
    array: NDArray[Any],
    spacing: Sequence[float],
    plan: Plan,
    *,
    cancel: CancelFlag | None = None,
    geometry: Geometry | None = None,
) -> Preprocessed:
    """Return an image as the network of a plan wants it.

    NaN becomes the channel's smallest finite value, and infinite values the largest or
    smallest; the notes say how many there were.

    Parameters
    ----------
    array : (c, z, y, x)
        Any real dtype. Not modified.
    spacing : (z, y, x) mm
        Its spacing.
    plan : Plan
        The model's configuration.
    cancel : CancelFlag, optional
        Looked at between planes and slabs.
    geometry : Geometry, optional
        What :func:`plan_geometry` said of this image; found anew when not given.

    Returns
    -------
    Preprocessed

    Raises
    ------
    ChannelError
        If the number of channels is not the plan's.
    InputError
        If a channel holds no finite value.
    ModelError
        If the plan names a normalisation that nobody knows.
    Cancelled
        If ``cancel`` was set.

    Notes
    -----
    Channels are done one after another: beside the result there is one float32 copy of
    the cropped channel, and what :func:`resample` needs.
    """
    if geometry is None:
        geometry = plan_geometry(array, spacing, plan)
    turned = array.transpose(0, *(a + 1 for a in geometry.transpose))
    cropped = turned[(slice(None), *geometry.slices)]
    mask = filled_mask(cropped) if any(plan.use_mask_for_norm) else None
    rule = plan.resampling_data
    axis = separate_axis(
        geometry.spacing, geometry.new_spacing, force=rule.force_separate_z
    )
    notes: list[str] = []
    data = np.empty((array.shape[0], *geometry.new_shape), dtype=np.float32)
    for index, source in enumerate(cropped):
        check_cancelled(cancel)
        # Without resampling the channel is normalised where it will stay.
        in_place = source.shape == geometry.new_shape
        channel = data[index] if in_place else np.empty(source.shape, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            channel[...] = source
        notes += _repair(channel, source, index)
        uses_mask = plan.use_mask_for_norm[index]
        normalise(
            channel,
            plan.normalization_schemes[index],
            mask if uses_mask else None,
            plan.intensity_properties[index],
        )
        if not in_place:
            data[index] = resample(
                channel, geometry.new_shape, rule, axis, cancel=cancel
            )
    return Preprocessed(data, geometry, tuple(notes))


def _repair(
    channel: NDArray[np.float32], source: NDArray[Any], index: int
) -> list[str]:
    """Replace what is not finite, in place; return a note when there was any."""
    if not np.issubdtype(source.dtype, np.floating):
        return []
    bad = 0
    low, high = np.inf, -np.inf
    for plane in channel:
        finite = plane[np.isfinite(plane)]
        bad += plane.size - finite.size
        if finite.size:
            low = min(low, float(finite.min()))
            high = max(high, float(finite.max()))
    if bad == 0:
        return []
    if bad == channel.size:
        msg = (
            f"an image must hold numbers, channel {index} has no finite voxel: "
            "choose another file"
        )
        raise InputError(msg)
    for plane in channel:
        np.nan_to_num(plane, copy=False, nan=low, posinf=high, neginf=low)
    return [
        f"{bad} voxels of channel {index} were not finite: NaN was read as {low:g}, "
        f"infinity as {high:g}"
    ]


def _triple(axes: Sequence[int]) -> tuple[int, int, int]:
    """Three whole numbers."""
    z, y, x = (int(a) for a in axes)
    return z, y, x
