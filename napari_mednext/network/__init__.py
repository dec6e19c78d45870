"""The networks, their named sizes and the registry that other packages extend."""

from napari_mednext.network.mednext import MedNeXt
from napari_mednext.network.presets import PRESETS, preset
from napari_mednext.network.registry import build, known_networks
from napari_mednext.network.weights import load_weights

__all__ = ["PRESETS", "MedNeXt", "build", "known_networks", "load_weights", "preset"]
