"""Masks, and the numbers that two other programs give for them.

Run by hand where ``surface-distance`` 0.1 and ``monai`` 1.6.1 are installed; it writes
``reference_numbers.json``. surface-distance 0.1 predates NumPy 2, hence the old names.
"""

import json
from pathlib import Path

import numpy as np
from scipy import ndimage

NUMBERS = Path(__file__).with_suffix(".json")
SPACINGS = ((1.0, 1.0, 1.0), (3.0, 0.7, 1.1), (0.9, 6.5, 0.9))
TOLERANCES_MM = (0.0, 1.0, 2.0)


def blobs(seed, shape=(13, 22, 17), salt=0.02):
    """Two masks that differ, rough enough to have every kind of surface element."""
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.random(shape), 2.0)
    moved = field + 0.3 * ndimage.gaussian_filter(random.random(shape), 2.0)
    masks = [each > np.quantile(each, 0.7) for each in (field, moved)]
    return [mask ^ (random.random(shape) < salt) for mask in masks]


def at_the_border():
    """Two masks that touch the border, one of them all sides of it."""
    first = np.zeros((5, 9, 7), dtype=bool)
    first[:, 2:, :4] = True
    second = np.ones_like(first)
    second[1:3, :5, 3:] = False
    return first, second


def cases():
    """Name -> prediction, reference."""
    given = {f"blobs {seed}": blobs(seed) for seed in range(3)}
    given["smooth"] = blobs(7, salt=0.0)
    given["border"] = at_the_border()
    return given


def main():
    import monai.metrics as mm
    import torch
    from monai.metrics.utils import get_code_to_measure_table

    np.Inf = np.inf  # noqa: NPY201 - the program below asks for it
    import surface_distance

    numbers = {"areas": [], "cases": []}
    for spacing in SPACINGS:
        table, kernel = get_code_to_measure_table(spacing)
        bits = kernel.numpy().reshape(8).astype(int)
        areas = [0.0] * 256
        for code in range(256):
            ours = sum(1 << place for place in range(8) if code & bits[place])
            areas[ours] = round(float(table[code]), 6)
        numbers["areas"].append(areas)
    for name, (prediction, reference) in cases().items():
        for spacing in SPACINGS:
            found = surface_distance.compute_surface_distances(
                reference, prediction, spacing
            )
            both = [torch.from_numpy(m)[None, None] for m in (prediction, reference)]
            numbers["cases"].append(
                {
                    "name": name,
                    "spacing": spacing,
                    "hd95_mm": surface_distance.compute_robust_hausdorff(found, 95),
                    "hd100_mm": surface_distance.compute_robust_hausdorff(found, 100),
                    "surface_dice": [
                        surface_distance.compute_surface_dice_at_tolerance(found, t)
                        for t in TOLERANCES_MM
                    ],
                    "surface_dice_monai": [
                        mm.compute_surface_dice(
                            *both,
                            [t],
                            include_background=True,
                            spacing=spacing,
                            use_subvoxels=True,
                        ).item()
                        for t in TOLERANCES_MM
                    ],
                }
            )
    NUMBERS.write_text(json.dumps(numbers) + "\n")


if __name__ == "__main__":
    main()
