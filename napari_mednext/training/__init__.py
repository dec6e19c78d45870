"""How models are made and improved.

The names below are imported when they are first used: reading the history of a training
and drawing it needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_mednext.training.history import History
    from napari_mednext.training.page import training_page
    from napari_mednext.training.publish import (
        recommended_settings,
        train_from_labels,
        write_model,
    )

__all__ = [
    "History",
    "recommended_settings",
    "train_from_labels",
    "training_page",
    "write_model",
]

#: Public name -> module.
_HOMES = {
    "History": "history",
    "recommended_settings": "publish",
    "train_from_labels": "publish",
    "training_page": "page",
    "write_model": "publish",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use.

    Raises
    ------
    AttributeError
        If the package has no such name.
    """
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value
