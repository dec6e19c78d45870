"""Correcting a slice as a person does: the disc brush over what the model missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from benchmarks.improve_tour.heads import LESION
from benchmarks.loop.annotator import worst_planes
from napari_mednext.ui.keys import KEYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.improve_tour.window import Window

__all__ = ["choose_lesion", "correct_slice", "planes_to_correct"]

#: Rows that one stroke of the brush covers.
_BRUSH = 3
#: Planes between two corrected slices.
_APART = 4


def planes_to_correct(window: Window, count: int) -> tuple[int, ...]:
    """Return the slices with most of what the model missed."""
    case = window.flow.case
    truth = window.truth(case.name)
    missed = ((truth == LESION) & (case.editing.labels != LESION)).sum((1, 2))
    return worst_planes(missed, count=count, apart=_APART)


def choose_lesion(window: Window) -> None:
    """Choose the label in its table, and napari's brush."""
    table = window.dock.labels.table
    window.click_row(table, table.labels.row_of(LESION))
    layer = window.flow.layer
    layer.mode = "paint"
    layer.n_edit_dimensions = 2
    layer.brush_size = _BRUSH


def correct_slice(window: Window, plane: int, *, tick: bool = True) -> int:
    """Paint the lesions of a slice, tick it as reviewed, and return the strokes."""
    window.show_plane(plane)
    wanted = window.truth(window.flow.case.name)[plane] == LESION
    islands, count = ndimage.label(wanted, np.ones((3, 3)))
    strokes = 0
    for island in range(1, count + 1):
        path = _path(islands == island)
        window.hand.drag([(plane, y, x) for y, x in path], window.flow.layer)
        strokes += 1
    if tick:
        window.hand.key(KEYS["review_slice"].text)
    return strokes


def _path(island: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Return a way to and fro that covers an island with the brush."""
    rows = np.flatnonzero(island.any(1))
    if len(rows) < _BRUSH:
        centres = [round(float(rows.mean()))]
    else:
        centres = list(range(int(rows[0]) + 1, int(rows[-1]), _BRUSH - 1))
    path: list[tuple[float, float]] = []
    for turn, row in enumerate(centres):
        columns = np.flatnonzero(island[row])
        if not len(columns):
            continue
        ends = [float(columns[0] + 1), float(max(columns[-1] - 1, columns[0]))]
        path += [(float(row), x) for x in (ends if turn % 2 == 0 else ends[::-1])]
    return path if len(path) > 1 else path * 2
