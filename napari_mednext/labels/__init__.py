"""Label names and colours."""

from napari_mednext.labels.labelset import Label, LabelSet, default_color

__all__ = ["Label", "LabelSet", "default_color"]
