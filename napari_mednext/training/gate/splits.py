"""Who trains and who judges.

A model is judged on patients that it was not trained on. Splits are by patient; cases
that hold one image count as one patient, whatever their names say. Patients that are
locked away judge every round and are never trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_mednext.training.gate.blocks import LEAST_VOXELS, Block, cut_blocks
from napari_mednext.training.gate.duplicates import duplicate_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Load = Callable[[str], tuple[NDArray[np.bool_], NDArray[Any] | None]]

__all__ = ["FEWEST_TO_LOCK", "Fold", "ReviewedCase", "Scheme", "Split", "split_cases"]

Scheme = Literal["hold-out", "leave-one-out", "blocks", "none"]

#: From so many patients on, a share of them is locked away.
FEWEST_TO_LOCK = 4
_LOCKED_SHARE = 0.25
#: More folds than this would train more models than a round has time for.
_MOST_FOLDS = 3


@dataclass(frozen=True)
class ReviewedCase:
    """What the split must know of a case.

    Parameters
    ----------
    name : str
        Unique in the study.
    patient : str
        "" for a case that is its own patient.
    digest : str
        Of the image, by `image_digest`; "" if unknown.
    voxels : int
        Reviewed ones.
    share : float
        Reviewed share of the volume, 0 to 1.
    """

    name: str
    patient: str = ""
    digest: str = ""
    voxels: int = 0
    share: float = 0.0

    @property
    def person(self) -> str:
        """The patient, or the case itself where none is named."""
        return self.patient or self.name


@dataclass(frozen=True)
class Fold:
    """One training and what it is judged on.

    Parameters
    ----------
    name : str
        "final" for the new model itself, else "fold 1 of 3".
    train : tuple of str
        Cases to train on.
    judged : tuple of str
        Cases to judge on.
    blocks : mapping of case to Block
        For cases that train and judge: which part is hidden and judged. A case that is
        judged and not named here is judged on all its known voxels.
    """

    name: str
    train: tuple[str, ...]
    judged: tuple[str, ...]
    blocks: Mapping[str, Block] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether the new model itself is judged, so that no fold needs training."""
        return self.name == _FINAL

    def judged_mask(self, name: str, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the voxels that a case is judged on, (z, y, x) bool."""
        block = self.blocks.get(name)
        return known if block is None else block.judged_mask(known)

    def trained_mask(self, name: str, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the voxels that a case may train with, (z, y, x) bool."""
        block = self.blocks.get(name)
        return known if block is None else known & ~block.hidden_mask(known.shape)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "name": self.name,
            "train": list(self.train),
            "judged": list(self.judged),
            "blocks": {name: block.to_dict() for name, block in self.blocks.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Fold:
        """Make it from what :meth:`to_dict` returned."""
        blocks = values["blocks"].items()
        return cls(
            str(values["name"]),
            tuple(map(str, values["train"])),
            tuple(map(str, values["judged"])),
            {str(name): Block.from_dict(block) for name, block in blocks},
        )


@dataclass(frozen=True)
class Split:
    """Who trains and who judges in one round.

    Parameters
    ----------
    scheme : "hold-out", "leave-one-out", "blocks" or "none"
        With "none" there is nothing to judge by.
    train : tuple of str
        Cases that the new model is trained on.
    folds : tuple of Fold
        With what is judged. In leave-one-out and blocks each fold is a model of its
        own that stands in for the new one.
    locked : frozenset of str
        Patients that are never trained on: those given and new ones. Store them.
    duplicates : tuple of tuple of str
        Cases that hold one image.
    seen : tuple of str
        Judged cases of patients that an earlier model was trained on; the model
        before has an advantage there.
    """

    scheme: Scheme
    train: tuple[str, ...]
    folds: tuple[Fold, ...]
    locked: frozenset[str] = frozenset()
    duplicates: tuple[tuple[str, ...], ...] = ()
    seen: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "scheme": self.scheme,
            "train": list(self.train),
            "folds": [fold.to_dict() for fold in self.folds],
            "locked": sorted(self.locked),
            "duplicates": [list(group) for group in self.duplicates],
            "seen": list(self.seen),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Split:
        """Make it from what :meth:`to_dict` returned."""
        return cls(
            values["scheme"],
            tuple(map(str, values["train"])),
            tuple(Fold.from_dict(fold) for fold in values["folds"]),
            frozenset(map(str, values["locked"])),
            tuple(tuple(map(str, group)) for group in values["duplicates"]),
            tuple(map(str, values["seen"])),
        )


def split_cases(
    cases: Sequence[ReviewedCase],
    *,
    seed: str | int,
    locked: Iterable[str],
    trained: Iterable[str],
    load: Load | None = None,
    scheme: Literal["auto", "hold-out", "leave-one-out"] = "auto",
    parts: int = 3,
    least_voxels: int = LEAST_VOXELS,
) -> Split:
    """Decide which cases train and which judge.

    Locked patients judge if there are any. Else, of four or more patients with enough
    reviewed voxels about a quarter is locked, but never all that are new; where nobody
    can be locked each is judged by a model that was trained on the others; a single
    patient is cut into parts.

    Parameters
    ----------
    cases : sequence of ReviewedCase
        All that were reviewed, also in earlier rounds; the order does not matter.
    seed : str or int
        Of the study. Decides which patients are locked, by their names alone.
    locked : iterable of str
        Patients that were locked before (for a case without patient, its name).
    trained : iterable of str
        Patients that models of this study were trained on before: they are not locked
        any more, since a model that starts from those has seen them.
    load : callable, optional
        From a case's name to its known voxels and its labels (or None), both
        (z, y, x). Called only where a case must be cut; without it, none is cut.
    scheme : "auto", "hold-out" or "leave-one-out"
        What the user wants; hold-out locks from two patients on.
    parts : int
        Into how many parts a single patient is cut, at most.
    least_voxels : int
        Reviewed voxels from which a case may judge.

    Returns
    -------
    Split
        The same for the same cases in any order.
    """
    locked = frozenset(locked)
    people = _people(cases, locked, frozenset(trained), seed, least_voxels)
    held = [person for person in people if person.is_locked]
    free = [person for person in people if not person.is_locked]
    able = [person for person in free if person.judges]
    fewest = 2 if scheme == "hold-out" else FEWEST_TO_LOCK
    fresh = [person for person in able if not person.is_trained]
    can_lock = scheme != "leave-one-out" and len(able) >= fewest and len(free) > 1
    if can_lock and not any(person.judges for person in held):
        count = max(1, round(_LOCKED_SHARE * len(able)))
        if scheme == "auto":
            # A round in which all that is new judges would have nothing to teach.
            count = min(count, max(0, len(fresh) - 1))
        held += fresh[:count]
        free = [person for person in free if person not in fresh[:count]]
    folds: tuple[Fold, ...] = ()
    kind: Scheme = "none"
    judges = _names(held, judging=True)
    if free and judges:
        kind, folds = "hold-out", (Fold(_FINAL, _names(free), judges),)
    if len(able) >= 2 and (kind == "none" or scheme == "leave-one-out"):
        kind, folds = "leave-one-out", (*_left_out(free, able), *folds)
    elif len(able) == 1 and kind == "none" and load is not None:
        folds = _cut(free, able[0], load, parts, least_voxels)
        kind = "blocks" if folds else "none"
    judged = {name for fold in folds for name in fold.judged}
    earlier = [person for person in people if person.is_trained]
    return Split(
        kind,
        _names(free),
        folds,
        locked | {name for person in held for name in person.patients},
        duplicate_groups({case.name: case.digest for case in cases}),
        tuple(name for name in _names(earlier) if name in judged),
    )


_FINAL = "final"


@dataclass(frozen=True)
class _Person:
    """All cases that must stay on one side.

    ``judges`` holds its cases with enough reviewed voxels, of duplicates only the one
    that was reviewed most.
    """

    rank: str
    patients: frozenset[str]
    cases: tuple[ReviewedCase, ...]
    judges: tuple[ReviewedCase, ...]
    is_locked: bool
    is_trained: bool


def _people(
    cases: Sequence[ReviewedCase],
    locked: frozenset[str],
    trained: frozenset[str],
    seed: str | int,
    least_voxels: int,
) -> list[_Person]:
    """Return the people, in an order that depends on the seed and their names only."""
    people = []
    for group in _joined(cases):
        patients = frozenset(case.person for case in group)
        ranks = [
            hashlib.sha256(f"{seed}\0{patient}".encode()).hexdigest()
            for patient in patients
        ]
        best: dict[str, ReviewedCase] = {}
        for case in sorted(group, key=lambda case: (-case.voxels, case.name)):
            if case.voxels >= least_voxels:
                best.setdefault(case.digest or f"\0{case.name}", case)
        people.append(
            _Person(
                min(ranks),
                patients,
                tuple(group),
                tuple(best.values()),
                bool(patients & locked),
                bool(patients & trained),
            )
        )
    return sorted(people, key=lambda person: person.rank)


def _joined(cases: Sequence[ReviewedCase]) -> list[list[ReviewedCase]]:
    """Return the cases in groups that share a patient or an image, also by way of."""
    groups: list[tuple[set[tuple[str, str]], list[ReviewedCase]]] = []
    for case in sorted(cases, key=lambda case: case.name):
        keys = {("patient", case.person)}
        if case.digest:
            keys.add(("image", case.digest))
        members = [case]
        apart = []
        for other_keys, others in groups:
            if keys & other_keys:
                keys |= other_keys
                members = others + members
            else:
                apart.append((other_keys, others))
        groups = [*apart, (keys, members)]
    return [members for _, members in groups]


def _names(people: Iterable[_Person], *, judging: bool = False) -> tuple[str, ...]:
    """Return the names of cases of people, in order."""
    return tuple(
        sorted(
            case.name
            for person in people
            for case in (person.judges if judging else person.cases)
        )
    )


def _left_out(free: Sequence[_Person], able: Sequence[_Person]) -> tuple[Fold, ...]:
    """Return folds that leave out every patient once, several together if many."""
    count = min(len(able), _MOST_FOLDS)
    folds = []
    for number in range(count):
        out = able[number::count]
        rest = [person for person in free if person not in out]
        name = f"fold {number + 1} of {count}"
        folds.append(Fold(name, _names(rest), _names(out, judging=True)))
    return tuple(folds)


def _cut(
    free: Sequence[_Person], person: _Person, load: Load, parts: int, least: int
) -> tuple[Fold, ...]:
    """Return folds that hide one part of every case of a patient."""
    cut = {
        case.name: blocks
        for case in person.judges
        if (blocks := cut_blocks(*load(case.name), parts=parts, least_voxels=least))
    }
    if not cut:
        return ()
    count = min(len(blocks) for blocks in cut.values())
    by_digest = {case.digest: case.name for case in person.judges if case.digest}
    others = [each for each in free if each is not person]
    folds = []
    for number in range(count):
        hidden = {}
        for case in person.cases:
            # A copy of the image hides the same part; another scan of the patient
            # that cannot be cut shows the judged part, so it is left out.
            source = case.name if case.name in cut else by_digest.get(case.digest)
            if source in cut:
                hidden[case.name] = cut[source][number]
        train = tuple(sorted({*_names(others), *hidden}))
        name = f"fold {number + 1} of {count}"
        folds.append(Fold(name, train, tuple(sorted(cut)), hidden))
    return tuple(folds)
