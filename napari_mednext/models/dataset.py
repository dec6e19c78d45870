"""Reading ``dataset.json``: channels, labels, regions and the ignore label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_mednext.labels import LabelSet
from napari_mednext.models.documents import Node

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DatasetDescription", "read_dataset"]

_MAX_VALUE = 65535


@dataclass(frozen=True)
class DatasetDescription:
    """What a network takes and what its heads mean.

    Without regions, head ``i`` is label value ``i`` (0 is the background). With
    regions, head ``i`` is the union of the label values ``regions[i]``, and it writes
    the value ``region_class_order[i]``, later heads over earlier ones. ``labels`` are
    the values that a written mask can hold.
    """

    name: str
    channel_names: tuple[str, ...]
    labels: LabelSet
    regions: tuple[tuple[int, ...], ...] | None
    region_class_order: tuple[int, ...] | None
    ignore_label: int | None
    num_heads: int


def read_dataset(
    dataset: Node, colors: Mapping[int, tuple[int, int, int]] | None = None
) -> DatasetDescription:
    """Read and check a ``dataset.json``.

    Parameters
    ----------
    dataset : Node
        The whole file.
    colors : mapping, optional
        Label value -> (r, g, b), 0..255.

    Returns
    -------
    DatasetDescription
        Valid.

    Raises
    ------
    ModelError
        If channels or labels are missing or cannot be used.
    """
    labels = dataset["labels"]
    values = {name: _values(node) for name, node in labels.items() if name != "ignore"}
    if values.get("background") != (0,):
        labels.refuse('hold "background": 0')
    everything = sorted({value for group in values.values() for value in group})
    ignore = labels.get("ignore")
    if ignore is not None and ignore.whole(0) != everything[-1] + 1:
        ignore.refuse(f"be the highest label value, {everything[-1] + 1}")
    if any(len(group) > 1 for group in values.values()):
        names, regions, order = _regions(dataset, values)
        heads = len(regions)
    else:
        names, regions, order = _plain(labels, values), None, None
        heads = len(everything)
    name = dataset.get("name")
    return DatasetDescription(
        name="" if name is None else str(name.value),
        channel_names=_channel_names(dataset),
        labels=LabelSet.from_names(names, colors),
        regions=regions,
        region_class_order=order,
        ignore_label=None if ignore is None else ignore.whole(0),
        num_heads=heads,
    )


def _values(node: Node) -> tuple[int, ...]:
    """Return the values of a label or a region; numbers may be written as text."""
    group = node.elements() if isinstance(node.value, list) else [node]
    if not group:
        node.refuse("name at least one label value")
    return tuple(sorted({_value(each) for each in group}))


def _value(node: Node) -> int:
    """Return one label value."""
    text = node.value
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 6:
        return Node(int(text), node.file, node.place).whole(0, _MAX_VALUE)
    if isinstance(text, str):
        node.refuse(
            "be a label value",
            'write labels as name and value, as "background": 0, as nnU-Net 2 does',
        )
    return node.whole(0, _MAX_VALUE)


def _plain(labels: Node, values: Mapping[str, tuple[int, ...]]) -> dict[int, str]:
    """Return value -> name of labels that exclude each other."""
    names: dict[int, str] = {}
    for name, (value,) in values.items():
        names[value] = f"{names[value]} / {name}" if value in names else name
    if sorted(names) != list(range(len(names))):
        labels.refuse(
            "have the values 0, 1, 2, ... without gaps",
            "renumber the labels, since the network's outputs are counted through",
        )
    return names


def _regions(
    dataset: Node, values: Mapping[str, tuple[int, ...]]
) -> tuple[dict[int, str], tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Return written value -> name, the regions, and the written values in order."""
    foreground = {name: group for name, group in values.items() if group != (0,)}
    order = tuple(
        node.whole(0, _MAX_VALUE)
        for node in dataset["regions_class_order"].elements(len(foreground))
    )
    names: dict[int, str] = {}
    for value, name in zip(order, foreground, strict=True):
        names[value] = f"{names[value]} / {name}" if value in names else name
    return names, tuple(foreground.values()), order


def _channel_names(dataset: Node) -> tuple[str, ...]:
    """Return the channel names in order, from the key of nnU-Net 2 or 1."""
    node = dataset.get("channel_names") or dataset["modality"]
    keys = node.names()
    if not keys or sorted(keys) != sorted(str(index) for index in range(len(keys))):
        node.refuse('name the channels "0", "1", ... without gaps')
    return tuple(node[str(index)].text() for index in range(len(keys)))
