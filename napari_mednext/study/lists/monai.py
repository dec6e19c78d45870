"""Folders of MONAI Label: images, masks by tag, and ``datastore_v2.json``.

Written from MONAI Label's local datastore. A mask is called as its image; those of the
tag ``final`` were submitted by people, those of ``original`` come from a model. The
reviewer's verdict stands with the mask in ``segmentationMeta``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import FormatError, StorageError
from napari_mednext.formats.naming import ending_of
from napari_mednext.formats.placing import storage_error
from napari_mednext.formats.tables.table import HIGHEST
from napari_mednext.formats.tables.text import write_text
from napari_mednext.labels import LabelSet
from napari_mednext.study.lists.documents import (
    expect,
    expect_text,
    json_text,
    read_object,
)
from napari_mednext.study.lists.gathering import Gathering, located
from napari_mednext.study.lists.showing import file_ending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.study.entry import CaseEntry, CaseList, State

__all__ = ["FILE", "KIND", "is_monai_folder", "read", "write"]

KIND = "MONAI Label"

FILE = "datastore_v2.json"
_FINAL, _ORIGINAL = "final", "original"


def is_monai_folder(folder: Path) -> bool:
    """Whether a folder is one of MONAI Label."""
    tags = (folder / "labels" / tag for tag in (_FINAL, _ORIGINAL))
    return (folder / FILE).is_file() or any(map(Path.is_dir, tags))


def read(folder: Path) -> CaseList:
    """Read the images and masks of a folder, listed in its file or not.

    Final masks make a case accepted, or flagged where a reviewer said so; original
    ones make it predicted.

    Raises
    ------
    FormatError
        If the file cannot be read, or no image is there.
    """
    path = folder / FILE
    store = read_object(path) if path.is_file() else {}
    images = located(folder, expect_text(store, "images_dir", "", FILE) or ".")
    labels = located(folder, expect_text(store, "labels_dir", "", FILE) or "labels")
    found = Gathering(KIND, folder)
    names: dict[int, str] = {}
    objects = expect(store.get("objects", {}), dict, '"objects"', FILE)
    listed = {key: _object(key, value) for key, value in objects.items()}
    # As the program does when it starts: what lies there belongs to it.
    for file in _volumes(images):
        case = file.name[: -len(ending_of(file))]
        listed.setdefault(case, {"image": {"ext": file.name[len(case) :]}})
    left_out = 0
    for case, each in listed.items():
        left_out += _add(found, case, each, (images, labels), names)
    found.labels = LabelSet.from_names(dict(sorted(names.items())))
    if left_out:
        found.notes.append(f"{left_out} older versions of masks were left out")
    return found.finished()


def write(
    entries: Sequence[CaseEntry], folder: Path, *, overwrite: bool
) -> tuple[str, ...]:
    """Copy images and masks into a folder as MONAI Label lays them out.

    Masks of accepted and flagged cases are final; those of others are what to start
    from, in the place of a model's. The file that lists them is written last.

    Returns
    -------
    tuple of str
        What was left out.

    Raises
    ------
    FormatError
        If an image or a mask is no file that MONAI Label can name.
    StorageError
        If something cannot be written, or another file is there.
    """  # noqa: DOC501 - passes on those of what it calls
    single = [entry for entry in entries if len(entry.images) == 1]
    objects = {e.name: _written(e, folder, overwrite=overwrite) for e in single}
    store = {
        "name": folder.name,
        "description": "",
        "images_dir": ".",
        "labels_dir": "labels",
        "objects": objects,
    }
    write_text(folder / FILE, json_text(store))
    notes = ["MONAI Label holds no patients, and comments only with masks"]
    if rest := len(entries) - len(single):
        notes.append(f"{rest} cases of several files were left out")
    return tuple(notes)


def _written(entry: CaseEntry, folder: Path, *, overwrite: bool) -> dict[str, Any]:
    """Copy the files of a case; return its entry."""
    image = _copied(entry.images[0], folder, entry.name, overwrite=overwrite)
    status = {"accepted": "approved", "flagged": "flagged"}.get(entry.state)
    masks = {_FINAL: entry.labels, _ORIGINAL: entry.prediction}
    if status is None:
        masks = {_ORIGINAL: entry.labels or entry.prediction}
    labels = {
        tag: _copied(mask, folder / "labels" / tag, entry.name, overwrite=overwrite)
        for tag, mask in masks.items()
        if mask is not None
    }
    for tag in (_FINAL, _ORIGINAL):
        if tag in labels and (status or entry.comment):
            meta = {"status": status or "", "comment": entry.comment}
            labels[tag]["info"]["segmentationMeta"] = meta
            break
    return {"image": image, "labels": labels}


def _object(case: str, value: Any) -> dict[str, Any]:
    """Return the entry of an image, checked."""
    place = f'"objects/{case}"'
    each = expect(value, dict, place, FILE)
    expect(each.get("image"), dict, f"{place}/image", FILE)
    expect(each.get("labels", {}), dict, f"{place}/labels", FILE)
    return each


def _add(
    found: Gathering,
    case: str,
    each: dict[str, Any],
    folders: tuple[Path, Path],
    names: dict[int, str],
) -> int:
    """Add a case; return how many versions of its mask were left out."""
    images, labels = folders
    place = f'"objects/{case}"'
    image = images / (case + expect_text(each["image"], "ext", place, FILE))
    masks: dict[str, Path | None] = {}
    meta: dict[str, Any] = {}
    for tag in (_FINAL, _ORIGINAL):
        data = each.get("labels", {}).get(tag)
        if data is None:
            masks[tag] = _lying(labels / tag, case, image)
            continue
        data = expect(data, dict, f"{place}/labels/{tag}", FILE)
        masks[tag] = labels / tag / (case + expect_text(data, "ext", place, FILE))
        meta = meta or _meta(data, place)
        _take_names(names, data)
    # Older versions of the program kept the verdict with the image.
    meta = meta or _meta(each["image"], place)
    state: State = "accepted" if masks[_FINAL] else "predicted"
    if meta.get("status") == "flagged":
        state = "flagged"
    found.add(
        case,
        [image],
        labels=masks[_FINAL],
        prediction=masks[_ORIGINAL],
        state=state,
        comment=expect_text(meta, "comment", place, FILE),
    )
    return sum(tag.startswith("version") for tag in each.get("labels", {}))


def _meta(data: dict[str, Any], place: str) -> dict[str, Any]:
    """Return what the reviewer said of an image or a mask."""
    info = expect(data.get("info", {}), dict, f"{place}/info", FILE)
    meta = info.get("segmentationMeta", {})
    return expect(meta, dict, f"{place}/info/segmentationMeta", FILE)


def _take_names(names: dict[int, str], data: dict[str, Any]) -> None:
    """Take the names of labels that came with a mask; earlier ones stay.

    They are notes of the client, in several notations; what is odd is passed over.
    """
    info = data.get("info", {})
    given = info.get("label_info")
    params = info.get("params")
    rows = [
        (row.get("idx", row.get("id")), row.get("name"))
        for row in (given if isinstance(given, list) else [])
        if isinstance(row, dict)
    ]
    named = params.get("label_names") if isinstance(params, dict) else None
    if isinstance(named, dict):
        rows.extend((value, name) for name, value in named.items())
    for value, name in rows:
        if not isinstance(value, int) or not isinstance(name, str):
            continue
        if 1 <= value <= HIGHEST and name.lower() != "background":
            names.setdefault(value, name)


def _volumes(folder: Path) -> list[Path]:
    """Return the volumes that lie in a folder, not in those below."""
    if not folder.is_dir():
        return []
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    return [f for f in files if ending_of(f) and not f.name.startswith(".")]


def _lying(folder: Path, case: str, image: Path) -> Path | None:
    """Return a mask that is not listed but lies there under the name of its image."""
    for ending in dict.fromkeys((image.name[len(case) :], ".nii.gz", ".nii", ".nrrd")):
        if (folder / (case + ending)).is_file():
            return folder / (case + ending)
    return None


def _copied(
    source: Path, folder: Path, name: str, *, overwrite: bool
) -> dict[str, Any]:
    """Copy a file under the name of its case; return its entry."""
    ending = file_ending(source)
    if ending.lower() == ".dcm":
        msg = (
            f"MONAI Label's folders hold single files, but {source.name!r} is one of "
            "DICOM: convert it to .nii.gz first"
        )
        raise FormatError(msg)
    target = folder / f"{name}{ending}"
    is_there = target.exists() and os.path.samefile(source, target)  # noqa: PTH121 - reads better
    if target.exists() and not is_there and not overwrite:
        msg = f"{str(target)!r} exists already: choose another folder"
        raise StorageError(msg)
    if not is_there:
        _copy(source, target)
    return {"ext": ending, "info": {"name": target.name}}


def _copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all; its folder is made."""
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise storage_error(target, error) from error
