"""Label maps to train from, and the table that says what their values mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_mednext.errors import FormatError, InputError
from napari_mednext.formats import find_sources, open_source
from napari_mednext.labels import LabelSet
from napari_mednext.volume import reorient

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TISSUES", "LabelMaps", "MappingTable"]

#: Tissues whose order of brightness the contrast families know.
TISSUES = ("white", "grey", "deep", "fluid")
SCHEMA = 1


@dataclass(frozen=True)
class MappingTable:
    """What the values of the source maps mean.

    Parameters
    ----------
    labels : LabelSet
        The classes that the model learns.
    targets : mapping of source value to class value
        Sources that are not named become background.
    ignore : set of source values
        Not learned: neither right nor wrong.
    tissues : mapping of tissue to source values
    outside : set of source values
        What a skull-stripped scan does not show.
    held_out : names of maps used for validation only
    card : mapping
        Fields of the model's card.
    settings : mapping of "cpu" and "cuda" to settings as JSON
        How the author of the table trains on such a device.
    """

    labels: LabelSet
    targets: Mapping[int, int]
    ignore: frozenset[int]
    tissues: Mapping[str, frozenset[int]]
    outside: frozenset[int]
    held_out: frozenset[str]
    card: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> MappingTable:
        """Read a table from a JSON file.

        Raises
        ------
        FormatError
            If the file is not such a table.
        """
        try:
            table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            classes = table["classes"]
            return cls(
                labels=LabelSet.from_names(
                    {int(c["value"]): str(c["name"]) for c in classes},
                    {
                        int(c["value"]): tuple(c["color"])
                        for c in classes
                        if "color" in c
                    },
                ),
                targets={
                    int(s): int(c["value"]) for c in classes for s in c["sources"]
                },
                ignore=frozenset(map(int, table.get("ignore", ()))),
                tissues={
                    name: frozenset(map(int, values))
                    for name, values in table.get("tissues", {}).items()
                },
                outside=frozenset(map(int, table.get("outside", ()))),
                held_out=frozenset(map(str, table.get("held_out", ()))),
                card=dict(table.get("card", {})),
                settings=dict(table.get("settings", {})),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = (
                "a mapping table must be a JSON file with 'classes' of value, name "
                f"and sources, got {str(path)!r}: {error}"
            )
            raise FormatError(msg) from error


@dataclass(frozen=True)
class LabelMaps:
    """Label maps as indices into one list of source values.

    Parameters
    ----------
    maps : mapping of name to (z, y, x) uint8
        Axes run to the head, to the front and to the right (RAS). Indices into
        ``values``.
    values : (n,) int
        Source values; entry 0 is the background.
    intensity_class : (n,) int
        Source values that share one distribution of brightness share a number here.
    spacing_mm : float
        Isotropic voxel edge of the maps.
    """

    maps: Mapping[str, NDArray[np.uint8]]
    values: NDArray[np.int64]
    intensity_class: NDArray[np.int64]
    spacing_mm: float = 1.0

    @classmethod
    def load(cls, path: Path) -> LabelMaps:
        """Read a ``.npz`` of RAS maps (x, y, z), or a folder of label images.

        The ``.npz`` holds ``fs_labels``, optionally ``intensity_class``, and one
        isotropic 1 mm map an entry. Images of a folder are turned to RAS and must be
        isotropic within 5 %.

        Raises
        ------
        FormatError
            If nothing usable is there.
        InputError
            If an image is not isotropic or holds more than 255 values.
        """
        if path.is_dir():
            return cls._from_folder(path)
        try:
            with np.load(path, allow_pickle=False) as archive:
                values = archive["fs_labels"].astype(np.int64)
                names = [
                    k for k in archive if k not in ("fs_labels", "intensity_class")
                ]
                classes = (
                    archive["intensity_class"].astype(np.int64)
                    if "intensity_class" in archive
                    else np.arange(len(values))
                )
                maps = {
                    k: np.ascontiguousarray(archive[k].transpose(2, 1, 0))
                    for k in names
                }
        except (OSError, ValueError, KeyError) as error:
            msg = (
                "label maps must be a folder of label images or an .npz with "
                f"'fs_labels' and one map an entry, got {str(path)!r}: {error}"
            )
            raise FormatError(msg) from error
        return cls(maps, values, classes)

    @classmethod
    def _from_folder(cls, path: Path) -> LabelMaps:
        arrays: dict[str, NDArray[Any]] = {}
        spacings = []
        for source in find_sources([path]):
            volume = reorient(open_source(source), "RAS")
            spacing = volume.grid.spacing
            if max(spacing) > 1.05 * min(spacing):
                msg = (
                    f"label maps must have cubic voxels, got {spacing} mm in "
                    f"{source.name!r}: resample it"
                )
                raise InputError(msg)
            arrays[source.name] = volume.array[0].astype(np.int64)
            spacings.append(float(np.mean(spacing)))
        if not arrays:
            msg = f"a folder of label maps must hold images, got none in {str(path)!r}"
            raise FormatError(msg)
        values = np.unique(
            np.concatenate([np.unique(a) for a in arrays.values()] + [[0]])
        )
        if len(values) > 255 or values[0] < 0:
            msg = f"label maps must hold at most 255 values from 0, got {len(values)}"
            raise InputError(msg)
        maps = {
            k: np.searchsorted(values, a).astype(np.uint8) for k, a in arrays.items()
        }
        return cls(maps, values, np.arange(len(values)), float(np.median(spacings)))
