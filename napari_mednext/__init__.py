"""MedNeXt-v2 segmentation of CT and MR volumes, in napari and in scripts.

The names below are the whole public interface for scripts; each is imported when it is
first used, so that ``import napari_mednext`` costs nothing and loads no torch::

    import napari_mednext as nm

    volume = nm.open_volume("head.nii.gz")
    model = nm.load_model("brain_mr")
    segmentation = model.segment(volume)
    nm.save_labels(segmentation, "head_labels.nii.gz")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_mednext.app.improve_study import improve_study
    from napari_mednext.errors import Cancelled, MednextError
    from napari_mednext.formats import list_series, open_volume
    from napari_mednext.formats import save_segmentation as save_labels
    from napari_mednext.inference import load_model
    from napari_mednext.labels import LabelSet
    from napari_mednext.models import installed_models
    from napari_mednext.progress import Progress
    from napari_mednext.settings import InferenceSettings
    from napari_mednext.settings.improve import ImproveSettings
    from napari_mednext.volume import Segmentation, Volume, VoxelGrid

__version__ = "0.1.0"

__all__ = [
    "Cancelled",
    "ImproveSettings",
    "InferenceSettings",
    "LabelSet",
    "MednextError",
    "Progress",
    "Segmentation",
    "Volume",
    "VoxelGrid",
    "__version__",
    "improve_study",
    "installed_models",
    "list_series",
    "load_model",
    "open_volume",
    "save_labels",
]

#: Public name -> (module, name in it).
_HOMES = {
    "Cancelled": ("errors", "Cancelled"),
    "ImproveSettings": ("settings.improve", "ImproveSettings"),
    "InferenceSettings": ("settings", "InferenceSettings"),
    "LabelSet": ("labels", "LabelSet"),
    "MednextError": ("errors", "MednextError"),
    "Progress": ("progress", "Progress"),
    "Segmentation": ("volume", "Segmentation"),
    "Volume": ("volume", "Volume"),
    "VoxelGrid": ("volume", "VoxelGrid"),
    "improve_study": ("app.improve_study", "improve_study"),
    "installed_models": ("models", "installed_models"),
    "list_series": ("formats", "list_series"),
    "load_model": ("inference", "load_model"),
    "open_volume": ("formats", "open_volume"),
    "save_labels": ("formats", "save_segmentation"),
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
    module, attribute = _HOMES[name]
    value = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, whether they were used yet or not."""
    return sorted({*globals(), *__all__})
