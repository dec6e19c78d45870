"""The checks behind a quality warning, each with its sentence.

A sentence says what the model knows, what was given, and what to do. Without knowledge
in the model's card only the checks that need none can find anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.models.expectations import CT_IN_HU
from napari_mednext.volume import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_mednext.inference.evidence import Evidence
    from napari_mednext.inference.grey import GreyValues

__all__ = ["findings_in"]

#: A whole counts as cut when its contact with one face of the scan is larger than this
#: part of (its volume)^(2/3): a ball that is cut in the middle has 1.2, one whose
#: outermost 3 % of depth are missing 0.1.
MOST_CONTACT = 0.12
#: Least share of the largest connected piece of what should be one.
LEAST_LARGEST = 0.85
#: How many times as large or small as the model's own voxels may be, when the model
#: does not say it.
COARSEST = 4.0
FINEST = 0.1
#: The least part of a tile's edge that a scan should reach along each axis.
LEAST_OF_TILE = 0.25
#: Least share of voxels that are no numbers for it to be told here.
LEAST_NOT_FINITE = 1e-3
#: The quantile of the confidence below which a result is doubted.
DOUBTED = "0.05"
#: A sentence names so many labels.
_NAMED = 3


def findings_in(case: Evidence) -> tuple[Finding, ...]:
    """Return what speaks against trusting a segmentation, warnings first.

    Parameters
    ----------
    case : Evidence
        What was measured, and what the model knows.

    Returns
    -------
    tuple of Finding
        Within a severity the most telling first; empty where all is as expected. What
        is odd about the result of a scan of another kind follows from that, and is not
        told.
    """
    findings = [finding for check in _OF_SCAN for finding in check(case)]
    if not any(each.code in _EXPLAINS_ALL for each in findings):
        findings += [finding for check in _OF_RESULT for finding in check(case)]
    return tuple(sorted(findings, key=lambda each: each.severity != "warning"))


def _modality(case: Evidence) -> Iterator[Finding]:
    """Look for a scan of another kind, by its header or else by its values."""
    known, given, grey = case.known.modality, case.modality, case.grey[0]
    todo = "use a model made for it, or check every label"
    if known and given:
        if known != given:
            yield _warning(
                "modality",
                f"the model knows {known}, the header says that the scan is {given}: "
                f"{todo}",
            )
    elif known and known != "CT" and grey.is_like_ct:
        yield _warning(
            "modality",
            f"the model knows {known}, the grey values are those of a CT "
            f"({_range(grey)} with air at -1000): {todo}",
        )
    wants_ct = case.known.intensity == CT_IN_HU and given in ("", "CT")
    if wants_ct and not grey.is_like_ct and not grey.may_be_ct:
        yield _warning(
            "intensity",
            "the model knows CT in Hounsfield units, where fat and air are below 0, "
            f"the grey values are {_range(grey)}: use a model for such scans, or "
            "convert them",
        )


def _grey(case: Evidence) -> Iterator[Finding]:
    """Look for images that hold no picture, or not everywhere."""
    for index, grey in enumerate(case.grey):
        if grey.is_constant:
            yield _warning(
                "constant",
                f"grey values should differ, channel {index} holds one value only: "
                "choose another file",
            )
        elif grey.not_finite >= LEAST_NOT_FINITE:
            yield Finding(
                "not_finite",
                "notice",
                f"grey values should be numbers, {grey.not_finite:.1%} of channel "
                f"{index} are not and count as background: check that nothing is "
                "missing",
            )


def _field_of_view(case: Evidence) -> Iterator[Finding]:
    """Look for scans that show too little."""
    least = case.known.extent_mm
    extent = min(case.extent_mm)
    if least is not None and extent < least:
        yield _warning(
            "extent",
            f"the scan should reach at least {least:.0f} mm along every axis, got "
            f"{_mm(case.extent_mm)}: use the whole scan, or check the labels near the "
            "cut",
        )
    elif least is None and any(
        size < LEAST_OF_TILE * tile
        for size, tile in zip(case.extent_mm, case.tile_mm, strict=True)
    ):
        yield _warning(
            "extent",
            f"the model looks at {_mm(case.tile_mm)} at once, the scan has "
            f"{_mm(case.extent_mm)} only: use a larger one, or check the labels",
        )


def _spacing(case: Evidence) -> Iterator[Finding]:
    """Look for voxels far from those that the model knows."""
    coarsest, most = max(case.spacing), case.known.slice_mm
    ratios = [s / own for s, own in zip(case.spacing, case.plan_spacing, strict=True)]
    if most is not None and coarsest > most:
        yield _warning(
            "spacing",
            f"slices should be at most {most:g} mm thick, got {coarsest:.3g} mm: use a "
            "finer scan, or check the labels",
        )
    elif (most is None and max(ratios) > COARSEST) or max(ratios) < FINEST:
        yield _warning(
            "spacing",
            f"the model works with voxels of {_mm(case.plan_spacing)}, the scan has "
            f"{_mm(case.spacing)}: check the voxel size in the header",
        )


def _empty(case: Evidence) -> Iterator[Finding]:
    """Look for a result without labels."""
    if case.is_complete and not case.volumes_ml:
        yield _warning(
            "empty",
            "the model should find its labels in the scan, got none: check that the "
            "scan shows what the model segments",
        )


def _border(case: Evidence) -> Iterator[Finding]:
    """Look for what should lie inside and is cut by the border."""
    if case.contact is not None and case.contact > MOST_CONTACT:
        area_cm2 = case.contact * case.whole_ml ** (2 / 3)
        yield _warning(
            "border",
            f"{case.whole_name} should lie inside the scan, {area_cm2:.0f} cm² of it "
            "lie on the border: use the whole scan, or expect wrong labels and volumes",
        )


def _pieces(case: Evidence) -> Iterator[Finding]:
    """Look for what should be one piece and is not."""
    if case.largest is not None and case.largest < LEAST_LARGEST:
        yield _warning(
            "pieces",
            f"{case.whole_name} should be one piece, the largest has "
            f"{case.largest:.0%} of it: check that the scan shows it, and every label",
        )


def _volumes(case: Evidence) -> Iterator[Finding]:
    """Look for volumes that a complete scan does not have."""
    if not case.is_complete or not case.volumes_ml:
        return
    limits = case.known.whole_ml
    if limits is not None and not limits[0] <= case.whole_ml <= limits[1]:
        yield _warning(
            "volume",
            f"{case.whole_name} should have {limits[0]:.0f} to {limits[1]:.0f} mL, got "
            f"{case.whole_ml:.0f} mL: check that the scan shows all of it, and the "
            "voxel size",
        )
    odd = [
        f"{case.names.get(value, f'label {value}')} {_ml(low)} to {_ml(high)} mL, got "
        f"{_ml(case.volumes_ml.get(value, 0.0))}"
        for value, (low, high) in case.known.volumes_ml.items()
        if not low <= case.volumes_ml.get(value, 0.0) <= high
    ]
    if odd:
        more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
        yield Finding(
            "volumes",
            "notice",
            f"some labels should have other volumes ({'; '.join(odd[:_NAMED])}{more}): "
            "check them",
        )


def _confidence(case: Evidence) -> Iterator[Finding]:
    """Look for a model that is less sure than on scans like its training's."""
    least = case.known.confidence.get(DOUBTED)
    if least is not None and case.confidence is not None and case.confidence < least:
        yield _warning(
            "confidence",
            f"the model should be surer of its labels ({least:.2f} or more of 1), got "
            f"{case.confidence:.2f}: check the labels, the scan may be unlike those "
            "that it learned from",
        )


_OF_SCAN = (_modality, _grey, _field_of_view, _spacing)
_OF_RESULT = (_empty, _border, _pieces, _volumes, _confidence)
_EXPLAINS_ALL = ("modality", "constant")


def _warning(code: str, sentence: str) -> Finding:
    return Finding(code, "warning", sentence)


def _range(grey: GreyValues) -> str:
    return f"{grey.low:.4g} to {grey.high:.4g}"


def _ml(volume_ml: float) -> str:
    """Return a volume with three digits, and never as a power."""
    return f"{volume_ml:.0f}" if volume_ml >= 100 else f"{volume_ml:.3g}"


def _mm(lengths: Sequence[float]) -> str:
    """Return three lengths in the order of people, x first."""
    return " x ".join(f"{each:.3g}" for each in reversed(lengths)) + " mm"
