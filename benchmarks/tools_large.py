"""Time every correction tool on a large volume: ``python -m benchmarks.tools_large``.

512 x 512 x 300 voxels of 1 mm with an organ of about 100 x 150 x 120 voxels, an island
and a hole; the image is noisy. Each tool runs three times; the median counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.correction.scope import Scope
from napari_mednext.correction.tools import (
    brush,
    cut,
    grow,
    holes,
    interpolate,
    islands,
    mirror,
    morphology,
    slices,
    snap,
    touching,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SHAPE = (300, 512, 512)
CENTER = (150, 250, 200)
RADII = (50.0, 75.0, 60.0)
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="a Markdown table")
    options = parser.parse_args()
    labels, image = _phantom()
    lines = ["| tool | wall ms | processor ms |", "|---|---|---|"]
    for name, call in _calls(labels, image).items():
        wall, cpu = _time(call)
        lines.append(f"| {name} | {wall:,.0f} | {cpu:,.0f} |")
        print(lines[-1], flush=True)
    if options.output is not None:
        options.output.write_text("\n".join(lines) + "\n")


def _phantom() -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Return labels with an organ, and an image in which it can be seen."""
    grids = np.ogrid[tuple(slice(n) for n in SHAPE)]
    parts = zip(grids, CENTER, RADII, strict=True)
    inside = sum(((g - c) / r) ** 2 for g, c, r in parts) < 1
    rng = np.random.default_rng(5)
    image = rng.normal(0, 20, SHAPE).astype(np.int16)
    image[inside] += 120
    labels = inside.astype(np.uint8)
    labels[150, 240:250, 190:210] = 0
    labels[160:164, 240:244, 190:194] = 0
    labels[100:106, 330:336, 150:156] = 1
    labels[150:200, 330:400, 150:250] = 2
    return labels, image


def _calls(
    labels: NDArray[np.uint8], image: NDArray[np.int16]
) -> dict[str, Callable[[], Any]]:
    """Return every tool as it is used in the window."""
    scope = Scope(1, image=image)
    in_window = Scope(1, image=image, window=(60.0, 200.0), protect=True)
    sparse = labels.copy()
    sparse[np.arange(SHAPE[0]) % 8 != 0] = 0
    angle = np.linspace(0, 2 * np.pi, 200)
    lasso = np.stack([250 + 60 * np.sin(angle), 200 + 50 * np.cos(angle)], axis=1)
    stroke = np.stack([np.full(50, 150.0), np.linspace(200, 300, 50), [200.0] * 50], 1)
    seeds = np.array([[150, 250, x] for x in range(180, 220)])
    outside = np.array([[150, 250 + d, 290] for d in range(-20, 20)])
    return {
        "ball brush 10 mm, one point": lambda: brush.stamp(
            labels, in_window, [(150, 330, 200)], radius_mm=10.0
        ),
        "ball brush 10 mm, stroke of 50 points": lambda: brush.stamp(
            labels, scope, stroke, radius_mm=10.0, erase=True
        ),
        "disc brush 10 mm, stroke of 50 points": lambda: brush.stamp(
            labels, scope, stroke, radius_mm=10.0, sphere=False, erase=True
        ),
        "interpolate, every 8th slice drawn": lambda: interpolate.interpolate(
            sparse, scope
        ),
        "grow, geodesic, default box": lambda: grow.grow(
            labels * 0, scope, seeds, background_seeds=outside
        ),
        "grow, random walker, default box": lambda: grow.grow(
            labels * 0, scope, seeds, background_seeds=outside, method="walker"
        ),
        "grow, geodesic, 128^3": lambda: grow.grow(
            labels * 0,
            scope,
            seeds,
            box=_cube(128),
            background_seeds=outside[:10] - (0, 0, 40),
        ),
        "grow, random walker, 128^3": lambda: grow.grow(
            labels * 0,
            scope,
            seeds,
            box=_cube(128),
            background_seeds=outside[:10] - (0, 0, 40),
            method="walker",
        ),
        "snap to edges, 3 mm, 60^3 box": lambda: snap.snap(
            labels, scope, box=_cube(60, (100, 250, 200))
        ),
        "snap to edges, 3 mm, whole organ": lambda: snap.snap(labels, scope),
        "keep the largest island": lambda: islands.keep_largest(labels, scope),
        "remove islands below 1 mL": lambda: islands.remove_smaller(
            labels, scope, volume_ml=1.0
        ),
        "split islands": lambda: islands.split(labels, scope, new_labels=[3]),
        "keep one island": lambda: islands.keep_one(labels, scope, at=(150, 260, 200)),
        "split touching bodies by seeds": lambda: touching.split_touching(
            labels,
            scope,
            seeds=[(150, 220, 200), (150, 290, 200)],
            new_labels=[3],
        ),
        "fill holes in 3D": lambda: holes.fill_holes(labels, scope),
        "fill holes in slices": lambda: holes.fill_holes(labels, scope, axis=0),
        "dilate 3 mm": lambda: morphology.dilate(labels, scope, mm=3.0),
        "erode 3 mm": lambda: morphology.erode(labels, scope, mm=3.0),
        "smooth 2 mm": lambda: morphology.smooth(labels, scope, mm=2.0),
        "smooth 2 mm, 40^3 box": lambda: morphology.smooth(
            labels, scope, mm=2.0, box=_cube(40, (162, 242, 192))
        ),
        "cut by a line": lambda: cut.cut_plane(
            labels, scope, points=[(150, 200, 150), (150, 300, 260)]
        ),
        "cut by a lasso of 200 corners": lambda: cut.cut_lasso(
            labels, scope, polygon=lasso
        ),
        "copy a slice to the next": lambda: slices.copy_slice(
            labels, scope, axis=0, index=150, to=[151]
        ),
        "mirror left-right": lambda: mirror.mirror(labels, scope),
    }


def _cube(edge: int, center: tuple[int, int, int] = CENTER) -> Any:
    """Return a cubic box."""
    return tuple(slice(c - edge // 2, c + edge // 2) for c in center)


def _time(call: Callable[[], Any]) -> tuple[float, float]:
    """Return the median wall and processor time in ms; the tool must change something.

    Raises
    ------
    RuntimeError
        If it changes nothing: then it was not timed.
    """
    walls, cpus = [], []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        change = call()
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
        if change is None:
            msg = "the tool found nothing to change"
            raise RuntimeError(msg)
    return statistics.median(walls), statistics.median(cpus)


if __name__ == "__main__":
    main()
