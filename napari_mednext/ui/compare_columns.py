"""How a comparison of label maps reads: its columns, and its means in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.ui.figures_table import NOTHING, Column

if TYPE_CHECKING:
    from napari_mednext.correction.compare import Comparison, LabelComparison

__all__ = ["compare_columns", "share", "summary"]

#: As wide as a plus sign, so that columns of numbers stay calm.
_MINUS = "\u2212"


def compare_columns() -> tuple[Column, ...]:
    """Return the figures that are shown of each label."""
    return (
        Column(
            "Dice",
            "Overlap, 0 to 1",
            lambda row: share(row.dice),
            lambda row: row.dice,
        ),
        Column(
            "Surface",
            "Surface Dice: how much of both surfaces lies within the distance",
            lambda row: share(row.surface_dice),
            lambda row: row.surface_dice,
        ),
        Column(
            "Δ mL",
            "Volume of the first minus that of the second, in mL",
            _difference,
            lambda row: row.difference_ml,
        ),
        Column(
            "Δ %",
            "The same in percent of the second",
            _percent,
            lambda row: row.difference_percent,
        ),
        Column(
            "Voxels",
            "Voxels that hold the label in one of the two only",
            lambda row: f"{row.differing:,}",
            lambda row: row.differing,
        ),
    )


def summary(comparison: Comparison) -> str:
    """Return the means and how much differs, as two lines of rich text."""
    percent = 100.0 * comparison.differing / comparison.voxels
    return (
        f"Mean Dice <b>{share(comparison.dice)}</b> · mean surface Dice "
        f"<b>{share(comparison.surface_dice)}</b><br>"
        f"{comparison.differing:,} voxels differ, {percent:.2g} % of the scan"
    )


def share(value: float | None) -> str:
    """Return a number from 0 to 1; only what is exactly 1 is shown as that."""
    if value is None:
        return NOTHING
    text = f"{value:.3f}"
    return "0.999" if text == "1.000" and value < 1 else text


def _difference(row: LabelComparison) -> str:
    """Return a difference in mL with its sign."""
    if row.difference_ml == 0:
        return "0"
    return f"{row.difference_ml:+,.2f}".replace("-", _MINUS)


def _percent(row: LabelComparison) -> str:
    """Return a difference in percent with its sign."""
    if row.difference_percent is None:
        return NOTHING
    if row.difference_percent == 0:
        return "0"
    return f"{row.difference_percent:+,.1f}".replace("-", _MINUS)
