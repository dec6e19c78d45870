"""What an improvement leaves: the weights, the verdict, the masks, and no rubbish."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_mednext.app.improve_run import clear_scaffold
from napari_mednext.app.version_facts import check_files
from napari_mednext.app.versions import candidate_of
from napari_mednext.errors import MednextError
from napari_mednext.formats import open_volume
from napari_mednext.models import ModelFolder
from napari_mednext.study import Study
from napari_mednext.training.tuning.checkpoints import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from napari_mednext.jobs import Job

__all__ = ["DifferenceError", "Outcome", "check_sound", "drafts", "read_outcome"]


class DifferenceError(Exception):
    """Something is broken, or is not as in the improvement that nobody disturbed."""


@dataclass(frozen=True)
class Outcome:
    """What came out of an improvement.

    Parameters
    ----------
    weights : dict of str to Tensor
        Of the new model.
    report : dict
        What the gate found out, with the verdict, but not when.
    masks : dict of str to ndarray
        What both models answered.
    files : frozenset of str
        All files in the folder of the job, and of the models of the study.
    """

    weights: dict[str, torch.Tensor]
    report: dict[str, Any]
    masks: dict[str, np.ndarray]
    files: frozenset[str]

    def check_equals(self, other: Outcome, *, but: str = "/.") -> None:
        """Compare with another one, bit by bit.

        Parameters
        ----------
        other : Outcome
            What must be.
        but : str
            Part of the names of files that may be missing.

        Raises
        ------
        DifferenceError
            At the first difference.
        """
        if self.weights.keys() != other.weights.keys():
            msg = "the networks have other parameters"
            raise DifferenceError(msg)
        for name, tensor in self.weights.items():
            if not torch.equal(tensor, other.weights[name]):
                msg = f"the weights {name!r} differ"
                raise DifferenceError(msg)
        if self.report != other.report:
            msg = f"the verdicts differ: {self.report}\n{other.report}"
            raise DifferenceError(msg)
        for name in self.masks.keys() | other.masks.keys():
            if not np.array_equal(self.masks.get(name), other.masks.get(name)):
                msg = f"the mask {name!r} differs"
                raise DifferenceError(msg)
        more = self.files - other.files
        less = {name for name in other.files - self.files if but not in name}
        if more or less:
            msg = f"files that should not be there: {more}, that are missing: {less}"
            raise DifferenceError(msg)


def read_outcome(job: Job) -> Outcome:
    """Return what a job that is over has left.

    Raises
    ------
    DifferenceError
        If it did not end well.
    """
    view, study = job.view(), job.path.parents[1]
    if view.state != "done":
        msg = f"the job is {view.state}: {view.message}\n{job.log_tail(60)}"
        raise DifferenceError(msg)
    model = candidate_of(study, job.path).path
    if model is None:
        msg = "the job has no model"
        raise DifferenceError(msg)
    clear_scaffold(job.path)  # its process may be about to
    masks = [*job.path.glob("before/*.nii.gz"), *job.path.glob("after/*/*.nii.gz")]
    report = json.loads((job.path / "comparison.json").read_text())
    del report["created"]
    return Outcome(
        ModelFolder.open(model).load_weights("0"),
        report,
        {str(p.relative_to(job.path)): open_volume(p).array for p in masks},
        frozenset(
            str(path.relative_to(study))
            for folder in ("jobs", "models")
            for path in (study / folder).rglob("*")
            if path.is_file() and path.suffix != ".lock" and path.name != ".lock"
        ),
    )


def drafts(study: Path) -> list[str]:
    """Return what processes that were killed have not put into place."""
    found = []
    for folder in ("jobs", "models"):
        for path in (study / folder).rglob("*"):
            name = path.name
            is_hidden = name.startswith(".") and not name.endswith((".lock", ".last"))
            if is_hidden or path.suffix in (".part", ".tmp"):
                found.append(str(path.relative_to(study)))
    return found


def check_sound(study: Path, database: str | None = None) -> None:
    """See that all files that stand in their place are whole, whatever was killed.

    Parameters
    ----------
    study : Path
        The study.
    database : str, optional
        All that its database must say, from :func:`database_of`.

    Raises
    ------
    DifferenceError
        If one is not.
    """
    for folder in ("jobs", "models"):
        for path in (study / folder).rglob("*"):
            parts = path.relative_to(study).parts
            if path.is_file() and not any(_is_draft(part) for part in parts):
                _check_file(path)
    said = database_of(study)
    if database is not None and said != database:
        msg = "the database says something else than before"
        raise DifferenceError(msg)
    Study.open(study).close()


def database_of(study: Path) -> str:
    """Return all that the database of a study says.

    Raises
    ------
    DifferenceError
        If it is damaged.
    """
    with closing(sqlite3.connect(study / "study.sqlite")) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            msg = f"the database is damaged: {verdict}"
            raise DifferenceError(msg)
        return "\n".join(connection.iterdump())


def _is_draft(name: str) -> bool:
    return name.startswith(".") or name.endswith((".part", ".tmp"))


def _check_file(path: Path) -> None:
    """See that a file is whole."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".pt" and path.parent.name == "checkpoints":
            read_state(path)
        elif path.name.endswith(".nii.gz"):
            open_volume(path).array.max()
        elif path.suffix == ".png" and not path.read_bytes().endswith(
            b"IEND\xaeB`\x82"
        ):
            raise ValueError  # noqa: TRY301 - told below
        if path.name == "plans.json":
            check_files(ModelFolder.open(path.parent))
    except FileNotFoundError:  # a process that lives has moved it on
        return
    except (OSError, ValueError, MednextError) as error:
        msg = f"{path} is not whole: {error}"
        raise DifferenceError(msg) from error
