"""Random changes of training patches, those that nnU-Net makes by default.

Source: Isensee et al., Nature Methods 2021, supplement, "data augmentation", and the
shares and ranges of nnunetv2's default trainer (facts only, no code).

What differs: turning, scaling and mirroring are one affine map that is applied in one
interpolation, straight from the scan, so that corners hold anatomy and not padding;
turns are in millimetres; with thick slices patches are turned and scaled within the
slices, by at most 30 degrees, since the orientation of scans is known; the variance of
the noise is a variance, as the paper says, where the code takes it as the standard
deviation. All is computed by NumPy and SciPy, whose results do not depend on the number
of threads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_mednext.preprocessing.resample import sample_axis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "add_noise",
    "augment_intensity",
    "blur",
    "change_contrast",
    "change_gamma",
    "draw_affine",
    "lower_resolution",
    "scale_brightness",
    "turning_axes",
]

#: Ratio of spacings beyond which two axes are not turned into each other, as nnU-Net.
ANISOTROPY_THRESHOLD = 3.0

ROTATION_SHARE, MOST_DEGREES = 0.2, 30.0
SCALING_SHARE, SCALING = 0.2, (0.7, 1.4)
MIRROR_SHARE = 0.5
NOISE_SHARE, MOST_VARIANCE = 0.1, 0.1
BLUR_SHARE, BLUR_SIGMA, BLUR_CHANNEL_SHARE = 0.2, (0.5, 1.0), 0.5
BRIGHTNESS_SHARE, BRIGHTNESS = 0.15, (0.75, 1.25)
CONTRAST_SHARE, CONTRAST = 0.15, (0.75, 1.25)
LOW_RESOLUTION_SHARE, RESOLUTION, RESOLUTION_CHANNEL_SHARE = 0.25, (0.5, 1.0), 0.5
INVERTED_GAMMA_SHARE, GAMMA_SHARE, GAMMA = 0.1, 0.3, (0.7, 1.5)

#: Below this a range or a spread is none.
_TINY = 1e-7


def turning_axes(spacing: Sequence[float]) -> tuple[int, ...]:
    """Return the axes that may be turned around, 0..2.

    Parameters
    ----------
    spacing : (z, y, x) mm
        Of the patch.

    Returns
    -------
    tuple of int
        Those whose two other axes have spacings within a factor of
        `ANISOTROPY_THRESHOLD`: all three, or for thick slices the one across them.
    """
    return tuple(
        axis
        for axis in range(3)
        if max(others := [s for k, s in enumerate(spacing) if k != axis])
        <= ANISOTROPY_THRESHOLD * min(others)
    )


def _in_plane(spacing: Sequence[float]) -> tuple[int, ...]:
    """Return the axes that some turn moves: those that may be interpolated."""
    turns = turning_axes(spacing)
    return tuple(k for k in range(3) if any(axis != k for axis in turns))


def draw_affine(
    rng: np.random.Generator,
    spacing: Sequence[float],
    mirror_axes: Sequence[int] = (),
) -> NDArray[np.float64]:
    """Draw a turn, a scaling and mirrors.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides all.
    spacing : (z, y, x) mm
        Of the patch: turns keep millimetres, and thick slices are not tilted.
    mirror_axes : sequence of int
        Axes that may be mirrored.

    Returns
    -------
    (3, 3) float64
        From the patch's voxels to the scan's; with neither turn nor scaling exactly a
        diagonal of 1 and -1.
    """
    matrix = np.eye(3)
    if rng.random() < ROTATION_SHARE:
        for axis in turning_axes(spacing):
            angle = math.radians(rng.uniform(-MOST_DEGREES, MOST_DEGREES))
            i, j = (k for k in range(3) if k != axis)
            turn = np.eye(3)
            turn[i, i] = turn[j, j] = math.cos(angle)
            turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
            matrix = matrix @ turn
    if rng.random() < SCALING_SHARE:
        factor = _factor(rng, SCALING)
        in_plane = _in_plane(spacing)
        matrix = matrix @ np.diag([factor if k in in_plane else 1.0 for k in range(3)])
    edges = np.array(spacing, float)
    matrix = matrix * edges / edges[:, None]
    mirrored = rng.random(3) < MIRROR_SHARE
    signs = [-1.0 if k in mirror_axes and mirrored[k] else 1.0 for k in range(3)]
    return np.asarray(matrix * signs)


def augment_intensity(
    image: NDArray[np.float32], rng: np.random.Generator, spacing: Sequence[float]
) -> None:
    """Change the intensities of a patch, in place.

    Parameters
    ----------
    image : (c, z, y, x) float32
        Normalised.
    rng : numpy.random.Generator
        Decides all.
    spacing : (z, y, x) mm
        Of the patch: resolution is lowered within thick slices only.
    """
    for channel in _chosen(image, rng, NOISE_SHARE):
        add_noise(channel, math.sqrt(rng.uniform(0, MOST_VARIANCE)), rng)
    for channel in _chosen(image, rng, BLUR_SHARE, BLUR_CHANNEL_SHARE):
        blur(channel, rng.uniform(*BLUR_SIGMA, 3).tolist())
    for channel in _chosen(image, rng, BRIGHTNESS_SHARE):
        scale_brightness(channel, _factor(rng, BRIGHTNESS))
    for channel in _chosen(image, rng, CONTRAST_SHARE):
        change_contrast(channel, _factor(rng, CONTRAST))
    for channel in _chosen(image, rng, LOW_RESOLUTION_SHARE, RESOLUTION_CHANNEL_SHARE):
        lower_resolution(channel, rng.uniform(*RESOLUTION), _in_plane(spacing))
    for channel in _chosen(image, rng, INVERTED_GAMMA_SHARE):
        change_gamma(channel, _factor(rng, GAMMA), is_inverted=True)
    for channel in _chosen(image, rng, GAMMA_SHARE):
        change_gamma(channel, _factor(rng, GAMMA))


def _chosen(
    image: NDArray[np.float32],
    rng: np.random.Generator,
    share: float,
    channel_share: float = 1.0,
) -> Iterator[NDArray[np.float32]]:
    """Yield the channels that a change befalls: of a share of the images, some."""
    if rng.random() < share:
        for channel in image:
            if rng.random() < channel_share:
                yield channel


def add_noise(
    channel: NDArray[np.float32], sigma: float, rng: np.random.Generator
) -> None:
    """Add Gaussian noise of a standard deviation, in place, (z, y, x)."""
    noise = rng.standard_normal(channel.shape, np.float32)
    noise *= np.float32(sigma)
    channel += noise


def blur(channel: NDArray[np.float32], sigmas: Sequence[float]) -> None:
    """Blur with a Gaussian of the given widths in voxels, in place, (z, y, x)."""
    ndimage.gaussian_filter(channel, sigmas, output=channel, mode="nearest")


def scale_brightness(channel: NDArray[np.float32], factor: float) -> None:
    """Multiply by a factor, in place, (z, y, x)."""
    channel *= np.float32(factor)


def change_contrast(channel: NDArray[np.float32], factor: float) -> None:
    """Stretch around the mean, clipped to the range before, in place, (z, y, x)."""
    low, high, mean = channel.min(), channel.max(), channel.mean()
    channel -= mean
    channel *= np.float32(factor)
    channel += mean
    np.clip(channel, low, high, out=channel)


def lower_resolution(
    channel: NDArray[np.float32], scale: float, axes: Sequence[int]
) -> None:
    """Take the nearest of fewer voxels, then interpolate linearly, in place.

    Parameters
    ----------
    channel : (z, y, x) float32
        Changed.
    scale : float
        Share of the voxels that is left along each axis.
    axes : sequence of int
        Those that lose resolution.
    """
    result = channel
    for axis in axes:
        size = channel.shape[axis]
        fewer = max(1, round(size * scale))
        result = result.take(sample_axis(size, fewer, 0).low, axis)
    for axis in axes:
        size = channel.shape[axis]
        back = sample_axis(result.shape[axis], size, 1)
        shape = [1, 1, 1]
        shape[axis] = size
        low = result.take(back.low, axis)
        high = result.take(back.high, axis)
        high -= low
        high *= back.weight.astype(np.float32).reshape(shape)
        low += high
        result = low
    channel[...] = result


def change_gamma(
    channel: NDArray[np.float32], gamma: float, *, is_inverted: bool = False
) -> None:
    """Raise to a power on the scale 0..1, then restore mean and spread, in place.

    Parameters
    ----------
    channel : (z, y, x) float32
        Changed.
    gamma : float
        The power; positive.
    is_inverted : bool
        Whether the power is taken of the negative.
    """
    if is_inverted:
        np.negative(channel, out=channel)
    mean, spread = channel.mean(), channel.std()
    low = channel.min()
    extent = max(channel.max() - low, np.float32(_TINY))
    channel -= low
    channel /= extent
    np.power(channel, np.float32(gamma), out=channel)
    channel -= channel.mean()
    channel *= spread / max(channel.std(), np.float32(_TINY))
    channel += mean
    if is_inverted:
        np.negative(channel, out=channel)


def _factor(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Draw a factor, as often below 1 as above."""
    low, high = limits
    if rng.random() < 0.5:
        return float(rng.uniform(low, 1))
    return float(rng.uniform(1, high))
