"""What all settings share: checked fields, docstrings as help, a schema number.

A settings class is a frozen dataclass that inherits from :class:`Settings`. Each field
is annotated with its type, and with a :class:`Range` where it has one; the string
below a field is its help. A settings object that exists is valid, and a form can be
built from :func:`describe` alone, so that name, help and range are written once.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import itertools
import math
import textwrap
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from napari_mednext.errors import SettingsError

__all__ = ["SCHEMA_KEY", "FieldInfo", "Range", "Settings", "describe"]

#: The key of the schema number in a dictionary of settings.
SCHEMA_KEY = "schema"

Migration = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Range:
    """The closed range of a number, in the field's unit; None is no bound."""

    minimum: float | None = None
    maximum: float | None = None

    def holds(self, value: float) -> bool:
        """Whether ``value`` is finite and lies between both ends, ends included."""
        if not math.isfinite(value):
            return False
        above = self.minimum is None or value >= self.minimum
        return above and (self.maximum is None or value <= self.maximum)

    def __str__(self) -> str:
        if self.maximum is None:
            return f"at least {self.minimum}"
        if self.minimum is None:
            return f"at most {self.maximum}"
        return f"between {self.minimum} and {self.maximum}"


@dataclass(frozen=True)
class FieldInfo:
    """One setting as a form shows it.

    ``kind`` is bool, int, float or str; ``choices`` is empty for free values; ``help``
    is the docstring under the field.
    """

    name: str
    kind: type
    optional: bool
    default: object
    choices: tuple[object, ...]
    range: Range | None
    help: str


@dataclass(frozen=True)
class Settings:
    """The base of all settings: checked when made, read and written as dictionaries.

    Raises
    ------
    SettingsError
        If a field has the wrong type or lies outside its range or choices.
    """

    SCHEMA: ClassVar[int] = 1
    #: Schema number -> function that takes a dictionary of that schema to the next.
    MIGRATIONS: ClassVar[Mapping[int, Migration]] = {}

    def __post_init__(self) -> None:
        for info in describe(type(self)):
            value = _checked(info, getattr(self, info.name))
            object.__setattr__(self, info.name, value)
        self._check()

    def _check(self) -> None:
        """Check what a type and a range cannot say; overridden where needed."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the schema number, all of them JSON values."""
        return {SCHEMA_KEY: self.SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote, by this version or an older one.

        Parameters
        ----------
        values : mapping
            The schema number and any of the fields; the others get their defaults.

        Returns
        -------
        Settings
            Of this class.

        Raises
        ------
        SettingsError
            If the schema number is missing or newer than this version knows, a key is
            unknown, or a value is outside its domain.
        """
        values = dict(values)
        schema = values.pop(SCHEMA_KEY, None)
        if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
            msg = (
                f"settings must state a schema number from 1 to {cls.SCHEMA}, got "
                f'{schema!r}: add "{SCHEMA_KEY}": {cls.SCHEMA}'
            )
            raise SettingsError(msg)
        if schema > cls.SCHEMA:
            msg = (
                f"settings must have schema {cls.SCHEMA} or older, got {schema}: they "
                "were written by a newer version, update napari-mednext"
            )
            raise SettingsError(msg)
        for number in range(schema, cls.SCHEMA):
            values = cls.MIGRATIONS[number](values)
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise SettingsError(_unknown(key, known))
        return cls(**values)


def describe(cls: type[Settings]) -> tuple[FieldInfo, ...]:
    """Return the fields of a settings class in order, as a form needs them.

    Parameters
    ----------
    cls : subclass of Settings
        Fields may be bool, int, float, str, a ``Literal``, each also ``| None``, and
        ``Annotated`` with a :class:`Range`.

    Returns
    -------
    tuple of FieldInfo
        One a field. ``help`` is empty when the source of the class is not there.

    Raises
    ------
    TypeError
        If a field has a type that settings do not know.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    helps = _field_docs(cls)
    return tuple(
        _field_info(field, hints[field.name], helps.get(field.name, ""))
        for field in dataclasses.fields(cls)
    )


def _field_info(field: dataclasses.Field[Any], hint: Any, text: str) -> FieldInfo:
    """Take a field's annotation apart."""
    optional, limits = False, None
    choices: tuple[object, ...] = ()
    if typing.get_origin(hint) is typing.Annotated:
        limits = next((m for m in hint.__metadata__ if isinstance(m, Range)), None)
        hint = hint.__origin__
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        kinds = [k for k in typing.get_args(hint) if k is not types.NoneType]
        optional, hint = True, kinds[0] if len(kinds) == 1 else hint
    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        hint = type(choices[0])
    if hint not in (bool, int, float, str):
        msg = f"settings cannot hold {hint!r}, the type of {field.name!r}"
        raise TypeError(msg)
    return FieldInfo(field.name, hint, optional, field.default, choices, limits, text)


def _checked(info: FieldInfo, value: Any) -> Any:
    """Return ``value`` in the field's own type, or refuse it."""
    if value is None and info.optional:
        return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if info.kind is float and is_number:
        value = float(value)
    if type(value) is not info.kind:  # bool is an int to isinstance
        noun = {bool: "true or false", int: "a whole number", float: "a number"}
        wanted = noun.get(info.kind, "a text") + (" or nothing" * info.optional)
        msg = f"{info.name} must be {wanted}, got {value!r}: correct this setting"
        raise SettingsError(msg)
    if info.choices and value not in info.choices:
        wanted = ", ".join(str(choice) for choice in info.choices)
        msg = f"{info.name} must be one of {wanted}, got {value!r}: choose one of them"
        raise SettingsError(msg)
    if info.range is not None and not info.range.holds(typing.cast("float", value)):
        msg = (
            f"{info.name} must be {info.range}, got {value!r}: choose a value in this "
            "range"
        )
        raise SettingsError(msg)
    return value


def _unknown(key: str, known: list[str]) -> str:
    """Return the sentence about a key that no field has."""
    nearest = difflib.get_close_matches(str(key), known, n=1)
    hint = f"did you mean {nearest[0]!r}" if nearest else "remove it"
    return f"settings must be some of {', '.join(known)}, got {key!r}: {hint}"


def _field_docs(cls: type) -> dict[str, str]:
    """Return name -> the string that stands below the field in the source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError):  # only compiled files are there
        return {}
    docs: dict[str, str] = {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for field, text in itertools.pairwise(body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(doc))),
            ):
                docs[name] = " ".join(doc.split())
    return docs
