"""nnU-Net's steps before the network, each with its inverse beside it."""

from napari_mednext.preprocessing.crop import Box, filled_mask, nonzero_box, uncrop
from napari_mednext.preprocessing.normalize import Affine, normalisation, normalise
from napari_mednext.preprocessing.pad import pad_to, padding
from napari_mednext.preprocessing.pipeline import (
    Geometry,
    Plan,
    Preprocessed,
    plan_geometry,
    preprocess,
)
from napari_mednext.preprocessing.resample import (
    AxisSampling,
    resample,
    resampled_shape,
    sample_axis,
    separate_axis,
)

__all__ = [
    "Affine",
    "AxisSampling",
    "Box",
    "Geometry",
    "Plan",
    "Preprocessed",
    "filled_mask",
    "nonzero_box",
    "normalisation",
    "normalise",
    "pad_to",
    "padding",
    "plan_geometry",
    "preprocess",
    "resample",
    "resampled_shape",
    "sample_axis",
    "separate_axis",
    "uncrop",
]
