"""HTML and SVG from Python, in which text cannot become markup by accident."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Markup", "join", "tag"]

_VOID = frozenset({"br", "col", "img", "meta"})
#: Control characters that no HTML or XML document may hold.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is HTML already; only :func:`tag` and :func:`join` make it."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element; children and attributes are escaped unless they are Markup.

    Parameters
    ----------
    name : str
        Of the element.
    *children : object
        Markup stays, None is left out, everything else is written as text.
    **attributes : object
        ``class_`` is ``class``, ``stroke_width`` is ``stroke-width``; None and False
        are left out, True has no value.

    Returns
    -------
    Markup
    """
    head = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{_text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{head}>")
    return Markup(f"<{name}{head}>{join(children)}</{name}>")


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Return the parts one after the other, escaped unless they are Markup."""
    return Markup(
        _text(between).join(
            part if isinstance(part, Markup) else _text(part)
            for part in parts
            if part is not None
        )
    )


def _text(value: object) -> str:
    """Return a value as text that may stand anywhere in a document."""
    return escape(_FORBIDDEN.sub("\ufffd", str(value)), quote=True)
