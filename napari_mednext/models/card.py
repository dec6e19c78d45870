"""The card of a model: where it comes from, what it may be used for, where it fails."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_mednext.errors import InputError, ModelError
from napari_mednext.labels import LabelSet, SidedLabels
from napari_mednext.models.documents import Node
from napari_mednext.models.expectations import Expectations, read_expectations

__all__ = ["CARD_SCHEMA", "RESEARCH_USE", "Card", "read_card"]

#: The schema number that this version writes.
CARD_SCHEMA = 1

RESEARCH_USE = (
    "For research only; not a medical device, not for diagnosis or treatment."
)

#: Schema number -> function that takes a card of that schema to the next.
_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}

#: Names become folder names and command-line words.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Card:
    """What ``card.json`` says. A card that exists is valid; foreign folders have none.

    Raises
    ------
    ModelError
        If a value has the wrong type or cannot be used.
    """

    name: str = ""
    """A short name of letters, digits, dot, dash and underscore; empty for none."""
    title: str = ""
    """The name that people see."""
    description: str = ""
    """What the model segments, in a sentence or two."""
    modality: str = ""
    """As CT, MR or any."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """Where the weights come from: "parent" and what else is known."""
    created: str = ""
    """When, as ISO 8601."""
    software: Mapping[str, Any] = field(default_factory=dict)
    """Program -> version that made the weights."""
    training_data: tuple[Any, ...] = ()
    """The data sets, each as a text or an object with name, licence and address."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """How it was trained."""
    seed: int | None = None
    """Of the training."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """What was measured, and on what."""
    limits: tuple[str, ...] = ()
    """Where it fails or was never tried."""
    licence: str = ""
    """Of the weights."""
    credits: tuple[str, ...] = ()
    """Who is to be named."""
    research_use: str = RESEARCH_USE
    """What the model is not for."""
    configuration: str | None = None
    """The configuration of plans.json that the weights belong to."""
    trainer: str | None = None
    """What trained it, as nnU-Net's trainer class."""
    mirror_axes: tuple[int, ...] = ()
    """Axes of the network's input (0, 1, 2) that it was trained to mirror."""
    colors: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    """Label value -> (red, green, blue), 0..255."""
    sides: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Whether left and right can be told apart in a result: "paired" lists the labels
    that are split, "inner" those of them that lie below others, as white matter below
    the cortex, "midline" labels that lie half on each side and help to find the middle.
    Empty where the labels have no sides."""
    expects: Expectations = field(default_factory=Expectations)
    """What a scan and a result are compared with, to warn where they are unlike."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """File in the folder -> SHA-256 of its content, in hexadecimal."""

    def __post_init__(self) -> None:
        given = dataclasses.asdict(self)
        if isinstance(self.colors, Mapping):
            given["colors"] = {str(key): color for key, color in self.colors.items()}
        if isinstance(self.expects, Expectations):
            given["expects"] = self.expects.to_dict()
        values = _read_fields(Node(given, "the model card"))
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON values, with its schema number."""
        values = dataclasses.asdict(self)
        values["colors"] = {str(key): list(c) for key, c in self.colors.items()}
        values["sides"] = {key: list(each) for key, each in self.sides.items()}
        values["expects"] = self.expects.to_dict()
        for key in ("training_data", "limits", "credits", "mirror_axes"):
            values[key] = list(values[key])
        return {"schema": CARD_SCHEMA, **values}

    def sided(self, labels: LabelSet) -> SidedLabels | None:
        """Return what a model's labels become with sides, None where they have none.

        Raises
        ------
        ModelError
            If the card names a label that the model has not.
        """
        if not self.sides:
            return None
        try:
            return SidedLabels(labels, **self.sides)
        except InputError as error:
            msg = f'"sides" in the model card cannot be used: {error}'
            raise ModelError(msg) from error


def read_card(node: Node) -> Card:
    """Read a ``card.json`` of this version or an older one.

    Parameters
    ----------
    node : Node
        The whole file.

    Returns
    -------
    Card
        Valid.

    Raises
    ------
    ModelError
        If the schema is newer than this version knows, a key is unknown, or a value
        cannot be used.
    """
    schema = node["schema"].whole(1)
    if schema > CARD_SCHEMA:
        node["schema"].refuse(
            f"be {CARD_SCHEMA} or less",
            "the model comes from a newer version, update napari-mednext",
        )
    values = {key: each.value for key, each in node.items() if key != "schema"}
    for number in range(schema, CARD_SCHEMA):
        values = _MIGRATIONS[number](values)
    known = [each.name for each in dataclasses.fields(Card)]
    for key in values:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1)
            advice = f"did you mean {nearest[0]!r}" if nearest else "remove it"
            msg = f"a key of {node.file} must be a known one, got {key!r}: {advice}"
            raise ModelError(msg)
    return Card(**_read_fields(Node(values, node.file)))


def _read_fields(node: Node) -> dict[str, Any]:
    """Return checked values of the fields that ``node`` holds."""
    return {key: _READERS[key](each) for key, each in node.items()}


def _name(node: Node) -> str:
    """Return a name that can be a folder and a word on a command line."""
    if node.text() and not _NAME.fullmatch(node.text()):
        node.refuse(
            "be letters, digits, dots, dashes and underscores, the first a letter or "
            "a digit"
        )
    return node.text()


def _maybe_text(node: Node) -> str | None:
    return None if node.value is None else node.text()


def _seed(node: Node) -> int | None:
    return None if node.value is None else node.whole(0)


def _object(node: Node) -> dict[str, Any]:
    node.names()
    return dict(node.value)


def _anything(node: Node) -> tuple[Any, ...]:
    return tuple(each.value for each in node.elements())


def _texts(node: Node) -> tuple[str, ...]:
    return tuple(each.text() for each in node.elements())


def read_axes(node: Node) -> tuple[int, ...]:
    """Read mirror axes.

    Parameters
    ----------
    node : Node
        A list of axes of the network's input.

    Returns
    -------
    tuple of int
        Some of 0, 1 and 2, in order, each once.

    Raises
    ------
    ModelError
        If there is any other value.
    """
    return tuple(sorted({each.whole(0, 2) for each in node.elements()}))


def _colors(node: Node) -> dict[int, tuple[int, ...]]:
    colors = {}
    for key, color in node.items():
        if not (key.isascii() and key.isdigit() and len(key) < 6):
            Node(key, node.file, node.place).refuse("have label values as keys")
        colors[int(key)] = tuple(part.whole(0, 255) for part in color.elements(3))
    return colors


def _sides(node: Node) -> dict[str, tuple[int, ...]]:
    for key, values in node.items():
        if key not in ("paired", "inner", "midline"):
            values.refuse('stand under "paired", "inner" or "midline"')
    if node.names() and "paired" not in node:
        node.refuse('hold the key "paired"')
    return {
        key: tuple(each.whole(1, 65535) for each in values.elements())
        for key, values in node.items()
    }


def _digests(node: Node) -> dict[str, str]:
    for key in node.names():
        digest = node[key]
        if not _DIGEST.fullmatch(digest.text()):
            digest.refuse("be 64 hexadecimal digits")
    return dict(node.value)


_READERS: dict[str, Callable[[Node], Any]] = {
    "name": _name,
    "title": Node.text,
    "description": Node.text,
    "modality": Node.text,
    "lineage": _object,
    "created": Node.text,
    "software": _object,
    "training_data": _anything,
    "recipe": _object,
    "seed": _seed,
    "metrics": _object,
    "limits": _texts,
    "licence": Node.text,
    "credits": _texts,
    "research_use": Node.text,
    "configuration": _maybe_text,
    "trainer": _maybe_text,
    "mirror_axes": read_axes,
    "colors": _colors,
    "sides": _sides,
    "expects": read_expectations,
    "sha256": _digests,
}
