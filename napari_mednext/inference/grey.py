"""What the grey values of a scan say about how it was taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GreyValues", "look_at"]

#: So many voxels, evenly spread, are looked at.
SAMPLE = 2**18
#: Hounsfield units of air with the noise around it, of soft tissue and fat, and the
#: range of all matter with metal; scanners pad with one value below it.
AIR_HU = (-1100.0, -900.0)
SOFT_HU = (-200.0, 300.0)
MATTER_HU = (-1100.0, 4100.0)
#: Least shares of a CT's voxels that are air and soft tissue, largest of the rest.
LEAST_AIR = 0.003
LEAST_SOFT = 0.03
MOST_OTHER = 0.005
#: Every CT shows fat, lung or air; voxels darker than this are missing where values
#: are not Hounsfield units, but for a few of a scanner's ringing.
DARK_HU = -20.0
LEAST_DARK = 0.003


@dataclass(frozen=True)
class GreyValues:
    """The values of one channel.

    Parameters
    ----------
    low, high : float
        The least and the largest finite value of those looked at; NaN without any.
    not_finite : float
        Share of voxels that are not finite.
    is_constant : bool
        Whether every finite voxel has the same value.
    is_like_ct : bool
        Whether there is air at -1000 beside soft tissue around 0, as in CT.
    may_be_ct : bool
        Whether they could be Hounsfield units of a region without air.
    """

    low: float
    high: float
    not_finite: float
    is_constant: bool
    is_like_ct: bool
    may_be_ct: bool


def look_at(channel: NDArray[Any]) -> GreyValues:
    """Return what the values of a channel (z, y, x) say; a part of them is read.

    Parameters
    ----------
    channel : (z, y, x)
        Any real dtype. Not modified.

    Returns
    -------
    GreyValues
    """
    step = max(1, math.ceil((channel.size / SAMPLE) ** (1 / 3)))
    sample = channel[::step, ::step, ::step].astype(np.float64).ravel()
    values = sample[np.isfinite(sample)]
    not_finite = 1 - values.size / max(sample.size, 1)
    if not values.size:
        return GreyValues(np.nan, np.nan, not_finite, True, False, False)  # noqa: FBT003 - a record
    low, high = float(values.min()), float(values.max())
    return GreyValues(
        low,
        high,
        not_finite,
        is_constant=low == high and _is_constant(channel, low),
        is_like_ct=_is_like_ct(values),
        may_be_ct=_share(values, -np.inf, DARK_HU) >= LEAST_DARK,
    )


def _is_constant(channel: NDArray[Any], value: float) -> bool:
    """Whether all finite voxels have a value, looked at plane by plane."""
    return all(bool((p[np.isfinite(p)] == value).all()) for p in channel)


def _is_like_ct(values: NDArray[np.float64]) -> bool:
    """Whether values are those of a CT in Hounsfield units."""
    low = float(values.min())
    if low < MATTER_HU[0]:  # what scanners put outside their round field of view
        values = values[values > low]
    inside = _share(values, *MATTER_HU)
    return (
        1 - inside <= MOST_OTHER
        and _share(values, *AIR_HU) >= LEAST_AIR
        and _share(values, *SOFT_HU) >= LEAST_SOFT
    )


def _share(values: NDArray[np.float64], low: float, high: float) -> float:
    """Return the share of values from ``low`` to ``high``."""
    if not values.size:
        return 0.0
    return float(np.count_nonzero((values >= low) & (values <= high)) / values.size)
