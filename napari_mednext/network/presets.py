"""Named sizes of MedNeXt-v2 and of MedNeXt v1.

``base`` and ``wide`` are the paper's (arXiv 2512.17774: 62 M and 247 M parameters, the
topology of v1-L). ``small`` keeps v1-S's depth with GRN. ``tiny`` is ours: it trains on
two CPU cores within hours and fits into a wheel.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from napari_mednext.errors import InputError

__all__ = ["PRESETS", "preset"]

_L_BLOCKS = (3, 4, 8, 8, 8, 8, 8, 4, 3)
_L_RATIOS = (3, 4, 8, 8, 8, 8, 8, 4, 3)
_S = (2,) * 9

#: Name -> constructor arguments of :class:`~napari_mednext.network.MedNeXt`.
PRESETS: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "tiny": {
            "width": 16,
            "blocks": (1, 1, 2, 2, 2, 2, 2, 1, 1),
            "ratios": (2, 3, 4, 4, 4, 4, 4, 3, 2),
            "grn": "mean",
        },
        "small": {"width": 32, "blocks": _S, "ratios": _S, "grn": "mean"},
        "base": {"width": 32, "blocks": _L_BLOCKS, "ratios": _L_RATIOS, "grn": "mean"},
        "wide": {"width": 64, "blocks": _L_BLOCKS, "ratios": _L_RATIOS, "grn": "mean"},
    }
)


def preset(name: str) -> dict[str, Any]:
    """Return the constructor arguments of a preset, as a new mapping.

    Raises
    ------
    InputError
        If there is no preset of this name.
    """
    if name not in PRESETS:
        msg = f"the preset must be one of {sorted(PRESETS)}, got {name!r}"
        raise InputError(msg)
    return dict(PRESETS[name])
