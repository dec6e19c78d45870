"""Model folders: nnU-Net's layout, safe weights, a card, and the installed ones.

Nothing here imports torch before weights are read or written.
"""

from napari_mednext.models.card import Card
from napari_mednext.models.dataset import DatasetDescription
from napari_mednext.models.expectations import Expectations
from napari_mednext.models.folder import ModelFolder
from napari_mednext.models.library import (
    ModelInfo,
    broken_models,
    find_model,
    installed_models,
    library_folder,
)
from napari_mednext.models.plans import (
    MEDNEXT,
    ConfigurationPlan,
    Resampling,
    make_dataset,
    make_plans,
)
from napari_mednext.models.presets import label_presets
from napari_mednext.models.verifying import verify_model
from napari_mednext.models.writing import (
    export_for_nnunet,
    replace_card,
    write_model_folder,
)

__all__ = [
    "MEDNEXT",
    "Card",
    "ConfigurationPlan",
    "DatasetDescription",
    "Expectations",
    "ModelFolder",
    "ModelInfo",
    "Resampling",
    "broken_models",
    "export_for_nnunet",
    "find_model",
    "installed_models",
    "label_presets",
    "library_folder",
    "make_dataset",
    "make_plans",
    "replace_card",
    "verify_model",
    "write_model_folder",
]
