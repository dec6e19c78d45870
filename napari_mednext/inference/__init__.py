"""Segmenting volumes: tiles, engines, memory, and models that are ready to run."""

from napari_mednext.inference.memory import MemoryPlan
from napari_mednext.inference.model import Model, load_model
from napari_mednext.inference.preview import Preview, PreviewCallback
from napari_mednext.inference.results import (
    SegmentationWithDoubt,
    SegmentationWithDoubtAndProbabilities,
    SegmentationWithProbabilities,
)

__all__ = [
    "MemoryPlan",
    "Model",
    "Preview",
    "PreviewCallback",
    "SegmentationWithDoubt",
    "SegmentationWithDoubtAndProbabilities",
    "SegmentationWithProbabilities",
    "load_model",
]
