"""Which model segments the cases of a study, kept in the study."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.formats.placing import placed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_mednext.models import ModelInfo

__all__ = ["remember_model", "remembered_model"]

_LOG = logging.getLogger(__name__)
_SCHEMA = 1
_CHOSEN = Path("models", "chosen.json")


def remember_model(folder: str | Path, *, name: str = "", path: Path | None) -> None:
    """Keep in a study which model segments its cases.

    Parameters
    ----------
    folder : path
        Of the study.
    name : str
        What the model is called: another computer may have it elsewhere.
    path : Path or None
        Of its folder; None for no model.

    Raises
    ------
    StorageError
        If it cannot be written; what was remembered before stays.
    """  # noqa: DOC501 - by placed
    target = Path(folder).expanduser() / _CHOSEN
    document = {
        "schema": _SCHEMA,
        "name": name,
        "path": None if path is None else str(path.absolute()),
    }
    with placed(target) as draft, draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def remembered_model(
    folder: str | Path, installed: Iterable[ModelInfo] = ()
) -> Path | None:
    """Return the folder of the model that a study remembers.

    Parameters
    ----------
    folder : path
        Of the study.
    installed : iterable of ModelInfo
        Where the remembered folder is not there, one of these of the same name counts.

    Returns
    -------
    Path or None
        None where nothing is remembered or the model is gone.
    """
    said = _chosen(Path(folder).expanduser() / _CHOSEN)
    name, path = said.get("name"), said.get("path")
    if not isinstance(path, str) or not path:
        return None
    installed = list(installed)
    for info in installed:
        if info.path == Path(path):
            return info.path
    if (Path(path) / "plans.json").is_file():
        return Path(path)
    return next((info.path for info in installed if info.name == name), None)


def _chosen(file: Path) -> dict[str, Any]:
    """Return what a study says of its model; nothing where that cannot be read."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        _LOG.warning("%s cannot be read: no model is chosen", file, exc_info=True)
        return {}
    return said if isinstance(said, dict) and said.get("schema") == _SCHEMA else {}
