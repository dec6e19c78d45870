"""The names and colours of label values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_mednext.errors import InputError
from napari_mednext.labels.palette import default_color

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Label", "LabelSet", "default_color", "label_key"]


def label_key(name: str) -> str:
    """Return what two names share that mean one label: case and outer spaces do not."""
    return name.strip().casefold()


@dataclass(frozen=True)
class Label:
    """One label: the value in the array, its name and its colour (0..255 each)."""

    value: int
    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class LabelSet:
    """The labels of a model or a mask, without the background, in order of value.

    Raises
    ------
    InputError
        If two labels share a value, or a value lies outside 1..65535.
    """

    labels: tuple[Label, ...] = ()

    def __post_init__(self) -> None:
        values = [label.value for label in self.labels]
        if len(set(values)) != len(values):
            msg = f"every label must have a value of its own, got {values}"
            raise InputError(msg)
        wrong = [value for value in values if not 1 <= value <= 65535]
        if wrong:
            msg = f"label values must lie in 1..65535, got {wrong}"
            raise InputError(msg)
        ordered = tuple(sorted(self.labels, key=lambda label: label.value))
        object.__setattr__(self, "labels", ordered)

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def from_names(
        cls,
        names: Mapping[int, str],
        colors: Mapping[int, tuple[int, int, int]] | None = None,
    ) -> LabelSet:
        """Make a set from value -> name, with default colours where none is given."""
        colors = colors or {}
        return cls(
            tuple(
                Label(value, name, tuple(colors.get(value, default_color(value))))  # type: ignore[arg-type]  # three numbers by the mapping's type
                for value, name in names.items()
                if value != 0
            )
        )

    @classmethod
    def numbered(cls, values: Iterable[int]) -> LabelSet:
        """Make a set of labels that are known by number only."""
        return cls.from_names({value: f"label {value}" for value in values})

    @property
    def names(self) -> dict[int, str]:
        """Value -> name."""
        return {label.value: label.name for label in self.labels}

    @property
    def colors(self) -> dict[int, tuple[int, int, int]]:
        """Value -> (r, g, b), each 0..255."""
        return {label.value: label.color for label in self.labels}
