"""How napari opens medical volumes: files, and folders that hold a DICOM series."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import Cancelled, MednextError
from napari_mednext.ui.bridge import image_layers, labels_layer, looks_like_labels

if TYPE_CHECKING:
    from napari_mednext.volume import Volume

__all__ = ["files_reader", "folder_reader", "volume_layers"]

logger = logging.getLogger(__name__)

Paths = str | Sequence[str]
ReaderFunction = Callable[[Paths], list[Any]]
#: What npe2 takes as "the path was read, and there is nothing to show".
NOTHING: list[Any] = [(None,)]


def files_reader(path: Paths) -> ReaderFunction | None:
    """Return the function that opens files, None when one of them is unreadable.

    Several paths are the channels of one volume.
    """
    from napari_mednext.formats import ENDINGS

    paths = [path] if isinstance(path, str) else list(path)
    known = all(p.lower().endswith((*ENDINGS, ".dcm")) for p in paths)
    return _read if paths and known else None


def folder_reader(path: Paths) -> ReaderFunction | None:
    """Return the function that opens a DICOM folder, None when it holds no series.

    napari offers every folder to every such reader, so this one looks inside.
    """
    from napari_mednext.formats import list_series

    if not isinstance(path, str) or not Path(path).is_dir():
        return None
    try:
        found = list_series(Path(path))
    except (MednextError, OSError):
        return None
    return _read if found else None


def volume_layers(volume: Volume) -> list[Any]:
    """Return the layers that show a volume, turned to LPS; a label map as labels."""
    from napari_mednext.labels import LabelSet
    from napari_mednext.volume import Segmentation, reorient

    volume = reorient(volume, "LPS")
    if not looks_like_labels(volume):
        return list(image_layers(volume))
    array = volume.array[0]
    array = array.astype("uint8" if array.max() <= 255 else "uint16", copy=False)
    labels = LabelSet.numbered(int(v) for v in _values(array) if v)
    mask = Segmentation(array, volume.grid, labels.names, labels.colors, volume.source)
    return [labels_layer(mask, volume.name)]


def _read(path: Paths) -> list[Any]:
    """Open a path; a problem becomes a notification with one sentence."""
    from napari.utils.notifications import show_error

    from napari_mednext.ui.choices import open_with_choices

    paths = [Path(path)] if isinstance(path, str) else [Path(p) for p in path]
    try:
        return volume_layers(open_with_choices(paths))
    except Cancelled:
        return NOTHING
    except MednextError as error:
        logger.info("cannot open %s: %s", paths, error)
        show_error(f"{paths[0].name}: {error}")
        return NOTHING


def _values(array: Any) -> Any:
    """Return the label values that occur."""
    import numpy as np

    return np.flatnonzero(np.bincount(array.reshape(-1)))
