"""The gate: whether a new model is offered, from cases that it was not trained on.

Who judges (`split_cases`), what is wrong with the corrections themselves
(`suspicions`), how both models answer the judged cases (`compare_gate`), and what may
be done about it (`Verdict`). Nothing here needs torch; the names below are imported
when they are first used, since a window reads a report without measuring anything.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_mednext.training.gate.blocks import Block, cut_blocks
    from napari_mednext.training.gate.cases import GateCase
    from napari_mednext.training.gate.comparing import compare_gate
    from napari_mednext.training.gate.duplicates import duplicate_groups, image_digest
    from napari_mednext.training.gate.pictures import (
        ChangePicture,
        change_pictures,
        write_pictures,
    )
    from napari_mednext.training.gate.report import (
        GateReport,
        read_report,
        write_report,
    )
    from napari_mednext.training.gate.splits import (
        Fold,
        ReviewedCase,
        Split,
        split_cases,
    )
    from napari_mednext.training.gate.suspicion import (
        Correction,
        correction_of,
        suspicions,
        suspicions_over_cases,
    )
    from napari_mednext.training.gate.verdict import Suspicion, Verdict

__all__ = [
    "Block",
    "ChangePicture",
    "Correction",
    "Fold",
    "GateCase",
    "GateReport",
    "ReviewedCase",
    "Split",
    "Suspicion",
    "Verdict",
    "change_pictures",
    "compare_gate",
    "correction_of",
    "cut_blocks",
    "duplicate_groups",
    "image_digest",
    "read_report",
    "split_cases",
    "suspicions",
    "suspicions_over_cases",
    "write_pictures",
    "write_report",
]

#: Module -> public names.
_HOMES = {
    "blocks": ("Block", "cut_blocks"),
    "cases": ("GateCase",),
    "comparing": ("compare_gate",),
    "duplicates": ("duplicate_groups", "image_digest"),
    "pictures": ("ChangePicture", "change_pictures", "write_pictures"),
    "report": ("GateReport", "read_report", "write_report"),
    "splits": ("Fold", "ReviewedCase", "Split", "split_cases"),
    "suspicion": (
        "Correction",
        "correction_of",
        "suspicions",
        "suspicions_over_cases",
    ),
    "verdict": ("Suspicion", "Verdict"),
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use.

    Raises
    ------
    AttributeError
        If the package has no such name.
    """
    for home, names in _HOMES.items():
        if name in names:
            module = importlib.import_module(f"{__name__}.{home}")
            value = getattr(module, name)
            globals()[name] = value
            return value
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
