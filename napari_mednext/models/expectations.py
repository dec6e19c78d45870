"""What a model knows, so that a scan or a result unlike it can be told.

Every field may be left out: what is not stated is not checked.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_mednext.errors import ModelError
from napari_mednext.models.documents import Node

__all__ = ["CT_IN_HU", "Expectations", "read_expectations"]

#: The one law of intensities that is known.
CT_IN_HU = "CT in HU"

Limits = tuple[float, float]


@dataclass(frozen=True)
class Expectations:
    """The scans that a model was made for, and what it finds in them.

    Expectations that exist are valid.

    Raises
    ------
    ModelError
        If a value has the wrong type or cannot be used.
    """

    modality: str = ""
    """DICOM's code, as CT or MR; empty for any."""
    intensity: str = ""
    """The law of the grey values, ``"CT in HU"``; empty for any."""
    extent_mm: float | None = None
    """The scan should reach at least so far along every axis."""
    slice_mm: float | None = None
    """Voxels should be at most so long along every axis."""
    whole_name: str = ""
    """What the labels of ``whole`` are together, as brain."""
    whole: tuple[int, ...] = ()
    """Labels that are one piece and lie inside a complete scan, off its border."""
    whole_ml: Limits | None = None
    """Least and largest volume of all of ``whole``, in mL, in a complete scan."""
    volumes_ml: Mapping[int, Limits] = field(default_factory=dict)
    """Label value -> least and largest volume in mL in a complete scan."""
    confidence: Mapping[str, float] = field(default_factory=dict)
    """Quantile (``"0.05"``, ...) -> mean largest probability over the voxels of
    ``whole``, or of all labels where that is empty, on scans like the training's."""

    def __post_init__(self) -> None:
        given = dataclasses.asdict(self)
        if isinstance(self.volumes_ml, Mapping):
            # JSON's keys are texts; whoever makes one in Python writes numbers.
            given["volumes_ml"] = {str(k): v for k, v in self.volumes_ml.items()}
        values = _read_fields(Node(given, "the expectations of a model"))
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def __bool__(self) -> bool:
        return self != Expectations()

    def to_dict(self) -> dict[str, Any]:
        """Return what is stated, as JSON values."""
        values = dataclasses.asdict(self)
        values["volumes_ml"] = {str(k): list(v) for k, v in self.volumes_ml.items()}
        for key in ("whole", "whole_ml"):
            values[key] = list(values[key] or ())
        return {k: v for k, v in values.items() if v not in ("", None, [], {})}


def read_expectations(node: Node) -> Expectations:
    """Read the field ``expects`` of a card.

    Parameters
    ----------
    node : Node
        An object; keys that are left out are not checked.

    Returns
    -------
    Expectations

    Raises
    ------
    ModelError
        If a key is unknown or a value cannot be used.
    """
    for key in node.names():
        if key not in _READERS:
            nearest = difflib.get_close_matches(key, _READERS, n=1)
            advice = f"did you mean {nearest[0]!r}" if nearest else "remove it"
            msg = (
                f'a key of "{node.place}" in {node.file} must be a known one, got '
                f"{key!r}: {advice}"
            )
            raise ModelError(msg)
    return Expectations(**_read_fields(node))


def _read_fields(node: Node) -> dict[str, Any]:
    return {key: _READERS[key](each) for key, each in node.items()}


def _intensity(node: Node) -> str:
    if node.text() not in ("", CT_IN_HU):
        node.refuse(f'be "{CT_IN_HU}" or empty')
    return node.text()


def _length(node: Node) -> float | None:
    return None if node.value is None else node.number(positive=True)


def _values(node: Node) -> tuple[int, ...]:
    return tuple(sorted({each.whole(1, 65535) for each in node.elements()}))


def _limits(node: Node) -> Limits:
    low, high = (each.number() for each in node.elements(2))
    if not 0 <= low <= high:
        node.refuse("be the least and the largest of something, from 0")
    return low, high


def _maybe_limits(node: Node) -> Limits | None:
    return _limits(node) if node.value else None


def _volumes(node: Node) -> dict[int, Limits]:
    volumes = {}
    for key, each in node.items():
        if not (key.isascii() and key.isdigit() and len(key) < 6):
            Node(key, node.file, node.place).refuse("have label values as keys")
        volumes[int(key)] = _limits(each)
    return volumes


def _quantiles(node: Node) -> dict[str, float]:
    quantiles = {}
    for key, each in node.items():
        try:
            is_part = 0.0 <= float(key) <= 1.0
        except ValueError:
            is_part = False
        if not is_part or not 0.0 <= each.number() <= 1.0:
            each.refuse("be a number from 0 to 1 under a key from 0 to 1")
        quantiles[key] = each.number()
    return quantiles


_READERS: dict[str, Callable[[Node], Any]] = {
    "modality": Node.text,
    "intensity": _intensity,
    "extent_mm": _length,
    "slice_mm": _length,
    "whole_name": Node.text,
    "whole": _values,
    "whole_ml": _maybe_limits,
    "volumes_ml": _volumes,
    "confidence": _quantiles,
}
