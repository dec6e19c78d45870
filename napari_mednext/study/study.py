"""A study: a folder of cases with their state, which several windows may share."""

from __future__ import annotations

import json
import logging
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Self

from napari_mednext.errors import InputError, StorageError
from napari_mednext.labels import LabelSet
from napari_mednext.study.cases import Cases
from napari_mednext.study.database import (
    Database,
    create_database,
    restore_database,
)
from napari_mednext.study.effort import EffortLedger
from napari_mednext.study.figures import Figures
from napari_mednext.study.folder import CasePaths, StudyFolder, check_case_name
from napari_mednext.study.image_copies import ImageCopies
from napari_mednext.study.locks import CaseLock
from napari_mednext.study.spots import SeenSpots
from napari_mednext.study.states import CaseStates
from napari_mednext.study.study_labels import check_labels, put_labels
from napari_mednext.study.versions import ModelVersions

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from napari_mednext.progress import CancelFlag, ProgressCallback
    from napari_mednext.study.case import Case
    from napari_mednext.study.entry import CaseEntry

__all__ = ["Study"]

_LOGGER = logging.getLogger(__name__)


class Study(
    Cases, CaseStates, Figures, ImageCopies, EffortLedger, SeenSpots, ModelVersions
):
    """An open study; made by `create` or `open`, and closed at the end.

    Threads and processes may use one study at once. Nothing is kept in memory: what a
    method returns is what stands on disk at that moment, and a change is on disk when
    the method returns. A change that fails leaves everything as it was.
    """

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        entries: Iterable[CaseEntry] = (),
        labels: LabelSet | None = None,
        channel_names: Sequence[str] = ("scan",),
        name: str = "",
        copy_images: bool = False,
        on_progress: ProgressCallback | None = None,
        cancel: CancelFlag | None = None,
    ) -> Self:
        """Make a study in a folder that is none yet, and open it.

        Parameters
        ----------
        folder : path
            Made if missing. It may hold other files, but no ``dataset.json``.
        entries : iterable of CaseEntry
            The first cases.
        labels : LabelSet, optional
            Without ignore; none by default.
        channel_names : sequence of str
            One per channel of each case.
        name : str
            What to call the study; the name of the folder by default.
        copy_images : bool
            Whether images are copied into imagesTr, now and when cases are added.
            Otherwise they stay where they are.
        on_progress, cancel : optional
            For the copying: see `copy_images`.

        Returns
        -------
        Study

        Raises
        ------
        InputError
            If there is a study or a dataset already, or a name cannot be used.
        StorageError
            If something cannot be written.
        Cancelled
            If the flag is set: the study is there, and some images are not copied.
        """
        files = StudyFolder(folder)
        entries, labels = list(entries), labels or LabelSet()
        check_labels(labels)
        for entry in entries:
            check_case_name(entry.name)
        if not channel_names or not all(channel_names):
            msg = (
                f"a study must have a name for every channel, got {channel_names!r}: "
                "give one per channel"
            )
            raise InputError(msg)
        _refuse_what_is_there(files)
        files.make()
        stated = {
            "name": name or files.path.name,
            "channel_names": json.dumps(list(channel_names)),
            "seed": secrets.token_hex(8),
            "copy_images": "1" if copy_images else "",
        }

        def fill(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT INTO study VALUES (?, ?)", stated.items())
            put_labels(connection, labels)

        create_database(files.database, fill)
        study = cls.open(files.path)
        try:
            study.add(entries, on_progress=on_progress, cancel=cancel)
        except BaseException:
            study.close()
            raise
        return study

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open the study of a folder, which may have been moved since.

        Parameters
        ----------
        folder : path
            The folder, or the ``study.sqlite`` in it.

        Returns
        -------
        Study

        Raises
        ------
        InputError
            If there is no study, or it was made by a newer version of this package.
        StorageError
            If it is damaged, which says how to restore it, or cannot be written to.
        """
        files = _folder_of(folder)
        if not files.database.is_file():
            advice = "choose another folder or make a study in it"
            if files.backup.is_file():
                advice = f"restore it from {files.backup.name!r} with Study.restore"
            msg = f"{str(files.path)!r} must hold a 'study.sqlite': {advice}"
            raise InputError(msg)
        files.make()
        study = cls(files, Database(files.database, files.backup))
        try:
            with study._database.change() as connection:
                study._write_dataset(connection)
        except BaseException:
            study.close()
            raise
        return study

    @classmethod
    def restore(cls, folder: str | Path) -> Self:
        """Put the backup in the place of a damaged database, and open the study.

        The damaged file is kept as ``study.sqlite.damaged``. Close all other windows of
        the study first.

        Raises
        ------
        InputError
            If there is no backup.
        StorageError
            If the backup is damaged too, or a file cannot be written.
        """
        files = _folder_of(folder)
        restore_database(files.database, files.backup)
        return cls.open(files.path)

    def close(self) -> None:
        """Make the backup and close; a second time does nothing."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The folder of the study."""
        return self.folder.path

    @property
    def name(self) -> str:
        """What the study is called."""
        return self._stated("name")

    @property
    def seed(self) -> str:
        """Decides whatever is left to chance in the study; the same for ever."""
        return self._stated("seed")

    def back_up(self) -> None:
        """Write a whole copy of the database; done at opening and closing anyway.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        self._database.back_up()

    def add(
        self,
        entries: Iterable[CaseEntry],
        *,
        on_progress: ProgressCallback | None = None,
        cancel: CancelFlag | None = None,
    ) -> tuple[Case, ...]:
        """Add cases at the end of the list.

        Entries whose images a case has already are left out. A name that is taken gets
        a number. Images that cannot be copied, where they should be, stay where they
        are: `copy_images` tells which.

        Parameters
        ----------
        entries : iterable of CaseEntry
            In the order of the list.
        on_progress, cancel : optional
            For the copying: see `copy_images`.

        Returns
        -------
        tuple of Case
            Those that were added.

        Raises
        ------
        InputError
            If a name cannot be that of a file; then no case is added.
        StorageError
            If the study or a copy cannot be written.
        Cancelled
            If the flag is set: the cases are there, and some images are not copied.
        """
        added = self._add(entries)
        if not added or not self._stated("copy_images"):
            return added
        names = {case.name for case in added}
        problems = self.copy_images(names, on_progress=on_progress, cancel=cancel)
        for name, problem in problems.items():
            _LOGGER.warning("the images of %s were not copied: %s", name, problem)
        return tuple(case for case in self.cases() if case.name in names)

    def paths(self, case: Case | str, *, model: int | None = None) -> CasePaths:
        """Return the files of a case; their folders are made.

        Parameters
        ----------
        case : Case or str
            Or its name.
        model : int, optional
            Code of a model version; that of the case by default.

        Returns
        -------
        CasePaths

        Raises
        ------
        InputError
            If there is no such case or no such version.
        StorageError
            If a folder cannot be made.
        """
        if isinstance(case, str):
            case = self.case(case)
        version = case.model if model is None else self.model(model)
        return self.folder.case(case.name, version)

    def lock(self, case: Case | str) -> CaseLock:
        """Try to get the right to edit a case; other windows then only look at it.

        Parameters
        ----------
        case : Case or str
            Or its name.

        Returns
        -------
        CaseLock
            Its ``held`` says whether it was got, ``holder`` who has it otherwise.

        Raises
        ------
        InputError
            If there is no such case.
        StorageError
            If the lock file cannot be made.
        """
        return CaseLock(self.paths(case).lock)


def _folder_of(path: str | Path) -> StudyFolder:
    """Return the study folder that a path means."""
    path = Path(path)
    return StudyFolder(path.parent if path.is_file() else path)


def _refuse_what_is_there(files: StudyFolder) -> None:
    """Refuse to make a study where one is, or where a dataset would be overwritten."""
    if files.path.is_file():
        msg = f"a study must be a folder, got the file {str(files.path)!r}: choose one"
        raise StorageError(msg)
    for file, what, advice in (
        (files.database, "a study", "open it"),
        (files.backup, "the backup of a study", "restore it with Study.restore"),
        (files.dataset, "a dataset", "choose a new folder and take the cases from it"),
    ):
        if file.exists():
            msg = (
                "a study must be made in a folder without one, but "
                f"{str(files.path)!r} holds {what} already: {advice}"
            )
            raise InputError(msg)
