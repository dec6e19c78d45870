"""Which model a new one may replace: the one that it was compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mednext.app.chosen_model import remembered_model
from napari_mednext.app.study_place import study_place
from napari_mednext.app.version_facts import model_digest
from napari_mednext.errors import InputError
from napari_mednext.models import ModelFolder, installed_models

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.study import Study

__all__ = ["other_in_use", "refuse_another"]


def other_in_use(
    study: Study | str | Path, digest: str, place: Path | None = None
) -> str | None:
    """Return the name of the model in use if it is neither of two.

    Parameters
    ----------
    study : Study or path
        The study.
    digest : str
        SHA-256 of the one.
    place : Path, optional
        Folder of the other.

    Returns
    -------
    str or None
        None also where no model is in use.
    """
    current = remembered_model(study_place(study), installed_models())
    if current is None or current == place:
        return None
    folder = ModelFolder.open(current)
    return None if model_digest(folder) == digest else folder.name


def refuse_another(root: Path, place: Path | None, instead_of: str | None) -> None:
    """Refuse to replace a model that the new one was not compared with.

    Parameters
    ----------
    root : Path
        Of the study.
    place : Path or None
        Of the new model.
    instead_of : str or None
        SHA-256 of the model that it was compared with; None allows any.

    Raises
    ------
    InputError
        If such a model is in use.
    """
    other = None if instead_of is None else other_in_use(root, instead_of, place)
    if other is not None:
        msg = (
            f"a model may only replace the one that it was compared with, but {other!r}"
            " is in use by now: compare with that by improving it, or promote the new "
            "model by hand"
        )
        raise InputError(msg)
