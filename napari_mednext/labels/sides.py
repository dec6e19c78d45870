"""Label values, names and colours when left and right are told apart.

One rule for every model: the first digit says the side. With labels below 100, as the
shipped model has, the left part of label ``k`` becomes ``100 + k`` and the right part
``200 + k``; with larger ones 1000 and 2000, and so on. Labels that have no sides keep
their value, so none of the values means two things.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_mednext.errors import InputError
from napari_mednext.labels.labelset import Label, LabelSet

__all__ = ["SidedLabels"]

#: The right part is darker than the left, or lighter where the left is dark already.
_TOWARDS_BLACK, _TOWARDS_WHITE = 0.35, 0.5
#: Brightness below which a colour counts as dark, of 255.
_DARK = 95.0
#: What the eye makes of red, green and blue (ITU-R BT.601).
_BRIGHTNESS = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class SidedLabels:
    """The labels of a model, and what they become with sides.

    Parameters
    ----------
    labels : LabelSet
        As the model writes them.
    paired : tuple of int
        Labels that have a left and a right part.
    midline : tuple of int
        Labels that lie across the plane between the sides, half on each: they help to
        find it and keep their value.
    inner : tuple of int
        Paired labels that lie below others, as white matter below the cortex.

    Raises
    ------
    InputError
        If a value is not one of the labels, is paired and on the midline, or is inner
        and not paired; if none is paired; or if the labels are too large to leave room
        for those of the sides.
    """

    labels: LabelSet
    paired: tuple[int, ...]
    midline: tuple[int, ...] = ()
    inner: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        known = self.labels.names
        named = (*self.paired, *self.midline)
        if not self.paired or len(set(named)) != len(named):
            msg = (
                "labels with sides must be at least one, each named once, got paired "
                f"{list(self.paired)} and midline {list(self.midline)}: correct the "
                "lists"
            )
            raise InputError(msg)
        unknown = [value for value in named if value not in known]
        if unknown:
            msg = (
                f"labels with sides must be labels of the model ({sorted(known)}), got "
                f"{unknown}: correct the lists"
            )
            raise InputError(msg)
        single = [value for value in self.inner if value not in self.paired]
        if single:
            msg = (
                f"inner labels must be paired ones ({list(self.paired)}), got "
                f"{single}: correct the lists"
            )
            raise InputError(msg)
        if self.right(max(self.paired)) > 65535:
            msg = (
                "labels must lie below 10000 for sides to be told apart, got "
                f"{max(known)}: number them anew"
            )
            raise InputError(msg)

    @property
    def step(self) -> int:
        """What the left part is raised by: a power of ten above every label."""
        step = 100
        while step <= max(self.labels.names):
            step *= 10
        return step

    def left(self, value: int) -> int:
        """Return the value of the left part of a paired label."""
        return self.step + value

    def right(self, value: int) -> int:
        """Return the value of the right part of a paired label."""
        return 2 * self.step + value

    @property
    def all(self) -> LabelSet:
        """Every label that may stand in a result: whole ones and parts."""
        whole = [label for label in self.labels if label.value in self.paired]
        return LabelSet((*self.split, *whole))

    @property
    def split(self) -> LabelSet:
        """The labels with sides: names with left and right, colours of one hue."""
        parts = []
        for label in self.labels:
            if label.value not in self.paired:
                parts.append(label)
                continue
            value, name, color = label.value, label.name, label.color
            parts.append(Label(self.left(value), f"left {name}", color))
            parts.append(Label(self.right(value), f"right {name}", other_tone(color)))
        return LabelSet(tuple(parts))


def other_tone(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return a colour (r, g, b) of the same hue, darker or for dark ones lighter."""
    brightness = sum(w * part for w, part in zip(_BRIGHTNESS, color, strict=True))
    goal, way = (255, _TOWARDS_WHITE) if brightness < _DARK else (0, _TOWARDS_BLACK)
    red, green, blue = (round(part + way * (goal - part)) for part in color)
    return red, green, blue
