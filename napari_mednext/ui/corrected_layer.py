"""The labels layer of a case: strokes, undo and redo belong to its history.

napari's own layer keeps a history of its own strokes only, and forgets it when it goes.
Here Ctrl+Z takes back whatever came last, stroke, tool or model, also of yesterday.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari import layers

from napari_mednext.correction.change import Change, whole_box
from napari_mednext.errors import GeometryError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.correction import Box
    from napari_mednext.correction.editing import Editing

__all__ = ["Labels", "painted_box"]

#: napari's mode -> what a step of it is called.
TITLES = {
    "paint": "brush",
    "erase": "eraser",
    "fill": "bucket",
    "polygon": "polygon",
}
REFRESHED = {"thumbnail": False, "highlight": False, "extent": False}


class Labels(layers.Labels):
    """A labels layer over an :class:`Editing`.

    It has the name of napari's class, since napari takes the type of a layer from it.

    Parameters
    ----------
    data : (z, y, x) unsigned integers
        The array of the editing.
    **options
        As napari's layer takes them.
    """

    _editing: Editing | None = None
    _is_painting = False

    def follow(self, editing: Editing) -> None:
        """Record strokes in an editing, and show what else it changes."""
        self._editing = editing
        self.events.paint.connect(self._on_painted)
        editing.on_change.append(self._on_changed)

    def unfollow(self) -> None:
        """Be a layer on its own again."""
        editing, self._editing = self._editing, None
        if editing is not None:
            self.events.paint.disconnect(self._on_painted)
            if self._on_changed in editing.on_change:
                editing.on_change.remove(self._on_changed)

    @property
    def data(self) -> Any:
        """The labels; with an editing, others are written into them as one step.

        Raises
        ------
        GeometryError
            If others are given that do not fit.
        InputError
            If the case can only be looked at.
        """
        return layers.Labels.data.fget(self)

    @data.setter
    def data(self, data: Any) -> None:
        editing = self._editing
        if editing is None:
            layers.Labels.data.fset(self, data)
            return
        if not self.editable:
            msg = "labels that can be looked at only must stay as they are"
            raise InputError(msg)
        array = np.asarray(data)
        if array.dtype.kind not in "biu" or int(array.min(initial=0)) < 0:
            msg = (
                "labels must be whole numbers from 0, got "
                f"{array.dtype} from {array.min(initial=0)}: convert them"
            )
            raise GeometryError(msg)
        if int(array.max(initial=0)) <= np.iinfo(editing.labels.dtype).max:
            array = array.astype(editing.labels.dtype)
        self.take_rest()
        editing.apply(Change(whole_box(editing.labels.shape), array), "replace")

    def take_rest(self) -> None:
        """Make a step of what was not handed in: a stroke in hand, another plugin's."""
        if self._editing is not None and self.editable:
            self._editing.take_all("paint")

    def undo(self) -> None:
        """Take the last step back, whatever made it; Ctrl+Z."""
        if self._editing is None:
            super().undo()
        elif self.editable:
            self._editing.undo()

    def redo(self) -> None:
        """Do the step again that was taken back last; Ctrl+Shift+Z."""
        if self._editing is None:
            super().redo()
        elif self.editable:
            self._editing.redo()

    def _on_painted(self, event: Any) -> None:
        """Make a step of a stroke that has ended."""
        editing = self._editing
        if editing is None:
            return
        box = painted_box(event.value, editing.labels.shape)
        # napari tells of a single polygon, fill or item before it writes it.
        write_atoms(editing.labels, event.value)
        self._is_painting = True  # napari draws its own strokes
        try:
            editing.take(box, TITLES.get(str(self.mode), "paint"))
        finally:
            self._is_painting = False
            # Nobody reads napari's own history of this, which may hold whole volumes.
            self._undo_history.clear()

    def _on_changed(self, box: Box) -> None:
        """Draw again, unless the change is on slices that are not shown."""
        if not self._is_painting and self._shows(box):
            self.refresh(**REFRESHED)

    def _shows(self, box: Box) -> bool:
        """Whether a box crosses what is on screen."""
        hidden = self._slice_input.not_displayed
        if len(hidden) != 1 or self.ndim != 3:
            return True
        point = self.world_to_data(self._slice_input.world_slice.point)[hidden[0]]
        part = box[hidden[0]]
        return bool(part.start - 1 <= point <= part.stop)


def painted_box(atoms: Sequence[Any], shape: Sequence[int]) -> Box:
    """Return a box around the atoms of napari's paint event.

    Parameters
    ----------
    atoms : sequence
        Each with a ``slice_key``, or a tuple that begins with indices; anything else
        counts as the whole array.
    shape : (z, y, x) voxels
        Of the layer.
    """
    low = np.array(shape)
    high = np.zeros(3, dtype=int)
    for atom in atoms:
        key = getattr(atom, "slice_key", None)
        key = atom[0] if key is None and isinstance(atom, tuple) else key
        if not isinstance(key, tuple) or len(key) != 3:
            return whole_box(shape)
        for axis, part in enumerate(key):
            start, stop = _range(part, shape[axis])
            low[axis] = min(low[axis], start)
            high[axis] = max(high[axis], stop)
    if (high <= low).any():
        return whole_box(shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def write_atoms(labels: NDArray[Any], atoms: Sequence[Any]) -> None:
    """Write what the atoms of a paint event say; again, where it is written already."""
    for atom in atoms:
        key = getattr(atom, "slice_key", None)
        if key is None:
            indices, _, value = atom
            labels[indices] = value
        elif atom.mask is None:
            labels[key] = atom.new_value
        else:
            labels[key][atom.mask] = atom.new_value


def _range(part: Any, size: int) -> tuple[int, int]:
    """Return the range of an index along an axis: a slice, numbers, or one number."""
    if isinstance(part, slice):
        start, stop, _ = part.indices(size)
        return start, stop
    numbers = np.atleast_1d(np.asarray(part))
    if numbers.size == 0 or numbers.dtype.kind not in "iu" or numbers.min() < 0:
        return 0, size
    return int(numbers.min()), int(numbers.max()) + 1
