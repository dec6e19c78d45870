"""A case of a study, and the states that it may go through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from napari_mednext.errors import InputError
from napari_mednext.study.folder import found_images

__all__ = [
    "Case",
    "CaseFigures",
    "CaseState",
    "ModelVersion",
    "check_comment",
    "check_transition",
]


class CaseState(StrEnum):
    """Where the work on a case stands."""

    NEW = "new"
    PREDICTED = "predicted"
    IN_PROGRESS = "in progress"
    ACCEPTED = "accepted"
    FLAGGED = "flagged"


#: What may follow a state, besides itself and a flag.
_FOLLOWING: Mapping[CaseState, frozenset[CaseState]] = MappingProxyType(
    {
        CaseState.NEW: frozenset(
            {CaseState.PREDICTED, CaseState.IN_PROGRESS, CaseState.ACCEPTED}
        ),
        CaseState.PREDICTED: frozenset(
            {CaseState.NEW, CaseState.IN_PROGRESS, CaseState.ACCEPTED}
        ),
        CaseState.IN_PROGRESS: frozenset(
            {CaseState.NEW, CaseState.PREDICTED, CaseState.ACCEPTED}
        ),
        CaseState.ACCEPTED: frozenset({CaseState.IN_PROGRESS}),
    }
)


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model that a study has seen.

    Parameters
    ----------
    code : int
        2..127, of this study alone: how provenance names the version.
    name : str
        What the model is called.
    sha256 : str
        Digest of its weights; two versions of one name differ in it.
    """

    code: int
    name: str
    sha256: str


@dataclass(frozen=True)
class Case:
    """One scan of a study, with everything that a worklist shows.

    Parameters
    ----------
    name : str
        Safe as a file name, and unlike any other of its study.
    state : CaseState
        Where the work stands.
    comment, patient : str
        Free text.
    labels, prediction : Path or None
        Masks that came with the case: made by people, made by a model; absolute.
    model : ModelVersion or None
        The version whose prediction the case has.
    doubt : float or None
        Mean over its labels of the doubt of each, so that a small label weighs as much
        as a large one.
    former : CaseState or None
        What a flagged case was before.
    position : int
        Place in the order in which cases were added.
    created, changed : datetime
        In UTC.
    folder : Path
        Of the study.
    stored_images : str
        See `images`, which is read from it: a list of many DICOM series stays small.
    """

    name: str
    state: CaseState
    comment: str
    patient: str
    labels: Path | None
    prediction: Path | None
    model: ModelVersion | None
    doubt: float | None
    former: CaseState | None
    position: int
    created: datetime
    changed: datetime
    folder: Path = field(repr=False)
    stored_images: str = field(repr=False)

    @property
    def images(self) -> tuple[Path, ...]:
        """One file per channel, or the files of a DICOM series; absolute."""
        return found_images(self.folder, self.stored_images)


@dataclass(frozen=True)
class CaseFigures:
    """What a model run said of a case: label value -> mean doubt, and -> mL."""

    doubt: Mapping[int, float] = field(default_factory=dict)
    ml: Mapping[int, float] = field(default_factory=dict)


def check_transition(case: Case, state: CaseState) -> None:
    """Refuse a state that may not follow the one of the case.

    Every state may be flagged. A flagged case may go wherever it could go before it was
    flagged, and back to what it was.

    Raises
    ------
    InputError
        If the state may not follow.
    """
    if state in (case.state, case.former, CaseState.FLAGGED):
        return
    allowed = _FOLLOWING[case.former or case.state]
    if state not in allowed:
        first = {case.former} if case.former else set()
        names = ", ".join(repr(s.value) for s in CaseState if s in allowed | first)
        msg = (
            f"the case {case.name!r} is {case.state.value!r} and cannot become "
            f"{state.value!r}: choose {names} or 'flagged'"
        )
        raise InputError(msg)


def check_comment(name: str, state: CaseState, comment: str) -> None:
    """Refuse a flag that says nothing.

    Raises
    ------
    InputError
        If the state is flagged and the comment is blank.
    """
    if state == CaseState.FLAGGED and not comment.strip():
        msg = (
            f"a flagged case must have a comment, but {name!r} has none: say what "
            "somebody shall look at"
        )
        raise InputError(msg)
