"""What a model folder says of its origin, and whether its files are what it says.

Reads no weights into memory and imports no torch: digests of whole files are enough to
tell versions apart and damage from soundness.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import ModelError
from napari_mednext.models.weights import file_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_mednext.models import ModelFolder

__all__ = ["Lineage", "check_files", "model_digest", "read_lineage", "stated_digest"]

#: So much of a digest tells files apart in a sentence.
_SHOWN = 9


@dataclass(frozen=True)
class Lineage:
    """Where a model comes from; empty where its card does not say.

    ``parent`` is the name of the model that its training started from, and
    ``parent_sha256`` the digest of that, as ``ModelFolder.sha256``. ``job`` names the
    job that made it.
    """

    parent: str = ""
    parent_sha256: str = ""
    job: str = ""


def read_lineage(lineage: Mapping[str, Any]) -> Lineage:
    """Return what the lineage of a card says, in its present form or the older one.

    Parameters
    ----------
    lineage : mapping
        Of a card, so any JSON object: what is no text counts as not said.
    """
    parent, digest = lineage.get("parent"), lineage.get("parent_sha256")
    older = lineage.get("started_from")
    if not parent and isinstance(older, dict):
        parent, digest = older.get("model"), older.get("sha256")
    return Lineage(_text(parent), _text(digest), _text(lineage.get("job")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def stated_digest(folder: ModelFolder) -> str:
    """Return ``folder.sha256`` from the digests in its card, without reading weights.

    Returns
    -------
    str
        Empty for folders whose card does not state it.

    Raises
    ------
    ModelError
        If a file with weights has gone.
    """  # noqa: DOC501 - by weight_file
    files = [folder.weight_file(fold) for fold in folder.folds]
    weights = [file.relative_to(folder.path).as_posix() for file in files]
    lines = []
    for name in ("plans.json", "dataset.json", *weights):
        if name not in folder.card.sha256:
            return ""
        lines.append(f"{folder.card.sha256[name]}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def model_digest(folder: ModelFolder) -> str:
    """Return ``folder.sha256``, from its card where that states it.

    Raises
    ------
    ModelError
        If a file is missing or cannot be read.
    """  # noqa: DOC501 - by folder
    return stated_digest(folder) or folder.sha256


def check_files(folder: ModelFolder) -> None:
    """Refuse a model folder whose files are not those that its card states.

    Raises
    ------
    ModelError
        If a file is missing, cannot be read, has another digest, or lies outside.
    """
    for name, digest in folder.card.sha256.items():
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or "\\" in name:
            msg = (
                f"card.json must name files inside the model folder, got {name!r}: do "
                "not use this folder unless you know who made it"
            )
            raise ModelError(msg)
        found = file_digest(folder.path / relative)
        if found != digest:
            msg = (
                f"{name} of {folder.name!r} must have the SHA-256 that card.json "
                f"states, {digest[:_SHOWN]}..., got {found[:_SHOWN]}...: the file was "
                "changed or damaged, train or copy the model again"
            )
            raise ModelError(msg)
