"""Whether the names of labels tell left from right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["tell_sides"]

#: Words of a name: "LeftKidney", "kidney_left" and "kidney L" have two.
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])|\d+")
_SIDE_WORDS = frozenset(
    ("left", "right", "links", "linke", "linker", "linkes", "rechts", "rechte")
    + ("rechter", "rechtes", "gauche", "droit", "droite", "izquierdo", "izquierda")
    + ("derecho", "derecha", "esquerdo", "esquerda", "direito", "direita")
    + ("sinistro", "sinistra", "destro", "destra", "sinister", "dexter")
)
_SIDE_LETTERS = {"l": "r", "r": "l", "lh": "rh", "rh": "lh", "lt": "rt", "rt": "lt"}


def tell_sides(names: Iterable[str]) -> bool:
    """Return whether some labels differ by left and right.

    A network that learns or answers mirrored images cannot tell these apart.

    Parameters
    ----------
    names : iterable of str
        Of labels. A word for a side counts, in some languages; a letter for it ("L",
        "lh") only where the other side has a label too.

    Returns
    -------
    bool
    """
    known = {
        tuple(word.casefold() for word in _WORD.findall(name.replace("_", " ")))
        for name in names
    }
    if any(word in _SIDE_WORDS for words in known for word in words):
        return True
    return any(
        (*words[:i], _SIDE_LETTERS[word], *words[i + 1 :]) in known
        for words in known
        for i, word in enumerate(words)
        if word in _SIDE_LETTERS
    )
