"""What a list of cases says of each case."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from napari_mednext.errors import InputError
from napari_mednext.labels import LabelSet

__all__ = ["STATES", "CaseEntry", "CaseList", "State"]

State = Literal["new", "predicted", "in progress", "accepted", "flagged"]

#: Where a case may stand, from untouched to done; flagged asks somebody to look.
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class CaseEntry:
    """One case of a list: where its files are, and where its work stands.

    Parameters
    ----------
    name : str
        Safe as a file name, and unlike any other of its list.
    images : tuple of Path
        One file per channel, or the files of a DICOM series.
    labels : Path or None
        A mask made or approved by people.
    prediction : Path or None
        A mask made by a model.
    state : str
        One of `STATES`.
    comment, patient : str
        Free text; empty where nothing is known.

    Raises
    ------
    InputError
        If the name is empty, there is no image, or the state is unknown.
    """

    name: str
    images: tuple[Path, ...]
    labels: Path | None = None
    prediction: Path | None = None
    state: State = "new"
    comment: str = ""
    patient: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            msg = f"a case must have a name, got '' for {self.images}: give it one"
            raise InputError(msg)
        if not self.images:
            msg = f"a case must have an image, but {self.name!r} has none: name one"
            raise InputError(msg)
        if self.state not in STATES:
            known = ", ".join(map(repr, STATES))
            msg = (
                f"the state of {self.name!r} must be one of {known}, "
                f"got {self.state!r}: choose one of them"
            )
            raise InputError(msg)


@dataclass(frozen=True)
class CaseList:
    """The cases that a folder or a file of some program lists.

    Parameters
    ----------
    entries : tuple of CaseEntry
        In the order of the list; names are unique, also where case is ignored.
    labels : LabelSet
        Empty where the list names none.
    channel_names : tuple of str
        One per channel; empty where the list names none.
    notes : tuple of str
        One sentence for each thing that was left out or guessed.
    kind : str
        Which kind of list it was.
    """

    entries: tuple[CaseEntry, ...]
    labels: LabelSet = field(default_factory=LabelSet)
    channel_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kind: str = ""
