"""Where a study lies, for work that needs its folder and not its cases."""

from __future__ import annotations

from pathlib import Path

from napari_mednext.errors import InputError
from napari_mednext.study import Study, StudyFolder

__all__ = ["study_place"]


def study_place(study: Study | str | Path) -> Path:
    """Return the absolute folder of a study.

    Parameters
    ----------
    study : Study or path
        Open, or its folder, or the ``study.sqlite`` in it.

    Raises
    ------
    InputError
        If there is no study.
    """
    if isinstance(study, Study):
        return study.path
    path = Path(study).expanduser()
    files = StudyFolder(path.parent if path.name == "study.sqlite" else path)
    if not files.database.is_file():
        msg = (
            f"{str(files.path)!r} must hold a 'study.sqlite': choose another folder or "
            "make a study in it"
        )
        raise InputError(msg)
    return files.path
