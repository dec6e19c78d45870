"""What looks wrong with the corrections of a case, compared with the model's answer.

A model that learns from labels which were swapped, moved or wiped gets worse, and when
the judged cases carry the same mistake the numbers do not tell. So the corrections are
held against what the model had said at the same voxels. People correct: they move
borders, add what was missed, remove what was imagined, bring labels in that the model
does not know. None of that permutes labels, translates all of them together, or empties
what was reviewed.

The limits below were set on drawn phantoms (``tests/training/gate/phantoms.py``), where
the rates are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, optimize

from napari_mednext.errors import GeometryError
from napari_mednext.training.gate.shifts import Shift, best_shift
from napari_mednext.training.gate.verdict import Suspicion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.labels import LabelSet

__all__ = ["Correction", "correction_of", "suspicions", "suspicions_over_cases"]

#: A label is swapped if it fits another label of the answer at least so well, and its
#: own at most this share of that.
_SWAP_FIT, _SWAP_REST = 0.35, 0.3
#: The same when the background takes part: in a small box it fits much by chance.
_INVERTED_FIT, _INVERTED_REST = 0.6, 0.15
#: Known voxels that a swapped label must have on either side.
_SWAP_VOXELS = 50
#: Labels are moved if so many voxels along one axis leave at most this share of the
#: disagreement, and a good fit.
_MOVED_VOXELS, _MOVED_REST, _MOVED_FIT = 7, 0.6, 0.5
#: The outline of everything must fit better as well, or be as good as before: labels
#: that were all renamed to their neighbours' fit better moved, but their outline not.
_OUTLINE_REST, _OUTLINE_ERROR = 0.75, 0.03
#: A piece of the answer is large from so many voxels on, and from this share of the
#: largest piece of its label. Smaller ones are what models imagine.
_LARGE_VOXELS, _LARGE_SHARE = 500, 0.25
#: Labels are emptied if so many known voxels were of large pieces, and so few of them
#: are labelled still; a single label if so little of it is left.
_EMPTIED_VOXELS, _EMPTIED_REST = 100, 0.05
_LOST_REST = 0.1


@dataclass(frozen=True)
class Correction:
    """What the corrections of one case did.

    Parameters
    ----------
    case : str
    suspicions : tuple of Suspicion
        About this case alone.
    large, lost : frozenset of int
        Labels of which the answer had large pieces among the known voxels, and those
        of them that became background nearly everywhere.
    pairs : mapping of (answer, label) to int
        Known voxels with that value of the answer and that label.
    """

    case: str
    suspicions: tuple[Suspicion, ...]
    large: frozenset[int]
    lost: frozenset[int]
    pairs: Mapping[tuple[int, int], int] = field(default_factory=dict)


def suspicions(
    model_answer: NDArray[Any],
    labels: NDArray[Any],
    known: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    label_set: LabelSet,
    *,
    case: str = "",
) -> tuple[Suspicion, ...]:
    """Return what looks wrong with the corrections of one case.

    Parameters
    ----------
    model_answer : (z, y, x) whole numbers
        What the model had said, everywhere. Not modified.
    labels : (z, y, x) whole numbers
        What people made of it; looked at where known. Not modified.
    known : (z, y, x) bool
        What was reviewed.
    spacing : (z, y, x) mm
        For the sentences.
    label_set : LabelSet
        Names for the sentences.
    case : str
        Its name for the sentences.

    Returns
    -------
    tuple of Suspicion
        Empty for honest corrections.

    Raises
    ------
    GeometryError
        If the arrays differ in shape.
    """  # noqa: DOC501 - made by correction_of
    return correction_of(
        model_answer, labels, known, spacing, label_set, case=case
    ).suspicions


def correction_of(
    model_answer: NDArray[Any],
    labels: NDArray[Any],
    known: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    label_set: LabelSet,
    *,
    case: str = "",
) -> Correction:
    """Return what the corrections of a case did; see :func:`suspicions`.

    Raises
    ------
    GeometryError
        If the arrays differ in shape.
    """
    if not model_answer.shape == labels.shape == known.shape:
        msg = (
            "answer, labels and known voxels must have one (z, y, x) shape, got "
            f"{model_answer.shape}, {labels.shape} and {known.shape}: make them from "
            "one volume"
        )
        raise GeometryError(msg)
    names = {0: "background", **label_set.names}
    where = f" in {case!r}" if case else ""
    seen = known & ((model_answer > 0) | (labels > 0))
    if not seen.any():
        return Correction(case, (), frozenset(), frozenset())
    large, lost, emptied = _emptied(model_answer, labels, known, where)
    found = emptied
    pairs = _pairs(model_answer[known], labels[known])
    if not found:
        found = [
            *_swapped(pairs, names, where),
            *_shifted(best_shift(model_answer, labels, known), spacing, where),
        ]
    given = tuple(Suspicion(each.kind, each.sentence, case) for each in found)
    return Correction(case, given, frozenset(large), frozenset(lost), pairs)


def suspicions_over_cases(
    corrections: Sequence[Correction], label_set: LabelSet
) -> tuple[Suspicion, ...]:
    """Return what is suspicious about the corrections of all cases of a round.

    Those of single cases; labels that are swapped over all cases together, where no
    case shows both; and labels of which large structures became background in every
    case that has one, if there are two or more such cases.

    Parameters
    ----------
    corrections : sequence of Correction
        One a case.
    label_set : LabelSet
        Names for the sentences.
    """
    found = [each for correction in corrections for each in correction.suspicions]
    if any(each.kind == "emptied" for each in found):
        return tuple(found)
    if not any(each.kind == "swapped" for each in found):
        together: Counter[tuple[int, int]] = Counter()
        for correction in corrections:
            together.update(correction.pairs)
        names = {0: "background", **label_set.names}
        found += _swapped(together, names, "")
    for label in label_set:
        cases = [each for each in corrections if label.value in each.large]
        if len(cases) > 1 and all(label.value in each.lost for each in cases):
            sentence = (
                f"{label.name} became background in all {len(cases)} cases where the "
                "model saw a large one: if it was wiped by mistake, bring it back"
            )
            found.append(Suspicion("emptied", sentence))
    return tuple(found)


def _pairs(answer: NDArray[Any], labels: NDArray[Any]) -> dict[tuple[int, int], int]:
    """Return how often every value of the answer meets every label."""
    width = 1 + int(labels.max(initial=0))
    codes, counts = np.unique(
        answer.astype(np.int64) * width + labels, return_counts=True
    )
    ones, others = np.divmod(codes, width)
    met = zip(ones.tolist(), others.tolist(), strict=True)
    return dict(zip(met, counts.tolist(), strict=True))


def _swapped(
    pairs: Mapping[tuple[int, int], int], names: dict[int, str], where: str
) -> list[Suspicion]:
    """Return labels that fit each other's answers in a ring much better than theirs."""
    if not pairs:
        return []
    values = np.unique([value for pair in pairs for value in pair])
    table = np.zeros((values.size, values.size), dtype=np.int64)
    for pair, count in pairs.items():
        table[tuple(np.searchsorted(values, pair))] = count
    rows, columns = table.sum(1), table.sum(0)
    fit = 2.0 * table / np.maximum(rows[:, None] + columns[None, :], 1)
    _, partner = optimize.linear_sum_assignment(fit, maximize=True)
    found = []
    for ring in _rings(partner):
        has_background = values[ring[0]] == 0
        least = _INVERTED_FIT if has_background else _SWAP_FIT
        rest = _INVERTED_REST if has_background else _SWAP_REST
        if all(
            min(rows[i], columns[i]) >= _SWAP_VOXELS
            and fit[i, partner[i]] >= least
            and fit[i, i] <= rest * fit[i, partner[i]]
            for i in ring
        ):
            ring_names = [
                names.get(int(values[i]), f"label {int(values[i])}") for i in ring
            ]
            listed = f"{', '.join(ring_names[:-1])} and {ring_names[-1]}"
            sentence = (
                f"{listed} seem to be swapped{where}: each lies where the model had "
                "another of them; if that was a mistake, swap them back"
            )
            found.append(Suspicion("swapped", sentence))
    return found


def _rings(partner: NDArray[np.intp]) -> list[list[int]]:
    """Return the rings of a permutation that have two members or more, in order."""
    rings = []
    left = set(range(partner.size))
    for start in range(partner.size):
        ring = []
        at = start
        while at in left:
            left.remove(at)
            ring.append(at)
            at = int(partner[at])
        if len(ring) > 1:
            rings.append(ring)
    return rings


def _shifted(
    shift: Shift | None, spacing: tuple[float, float, float], where: str
) -> list[Suspicion]:
    """Return that labels are moved, if they are."""
    if shift is None or not _is_moved(shift):
        return []
    parts = [
        f"{abs(step)} voxels ({abs(step) * mm:.0f} mm) along {axis}"
        for axis, step, mm in zip("zyx", shift.offset, spacing, strict=True)
        if step
    ]
    sentence = (
        f"the labels{where} seem to be moved by {' and '.join(parts)}: there they fit "
        f"the model's answer with a Dice of {shift.dice:.2f} instead of "
        f"{shift.dice_unmoved:.2f}; if that was a mistake, move them back"
    )
    return [Suspicion("shifted", sentence)]


def _is_moved(shift: Shift) -> bool:
    """Whether a shift explains so much that no correction does it."""
    outline_error = max(_OUTLINE_REST * (1.0 - shift.outline_unmoved), _OUTLINE_ERROR)
    return (
        shift.length >= _MOVED_VOXELS
        and shift.dice >= _MOVED_FIT
        and 1.0 - shift.dice <= _MOVED_REST * (1.0 - shift.dice_unmoved)
        and 1.0 - shift.outline <= outline_error
    )


def _emptied(
    answer: NDArray[Any], labels: NDArray[Any], known: NDArray[np.bool_], where: str
) -> tuple[list[int], list[int], list[Suspicion]]:
    """Return labels with large pieces, the lost ones of them, and the sentence."""
    large, lost = [], []
    before = after = 0
    boxes = ndimage.find_objects(answer)
    for value, box in enumerate(boxes, start=1):
        if box is None or not known[box].any():
            continue
        piece = _large_pieces(answer[box] == value) & known[box]
        size = int(np.count_nonzero(piece))
        if size < _EMPTIED_VOXELS:
            continue
        left = int(np.count_nonzero(labels[box][piece]))
        # A structure that was drawn anew elsewhere is not lost.
        elsewhere = int(np.count_nonzero((labels == value) & known))
        large.append(value)
        if max(left, elsewhere) <= _LOST_REST * size:
            lost.append(value)
        before, after = before + size, after + left
    labelled = int(np.count_nonzero(labels[known]))
    if not large or max(after, labelled) > _EMPTIED_REST * before:
        return large, lost, []
    sentence = (
        f"nearly everything that was reviewed{where} is background, where the model "
        f"saw {before} voxels of large structures: if it was wiped by mistake, bring "
        "it back"
    )
    return large, lost, [Suspicion("emptied", sentence)]


def _large_pieces(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the connected pieces of a label that are no imagined specks."""
    pieces, count = ndimage.label(mask)
    sizes = np.bincount(pieces.reshape(-1), minlength=count + 1)
    sizes[0] = 0
    is_large = sizes >= max(_LARGE_VOXELS, _LARGE_SHARE * int(sizes.max()))
    kept: NDArray[np.bool_] = is_large[pieces]
    return kept
