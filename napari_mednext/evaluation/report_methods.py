"""The part of a report that says how its numbers and pictures were made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_mednext.evaluation.markup import Markup, join, tag
from napari_mednext.evaluation.report_cases import regions_of
from napari_mednext.evaluation.report_numbers import folded, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_mednext.evaluation.results import Evaluation

__all__ = ["methods_part"]

_DEFINITIONS = (
    ("Dice", "twice the common volume over the sum of both volumes; 1 is best."),
    (
        "Surface Dice",
        "share of both surfaces that lies within the tolerance of the other one; 1 is "
        "best. Deviations below the tolerance are no errors.",
    ),
    (
        "HD95",
        "the larger of two 95th percentiles, of the distances from each surface to the "
        "other, in mm; 0 is best.",
    ),
    (
        "Volume error",
        "prediction minus reference, in mL and in percent of the reference.",
    ),
    (
        "Missing and extra labels",
        "a label that only one side has counts with Dice and surface Dice 0 and with "
        "an HD95 of the diagonal of the field of view. A label that neither side has "
        "is not counted. Where the reference is empty, the error in percent is not "
        "defined and is left out.",
    ),
    (
        "Intervals",
        "95 % bootstrap intervals of the mean over cases. They say how far the mean "
        "would move with other cases of the same kind, not what a single case does.",
    ),
    (
        "Comparison",
        "the same cases with both models, paired; Wilcoxon's signed-rank test, "
        "two-sided, with p corrected for the number of labels of a metric (Holm). "
        "Volumes are compared by their absolute errors.",
    ),
    (
        "Pictures",
        "of each case the slice of every plane with the largest area where any label "
        "differs, the worst first. Radiological convention: the patient's right is on "
        "the left. Places are in mm along the patient's axes of the scanner; slice "
        "numbers count from 0 in the orientation LPS, as napari shows the scan here.",
    ),
)


def methods_part(evaluation: Evaluation) -> Markup:
    """Return definitions, settings and versions."""
    return join(
        [
            tag("h3", "Definitions"),
            _list(_DEFINITIONS),
            _label_table(evaluation),
            tag("h3", "Settings"),
            _list(
                (key.replace("_", " "), _setting(value))
                for key, value in evaluation.settings.items()
                if key != "labels"
            ),
            tag("h3", "Software"),
            _list(evaluation.software.items()),
        ]
    )


def _label_table(evaluation: Evaluation) -> Markup | None:
    """Return the label values behind every name, folded away."""
    regions = regions_of(evaluation)
    if not regions:
        return None
    names = ("label", "values in the prediction", "values in the reference")
    head = [tag("th", name, scope="col", class_="text") for name in names]
    rows = [
        tag(
            "tr",
            tag("th", region.name, scope="row"),
            join(
                tag("td", ", ".join(map(str, values)), class_="text")
                for values in (region.prediction, region.reference)
            ),
        )
        for region in regions
    ]
    return folded("Values of the labels", table(head, rows))


def _list(entries: Iterable[tuple[str, str]]) -> Markup:
    """Return names and what they are."""
    pairs = [join([tag("dt", name), tag("dd", text)]) for name, text in entries]
    return tag("dl", join(pairs))


def _setting(value: object) -> str:
    """Return a setting for people."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_setting, value)) or "none"
    return json.dumps(value, ensure_ascii=False, default=str)
