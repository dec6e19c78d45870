"""Drawn cases with a truth, a model's answer, and corrections honest and poisoned.

Everything comes from one random generator, is small, odd-sized and anisotropic, and
takes a few milliseconds, so that hundreds can be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from napari_mednext.labels import LabelSet

SHAPE = (33, 42, 47)
SPACING = (2.5, 1.0, 1.2)
LABELS = LabelSet.from_names(
    {1: "liver", 2: "spleen", 3: "left kidney", 4: "right kidney", 7: "tumour"}
)


@dataclass(frozen=True)
class Phantom:
    """What there is, what the model said, what people made of it and where."""

    truth: np.ndarray
    answer: np.ndarray
    labels: np.ndarray
    known: np.ndarray


def smooth(rng, scale=4.0, shape=SHAPE):
    """Smooth noise of mean 0 and deviation 1."""
    coarse = rng.standard_normal([max(3, int(n / scale) + 2) for n in shape])
    zoom = [n / c for n, c in zip(shape, coarse.shape, strict=True)]
    field = ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    return (field - field.mean()) / field.std()


def ellipsoid(rng, centre, radii, noise=0.15, shape=SHAPE):
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    distance = sum(
        ((axis - c) / r) ** 2 for axis, c, r in zip(axes, centre, radii, strict=True)
    )
    return np.sqrt(distance) + noise * smooth(rng, 6.0, shape) < 1


def truth(rng, count=None):
    """One to four organs in a volume, in places that hardly overlap."""
    count = count or int(rng.integers(1, 5))
    result = np.zeros(SHAPE, np.uint8)
    places = [(0.3, 0.3), (0.7, 0.7), (0.3, 0.7), (0.7, 0.3)]
    rng.shuffle(places)
    size = {1: 0.28, 2: 0.22}.get(count, 0.18)
    for value in range(count, 0, -1):
        y, x = (0.5, 0.5) if count == 1 else places[value - 1]
        at = (rng.uniform(0.4, 0.6), *(np.array([y, x]) + rng.uniform(-0.05, 0.05, 2)))
        radii = np.array(SHAPE) * size * rng.uniform(0.8, 1.15, 3)
        result[ellipsoid(rng, np.array(at) * SHAPE, radii)] = value
    return result


def bend(rng, labels, voxels):
    """Move borders smoothly by about so many voxels."""
    grid = np.indices(labels.shape).astype(np.float32)
    moved = [axis + voxels * smooth(rng, 8.0, labels.shape) for axis in grid]
    return ndimage.map_coordinates(labels, moved, order=0, mode="nearest")


def speck(rng, labels, value, radius=3.0):
    """Add a small piece of a label in the background."""
    result = labels.copy()
    outside = np.argwhere(ndimage.binary_erosion(labels == 0, iterations=3))
    centre = outside[rng.integers(len(outside))] if len(outside) else (2, 2, 2)
    result[ellipsoid(rng, centre, (radius,) * 3, 0.0) & (labels == 0)] = value
    return result


def answer_of(rng, reference, quality="good"):
    """A model's answer: bent, with holes and specks; bad ones lack most of it."""
    values = np.unique(reference)[1:]
    if quality == "good":
        result = bend(rng, reference, rng.uniform(0.3, 1.2))
    else:
        result = bend(rng, reference, rng.uniform(1.0, 2.5))
        result[smooth(rng, 9.0) > rng.uniform(-0.9, 0.0)] = 0
    for _ in range(int(rng.integers(0, 3))):
        result = speck(rng, result, int(rng.choice(values)), rng.uniform(1, 3))
    return result


def reviewed(rng, reference):
    """Everything, a few axial slices, or a block; always with labels in it."""
    kind = rng.integers(0, 3)
    known = np.zeros(SHAPE, bool)
    there = np.flatnonzero((reference > 0).sum((1, 2)) > 40)
    if kind == 0:
        known[:] = True
    elif kind == 1:
        known[rng.choice(there, min(3, there.size), replace=False)] = True
    else:
        known[there[0] : there[0] + there.size // 2 + 1] = True
    return known


def finish(rng, reference, answer, labels):
    """Labels where reviewed, the answer elsewhere."""
    known = reviewed(rng, reference)
    return Phantom(reference, answer, np.where(known, labels, answer), known)


def dice(one, other):
    both = 2 * np.count_nonzero((one == other) & (one > 0))
    return both / max(1, np.count_nonzero(one) + np.count_nonzero(other))


HONEST = (
    "good model",
    "bad model",
    "new class from background",
    "new class from an old one",
    "other labels",
    "borders",
    "missing organ",
    "speck removed",
    "speck alone",
    "renamed",
)


def honest(rng, kind):
    """Corrections that a person would make."""
    count = int(rng.integers(2, 5)) if kind in ("missing organ", "renamed") else None
    reference = truth(rng, count)
    answer = answer_of(rng, reference, "bad" if kind == "bad model" else "good")
    if kind == "new class from background":
        reference = speck(rng, reference, 7, rng.uniform(3, 7))
    elif kind == "new class from an old one":
        inside = reference == 1
        centre = np.argwhere(inside)[rng.integers(np.count_nonzero(inside))]
        part = ellipsoid(rng, centre, np.array([3, 5, 5]) * rng.uniform(0.7, 2.5))
        reference = np.where(inside & part, 7, reference)
    elif kind == "other labels":
        answer = np.where(answer > 0, answer + 10, 0)
    elif kind == "borders":
        grown = ndimage.grey_dilation(reference, (3, 7, 7))
        shrunk = np.where(
            ndimage.binary_erosion(reference > 0, iterations=3), reference, 0
        )
        side = smooth(rng, 20.0) > 0
        answer = bend(rng, np.where(side, grown, shrunk), 0.5)
    elif kind == "missing organ":
        answer[answer == int(rng.integers(1, reference.max() + 1))] = 0
    elif kind == "speck removed":
        answer = speck(rng, answer, 1, rng.uniform(2, 4.5))
    elif kind == "speck alone":
        # The organ is not there, and the model imagined a small one.
        reference = np.zeros_like(reference)
        answer = speck(rng, reference, 1, rng.uniform(2, 4))
        known = np.ones(SHAPE, bool)
        return Phantom(reference, answer, reference.copy(), known)
    elif kind == "renamed":
        # The model took one organ for its neighbour, all along.
        answer = np.where(answer == 2, 1, answer)
    return finish(rng, reference, answer, reference)


POISONS = ("swapped", "shifted", "emptied")


def poisoned(rng, kind):
    """Good corrections that were spoilt where they were reviewed.

    Of every organ so much was reviewed that a swap shows on both sides; if only one of
    two swapped labels was, it is a renaming, which people do.
    """
    reference = truth(rng, int(rng.integers(2, 5)) if kind == "swapped" else None)
    answer = answer_of(rng, reference)
    drawn = finish(rng, reference, answer, reference)
    while kind == "swapped" and np.bincount(reference[drawn.known]).min() < 150:
        drawn = finish(rng, reference, answer, reference)
    bad = spoilt(rng, reference, kind)
    return replace(drawn, labels=np.where(drawn.known, bad, answer))


def spoilt(rng, labels, kind):
    """Labels swapped in a ring, moved by 10 voxels, or wiped."""
    if kind == "emptied":
        return np.zeros_like(labels)
    if kind == "shifted":
        offset = np.zeros(3)
        offset[rng.integers(3)] = rng.choice([-10, 10])
        return ndimage.shift(labels, offset, order=0)
    values = np.unique(labels)[1:]
    ring = rng.permutation(values)[: int(rng.integers(2, values.size + 1))]
    table = np.arange(256, dtype=labels.dtype)
    table[ring] = np.roll(ring, 1)
    return table[labels]
