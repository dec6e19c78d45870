"""One picture of examples: synthetic scan, target and prediction beside each other."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_mednext.training.validation import Example

__all__ = ["examples_picture"]

#: Edge that pictures are enlarged to, in pixels, at least; whole factors only.
_LEAST_EDGE = 240
_GAP = 6
#: What is neither right nor wrong, as in the targets.
_IGNORE = 255
_IGNORE_COLOR = (90, 90, 90)


def examples_picture(
    examples: Sequence[Example], colors: Mapping[int, tuple[int, int, int]]
) -> bytes:
    """Draw a row an example: scan, target over it, prediction over it.

    Shown is the axial plane with most of the target, head up, the person's left side
    on the left.

    Parameters
    ----------
    examples : sequence of Example
        At least one, all of one size.
    colors : mapping of class value to (r, g, b)
        Each 0..255.

    Returns
    -------
    bytes
        A PNG file.
    """
    rows = [_row(example, colors) for example in examples]
    gap = np.full((_GAP, rows[0].shape[1], 3), 255, np.uint8)
    picture = np.concatenate([part for row in rows for part in (row, gap)][:-1], axis=0)
    factor = max(1, round(_LEAST_EDGE / max(1, rows[0].shape[0])))
    image = Image.fromarray(picture)
    image = image.resize(
        (image.width * factor, image.height * factor), Image.Resampling.NEAREST
    )
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _row(
    example: Example, colors: Mapping[int, tuple[int, int, int]]
) -> NDArray[np.uint8]:
    """Return the three pictures of an example side by side, (y, x, 3)."""
    known = (example.target > 0) & (example.target != _IGNORE)
    plane = int(known.sum((1, 2)).argmax())
    low, high = np.percentile(example.scan, (0.5, 99.5))
    grey = np.clip((example.scan[plane] - low) / max(high - low, 1e-6), 0, 1)
    base = np.repeat((grey * 255)[..., None], 3, axis=2)
    parts = [base] + [
        _painted(base, labels[plane], colors)
        for labels in (example.target, example.prediction)
    ]
    gap = np.full((base.shape[0], _GAP, 3), 255.0)
    joined = np.concatenate([parts[0], gap, parts[1], gap, parts[2]], axis=1)
    # Rows run to the front of the head, pictures downwards.
    return joined[::-1].round().astype(np.uint8)


def _painted(
    base: NDArray[np.float64],
    labels: NDArray[np.uint8],
    colors: Mapping[int, tuple[int, int, int]],
) -> NDArray[np.float64]:
    """Return the scan under its labels."""
    table = np.zeros((256, 3))
    for value, color in colors.items():
        table[value] = color
    table[_IGNORE] = _IGNORE_COLOR
    mixed = 0.4 * base + 0.6 * table[labels]
    return np.where((labels > 0)[..., None], mixed, base)
