"""Segmenting volumes: tiles, engines, memory, and models that are ready to run."""

from napari_mednext.inference.memory import MemoryPlan
from napari_mednext.inference.model import (
    Model,
    SegmentationWithProbabilities,
    load_model,
)
from napari_mednext.inference.preview import Preview, PreviewCallback

__all__ = [
    "MemoryPlan",
    "Model",
    "Preview",
    "PreviewCallback",
    "SegmentationWithProbabilities",
    "load_model",
]
