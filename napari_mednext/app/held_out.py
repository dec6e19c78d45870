"""The patients of a study that no model may learn from, for they judge the models."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.formats.placing import placed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["held_out", "hold_out"]

_LOG = logging.getLogger(__name__)
_FILE = Path("models", "held_out.json")
_SCHEMA = 1


def held_out(study: Path) -> frozenset[str]:
    """Return the patients that are held out; a case without one stands for itself.

    Parameters
    ----------
    study : Path
        Its folder.

    Returns
    -------
    frozenset of str
    """
    try:
        said = json.loads((study / _FILE).read_text(encoding="utf-8"))
        return frozenset(map(str, said["patients"]))
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, KeyError, TypeError):
        _LOG.warning("%s cannot be read: nobody is held out", study / _FILE)
        return frozenset()


def hold_out(study: Path, patients: Iterable[str]) -> None:
    """Hold patients out from now on, and nobody else.

    Parameters
    ----------
    study : Path
        Its folder.
    patients : iterable of str
        All of them.

    Raises
    ------
    StorageError
        If that cannot be written; what was said before stays.
    """  # noqa: DOC501 - by placed
    document = {"schema": _SCHEMA, "patients": sorted(patients)}
    with placed(study / _FILE) as draft, draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
