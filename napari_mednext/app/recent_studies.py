"""Which studies were used last on this computer, newest first.

The list only spares people from naming a folder again: it may be lost without harm, so
no fault of it reaches the caller.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from napari_mednext.formats.placing import placed
from napari_mednext.jobs.turns import state_folder

__all__ = ["is_study", "recent", "remember"]

_LOG = logging.getLogger(__name__)
_SCHEMA = 1
_NAME = "recent_studies.json"
#: More are not worth a look; the oldest go.
_KEPT = 50


def remember(study: str | Path) -> None:
    """Put a study first in the list; what goes wrong is only logged.

    Parameters
    ----------
    study : path
        Its folder. Two windows that remember at the same moment may lose one of both.
    """
    path = _absolute(study)
    file = state_folder() / _NAME
    try:
        known = [path, *(old for old in _read(file) if not _is_same(old, path))]
        file.parent.mkdir(parents=True, exist_ok=True)
        document = {"schema": _SCHEMA, "studies": [str(each) for each in known[:_KEPT]]}
        with placed(file) as draft:
            draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except (OSError, ValueError):  # ValueError: a path that no text can hold
        _LOG.warning("%s cannot be written", file, exc_info=True)


def recent() -> tuple[Path, ...]:
    """Return the studies of the list that are there, newest first."""
    return tuple(path for path in _read(state_folder() / _NAME) if is_study(path))


def is_study(folder: str | Path) -> bool:
    """Whether a folder holds a study; it is not opened."""
    try:
        return Path(folder, "study.sqlite").is_file()
    except OSError:  # a drive that does not answer
        return False


def _read(file: Path) -> list[Path]:
    """Return the listed studies, also those that are gone; none if unreadable."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        _LOG.warning("%s cannot be read", file, exc_info=True)
        return []
    if not isinstance(said, dict) or said.get("schema") != _SCHEMA:
        return []
    listed = said.get("studies")
    if not isinstance(listed, list):
        return []
    return [Path(each) for each in listed if isinstance(each, str) and each]


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one folder, through links too."""
    return one == other or os.path.realpath(one) == os.path.realpath(other)


def _absolute(path: str | Path) -> Path:
    """Return an absolute path in which links are kept."""
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - resolve() would follow links
