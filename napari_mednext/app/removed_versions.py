"""What a study keeps of versions that were removed: their cards.

::

    STUDY/models/removed/NAME.json   {"name", "sha256", "card", "when"}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_mednext.app.candidates import write_note
from napari_mednext.app.version_facts import read_lineage, stated_digest
from napari_mednext.errors import ModelError, StorageError
from napari_mednext.models import ModelFolder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RemovedVersion", "keep_card", "removed_names", "removed_versions"]

_FOLDER = "removed"


@dataclass(frozen=True)
class RemovedVersion:
    """A version that is gone; its digest and parents as its card stated them."""

    name: str
    sha256: str
    parent: str | None
    parent_sha256: str


def keep_card(folder: Path) -> None:
    """Write what is known of a version that goes.

    Parameters
    ----------
    folder : Path
        Of the version; it may be damaged.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    removed = folder.parent / _FOLDER
    try:
        removed.mkdir(exist_ok=True)
    except OSError as error:
        msg = (
            f"the cards of removed versions must be kept in {str(removed)!r}, which "
            f"cannot be made ({error.strerror or error}): check the permissions"
        )
        raise StorageError(msg) from error
    content: dict[str, Any]
    try:
        opened = ModelFolder.open(folder)
        content = {
            "name": opened.name,
            "sha256": stated_digest(opened),
            "card": opened.card.to_dict(),
        }
    except ModelError as error:
        content = {"name": folder.name, "sha256": "", "problem": str(error)}
    write_note(removed / f"{folder.name}.json", content)


def removed_names(models: Path) -> frozenset[str]:
    """Return the folder names that removed versions had."""
    return frozenset(each.stem for each in (models / _FOLDER).glob("*.json"))


def removed_versions(models: Path) -> tuple[RemovedVersion, ...]:
    """Return the versions that were removed, as far as their cards can be read."""
    gone = []
    for file in sorted((models / _FOLDER).glob("*.json")):
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
            lineage = read_lineage(said["card"]["lineage"])
            name, digest = str(said["name"]), str(said["sha256"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
        parent = lineage.parent or None
        gone.append(RemovedVersion(name, digest, parent, lineage.parent_sha256))
    return tuple(gone)
