"""Volumes and the grids they live on."""

from napari_mednext.volume.grid import VoxelGrid, nearest_rotation
from napari_mednext.volume.volume import Segmentation, SourceHeader, Volume

__all__ = ["Segmentation", "SourceHeader", "VoxelGrid", "Volume", "nearest_rotation"]
