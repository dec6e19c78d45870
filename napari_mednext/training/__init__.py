"""How models are made and improved."""

from napari_mednext.training.publish import (
    recommended_settings,
    train_from_labels,
    write_model,
)

__all__ = ["recommended_settings", "train_from_labels", "write_model"]
