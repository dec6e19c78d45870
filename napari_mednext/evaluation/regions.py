"""What is compared: single labels, or regions that are made of several values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Region", "Regions", "label_names"]

#: The schema number of regions files.
_SCHEMA = 1
_MAX_VALUE = 65535
_MAX_BYTES = 2**20


@dataclass(frozen=True)
class Region:
    """A name, and the label values that mean it on either side.

    Raises
    ------
    InputError
        If the name is empty, or a side has no value or one outside 1..65535.
    """

    name: str
    """What people call it."""
    prediction: tuple[int, ...]
    """Values in predictions."""
    reference: tuple[int, ...]
    """Values in references."""

    def __post_init__(self) -> None:
        if not self.name.strip():
            msg = "a region must have a name, got an empty one: name it"
            raise InputError(msg)
        for side in ("prediction", "reference"):
            values = _values(f"{side} of {self.name!r}", getattr(self, side), least=1)
            if not values:
                msg = (
                    f"{side} of {self.name!r} must hold at least one label value, got "
                    "none: list the values or leave the region out"
                )
                raise InputError(msg)
            object.__setattr__(self, side, values)

    @property
    def value(self) -> int | None:
        """The label value where both sides have the same single one, else None."""
        same = self.prediction == self.reference and len(self.prediction) == 1
        return self.prediction[0] if same else None


@dataclass(frozen=True)
class Regions:
    """The regions of an evaluation; every name once.

    Raises
    ------
    InputError
        If there is no region or two share a name, or a value lies outside 0..65535.
    """

    regions: tuple[Region, ...]
    """In the order of tables."""
    ignore_reference: tuple[int, ...] = ()
    """Where the reference has one of these, neither mask is looked at."""

    def __post_init__(self) -> None:
        names = [region.name for region in self.regions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not names:
            got = f"{twice[0]!r} twice" if twice else "none"
            msg = f"regions must have a name each, got {got}: correct the list"
            raise InputError(msg)
        ignored = _values("ignore_reference", self.ignore_reference, least=0)
        object.__setattr__(self, "ignore_reference", ignored)

    @classmethod
    def of_labels(
        cls, values: Iterable[int], names: Mapping[int, str] | None = None
    ) -> Regions:
        """Return a region for every label value, except the background.

        Parameters
        ----------
        values : iterable of int
            Label values, the same on both sides.
        names : mapping of value to name, optional
            A label without one is called ``label 3``. Values that share a name are
            told apart by their numbers.
        """
        wanted = sorted({int(value) for value in values} - {0})
        given = {value: (names or {}).get(value, f"label {value}") for value in wanted}
        shared = list(given.values())
        return cls(
            tuple(
                Region(
                    f"{name} ({value})" if shared.count(name) > 1 else name,
                    (value,),
                    (value,),
                )
                for value, name in given.items()
            )
        )

    @classmethod
    def load(cls, path: str | Path) -> Regions:
        """Read a regions file.

        It looks like ``{"schema": 1, "regions": [{"name": "brain", "prediction":
        [1, 2], "reference": [1]}], "ignore_reference": [255]}``.

        Raises
        ------
        InputError
            If the file is missing, no JSON, has another schema or unknown keys, or a
            region cannot be used.
        """
        path = Path(path)
        values = _object(_json(path), {"schema", "regions", "ignore_reference"}, path)
        if values.get("schema") != _SCHEMA:
            msg = (
                f"the schema of {path.name!r} must be {_SCHEMA}, got "
                f'{values.get("schema")!r}: write "schema": {_SCHEMA}'
            )
            raise InputError(msg)
        listed = values.get("regions")
        if not isinstance(listed, list):
            msg = f"{path.name!r} must hold a list of regions, got {listed!r}: add it"
            raise InputError(msg)
        return cls(
            tuple(_region(each, path) for each in listed),
            tuple(_list(values.get("ignore_reference", []), "ignore_reference")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`load` reads, as JSON values."""
        return {
            "schema": _SCHEMA,
            "regions": [
                {
                    "name": region.name,
                    "prediction": list(region.prediction),
                    "reference": list(region.reference),
                }
                for region in self.regions
            ],
            "ignore_reference": list(self.ignore_reference),
        }


def label_names(folders: Iterable[Path]) -> dict[int, str]:
    """Return label names from the first ``dataset.json`` in some folders.

    Both of nnU-Net's forms are read: name to value, and value to name. A file that
    cannot be read, or names regions instead of labels, gives no names.

    Parameters
    ----------
    folders : iterable of Path
        Where to look, in this order.

    Returns
    -------
    dict of int to str
        Without the background; empty if there is no such file.
    """
    for folder in folders:
        try:
            document = _json(folder / "dataset.json")
        except InputError:
            continue
        labels = document.get("labels") if isinstance(document, dict) else None
        pairs = labels.items() if isinstance(labels, dict) else ()
        names = dict(filter(None, (_named(*pair) for pair in pairs)))
        if names:
            return names
    return {}


def _named(key: str, other: object) -> tuple[int, str] | None:
    """Return value and name of an entry; None for background, ignore and regions."""
    value, name = (key, other) if str(key).isdigit() else (other, key)
    if str(name) == "ignore" or not str(value).isdigit() or int(str(value)) == 0:
        return None
    return int(str(value)), str(name)


def _region(values: Any, path: Path) -> Region:
    """Return a region of a file."""
    keys = {"name", "prediction", "reference"}
    given = _object(values, keys, path)
    missing = sorted(keys - set(given))
    if missing:
        msg = (
            f"every region in {path.name!r} must have name, prediction and reference, "
            f"but {missing[0]} is missing in {given!r}: add it"
        )
        raise InputError(msg)
    name = given["name"]
    sides = [tuple(_list(given[side], side)) for side in ("prediction", "reference")]
    return Region(str(name), *sides)


def _json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    InputError
        If it cannot be read.
    """  # noqa: DOC501 - passes on the one above
    try:
        if path.stat().st_size > _MAX_BYTES:
            msg = f"{path.name!r} must be a short list, got more than 1 MB: check it"
            raise InputError(msg)
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = error.strerror or error
        msg = f"{str(path)!r} must be readable, got {reason}: check the path"
        raise InputError(msg) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        msg = f"{path.name!r} must be JSON, got {error}: correct the file"
        raise InputError(msg) from error


def _object(values: Any, known: set[str], path: Path) -> dict[str, Any]:
    """Return an object that has known keys only.

    Raises
    ------
    InputError
        If it is something else.
    """
    if not isinstance(values, dict):
        msg = f"{path.name!r} must hold an object here, got {values!r}: correct it"
        raise InputError(msg)
    unknown = sorted(set(values) - known)
    if unknown:
        msg = (
            f"keys in {path.name!r} must be of {', '.join(sorted(known))}, got "
            f"{unknown[0]!r}: remove it"
        )
        raise InputError(msg)
    return values


def _list(values: Any, name: str) -> list[Any]:
    """Return a list.

    Raises
    ------
    InputError
        If it is something else.
    """
    if not isinstance(values, list):
        msg = f"{name} must be a list of label values, got {values!r}: write [1, 2]"
        raise InputError(msg)
    return values


def _values(name: str, values: Iterable[Any], *, least: int) -> tuple[int, ...]:
    """Return label values in order, each once.

    Raises
    ------
    InputError
        If one is no whole number in the range.
    """
    given = list(values)
    for value in given:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not least <= value <= _MAX_VALUE:
            msg = (
                f"{name} must hold label values from {least} to {_MAX_VALUE}, got "
                f"{value!r}: correct it"
            )
            raise InputError(msg)
    return tuple(sorted(set(given)))
