"""Volumes and the grids they live on."""

from napari_mednext.volume.grid import VoxelGrid, nearest_grid, nearest_rotation
from napari_mednext.volume.orientation import (
    Turn,
    orientation_code,
    reorient,
    turn_between,
)
from napari_mednext.volume.quality import Finding, Quality
from napari_mednext.volume.volume import Segmentation, SourceHeader, Volume

__all__ = [
    "Finding",
    "Quality",
    "Segmentation",
    "SourceHeader",
    "Turn",
    "Volume",
    "VoxelGrid",
    "nearest_grid",
    "nearest_rotation",
    "orientation_code",
    "reorient",
    "turn_between",
]
