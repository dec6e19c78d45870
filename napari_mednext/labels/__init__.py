"""Label names and colours."""

from napari_mednext.labels.labelset import Label, LabelSet
from napari_mednext.labels.palette import default_color
from napari_mednext.labels.side_words import tell_sides
from napari_mednext.labels.sides import SidedLabels

__all__ = ["Label", "LabelSet", "SidedLabels", "default_color", "tell_sides"]
