"""Grey value windows for CT: which Hounsfield units are shown black and white.

The levels and widths are those that radiologists commonly read with; consoles of
different makers differ by some tens of units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import SettingsError
from napari_mednext.ui.bridge import SAMPLED_VOXELS, display_range, layer_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "AUTOMATIC",
    "WINDOWS",
    "Window",
    "Windows",
    "scan_layers",
]

#: Percentiles of the scan itself.
AUTOMATIC = "automatic"
#: Fat and air lie below this in CT, in HU; other scans have no such values.
FAT_HU = -50.0


@dataclass(frozen=True)
class Window:
    """A level (what is shown middle grey) and a width, in HU."""

    level: float
    width: float

    @property
    def limits(self) -> tuple[float, float]:
        """What is shown black and what is shown white, in HU."""
        return self.level - self.width / 2, self.level + self.width / 2


#: The windows by name.
WINDOWS = {
    "soft tissue": Window(40, 400),
    "liver": Window(60, 160),
    "lung": Window(-600, 1500),
    "bone": Window(400, 1800),
    "brain": Window(40, 80),
}


def scan_layers(viewer: Any) -> list[Any]:
    """Return the layers that show scans: visible grey images, else all visible ones.

    Maps, such as the doubt of a model, are images too, but in colours.
    """
    from napari.layers import Image

    images = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Image) and not layer.rgb and layer.visible
    ]
    return [layer for layer in images if layer.colormap.name == "gray"] or images


class Windows:
    """Shows scans with windows, and knows which one a scan is shown with.

    What is read from the voxels is kept for as long as a layer has the same array.
    """

    def __init__(self) -> None:
        self._facts: dict[Any, _Facts] = {}

    def names(self, layers: Sequence[Any]) -> list[str]:
        """Return the windows that make sense for some image layers."""
        is_ct = any(self._facts_of(layer).is_ct for layer in layers)
        return [AUTOMATIC, *WINDOWS] if is_ct else [AUTOMATIC]

    def current(self, layer: Any) -> str | None:
        """Return the window that a layer is shown with; None if it is another one."""
        for name, window in WINDOWS.items():
            if np.allclose(layer.contrast_limits, window.limits):
                return name
        automatic = self._facts_of(layer).automatic
        return AUTOMATIC if np.allclose(layer.contrast_limits, automatic) else None

    def apply(self, layers: Sequence[Any], name: str) -> None:
        """Show layers with a window; those without Hounsfield units only automatically.

        Parameters
        ----------
        layers : sequence of Image layers
            Scans, as of :func:`scan_layers`.
        name : str
            ``"automatic"`` or one of the CT windows.

        Raises
        ------
        SettingsError
            If there is no such window.
        """
        if name != AUTOMATIC and name not in WINDOWS:
            names = ", ".join((AUTOMATIC, *WINDOWS))
            msg = f"a window must be one of {names}, not {name!r}: choose one"
            raise SettingsError(msg)
        for layer in layers:
            facts = self._facts_of(layer)
            if name == AUTOMATIC:
                layer.contrast_limits = facts.automatic
            elif facts.is_ct:
                layer.contrast_limits = WINDOWS[name].limits

    def _facts_of(self, layer: Any) -> _Facts:
        """Return what the voxels of a layer say."""
        voxels = layer.data[0] if layer.multiscale else layer.data
        facts = self._facts.get(layer.unique_id)
        if facts is None or facts.array != id(voxels):
            array = np.asarray(voxels)
            facts = _Facts(
                id(voxels), display_range(array), _holds_hounsfield(layer, array)
            )
            self._facts[layer.unique_id] = facts
        return facts


@dataclass(frozen=True)
class _Facts:
    """What the voxels of an array say."""

    array: int
    automatic: tuple[float, float]
    is_ct: bool


def _holds_hounsfield(layer: Any, voxels: NDArray[Any]) -> bool:
    """Whether values look like HU: the file says so, else fat and air are there."""
    origin = layer_origin(layer)
    if origin is not None and origin.source.modality:
        return bool(origin.source.modality == "CT")
    step = max(1, voxels.size // SAMPLED_VOXELS)
    return bool(np.any(voxels.reshape(-1)[::step] < FAT_HU))
