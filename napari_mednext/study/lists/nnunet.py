"""Dataset folders of nnU-Net, versions 1 and 2, and of the Medical Decathlon.

Written from nnU-Net's documentation of the dataset format; the ``dataset`` mapping of
explicit paths from its reader of raw datasets.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import FormatError
from napari_mednext.formats.naming import ending_of, split_channel
from napari_mednext.formats.tables.nnunet import labels_of, to_json
from napari_mednext.formats.tables.text import FileText, write_text
from napari_mednext.study.lists.documents import (
    expect,
    expect_text,
    json_text,
    read_object,
)
from napari_mednext.study.lists.gathering import Gathering, located
from napari_mednext.study.lists.showing import file_ending, relative_to

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_mednext.labels import LabelSet
    from napari_mednext.study.entry import CaseEntry, CaseList

__all__ = ["KIND", "read", "write"]

KIND = "nnU-Net"

_FILE = "dataset.json"


def read(folder: Path) -> CaseList:
    """Read the cases of a dataset folder; those with a label count as accepted.

    Without a ``dataset.json`` labels have no names.

    Raises
    ------
    FormatError
        If ``dataset.json`` cannot be read, or no case is there.
    """
    path = folder / _FILE
    dataset = read_object(path) if path.is_file() else {}
    found = Gathering(KIND, folder)
    if not dataset:
        found.notes.append(f"{folder.name!r} has no {_FILE}: its labels have no names")
    else:
        _describe(found, dataset)
    if "dataset" in dataset:
        _add_mapping(found, folder, dataset["dataset"])
    else:
        for images, labels in (("imagesTr", "labelsTr"), ("imagesTs", "labelsTs")):
            _add_folder(found, folder / images, folder / labels, dataset)
    return found.finished()


def write(
    entries: Sequence[CaseEntry],
    path: Path,
    labels: LabelSet,
    channel_names: Sequence[str],
) -> tuple[str, ...]:
    """Write a ``dataset.json`` with the paths of the cases that have labels.

    No image is copied.

    Returns
    -------
    tuple of str
        What the dataset does not say.

    Raises
    ------
    FormatError
        If no case has labels, files end differently, or labels cannot be written.
    StorageError
        If the file cannot be written.
    """  # noqa: DOC501 - the latter by write_text
    labelled = {e.name: (e.images, e.labels) for e in entries if e.labels is not None}
    if not labelled:
        msg = (
            "an nnU-Net dataset must hold cases with labels, but none of "
            f"{len(entries)} has any: write another kind of list"
        )
        raise FormatError(msg)
    files = [f for images, mask in labelled.values() for f in (*images, mask)]
    endings = sorted({file_ending(file) for file in files})
    if len(endings) > 1:
        msg = (
            "all files of an nnU-Net dataset must end alike, got "
            f"{', '.join(endings)}: convert them first"
        )
        raise FormatError(msg)
    count = max(len(images) for images, _ in labelled.values())
    channels = list(channel_names) or [f"channel {i}" for i in range(count)]
    base = path.parent
    dataset = {
        "channel_names": {str(i): name for i, name in enumerate(channels)},
        "labels": to_json(labels),
        "numTraining": len(labelled),
        "file_ending": endings[0],
        "dataset": {
            name: {
                "images": [relative_to(base, image) for image in images],
                "label": relative_to(base, mask),
            }
            for name, (images, mask) in labelled.items()
        },
    }
    write_text(path, json_text(dataset))
    notes = ["a dataset.json holds neither predictions nor comments nor patients"]
    if rest := len(entries) - len(labelled):
        notes.append(f"{rest} cases without labels were left out")
    return tuple(notes)


def _describe(found: Gathering, dataset: dict[str, Any]) -> None:
    """Take the names of labels and channels, or say why there are none."""
    try:
        table = labels_of(dataset, FileText(_FILE, ""))
        found.labels = table.labels
        found.notes.extend(table.notes)
    except FormatError as error:
        # Cases can be read all the same, as those of a dataset of regions.
        found.notes.append(f"the labels have no names: {error}")
    channels = dataset.get("channel_names", dataset.get("modality", {}))
    if isinstance(channels, list):
        channels = dict(enumerate(channels))
    names = expect(channels, dict, '"channel_names"', _FILE)
    found.channel_names = tuple(str(name) for name in names.values())


def _add_mapping(found: Gathering, folder: Path, mapping: Any) -> None:
    """Add the cases of explicit paths; nnU-Net expands variables in them."""
    for name, each in expect(mapping, dict, '"dataset"', _FILE).items():
        place = f'"dataset/{name}"'
        case = expect(each, dict, place, _FILE)
        images = [
            located(folder, os.path.expandvars(expect(text, str, place, _FILE)))
            for text in expect(case.get("images"), list, f"{place}/images", _FILE)
        ]
        label = os.path.expandvars(expect_text(case, "label", place, _FILE))
        mask = located(folder, label) if label else None
        found.add(name, images, labels=mask, state="accepted")


def _add_folder(
    found: Gathering, images: Path, labels: Path, dataset: dict[str, Any]
) -> None:
    """Add the cases of a folder of images with the labels of another folder."""
    if not images.is_dir():
        return
    wanted = expect_text(dataset, "file_ending", "", _FILE).lower()
    cases: dict[str, dict[int, Path]] = {}
    for path in sorted(images.iterdir()):
        ending = ending_of(path)
        if not ending or path.name.startswith(".") or wanted not in ("", ending):
            continue
        # The Decathlon has one file a case, without a number.
        case, channel = split_channel(path)
        cases.setdefault(case, {})[channel or 0] = path
    for case, channels in cases.items():
        count = len(found.channel_names)
        if count < len(channels) or set(channels) == {0}:
            # One file may hold all channels; more are taken as they are counted.
            count = len(channels)
        missing = sorted(set(range(count)) - set(channels))
        if missing:
            found.notes.append(
                f"the case {case!r} is left out: its channel {missing[0]} is not there"
            )
            continue
        mask = _mask(labels, case, channels[0])
        found.add(
            case,
            [channels[i] for i in sorted(channels)],
            labels=mask,
            state="new" if mask is None else "accepted",
        )


def _mask(folder: Path, case: str, image: Path) -> Path | None:
    """Return the label of a case, which ends as its image, if it is there."""
    path = folder / f"{case}{file_ending(image)}"
    return path if path.is_file() else None
