"""Correcting labels by hand: changes, tools, the journal, and where to look next."""

from napari_mednext.correction.change import (
    Box,
    Change,
    bounding_box,
    grown,
    whole_box,
)
from napari_mednext.correction.scope import Scope

__all__ = ["Box", "Change", "Scope", "bounding_box", "grown", "whole_box"]
