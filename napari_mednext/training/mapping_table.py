"""The table that says what the values of label maps mean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import FormatError, InputError
from napari_mednext.labels import LabelSet

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.training.label_maps import LabelMaps

__all__ = ["TISSUES", "MappingTable"]

#: Tissues whose order of brightness the contrast families know.
TISSUES = ("white", "grey", "deep", "fluid")
SCHEMA = 1
#: Target values are bytes, and one of them means neither right nor wrong.
_MOST_CLASSES = 254


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
    mirror : bool
        Whether left and right look alike, so that mirrored heads may be drawn; False
        where a class is on one side only.
    card : mapping
        Fields of the model's card.
    settings : mapping of "cpu" and "cuda" to settings as JSON
        How the author of the table trains on such a device.

    Raises
    ------
    InputError
        If classes, sources and tissues contradict each other.
    """

    labels: LabelSet
    targets: Mapping[int, int]
    ignore: frozenset[int]
    tissues: Mapping[str, frozenset[int]]
    outside: frozenset[int]
    held_out: frozenset[str]
    mirror: bool = True
    card: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = sorted(self.labels.names)
        if not values or values != list(range(1, len(values) + 1)):
            msg = f"classes must have the values 1, 2, 3 and so on, got {values}"
            raise InputError(msg)
        if len(values) > _MOST_CLASSES:
            msg = f"there must be at most {_MOST_CLASSES} classes, got {len(values)}"
            raise InputError(msg)
        both = sorted(self.ignore & set(self.targets))
        if both:
            msg = f"a source must be learned or ignored, got both for {both}"
            raise InputError(msg)
        unknown = sorted(set(self.tissues) - set(TISSUES))
        if unknown:
            msg = f"tissues must be some of {', '.join(TISSUES)}, got {unknown}"
            raise InputError(msg)

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
            schema = table.get("schema", SCHEMA)
        except (OSError, ValueError, AttributeError) as error:
            raise FormatError(_not_a_table(path, error)) from error
        if schema != SCHEMA:
            msg = (
                f"a mapping table must have schema {SCHEMA}, got {schema!r} in "
                f"{str(path)!r}: update napari-mednext or correct the number"
            )
            raise FormatError(msg)
        try:
            return cls._read(table)
        except KeyError as error:
            msg = _not_a_table(path, f"{error} is missing")
            raise FormatError(msg) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise FormatError(_not_a_table(path, error)) from error

    @classmethod
    def _read(cls, table: Mapping[str, Any]) -> MappingTable:
        classes = table["classes"]
        colors = {int(c["value"]): tuple(c["color"]) for c in classes if "color" in c}
        names = [(int(c["value"]), str(c["name"])) for c in classes]
        _refuse_repeats("class value", [value for value, _ in names])
        _refuse_repeats("source", [int(s) for c in classes for s in c["sources"]])
        return cls(
            labels=LabelSet.from_names(dict(names), colors),
            targets={int(s): int(c["value"]) for c in classes for s in c["sources"]},
            ignore=frozenset(map(int, table.get("ignore", ()))),
            tissues={
                name: frozenset(map(int, values))
                for name, values in table.get("tissues", {}).items()
            },
            outside=frozenset(map(int, table.get("outside", ()))),
            held_out=frozenset(map(str, table.get("held_out", ()))),
            mirror=bool(table.get("mirror", True)),
            card=dict(table.get("card", {})),
            settings=dict(table.get("settings", {})),
        )

    def split(self, maps: LabelMaps) -> tuple[list[str], list[str]]:
        """Return the names of the maps to learn from and of those held out.

        Without a map that the table holds out, the last one is; a single map is both.
        """
        names = sorted(maps.maps)
        held_out = [n for n in names if n in self.held_out] or names[-1:]
        return [n for n in names if n not in held_out] or names, held_out

    def notes_on(self, maps: LabelMaps) -> tuple[str, ...]:
        """Return sentences about what is odd when these maps are learned.

        Raises
        ------
        InputError
            If the maps hold none of the sources.
        """
        there = {int(v) for v in maps.values}
        if not there & set(self.targets):
            shown = ", ".join(map(str, sorted(there)[:12]))
            msg = (
                "label maps must hold sources of the mapping table, got the values "
                f"{shown} and none of them is one: choose another table"
            )
            raise InputError(msg)
        notes = []
        for value, name in self.labels.names.items():
            if not there & {s for s, t in self.targets.items() if t == value}:
                notes.append(f"no map holds a source of {name!r}: it is not learned")
        rest = sorted(there - set(self.targets) - self.ignore - {0})
        if rest:
            values = ", ".join(map(str, rest))
            notes.append(
                f"values that the table does not name are background: {values}"
            )
        learned, held_out = self.split(maps)
        if not self.held_out & set(held_out):
            also = ", which is also learned from" if held_out[0] in learned else ""
            notes.append(f"validated on {held_out[0]!r}{also}: no other is held out")
        return tuple(notes)

    def digest(self) -> str:
        """Return the SHA-256 of all that decides weights, in hexadecimal."""
        fields = {
            "targets": sorted(self.targets.items()),
            "ignore": sorted(self.ignore),
            "tissues": {k: sorted(v) for k, v in sorted(self.tissues.items())},
            "outside": sorted(self.outside),
            "held_out": sorted(self.held_out),
            "mirror": self.mirror,
            "classes": sorted(self.labels.names),
        }
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def _refuse_repeats(what: str, values: list[int]) -> None:
    """Refuse a value that stands twice."""
    twice = sorted({v for v in values if values.count(v) > 1})
    if twice:
        msg = f"a {what} must stand once, got {twice} more than once"
        raise InputError(msg)


def _not_a_table(path: Path, reason: object) -> str:
    return (
        "a mapping table must be a JSON file with 'classes' of value, name and "
        f"sources, got {str(path)!r}: {reason}"
    )
