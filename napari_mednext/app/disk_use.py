"""How much room the parts of a study take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari_mednext.app.study_place import study_place

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.study import Study

__all__ = ["disk_use", "folder_bytes"]

#: What a part is called -> its folder in the study.
_PARTS = {
    "models": "models",
    "jobs": "jobs",
    "predictions": "predictions",
    "annotations": "annotations",
    "journal": "journal",
    "images": "imagesTr",
    "labels": "labelsTr",
}


def disk_use(study: Study | str | Path) -> dict[str, int]:
    """Return how many bytes the parts of a study take.

    Parameters
    ----------
    study : Study or path
        Of the study, which may be in use: files that come or go meanwhile may be
        counted or not.

    Returns
    -------
    dict of str to int
        ``models``, ``jobs``, ``predictions``, ``annotations``, ``journal``, ``images``
        (copies in the study only), ``labels`` (those for training) and ``other``: all
        that lies in the folder is counted once. What links point to is not counted.

    Raises
    ------
    InputError
        If there is no study.
    """  # noqa: DOC501 - by study_place
    root = study_place(study)
    sizes = {part: folder_bytes(root / name) for part, name in _PARTS.items()}
    # Files that come or go between the walks must not make it negative.
    rest = max(0, folder_bytes(root) - sum(sizes.values()))
    return {**sizes, "other": rest}


def folder_bytes(folder: Path) -> int:
    """Return the sum of the sizes of all files in a folder; 0 where there is none."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - studies have many files
            except OSError:  # gone meanwhile
                continue
    return total
