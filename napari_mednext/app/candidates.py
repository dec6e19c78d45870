"""The model that a job made: waiting for a decision, kept as a version, or discarded.

::

    JOB/model/                   the model, until it is kept or deleted
    JOB/model_moved.json         it was kept: the version's name, place and digest
    JOB/model_discarded.json     it was discarded; the model may still be there

A decision counts from the moment its note is there.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.app.study_place import study_place
from napari_mednext.errors import InputError
from napari_mednext.formats.placing import placed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_mednext.study import Study

__all__ = [
    "DISCARDED",
    "MODEL",
    "MOVED",
    "Candidate",
    "CandidateState",
    "candidate_of",
    "job_folder",
    "write_note",
]

MODEL = "model"
MOVED = "model_moved.json"
DISCARDED = "model_discarded.json"

_SCHEMA = 1


class CandidateState(StrEnum):
    """What became of the model of a job."""

    NONE = "none"
    OPEN = "open"
    KEPT = "kept"
    DISCARDED = "discarded"


@dataclass(frozen=True)
class Candidate:
    """The model of a job.

    Parameters
    ----------
    job : Path
        Folder of the job.
    state : CandidateState
        NONE where the job made no model, or not yet.
    path : Path or None
        Where the model is now; None where it is not there, or not any more.
    """

    job: Path
    state: CandidateState
    path: Path | None


def job_folder(study: Study | str | Path, job: str | Path) -> Path:
    """Return the folder of a job of a study.

    Parameters
    ----------
    study : Study or path
        The study.
    job : str or path
        The job's folder, its ``model`` folder, or its id.

    Raises
    ------
    InputError
        If the study has no such job.
    """
    jobs = study_place(study) / "jobs"
    path = Path(job).expanduser()
    if len(path.parts) == 1 and (jobs / path).is_dir():
        return jobs / path
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    for each in (path, path.parent if path.name == MODEL else path):
        if each.is_dir() and each.parent.resolve() == jobs.resolve():
            return jobs / each.name
    msg = (
        f"a job must be one of {str(jobs.parent)!r}, got {str(job)!r}: give its id or "
        "its folder"
    )
    raise InputError(msg)


def candidate_of(study: Study | str | Path, job: str | Path) -> Candidate:
    """Return what became of the model of a job.

    Parameters
    ----------
    study : Study or path
        The study.
    job : str or path
        The job's folder, its ``model`` folder, or its id.

    Raises
    ------
    InputError
        If the study has no such job.
    """  # noqa: DOC501 - by job_folder
    root, folder = study_place(study), job_folder(study, job)
    model = folder / MODEL
    here = model if (model / "plans.json").is_file() else None
    moved = _note(folder / MOVED)
    if isinstance(moved.get("path"), str):
        kept = root / moved["path"]
        is_there = (kept / "plans.json").is_file()
        return Candidate(folder, CandidateState.KEPT, kept if is_there else None)
    if _note(folder / DISCARDED):
        return Candidate(folder, CandidateState.DISCARDED, here)
    state = CandidateState.NONE if here is None else CandidateState.OPEN
    return Candidate(folder, state, here)


def write_note(file: Path, content: Mapping[str, Any]) -> None:
    """Write a note about a decision, with its time, in one go.

    Raises
    ------
    StorageError
        If it cannot be written.
    """  # noqa: DOC501 - by placed
    when = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"schema": _SCHEMA, "when": when, **content}
    with placed(file) as draft, draft.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _note(file: Path) -> dict[str, Any]:
    """Return what a note says; nothing where there is none that can be read."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    is_ours = isinstance(said, dict) and said.get("schema") == _SCHEMA
    return said if is_ours else {}
