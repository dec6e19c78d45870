"""How napari saves labels: on the grid of the scan they belong to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.ui.bridge import segmentation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["write_mask"]


def write_mask(path: str, data: NDArray[Any], meta: dict[str, Any]) -> list[str]:
    """Save one labels layer and return the path written.

    napari has asked before a file is replaced, so an existing one is.

    Parameters
    ----------
    path : str
        Its ending says the format.
    data : (z, y, x) integers
        Label values.
    meta : dict
        The layer's properties; ``metadata["mednext"]`` holds the scanner's grid, else
        ``scale`` and ``translate`` place the labels.

    Returns
    -------
    list of str

    Raises
    ------
    GeometryError
        If the array is not a volume of label values.
    FormatError
        If no format has this ending.
    StorageError
        If the file cannot be written.
    """
    from napari_mednext.formats import save_segmentation

    layer = SimpleNamespace(
        data=data,
        ndim=data.ndim,
        name=meta.get("name", "labels"),
        metadata=meta.get("metadata") or {},
        scale=np.asarray(meta.get("scale", np.ones(data.ndim))),
        translate=np.asarray(meta.get("translate", np.zeros(data.ndim))),
        units=meta.get("units") or ("mm",) * data.ndim,
    )
    segmentation = segmentation_of(np.asarray(data), layer)
    return [str(save_segmentation(segmentation, Path(path), overwrite=True))]
