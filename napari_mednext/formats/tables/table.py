"""What a label table of another program says."""

from __future__ import annotations

from dataclasses import dataclass

from napari_mednext.errors import FormatError
from napari_mednext.labels import Label, LabelSet, default_color

__all__ = ["HIGHEST", "LabelTable", "TableRows"]

#: The highest value of a label; masks have at most 16 bits.
HIGHEST = 65535


@dataclass(frozen=True)
class LabelTable:
    """Labels as a file names them.

    Parameters
    ----------
    labels : LabelSet
        Without the background and without the ignore label.
    kind : str
        One of `TABLE_KINDS`.
    ignore : int or None
        The value that marks voxels as unknown, where the format has such a thing.
    notes : tuple of str
        One sentence for each thing that the file says and this does not.
    """

    labels: LabelSet
    kind: str
    ignore: int | None = None
    notes: tuple[str, ...] = ()


class TableRows:
    """Labels of a file, gathered one by one and checked.

    Parameters
    ----------
    file : str
        The name of the file, for sentences.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._rows: dict[int, tuple[Label, str]] = {}

    def add(
        self,
        value: int,
        name: str,
        color: tuple[int, int, int] | None,
        place: str,
    ) -> None:
        """Take a label; the background is left out.

        Parameters
        ----------
        value : int
            As in the mask.
        name : str
            Any text.
        color : (3,) int or None
            0..255 each; None gives the default colour.
        place : str
            Where in the file it stands, as in "line 3".

        Raises
        ------
        FormatError
            If the value lies outside 0..65535 or was there before.
        """
        if value == 0:
            return
        if not 0 < value <= HIGHEST:
            msg = (
                f"label values must lie in 0..{HIGHEST}, got {value} in {place} of "
                f"{self.file!r}: correct it there"
            )
            raise FormatError(msg)
        if value in self._rows:
            msg = (
                f"every label must have a value of its own, but {value} in {place} of "
                f"{self.file!r} stands in {self._rows[value][1]} too: remove one"
            )
            raise FormatError(msg)
        # JSON can hold halves of characters, which no other file can.
        name = name.encode("utf-8", "replace").decode("utf-8")
        label = Label(value, name, default_color(value) if color is None else color)
        self._rows[value] = (label, place)

    @property
    def labels(self) -> LabelSet:
        """The labels so far."""
        return LabelSet(tuple(label for label, _ in self._rows.values()))
