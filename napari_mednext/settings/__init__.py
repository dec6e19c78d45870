"""Settings: frozen, valid when they exist, with their own help texts."""

from napari_mednext.settings.inference import InferenceSettings
from napari_mednext.settings.schema import FieldInfo, Range, Settings, describe

__all__ = ["FieldInfo", "InferenceSettings", "Range", "Settings", "describe"]
