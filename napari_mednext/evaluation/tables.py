"""Writing an evaluation as JSON, for programs, and as CSV, for tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import InputError
from napari_mednext.evaluation.results import Evaluation, surface_dice_key
from napari_mednext.formats import check_output
from napari_mednext.formats.placing import placed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_json", "write_csv", "write_json"]

_FIRST = ("model", "group", "case", "label", "value", "state", "dice")
_LAST = (
    "hd95_mm",
    "volume_ml",
    "reference_ml",
    "volume_error_ml",
    "volume_error_percent",
    "prediction",
    "reference",
)


def write_json(
    evaluation: Evaluation, path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write everything that was found as one JSON document.

    Parameters
    ----------
    evaluation : Evaluation
        With what it was compared with.
    path : path
        Its folder exists. The file appears when it is whole.
    overwrite : bool
        Whether a file of that name may be replaced.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    StorageError
        If the file exists or cannot be written.
    """
    path = check_output(path, overwrite=overwrite)
    # Strict JSON: NaN would be an error here, not a word that other programs refuse.
    text = json.dumps(evaluation.to_dict(), indent=1, allow_nan=False)
    with placed(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
    return path


def read_json(path: str | Path) -> Evaluation:
    """Read what :func:`write_json` wrote.

    Raises
    ------
    InputError
        If the file cannot be read or holds something else.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{str(path)!r} must be an evaluation in JSON, got {error}: check it"
        raise InputError(msg) from error
    return Evaluation.from_dict(values)


def write_csv(
    evaluation: Evaluation, path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write a table with a row for each case and label, of both models.

    An empty cell is a value that is not defined; the state says why.

    Parameters
    ----------
    evaluation : Evaluation
        With what it was compared with.
    path : path
        Its folder exists. The file appears when it is whole.
    overwrite : bool
        Whether a file of that name may be replaced.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    StorageError
        If the file exists or cannot be written.
    """
    path = check_output(path, overwrite=overwrite)
    tolerances = sorted(
        {
            tolerance
            for model in _models(evaluation)
            for case in model.cases
            for label in case.labels
            for tolerance in label.surface_dice
        }
    )
    keys = [surface_dice_key(tolerance) for tolerance in tolerances]
    with placed(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*_FIRST, *keys, *_LAST])
        writer.writeheader()
        for model in _models(evaluation):
            writer.writerows(_rows(model))
    return path


def _models(evaluation: Evaluation) -> tuple[Evaluation, ...]:
    """Return the evaluation, and the other one if there is one."""
    return (evaluation,) if evaluation.other is None else (evaluation, evaluation.other)


def _rows(model: Evaluation) -> Iterator[dict[str, object]]:
    """Iterate over the rows of one model."""
    for case in model.cases:
        for label in case.labels:
            values = label.to_dict()
            values["label"] = values.pop("name")
            surface = values.pop("surface_dice")
            yield {
                "model": model.title,
                "group": case.group,
                "case": case.case,
                "prediction": str(case.prediction),
                "reference": str(case.reference),
                **values,
                **{surface_dice_key(float(t)): value for t, value in surface.items()},
            }
