"""Fields of results as JSON values, and back with a sentence for what is wrong."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from napari_mednext.errors import InputError

__all__ = [
    "checked_fields",
    "finite_number",
    "items_of",
    "name_and_sentence",
    "plain_fields",
    "refuse",
    "tuple_of",
]


def plain_fields(result: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, not going into them."""
    return {
        each.name: getattr(result, each.name) for each in dataclasses.fields(result)
    }


def checked_fields(kind: type[Any], values: Any) -> dict[str, Any]:
    """Return the values if their keys are the fields of a dataclass."""
    known = {each.name for each in dataclasses.fields(kind)}
    keys = set(dict(items_of(kind.__name__, values)))
    wrong = sorted(keys ^ known)
    if wrong:
        what = "is unknown" if wrong[0] in keys else "is missing"
        msg = (
            f"a {kind.__name__} must have the keys that this version writes, but "
            f"{wrong[0]!r} {what}: evaluate again"
        )
        raise InputError(msg)
    return dict(values)


def items_of(name: str, value: Any) -> Any:
    """Return the items of an object."""
    if not isinstance(value, Mapping):
        refuse(name, "an object", value)
    return value.items()


def tuple_of(name: str, values: Any, read: Any) -> tuple[Any, ...]:
    """Return what ``read`` makes of every element of a list."""
    if not isinstance(values, list | tuple):
        refuse(name, "a list", values)
    return tuple(read(value) for value in values)


def name_and_sentence(value: Any) -> tuple[str, str]:
    """Return a case that failed and the sentence."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        refuse("a failure", "a name and a sentence", value)
    return str(value[0]), str(value[1])


def finite_number(name: str, value: Any) -> Any:
    """Return a finite number or None."""
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        refuse(name, "a finite number or null", value)
    return float(value)


def refuse(name: str, wanted: str, value: Any) -> None:
    """Refuse a value that JSON holds.

    Raises
    ------
    InputError
        Always.
    """
    msg = f"{name} must be {wanted}, got {value!r}: evaluate again"
    raise InputError(msg)
