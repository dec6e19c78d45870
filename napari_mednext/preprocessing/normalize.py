"""Bring the intensities of a channel to the scale that a network was trained on.

The five schemes are nnU-Net's (nnunetv2 2.8.1, Apache-2.0), written anew; other
packages add theirs through the hook ``mednext_normalisations``. What differs: means
and deviations are summed in float64, plane by plane, so that no second copy of the
image exists; they agree with nnU-Net's float32 sums to the rounding of those.
Each scheme has its inverse: ``scheme(channel, ...)`` returns the :class:`Affine` map
that it applied, and clipping is the only loss.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import InputError, ModelError

__all__ = ["Affine", "Normalisation", "normalisation", "normalise"]

#: Smallest deviation or maximum that is divided by, as nnU-Net's.
EPSILON = 1e-8


@dataclass(frozen=True)
class Affine:
    """``normalised = (original - shift) / scale``; the inverse undoes it."""

    shift: float = 0.0
    scale: float = 1.0

    def inverse(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the original intensities, but for what clipping took."""
        return normalised * np.float32(self.scale) + np.float32(self.shift)


#: Works in place on a (z, y, x) float32 channel, given a (z, y, x) bool mask or None
#: and the intensity properties of the training set; returns the map it applied.
Normalisation = Callable[
    [NDArray[np.float32], NDArray[np.bool_] | None, Mapping[str, float]], Affine
]


def _apply(
    channel: NDArray[np.float32],
    affine: Affine,
    mask: NDArray[np.bool_] | None = None,
) -> Affine:
    """Apply the map in place, plane by plane, and return it."""
    shift, scale = np.float32(affine.shift), np.float32(affine.scale)
    for index, plane in enumerate(channel):
        if mask is None:
            plane -= shift
            plane /= scale
        else:
            inside = mask[index]
            plane[inside] = (plane[inside] - shift) / scale
    return affine


def zscore(
    channel: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    properties: Mapping[str, float],
) -> Affine:
    """Zero mean and unit deviation, over the mask only when there is one.

    Parameters
    ----------
    channel : (z, y, x) float32
        Changed in place; voxels outside the mask stay as they are.
    mask : (z, y, x) bool or None
        Where the statistics are taken and applied; None is everywhere.
    properties : mapping
        Not used.

    Returns
    -------
    Affine
        A constant image becomes zeros.
    """
    del properties
    count, total = 0, 0.0
    for index, plane in enumerate(channel):
        values = plane if mask is None else plane[mask[index]]
        count += values.size
        total += float(values.sum(dtype=np.float64))
    mean = total / max(count, 1)
    squares = 0.0
    for index, plane in enumerate(channel):
        values = plane if mask is None else plane[mask[index]]
        squares += float(np.square(values - mean, dtype=np.float64).sum())
    deviation = float(np.sqrt(squares / max(count, 1)))
    return _apply(channel, Affine(mean, max(deviation, EPSILON)), mask)


def ct(
    channel: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    properties: Mapping[str, float],
) -> Affine:
    """Clip to the training set's percentiles, then its mean and deviation.

    Parameters
    ----------
    channel : (z, y, x) float32
        Changed in place.
    mask : (z, y, x) bool or None
        Not used.
    properties : mapping
        ``percentile_00_5``, ``percentile_99_5``, ``mean`` and ``std`` in HU.

    Returns
    -------
    Affine
        The map after clipping.

    Raises
    ------
    ModelError
        If a property is missing.
    """
    del mask
    names = ("percentile_00_5", "percentile_99_5", "mean", "std")
    missing = [name for name in names if name not in properties]
    if missing:
        msg = (
            "CTNormalization needs the intensity properties of the training set, "
            f"the plans lack {', '.join(missing)}: repair plans.json"
        )
        raise ModelError(msg)
    low, high, mean, deviation = (float(properties[name]) for name in names)
    np.clip(channel, np.float32(low), np.float32(high), out=channel)
    return _apply(channel, Affine(mean, max(deviation, EPSILON)))


def rescale_to_01(
    channel: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    properties: Mapping[str, float],
) -> Affine:
    """Minimum to 0 and maximum to 1; a constant image becomes zeros.

    Parameters
    ----------
    channel : (z, y, x) float32
        Changed in place.
    mask, properties
        Not used.

    Returns
    -------
    Affine
    """
    del mask, properties
    low = float(channel.min())
    span = float(np.float32(channel.max()) - np.float32(low))
    return _apply(channel, Affine(low, max(span, EPSILON)))


def rgb_to_01(
    channel: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    properties: Mapping[str, float],
) -> Affine:
    """0..255 to 0..1.

    Parameters
    ----------
    channel : (z, y, x) float32
        Changed in place.
    mask, properties
        Not used.

    Returns
    -------
    Affine

    Raises
    ------
    InputError
        If a value lies outside 0..255.
    """
    del mask, properties
    low, high = float(channel.min()), float(channel.max())
    if low < 0 or high > 255:
        msg = (
            "a colour channel must lie in 0..255, "
            f"got {low:g}..{high:g}: choose a model for such images"
        )
        raise InputError(msg)
    return _apply(channel, Affine(0.0, 255.0))


def none(
    channel: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    properties: Mapping[str, float],
) -> Affine:
    """Leave the channel as it is.

    Parameters
    ----------
    channel : (z, y, x) float32
        Not touched.
    mask, properties
        Not used.

    Returns
    -------
    Affine
        The identity.
    """
    del channel, mask, properties
    return Affine()


_SCHEMES: dict[str, Normalisation] = {
    "CTNormalization": ct,
    "ZScoreNormalization": zscore,
    "RescaleTo01Normalization": rescale_to_01,
    "RGBTo01Normalization": rgb_to_01,
    "NoNormalization": none,
}


def normalisation(name: str) -> Normalisation:
    """Return the scheme of a name in plans.json.

    Parameters
    ----------
    name : str
        One of nnU-Net's five, or one that another package registered through
        ``mednext_normalisations`` as ``"module:function"``.

    Returns
    -------
    Normalisation

    Raises
    ------
    ModelError
        If nobody knows the name, or what a package registered cannot be imported.
    """
    if name in _SCHEMES:
        return _SCHEMES[name]
    registered = _registered()
    if name not in registered:
        known = ", ".join(sorted({*_SCHEMES, *registered}))
        msg = (
            f"the model normalises with {name!r}, known are {known}: "
            "install the package that brings it"
        )
        raise ModelError(msg)
    module, _, attribute = registered[name].partition(":")
    try:
        scheme: Normalisation = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        msg = (
            f"the normalisation {name!r} must be importable from "
            f"{registered[name]!r}, got {error}: repair the package that brings it"
        )
        raise ModelError(msg) from error
    return scheme


def _registered() -> dict[str, str]:
    """Names that other packages brought, with where to import them from."""
    from napari_mednext import extensions

    return dict(extensions.normalisations())


def normalise(
    channel: NDArray[np.float32],
    name: str,
    mask: NDArray[np.bool_] | None,
    properties: Mapping[str, float],
) -> Affine:
    """Normalise a channel in place by the scheme of a name.

    Parameters
    ----------
    channel : (z, y, x) float32
        Changed in place.
    name : str
        A name that :func:`normalisation` knows.
    mask : (z, y, x) bool or None
        Where the image is, for schemes that look only there.
    properties : mapping
        The training set's intensity properties of this channel.

    Returns
    -------
    Affine
        What was done, for the way back.
    """
    return normalisation(name)(channel, mask, properties)
