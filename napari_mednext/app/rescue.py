"""The last way out: a window goes, and the disk of the study takes nothing more."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from napari_mednext.correction.provenance import is_reviewed
from napari_mednext.formats import save_segmentation
from napari_mednext.volume import Segmentation

if TYPE_CHECKING:
    from napari_mednext.app.open_case import OpenCase

__all__ = ["rescue_case", "rescue_folder"]


def rescue_folder() -> Path:
    """Return where rescued labels lie: with the user's data, mostly on another disk."""
    return Path(
        platformdirs.user_data_dir("napari-mednext", appauthor=False), "rescued"
    )


def rescue_case(case: OpenCase, folder: Path | None = None) -> Path:
    """Write the labels of a case that cannot be saved in its study.

    Parameters
    ----------
    case : OpenCase
        Not modified.
    folder : Path, optional
        :func:`rescue_folder` by default; made if missing.

    Returns
    -------
    Path
        The mask, on the scanner's grid; ``_reviewed`` lies beside it. Adding the mask
        to the study as the labels of the case brings the work back.
    """
    folder = folder if folder is not None else rescue_folder()
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    path = folder / f"{case.name}-{now}.nii.gz"
    mask = case.annotation.segmentation(case.labels)
    save_segmentation(mask, path, overwrite=True)
    reviewed = is_reviewed(case.editing.provenance).view(np.uint8)
    beside = Segmentation(reviewed, mask.grid, {1: "reviewed"}, {}, mask.source)
    save_segmentation(
        beside, folder / f"{case.name}-{now}_reviewed.nii.gz", overwrite=True
    )
    return path
