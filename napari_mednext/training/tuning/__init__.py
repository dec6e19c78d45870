"""Improving a model with the corrections of a study.

The names below are imported when they are first used: none of this needs torch before
a training begins.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_mednext.training.tuning.sampling import Patch, PatchSampler, TuningCase

__all__ = ["Patch", "PatchSampler", "TuningCase"]

#: Module -> public names.
_HOMES = {"sampling": ("Patch", "PatchSampler", "TuningCase")}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use.

    Raises
    ------
    AttributeError
        If the package has no such name.
    """
    for home, names in _HOMES.items():
        if name in names:
            module = importlib.import_module(f"{__name__}.{home}")
            value = getattr(module, name)
            globals()[name] = value
            return value
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
