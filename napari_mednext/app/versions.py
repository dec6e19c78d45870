"""Versions of a study's model: kept, chosen, gone back to, removed, exported.

A version is a model folder in ``STUDY/models/`` with a card that says what it was made
from. Training leaves a candidate in its job's folder; keeping copies it here, promoting
also chooses it. Whatever is interrupted leaves the model before or the new one chosen,
and whole folders only. Nothing here imports torch but the export.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.app.candidates import (
    DISCARDED,
    MODEL,
    MOVED,
    Candidate,
    CandidateState,
    candidate_of,
    job_folder,
    write_note,
)
from napari_mednext.app.chosen_model import (
    earlier_models,
    remember_earlier,
    remember_model,
    remembered_model,
    remembered_names,
)
from napari_mednext.app.disk_use import disk_use
from napari_mednext.app.removed_versions import keep_card, removed_names
from napari_mednext.app.replacing import refuse_another
from napari_mednext.app.study_place import study_place
from napari_mednext.app.version_facts import check_files, stated_digest
from napari_mednext.app.version_folders import (
    copied_in,
    free_name,
    models_locked,
    take_away,
)
from napari_mednext.app.version_tree import Version, find_version, versions
from napari_mednext.errors import InputError, ModelError
from napari_mednext.models import ModelFolder, export_for_nnunet, installed_models

if TYPE_CHECKING:
    from napari_mednext.study import Study

__all__ = [
    "Candidate",
    "CandidateState",
    "Version",
    "candidate_of",
    "discard",
    "disk_use",
    "export_version",
    "find_version",
    "keep",
    "promote",
    "remove_version",
    "rollback",
    "versions",
]


def keep(study: Study | str | Path, job: str | Path) -> Path:
    """Make the model of a job a version of the study, without choosing it.

    A second time it returns the same version. A name that is taken gets a number. The
    job's own copy is deleted when the version is there and every file was compared.

    Parameters
    ----------
    study : Study or path
        The study.
    job : str or path
        The job's folder, its ``model`` folder, or its id.

    Returns
    -------
    Path
        Folder of the version.

    Raises
    ------
    InputError
        If the study has no such job, or the job has no model.
    ModelError
        If the model is damaged.
    StorageError
        If it cannot be written, or another program changes versions for too long.
    """  # noqa: DOC501 - by those who do it
    root = study_place(study)
    with models_locked(root / "models"):
        return _kept(root, job_folder(root, job))


def promote(
    study: Study | str | Path, path: str | Path, *, instead_of: str | None = None
) -> Path:
    """Choose the model that segments the study's cases from now on.

    The model before joins the history, for `rollback`. A candidate is kept first.

    Parameters
    ----------
    study : Study or path
        The study.
    path : str or path
        Folder of a version, an installed model, a job or the model in it; or the id of
        a job.
    instead_of : str, optional
        SHA-256 of the model that it was compared with: no other one may be in use, for
        better than that one need not be better than another.

    Returns
    -------
    Path
        Folder of the model, which is elsewhere than ``path`` for a candidate.

    Raises
    ------
    InputError
        If there is no such study, the job has no model, or another model is in use
        than ``instead_of`` allows.
    ModelError
        If the folder is no sound model.
    StorageError
        If something cannot be written; the model before is still chosen then.
    """  # noqa: DOC501 - by those who do it
    root = study_place(study)
    with models_locked(root / "models"):
        try:
            job = job_folder(root, path)
        except InputError:
            place = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - keeps links
            refuse_another(root, place, instead_of)
        else:
            refuse_another(root, candidate_of(root, job).path, instead_of)
            place = _kept(root, job)
        folder = ModelFolder.open(place)
        check_files(folder)
        remember_model(root, name=folder.name, path=place)
    return place


def rollback(study: Study | str | Path) -> Path:
    """Choose the model that was chosen before the present one.

    Again, it goes one further back. Models that are gone are passed over, and the
    present one stays a version, which `promote` chooses again.

    Parameters
    ----------
    study : Study or path
        The study.

    Returns
    -------
    Path
        Folder of the model that is chosen now.

    Raises
    ------
    InputError
        If no earlier model is left.
    ModelError
        If the earlier model is damaged.
    StorageError
        If it cannot be written; nothing is changed then.
    """  # noqa: DOC501 - by those who do it
    root, installed = study_place(study), installed_models()
    with models_locked(root / "models"):
        present = remembered_model(root, installed)
        earlier = [e for e in earlier_models(root, installed) if e != present]
        if earlier:
            check_files(ModelFolder.open(earlier[0]))
        back = remember_earlier(root, installed) if earlier else None
    if back is None:
        msg = (
            "going back needs a model that was chosen before, the study in "
            f"{str(root)!r} has none: choose one with promote"
        )
        raise InputError(msg)
    return back


def discard(
    study: Study | str | Path, job: str | Path, *, delete: bool = False
) -> None:
    """Decide against the model of a job.

    Parameters
    ----------
    study : Study or path
        The study.
    job : str or path
        The job's folder, its ``model`` folder, or its id.
    delete : bool
        Also delete the model. Otherwise it stays, takes room, and can be kept later.

    Raises
    ------
    InputError
        If the job has no model, or it was kept, or is in use and must not be deleted.
    StorageError
        If it cannot be written or deleted.
    """  # noqa: DOC501 - made by _no_model
    root = study_place(study)
    with models_locked(root / "models"):
        found = candidate_of(root, job)
        if found.state is CandidateState.KEPT:
            msg = (
                f"the model of job {found.job.name!r} was kept, so it cannot be "
                "discarded: remove the version instead"
            )
            raise InputError(msg)
        if found.state is CandidateState.NONE:
            raise _no_model(found.job)
        if delete and found.path is not None:
            _refuse_current(root, found.path, f"the model of job {found.job.name!r}")
        write_note(found.job / DISCARDED, {"deleted": delete or found.path is None})
        if delete and found.path is not None:
            take_away(found.path)


def remove_version(study: Study | str | Path, path: str | Path) -> None:
    """Delete a version of a study; its card is kept, so that the tree stays whole.

    Parameters
    ----------
    study : Study or path
        The study.
    path : str or path
        Folder of the version.

    Raises
    ------
    InputError
        If it is no version of this study, or the one in use.
    StorageError
        If it cannot be deleted.
    """
    root = study_place(study)
    models = root / "models"
    folder = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - keeps links
    with models_locked(models):
        is_version = folder.parent.resolve() == models.resolve()
        if not is_version or not (folder / "plans.json").is_file():
            msg = (
                f"only versions in {str(models)!r} can be removed, got {str(path)!r}: "
                "discard a candidate, and delete installed models by hand"
            )
            raise InputError(msg)
        folder = models / folder.name
        _refuse_current(root, folder, f"the version {folder.name!r}")
        keep_card(folder)
        take_away(folder)


def export_version(path: str | Path, out: str | Path) -> Path:
    """Write a version as a folder that nnU-Net's own predictor reads; imports torch.

    Parameters
    ----------
    path : str or path
        Folder of a version or any other model.
    out : str or path
        The new folder, best named ``TRAINER__PLANS__CONFIGURATION``.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    ModelError
        If the model is damaged.
    StorageError
        If something is there already, or it cannot be written.
    """  # noqa: DOC501 - by those who do it
    folder = ModelFolder.open(path)
    check_files(folder)
    return export_for_nnunet(folder, out)


def _kept(root: Path, job: Path) -> Path:
    """Return the version that a job's model is, made if it is none yet."""
    found, models = candidate_of(root, job), root / "models"
    if found.state is CandidateState.KEPT and found.path is not None:
        _tidy(root, job)
        return found.path
    model = job / MODEL
    if not (model / "plans.json").is_file():
        raise _no_model(job)
    source = ModelFolder.open(model)
    place = _twin(models, source)
    if place is None:
        card = source.card.name or f"model-{job.name}"
        place = copied_in(source, models, free_name(card, _taken(root)))
    note = {"name": place.name, "path": f"models/{place.name}", "sha256": source.sha256}
    write_note(job / MOVED, note)
    _tidy(root, job)
    return place


def _tidy(root: Path, job: Path) -> None:
    """Delete what a job no longer needs once its model is a version."""
    try:
        (job / DISCARDED).unlink(missing_ok=True)
        if (job / MODEL).exists():
            _refuse_current(root, job / MODEL, "it")
            take_away(job / MODEL)
    except (OSError, InputError):  # it takes room, and nothing else
        return


def _twin(models: Path, source: ModelFolder) -> Path | None:
    """Return a sound version with the same weights, as a killed process leaves one."""
    wanted = source.sha256
    for plans in sorted(models.glob("*/plans.json")):
        if plans.parent.name.startswith("."):
            continue
        try:
            folder = ModelFolder.open(plans.parent)
            if stated_digest(folder) != wanted:
                continue
            check_files(folder)
        except ModelError:
            continue
        return folder.path
    return None


def _taken(root: Path) -> set[str]:
    """Return the names that would be confused with others."""
    known, models = versions(root), root / "models"
    names = {each.name for each in known if each.kind != "candidate"}
    names |= {each.parent for each in known if each.parent}
    names |= {each.name for each in models.iterdir()}
    return names | removed_names(models) | remembered_names(root)


def _refuse_current(root: Path, folder: Path, noun: str) -> None:
    """Refuse to delete the model that the study uses."""
    current = remembered_model(root, installed_models())
    if current is not None and current.resolve() == folder.resolve():
        msg = (
            f"{noun} segments the study's cases, so it cannot be deleted: choose "
            "another model first"
        )
        raise InputError(msg)


def _no_model(job: Path) -> InputError:
    """Return the sentence for a job that has made no model."""
    return InputError(
        f"the job {job.name!r} must have made a model, it has none in its folder: wait "
        "until it is done, or choose another job"
    )
