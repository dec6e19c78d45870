"""Volumes as napari layers and back.

napari cannot paint on slices of a rotated layer, and an affine that moves the z axis
ends the process (napari 0.9.2). So a volume is turned to the orientation LPS by
permutation and flips, shown with ``scale`` and ``translate`` only, and its true grid
travels in ``layer.metadata["mednext"]``. World axes on screen are (z, y, x) in mm:
upwards, to the back, to the left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.errors import ChannelError, GeometryError
from napari_mednext.labels import LabelSet
from napari_mednext.volume import Segmentation, SourceHeader, Volume, VoxelGrid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari.layers import Image
    from napari.utils.colormaps import DirectLabelColormap
    from numpy.typing import NDArray

__all__ = [
    "METADATA_KEY",
    "LayerOrigin",
    "display_range",
    "image_layers",
    "label_colormap",
    "labels_layer",
    "layer_grid",
    "layer_origin",
    "looks_like_labels",
    "segmentation_of",
    "volume_of",
]

LayerData = tuple["NDArray[Any]", dict[str, Any], str]

#: Key of our entry in ``layer.metadata``.
METADATA_KEY = "mednext"
#: Integer volumes with no more different values than this are shown as labels.
MOST_LABELS = 64
#: About so many voxels are looked at to choose the grey values on screen.
SAMPLED_VOXELS = 200_000
#: Units a spacing may be given in, as millimetres.
MILLIMETRES = {
    "millimeter": 1.0,
    "mm": 1.0,
    "micrometer": 1e-3,
    "um": 1e-3,
    "nanometer": 1e-6,
    "nm": 1e-6,
    "centimeter": 10.0,
    "cm": 10.0,
    "meter": 1000.0,
    "m": 1000.0,
}


@dataclass(frozen=True)
class LayerOrigin:
    """What a layer on screen belongs to; immutable, so copies of a layer share it.

    ``grid`` is that of the layer's array (orientation LPS, obliquity kept), ``source``
    the header of the file, ``channel`` the index of the layer among the ``channels``
    layers of one volume, which share ``group``.
    """

    grid: VoxelGrid
    name: str
    source: SourceHeader = field(default_factory=SourceHeader)
    channel: int = 0
    channels: int = 1
    group: int = 0
    labels: LabelSet = field(default_factory=LabelSet)

    def __deepcopy__(self, memo: dict[int, Any]) -> LayerOrigin:
        """Return itself: napari copies metadata when a layer is duplicated."""
        return self


def image_layers(volume: Volume) -> list[LayerData]:
    """Return one image layer a channel, named, scaled in mm, with sensible greys.

    Parameters
    ----------
    volume : Volume
        In orientation LPS. Its array is shared, not copied, when it is contiguous.

    Returns
    -------
    list of (array (z, y, x), keyword arguments, "image")
    """
    array = np.ascontiguousarray(volume.array)
    layers: list[LayerData] = []
    for channel, voxels in enumerate(array):
        origin = LayerOrigin(
            volume.grid,
            volume.name,
            volume.source,
            channel=channel,
            channels=volume.channels,
            group=id(array),
        )
        suffix = f" [channel {channel}]" if volume.channels > 1 else ""
        options = _placement(volume.grid) | {
            "name": volume.name + suffix,
            "colormap": "gray",
            "contrast_limits": display_range(voxels),
            "metadata": {METADATA_KEY: origin},
            "visible": channel == 0,
        }
        layers.append((voxels, options, "image"))
    return layers


def labels_layer(segmentation: Segmentation, name: str) -> LayerData:
    """Return a labels layer with the names and colours of a segmentation.

    The array is shared with the segmentation when it is contiguous.

    Parameters
    ----------
    segmentation : Segmentation
        In orientation LPS.
    name : str
        What the layer is called.

    Returns
    -------
    (array (z, y, x), keyword arguments, "labels")
    """
    labels = LabelSet.from_names(segmentation.names, segmentation.colors)
    origin = LayerOrigin(segmentation.grid, name, segmentation.source, labels=labels)
    options = _placement(segmentation.grid) | {
        "name": name,
        "opacity": 0.6,
        "colormap": label_colormap(labels),
        "metadata": {METADATA_KEY: origin},
        # napari shows the features of the label under the cursor in its status bar.
        "features": {
            "index": [0, *(label.value for label in labels)],
            "name": ["background", *(label.name for label in labels)],
        },
    }
    return np.ascontiguousarray(segmentation.array), options, "labels"


def label_colormap(labels: LabelSet) -> DirectLabelColormap:
    """Return the colours of a label set; unnamed values are shown in grey."""
    from napari.utils.colormaps import DirectLabelColormap

    colors: dict[int | None, Any] = {0: (0.0, 0.0, 0.0, 0.0), None: (0.6, 0.6, 0.6, 1)}
    for label in labels:
        colors[label.value] = (*(part / 255 for part in label.color), 1.0)
    return DirectLabelColormap(color_dict=colors)


def display_range(voxels: NDArray[Any]) -> tuple[float, float]:
    """Return the grey values shown black and white: percentiles 0.5 and 99.5.

    Looks at an even sample of the finite voxels. Never an empty range.
    """
    step = max(1, voxels.size // SAMPLED_VOXELS)
    sample = np.asarray(voxels.reshape(-1)[::step], dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(sample, (0.5, 99.5)))
    if high <= low:
        low, high = float(sample.min()), float(sample.max())
    return (low, high) if high > low else (low, low + 1.0)


def looks_like_labels(volume: Volume) -> bool:
    """Whether a volume is a label map: one channel of few small integers."""
    voxels = volume.array[0]
    if volume.channels != 1 or voxels.dtype.kind not in "iu" or voxels.size == 0:
        return False
    step = max(1, voxels.size // SAMPLED_VOXELS)
    if np.unique(voxels.reshape(-1)[::step]).size > MOST_LABELS:
        return False
    low, high = int(voxels.min()), int(voxels.max())
    if low < 0 or high > np.iinfo(np.uint16).max or high == 0:
        return False
    return int(np.count_nonzero(np.bincount(voxels.reshape(-1)))) <= MOST_LABELS


def layer_origin(layer: Any) -> LayerOrigin | None:
    """Return what this package knows of a layer; None if it is not ours any more.

    A layer whose array changed its shape since (cropped, resampled) has lost its place.
    """
    origin = layer.metadata.get(METADATA_KEY)
    if not isinstance(origin, LayerOrigin):
        return None
    return origin if tuple(layer.data.shape) == origin.grid.shape else None


def layer_grid(layer: Any) -> VoxelGrid:
    """Return the grid of a layer: its true one, or from what is shown on screen.

    A layer of another plugin has no header: its scale is taken as spacing (in its
    units, pixels as mm), its translation as origin, negative scales as flips.

    Raises
    ------
    GeometryError
        If the last three axes are not a volume.
    """
    origin = layer_origin(layer)
    if origin is not None:
        return origin.grid
    shape = tuple(int(n) for n in _voxels(layer).shape[-3:])
    if layer.ndim not in (3, 4) or len(shape) != 3:
        msg = (
            f"a layer must have the axes z, y, x, {layer.name!r} has shape "
            f"{tuple(layer.data.shape)}: choose a volume"
        )
        raise GeometryError(msg)
    factors = [MILLIMETRES.get(str(unit), 1.0) for unit in layer.units[-3:]]
    scale = np.asarray(layer.scale[-3:], dtype=np.float64) * factors
    translate = np.asarray(layer.translate[-3:], dtype=np.float64) * factors
    signs = np.where(scale < 0, -1.0, 1.0)[::-1]
    return VoxelGrid(
        shape,
        _three(np.abs(scale)),
        _three(translate[::-1]),
        tuple(_three(row) for row in np.diag(signs)),
    )


def volume_of(layer: Image, others: Iterable[Any] = ()) -> Volume:
    """Return the volume that a layer shows, with all its channels.

    Parameters
    ----------
    layer : Image
        Of this plugin or of another one; (z, y, x), or (c, z, y, x) without metadata.
    others : iterable of layers
        Where the layers of the other channels are looked for.

    Returns
    -------
    Volume
        Shares the arrays of the layers where it can.

    Raises
    ------
    ChannelError
        If the layer shows colours, or the layer of a channel was removed.
    GeometryError
        If the layer is not a volume.
    """
    if getattr(layer, "rgb", False):
        msg = f"a volume must have grey values, {layer.name!r} shows colours"
        raise ChannelError(msg)
    origin = layer_origin(layer)
    if origin is None:
        grid = layer_grid(layer)
        return Volume(np.asarray(_voxels(layer)), grid, layer.name)
    if origin.channels == 1:
        array = np.asarray(layer.data)[None]
    else:
        array = np.stack(_channels(origin, others))
    return Volume(array, origin.grid, origin.name, origin.source)


def segmentation_of(
    data: NDArray[Any], layer: Any, labels: LabelSet | None = None
) -> Segmentation:
    """Return labels on the grid of the layer they belong to.

    Parameters
    ----------
    data : (z, y, x) integers
        Label values 0..65535; stored as uint8 when they fit.
    layer : layer
        The labels layer, or anything with its metadata, scale and translation.
    labels : LabelSet, optional
        Names and colours; those kept in the layer by default.

    Returns
    -------
    Segmentation

    Raises
    ------
    GeometryError
        If a value is out of range, or the array is not a volume.
    """
    origin = layer_origin(layer)
    source = origin.source if origin is not None else SourceHeader()
    labels = labels or (origin.labels if origin is not None else LabelSet())
    grid = layer_grid(layer)
    high = int(data.max(initial=0))
    if data.dtype.kind not in "iub" or int(data.min(initial=0)) < 0 or high > 65535:
        msg = (
            f"labels must be integers from 0 to 65535, {layer.name!r} holds "
            f"{data.dtype} up to {high}"
        )
        raise GeometryError(msg)
    kind = np.uint8 if high <= 255 else np.uint16
    array: NDArray[np.unsignedinteger] = data.astype(kind, copy=False)
    return Segmentation(array, grid, labels.names, labels.colors, source)


def empty_segmentation(volume: Volume, labels: LabelSet) -> Segmentation:
    """Return a segmentation of a volume in which nothing is labelled yet."""
    widest = max((label.value for label in labels), default=0)
    array = np.zeros(volume.grid.shape, np.uint8 if widest <= 255 else np.uint16)
    source = replace(volume.source)
    return Segmentation(array, volume.grid, labels.names, labels.colors, source)


def _placement(grid: VoxelGrid) -> dict[str, Any]:
    """Where a grid is shown: (z, y, x) in mm, without its rotation."""
    return {
        "scale": grid.spacing,
        "translate": grid.origin[::-1],
        "units": ("mm", "mm", "mm"),
        "axis_labels": ("z", "y", "x"),
    }


def _channels(origin: LayerOrigin, layers: Iterable[Any]) -> Sequence[NDArray[Any]]:
    """Return the arrays of all channels of one volume, in order."""
    found: Mapping[int, Any] = {
        other.channel: layer
        for layer in layers
        if (other := layer_origin(layer)) is not None and other.group == origin.group
    }
    missing = [n for n in range(origin.channels) if n not in found]
    if missing:
        msg = (
            f"volume {origin.name!r} has {origin.channels} channels, the layers of "
            f"{missing} were removed: open it again"
        )
        raise ChannelError(msg)
    return [np.asarray(found[n].data) for n in range(origin.channels)]


def _voxels(layer: Any) -> Any:
    """Return the array of a layer, the finest one where it has several."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def _three(values: Any) -> tuple[float, float, float]:
    """Return three floats."""
    first, second, third = (float(value) for value in values)
    return first, second, third
