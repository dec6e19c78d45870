"""The volumes of a segmentation as a table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_mednext.labels import default_color

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.volume import Segmentation

__all__ = ["Row", "csv_text", "plain_text", "rows"]


@dataclass(frozen=True)
class Row:
    """One label and how much of it there is."""

    value: int
    name: str
    color: tuple[int, int, int]
    voxels: int
    volume_ml: float


def rows(segmentation: Segmentation) -> tuple[Row, ...]:
    """Return one row for every label, in order of value; 0 mL where it is absent.

    Parameters
    ----------
    segmentation : Segmentation
        Labels without a name are called by their number.

    Returns
    -------
    tuple of Row
        Without the background.
    """
    voxel_ml = segmentation.grid.voxel_volume_mm3 / 1000.0
    return tuple(
        Row(
            value=value,
            name=segmentation.names.get(value, f"label {value}"),
            color=segmentation.colors.get(value, default_color(value)),
            voxels=round(volume_ml / voxel_ml),
            volume_ml=volume_ml,
        )
        for value, volume_ml in segmentation.volumes_ml().items()
    )


def csv_text(table: Sequence[Row]) -> str:
    """Return the table as CSV with a head line, volumes in mL with three decimals."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("value", "name", "voxels", "volume_ml"))
    for row in table:
        writer.writerow((row.value, row.name, row.voxels, f"{row.volume_ml:.3f}"))
    return stream.getvalue()


def plain_text(table: Sequence[Row]) -> str:
    """Return the table as aligned lines for a terminal or a text file."""
    lines = [("label", "name", "mL")]
    lines += [(str(row.value), row.name, f"{row.volume_ml:.1f}") for row in table]
    wide = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        f"{value:>{wide[0]}}  {name:<{wide[1]}}  {volume:>{wide[2]}}"
        for value, name, volume in lines
    )
