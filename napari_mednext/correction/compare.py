"""Two label maps of one scan side by side: before and after, model and person, raters.

The definitions are those of :mod:`napari_mednext.evaluation`: the first map is what it
calls the prediction, the second is the reference.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.correction.change import Box, whole_box
from napari_mednext.correction.measure import check_volume, count_differing, slabs
from napari_mednext.errors import GeometryError, InputError
from napari_mednext.evaluation.metrics import evaluate_arrays, label_values
from napari_mednext.evaluation.regions import Regions
from napari_mednext.evaluation.results import LabelResult, State, surface_dice_key
from napari_mednext.labels import default_color
from napari_mednext.progress import check_cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_mednext.labels import LabelSet
    from napari_mednext.progress import CancelFlag

__all__ = [
    "BOTH",
    "ONLY_FIRST",
    "ONLY_SECOND",
    "Comparison",
    "LabelComparison",
    "compare",
    "csv_text",
    "difference_layer",
    "plain_text",
    "tsv_text",
]

#: Values of the difference layer: labelled in one map only, or differently in both.
ONLY_FIRST, ONLY_SECOND, BOTH = 1, 2, 3


@dataclass(frozen=True)
class LabelComparison:
    """One label in both maps.

    ============ ======================= ==== ============ ==================
    state        where the label occurs  Dice surface Dice difference in %
    ============ ======================= ==== ============ ==================
    ``both``     in both                 d    s            v
    ``missing``  in the second only      0    0            -100
    ``extra``    in the first only       0    0            None
    ``absent``   in neither              None None         None
    ============ ======================= ==== ============ ==================
    """

    value: int
    """The label value."""
    name: str
    """What people call it."""
    color: tuple[int, int, int]
    """Red, green, blue, 0 to 255."""
    state: State = "absent"
    """Where the label occurs, see the table."""
    dice: float | None = None
    """0 to 1."""
    surface_dice: float | None = None
    """0 to 1, at the tolerance of the comparison."""
    first_ml: float = 0.0
    """Its volume in the first map."""
    second_ml: float = 0.0
    """Its volume in the second map."""
    difference_percent: float | None = None
    """First minus second, in percent of the second."""
    differing: int = 0
    """Voxels that hold it in one of the maps and not in the other."""

    @property
    def difference_ml(self) -> float:
        """First minus second."""
        return self.first_ml - self.second_ml


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found."""

    labels: tuple[LabelComparison, ...]
    """In order of value: those of the table, and what occurs without a name."""
    tolerance_mm: float
    """Of surface Dice."""
    voxels: int
    """How many were compared."""
    differing: int
    """How many of them hold different values."""

    @property
    def dice(self) -> float | None:
        """The mean over the labels that occur; None when there are none."""
        return _mean(label.dice for label in self.labels)

    @property
    def surface_dice(self) -> float | None:
        """The mean over the labels that occur; None when there are none."""
        return _mean(label.surface_dice for label in self.labels)

    @property
    def occurring(self) -> tuple[LabelComparison, ...]:
        """The labels that occur in at least one of the maps."""
        return tuple(label for label in self.labels if label.state != "absent")


def compare(
    first: NDArray[Any],
    second: NDArray[Any],
    spacing: tuple[float, float, float],
    names: LabelSet,
    *,
    tolerance_mm: float = 1.0,
    box: Box | None = None,
    cancel: CancelFlag | None = None,
    on_label: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Return how two label maps of one scan agree, label by label.

    Parameters
    ----------
    first, second : (z, y, x) whole numbers from 0 to 65535
        Of one shape. Not modified.
    spacing : (z, y, x) mm
        Of the voxels of both.
    names : LabelSet
        Names and colours.
    tolerance_mm : float
        For surface Dice; at least 0.
    box : three slices, optional
        Where to compare; everything when left out. Labels end at the box: where it cuts
        them, both have the same surface.
    cancel : CancelFlag, optional
        Looked at before every label.
    on_label : callable, optional
        Told how many labels are done, and of how many.

    Returns
    -------
    Comparison
        Of the labels of the table and of all that occur.

    Raises
    ------
    GeometryError
        If the arrays are no volumes of one shape, or the box holds no voxel.
    InputError
        If they are no label maps, or a spacing or the tolerance is impossible.
    Cancelled
        If ``cancel`` is set.
    """
    ours, theirs = _pair(first, second)
    check_volume(ours, spacing)
    if not 0 <= tolerance_mm < math.inf:
        msg = f"a tolerance must be at least 0 mm, got {tolerance_mm}: change it"
        raise InputError(msg)
    box = whole_box(ours.shape) if box is None else box
    ours, theirs = ours[box], theirs[box]
    if not ours.size:
        msg = f"a box must hold at least one voxel, got {box}: choose another"
        raise GeometryError(msg)
    counts = _Counts(ours, theirs, cancel)
    found = counts.occurring()
    results = (
        evaluate_arrays(
            ours,
            theirs,
            spacing,
            Regions.of_labels(found),
            tolerances_mm=(tolerance_mm,),
            cancel=cancel,
            on_region=on_label,
        )
        if found
        else ()
    )
    by_value = {result.value: result for result in results}
    return Comparison(
        labels=tuple(
            _row(value, names, by_value.get(value), int(counts.differing[value]))
            for value in sorted({*found, *names.names} - {0})
        ),
        tolerance_mm=tolerance_mm,
        voxels=ours.size,
        differing=counts.all_differing,
    )


def difference_layer(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.uint8]:
    """Return where two label maps differ, to be shown as labels.

    Parameters
    ----------
    first, second : (z, y, x) whole numbers from 0 to 65535
        Of one shape. Not modified.

    Returns
    -------
    (z, y, x) uint8
        0 where they are equal, 1 where only the first is labelled, 2 where only the
        second is, 3 where both are, differently.

    Raises
    ------
    GeometryError
        If the arrays do not have one shape.
    InputError
        If they are no label maps.
    """  # noqa: DOC501 - made by _pair
    ours, theirs = _pair(first, second)
    result = np.zeros(ours.shape, np.uint8)
    for slab in slabs(ours.shape):
        a, b, here = ours[slab], theirs[slab], result[slab]
        here |= a != 0
        here |= (b != 0).view(np.uint8) << 1
        here *= a != b
    return result


def csv_text(comparison: Comparison, titles: tuple[str, str]) -> str:
    """Return the table as CSV with a head line; what is not defined is empty.

    Parameters
    ----------
    comparison : Comparison
        What was found.
    titles : (first, second)
        What the maps are called; they stand in every line, so that tables of several
        comparisons can be joined.
    """
    return _text(comparison, titles, ",")


def tsv_text(comparison: Comparison, titles: tuple[str, str]) -> str:
    """Return the same table with tabs between the cells, as spreadsheets paste it."""
    return _text(comparison, titles, "\t")


def plain_text(comparison: Comparison, titles: tuple[str, str]) -> str:
    """Return the labels that occur as aligned lines, their mean last.

    Parameters
    ----------
    comparison : Comparison
        What was found.
    titles : (first, second)
        What the maps are called.
    """
    surface = f"surface Dice ({comparison.tolerance_mm:g} mm)"
    lines = [("label", "name", "Dice", surface, "mL", "%", "voxels")]
    lines += [
        (
            str(row.value),
            row.name,
            _number(row.dice, ".3f"),
            _number(row.surface_dice, ".3f"),
            f"{row.difference_ml:+.3f}",
            _number(row.difference_percent, "+.1f"),
            str(row.differing),
        )
        for row in comparison.occurring
    ]
    means = (comparison.dice, comparison.surface_dice)
    shown = [_number(mean, ".3f") for mean in means]
    lines.append(("", "mean", shown[0], shown[1], "", "", str(comparison.differing)))
    wide = [max(len(line[column]) for line in lines) for column in range(7)]
    table = "\n".join(
        "  ".join(
            f"{cell:<{width}}" if column == 1 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(line, wide, strict=True))
        )
        for line in lines
    )
    return f"{titles[0]} compared with {titles[1]}\n{table}"


class _Counts:
    """Where labels occur and differ, counted a few planes at a time."""

    def __init__(
        self, first: NDArray[Any], second: NDArray[Any], cancel: CancelFlag | None
    ) -> None:
        self.differing: Any = 0
        self.all_differing = 0
        self._there: Any = False
        for slab in slabs(first.shape):
            check_cancelled(cancel)
            ours, theirs = count_differing(first[slab], second[slab])
            self.all_differing += int(ours.sum())
            self.differing = self.differing + ours + theirs
            there = np.bincount(first[slab].ravel(), minlength=ours.size) > 0
            self._there = self._there | there

    def occurring(self) -> list[int]:
        """Return the label values that stand in either map."""
        return [
            int(value)
            for value in np.flatnonzero(self._there | (self.differing > 0))
            if value
        ]


def _pair(
    first: NDArray[Any], second: NDArray[Any]
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.unsignedinteger]]:
    """Return two label maps of one shape.

    Raises
    ------
    GeometryError
        If their shapes differ.
    """
    ours = label_values(first, "a segmentation")
    theirs = label_values(second, "a segmentation")
    if ours.shape != theirs.shape:
        msg = (
            f"label maps must have one shape to be compared, got {ours.shape} and "
            f"{theirs.shape}: choose maps of the same scan"
        )
        raise GeometryError(msg)
    return ours, theirs


def _row(
    value: int, names: LabelSet, result: LabelResult | None, differing: int
) -> LabelComparison:
    """Return one label; without a result it occurs in neither map."""
    name = names.names.get(value, f"label {value}")
    color = names.colors.get(value, default_color(value))
    if result is None:
        return LabelComparison(value, name, color)
    return LabelComparison(
        value,
        name,
        color,
        state=result.state,
        dice=result.dice,
        surface_dice=next(iter(result.surface_dice.values())),
        first_ml=result.volume_ml,
        second_ml=result.reference_ml,
        difference_percent=result.volume_error_percent,
        differing=differing,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is defined."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _number(value: float | None, form: str) -> str:
    """Return a number, or a dash where it is not defined."""
    return "-" if value is None else format(value, form)


def _text(comparison: Comparison, titles: Sequence[str], delimiter: str) -> str:
    """Return the table with a head line."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    head = ("first", "second", "value", "name", "state", "dice")
    surface = surface_dice_key(comparison.tolerance_mm)
    volumes = ("first_ml", "second_ml", "difference_ml", "difference_percent")
    writer.writerow((*head, surface, *volumes, "differing_voxels"))
    for row in comparison.labels:
        shares = (row.dice, row.surface_dice)
        millilitres = (row.first_ml, row.second_ml, row.difference_ml)
        writer.writerow(
            (
                *titles,
                row.value,
                row.name,
                row.state,
                *("" if share is None else f"{share:.6f}" for share in shares),
                *(f"{volume:.6f}" for volume in millilitres),
                ""
                if row.difference_percent is None
                else f"{row.difference_percent:.3f}",
                row.differing,
            )
        )
    return stream.getvalue()
