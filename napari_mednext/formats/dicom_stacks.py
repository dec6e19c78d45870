"""Putting the slices of a series into stacks, and saying where they lie."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.errors import GeometryError
from napari_mednext.formats.dicom_headers import FRAME_TAGS, ImageHeader
from napari_mednext.formats.nifti_geometry import Placement, place

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Stack", "make_stacks", "place_stack", "same_plane", "without_copies"]

#: Slices nearer than this, in mm, lie at one position.
_SAME_PLACE_MM = 0.01
#: Part of the usual step by which a step may differ before slices count as missing.
_UNEVEN_PART = 0.2
#: Unevenness and tilt below these are rounding of the header's decimal numbers.
_ROUNDING_MM = 0.02
_ROUNDING_DEG = 0.01


@dataclass(frozen=True)
class Stack:
    """Slices of one volume from the lowest to the highest, and what they share.

    ``name`` is what tells this stack from others of its series, "" if it is alone.
    """

    slices: tuple[ImageHeader, ...]
    name: str = ""


def same_plane(first: ImageHeader, second: ImageHeader) -> bool:
    """Whether two slices are parallel and have the same pixels."""
    return (
        first.size == second.size
        and first.size[2] == 1
        and first.components == second.components
        and np.allclose(first.direction, second.direction, rtol=0, atol=1e-3)
        and np.allclose(first.spacing[:2], second.spacing[:2], rtol=1e-4, atol=0)
    )


def without_copies(slices: Sequence[ImageHeader]) -> list[ImageHeader]:
    """Return the slices without second copies of the same image."""
    kept: dict[tuple[object, str], ImageHeader] = {}
    crowded = _crowded(slices)
    for one in slices:
        place_key = _place_key(one)
        identity = str(one.path)
        if place_key in crowded:
            content = hashlib.sha256(one.path.read_bytes()).hexdigest()
            identity = one.tag("0008|0018") or content
        kept.setdefault((place_key, identity), one)
    return list(kept.values())


def make_stacks(slices: Sequence[ImageHeader]) -> list[Stack]:
    """Sort parallel slices into volumes in which each position occurs once.

    Where positions repeat, the volumes are told apart by the first of acquisition,
    echo time, time point, trigger time, b-value and image type that does so; else, if
    every position occurs equally often, by the order of the instance numbers.

    Raises
    ------
    GeometryError
        If positions are missing, or repeat and nothing tells the volumes apart.
    """
    if len(slices) > 1 and any("0020|0032" not in one.tags for one in slices):
        msg = (
            "every slice must say where it lies in the patient, but some of "
            f"{len(slices)} do not: export the original series"
        )
        raise GeometryError(msg)
    if not _crowded(slices):
        return [Stack(_sorted(slices))]
    for tag, meaning in FRAME_TAGS:
        parts = defaultdict(list)
        for one in slices:
            parts[one.number(tag), one.tag(tag)].append(one)
        if len(parts) > 1 and not any(_crowded(part) for part in parts.values()):
            return [
                Stack(_sorted(parts[key]), f"{meaning} {key[1]}")
                for key in sorted(parts)
            ]
    places = defaultdict(list)
    for one in slices:
        places[_place_key(one)].append(one)
    counts = {len(there) for there in places.values()}
    if len(counts) != 1:
        msg = (
            f"every slice position must occur equally often, but of {len(places)} "
            f"positions some occur {min(counts)} and some {max(counts)} times and no "
            "tag tells the volumes apart: export one volume a series"
        )
        raise GeometryError(msg)
    rows = [sorted(there, key=_order) for there in places.values()]
    return [
        Stack(_sorted(part), f"volume {i}")
        for i, part in enumerate(zip(*rows, strict=True))
    ]


def place_stack(stack: Stack) -> Placement:
    """Return the grid of a stack of slices.

    Raises
    ------
    GeometryError
        If slices are missing, or they do not make a straight stack.
    """
    slices = stack.slices
    first = slices[0]
    affine = np.eye(4)
    columns = first.matrix * np.asarray(first.spacing)
    affine[:3, :3] = columns[:, ::-1]
    affine[:3, 3] = first.origin
    if len(slices) == 1:
        return place((first.size[2], first.size[1], first.size[0]), affine)
    origins = np.array([one.origin for one in slices])
    _check_steps(slices)
    step = (origins[-1] - origins[0]) / (len(slices) - 1)
    affine[:3, 0] = step
    straight = origins[0] + np.arange(len(slices))[:, None] * step
    stray_mm = float(np.linalg.norm(origins - straight, axis=1).max())
    if stray_mm > 0.5 * min(first.spacing[0], float(np.linalg.norm(step))):
        msg = (
            "slices must make a straight stack, but one lies "
            f"{stray_mm:.3g} mm beside it: export the series again"
        )
        raise GeometryError(msg)
    return place(
        (len(slices), first.size[1], first.size[0]),
        affine,
        *_stack_notes(stack, stray_mm),
    )


def _stack_notes(stack: Stack, stray_mm: float) -> list[str]:
    """Return what a user should know about a stack that can be used."""
    slices = stack.slices
    notes = []
    if stray_mm > _ROUNDING_MM:
        notes.append(
            f"the slices are not evenly spaced: one lies {stray_mm:.2g} mm off"
        )
    step = np.subtract(slices[-1].origin, slices[0].origin)
    cosine = float(slices[0].matrix[:, 2] @ step / np.linalg.norm(step))
    tilt_deg = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    if tilt_deg > _ROUNDING_DEG:
        notes.append(f"the slices are tilted by {tilt_deg:.2g} degrees (gantry tilt)")
    acquisitions = {one.tag("0020|0012") for one in slices} - {""}
    if 1 < len(acquisitions) < len(slices):
        notes.append(f"the slices come from {len(acquisitions)} acquisitions")
    return notes


def _check_steps(slices: Sequence[ImageHeader]) -> None:
    """Refuse a stack with gaps: behind a gap every voxel would be misplaced."""
    depths = np.array([one.depth_mm for one in slices])
    steps = np.diff(depths)
    usual = float(np.median(steps))
    worst = int(np.abs(steps - usual).argmax())
    if abs(steps[worst] - usual) <= _UNEVEN_PART * usual:
        return
    missing = round(float(steps[worst] / max(usual, _SAME_PLACE_MM))) - 1
    count = f" ({missing} missing)" if missing > 0 else ""
    msg = (
        f"slices must be evenly spaced, most are {usual:.4g} mm apart, but "
        f"{steps[worst]:.4g} mm follow after {slices[worst].path.name!r}{count}: "
        "export the series again, or choose one without gaps"
    )
    raise GeometryError(msg)


def _sorted(slices: Sequence[ImageHeader]) -> tuple[ImageHeader, ...]:
    """Return slices from the lowest to the highest along their normal."""
    return tuple(sorted(slices, key=lambda one: one.depth_mm))


def _place_key(one: ImageHeader) -> tuple[int, ...]:
    """Return the position of a slice, the same for slices at one position."""
    return tuple(round(value / _SAME_PLACE_MM) for value in one.origin)


def _crowded(slices: Sequence[ImageHeader]) -> set[tuple[int, ...]]:
    """Return the positions that occur more than once."""
    counts = Counter(map(_place_key, slices))
    return {key for key, count in counts.items() if count > 1}


def _order(one: ImageHeader) -> tuple[float, ...]:
    """Sort key of slices at one position."""
    return (*(one.number(tag) for tag, _ in FRAME_TAGS), one.number("0020|0013"))
