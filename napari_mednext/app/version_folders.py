"""Model folders in a study: copied in whole, taken away whole, one writer at a time.

::

    STUDY/models/NAME/           a version
    STUDY/models/.lock           held while versions come, go or are chosen
    STUDY/models/.NAME.*.part    a copy that is being made
    STUDY/models/.NAME.*.gone    a folder that is being taken away
    STUDY/jobs/ID/.model.*.gone  likewise

A folder appears under its name, and disappears from it, in one rename. What a killed
process leaves behind has a hidden name and is taken away by the next who has the lock.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.app.version_facts import check_files
from napari_mednext.errors import ModelError, StorageError
from napari_mednext.models import ModelFolder, replace_card
from napari_mednext.models.weights import file_digest
from napari_mednext.study import CaseLock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = ["copied_in", "free_name", "models_locked", "take_away"]

_LOG = logging.getLogger(__name__)

_COPYING, _GOING = ".part", ".gone"
#: Others hold the lock for as long as copying a model takes.
PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.05
#: Room beside the model itself for cards, notes and what others write meanwhile.
_SPARE_BYTES = 16 * 2**20
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
#: As long as names on cards may be, with room for a number.
_LONGEST = 92


@contextlib.contextmanager
def models_locked(models: Path, *, patience_s: float | None = None) -> Iterator[None]:
    """Be the only one who changes the versions of a study while the block lasts.

    Parameters
    ----------
    models : Path
        The folder of the versions; made if missing.
    patience_s : float, optional
        Seconds to wait for another window or program; a minute by default.

    Raises
    ------
    StorageError
        If another one holds the lock for too long, or it cannot be had.
    """
    end = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
    try:
        models.mkdir(exist_ok=True)
        lock = CaseLock(models / ".lock")
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        remedy = "check the permissions, or move the study to a disk that knows locks"
        if cause.errno == errno.ENOSPC:
            remedy = "make room, then try again"
        msg = (
            "the versions of a study must be locked while they change, but the system "
            f"refuses it in {str(models)!r} ({cause.strerror or cause}): {remedy}"
        )
        raise StorageError(msg) from error
    while not lock.take():
        if time.monotonic() > end:
            msg = (
                "one program at a time may change the versions of a study, and "
                f"{lock.holder or 'another one'} does: wait until that has ended"
            )
            raise StorageError(msg)
        time.sleep(_LOOK_EVERY_S)
    try:
        _clean(models)
        yield
    finally:
        with contextlib.suppress(OSError):  # of what it says, not of letting go
            lock.release()


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return a name that can be a folder and on a card, and that nobody has.

    Parameters
    ----------
    wanted : str
        Returned as it is where it can be; otherwise with ``-2``, ``-3``, ... behind it.
    taken : collection of str
        Names that differ in case only count as one, as on some disks.
    """
    safe = _UNSAFE.sub("_", wanted)[:_LONGEST].strip("._-") or "model"
    low = {name.casefold() for name in taken}
    if safe.casefold() not in low:
        return safe
    stem = re.sub(r"-\d{1,4}$", "", safe)
    number = 2
    while f"{stem}-{number}".casefold() in low:
        number += 1
    return f"{stem}-{number}"


def copied_in(source: ModelFolder, models: Path, name: str) -> Path:
    """Copy a model into a study under a name that is free; the lock must be held.

    Every file of the copy is read again and compared by its digest before the folder
    gets its name, so one that is there is whole.

    Parameters
    ----------
    source : ModelFolder
        Not modified.
    models : Path
        The folder of the versions.
    name : str
        Of the new folder; its card gets it too.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    ModelError
        If the files are not those that the card states, or a copy differs.
    StorageError
        If there is not enough room, or it cannot be written; nothing is left then.
    """
    check_files(source)
    files = [file for file in sorted(source.path.rglob("*")) if file.is_file()]
    _refuse_too_little_room(models, files, source.name)
    draft: Path | None = None
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=_COPYING, dir=models))
        draft.chmod(0o755)
        for file in files:
            _copy_file(file, draft / file.relative_to(source.path))
        copy = ModelFolder.open(draft)
        if copy.card.name != name:
            copy = replace_card(copy, dataclasses.replace(copy.card, name=name))
        _sync([draft, *(each for each in draft.rglob("*") if each.is_dir())])
        target = models / name
        draft.rename(target)
        _sync([models])
    except StorageError:
        raise
    except OSError as error:
        msg = (
            f"the version {name!r} must be written to {str(models)!r}, but that failed "
            f"({error.strerror or error}): nothing was changed, check the free space "
            "and the permissions"
        )
        raise StorageError(msg) from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
    return target


def take_away(folder: Path) -> None:
    """Delete a model folder so that it is never half there; the lock must be held.

    Parameters
    ----------
    folder : Path
        Of a version, or the model of a job.

    Raises
    ------
    StorageError
        If it cannot be moved; it is as it was then.
    """
    try:
        prefix = f".{folder.name}."
        place = Path(tempfile.mkdtemp(prefix=prefix, suffix=_GOING, dir=folder.parent))
        try:
            folder.rename(place / folder.name)
        finally:
            # What cannot be deleted now is by the next who has the lock.
            shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        msg = (
            f"{str(folder)!r} must be deletable, but the system refuses it "
            f"({error.strerror or error}): close what uses it and check the permissions"
        )
        raise StorageError(msg) from error


def _clean(models: Path) -> None:
    """Take away what killed processes left; nobody else works there now."""
    in_jobs = (models.parent / "jobs").glob(f"*/.*{_GOING}")
    here = (models.glob(f".*{ending}") for ending in (_COPYING, _GOING))
    for found in (in_jobs, *here):
        for left in found:
            _LOG.info("%s was left by a process that ended, and is deleted", left)
            shutil.rmtree(left, ignore_errors=True)


def _refuse_too_little_room(models: Path, files: list[Path], name: str) -> None:
    """Refuse a copy that will not fit, before anything is written."""
    needed = sum(file.stat().st_size for file in files) + _SPARE_BYTES
    free = shutil.disk_usage(models).free
    if free < needed:
        msg = (
            f"keeping {name!r} needs {needed / 2**20:.0f} MiB on the disk of "
            f"{str(models)!r}, which has {free / 2**20:.0f} MiB free: make room there"
        )
        raise StorageError(msg)


def _copy_file(source: Path, target: Path) -> None:
    """Copy a file to the disk itself, and see that it is the same there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    with target.open("rb+") as stream:
        os.fsync(stream.fileno())
    if file_digest(target) != file_digest(source):
        msg = (
            f"a copy must equal its original, got another content for {source.name!r} "
            f"in {str(target.parent)!r}: check the disk, then try again"
        )
        raise ModelError(msg)


def _sync(folders: Iterable[Path]) -> None:
    """See that the names in folders are on the disk, where the system can do that."""
    if sys.platform == "win32":
        return
    for folder in folders:
        # Network drives refuse this; the contents of files are on the disk already.
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
