"""Copying the images of cases into the study, as nnU-Net names them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from napari_mednext.errors import ChannelError, InputError, StorageError
from napari_mednext.formats import open_volume, save_volume
from napari_mednext.formats.placing import placed
from napari_mednext.progress import Stopwatch, check_cancelled
from napari_mednext.study.case_rows import SELECT_CASES, CaseRows, update_case
from napari_mednext.study.folder import ENDING
from napari_mednext.study.study_labels import StudyLabels
from napari_mednext.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_mednext.progress import CancelFlag, ProgressCallback
    from napari_mednext.study.case import Case

__all__ = ["ImageCopies"]


class ImageCopies(CaseRows, StudyLabels):
    """Images beside the database instead of where they were found."""

    def copy_images(
        self,
        names: Iterable[str] | None = None,
        *,
        on_progress: ProgressCallback | None = None,
        cancel: CancelFlag | None = None,
    ) -> dict[str, str]:
        """Copy images of cases into imagesTr; those that lie there are left alone.

        One file per channel, ``CASE_0000.nii.gz`` and so on; other formats are
        converted on their own grid. The originals are not touched. A case points to its
        copies once they are whole.

        Parameters
        ----------
        names : iterable of str, optional
            Of cases; all by default.
        on_progress : callable, optional
            Gets a `Progress` after each case.
        cancel : CancelFlag, optional
            Looked at before each case; what was copied stays.

        Returns
        -------
        dict
            Name -> what is wrong, for cases whose images cannot be read; they keep
            pointing to their originals.

        Raises
        ------
        Cancelled
            If the flag is set.
        StorageError
            If a copy or the study cannot be written.
        """
        wanted = None if names is None else set(names)
        rows = self._database.rows(f"{SELECT_CASES} ORDER BY cases.id")
        cases = [
            case
            for case in map(self._case, rows)
            if wanted is None or case.name in wanted
        ]
        watch = Stopwatch(len(cases), "copying images")
        channels = len(self.channel_names)
        problems: dict[str, str] = {}
        for done, case in enumerate(cases, start=1):
            check_cancelled(cancel)
            try:
                self._copy(case, channels)
            except InputError as error:
                problems[case.name] = str(error)
            if on_progress is not None:
                on_progress(watch.at(done, f"copied {case.name}"))
        return problems

    def _copy(self, case: Case, channels: int) -> None:
        """Copy the images of one case and point to the copies."""
        targets = self.folder.image_copies(case.name, channels)
        if case.images == targets:
            return
        whole = all(image.name.lower().endswith(ENDING) for image in case.images)
        if whole and len(case.images) == channels:
            for image, target in zip(case.images, targets, strict=True):
                _copy_file(image, target)
        else:
            _convert(case.images, targets)
        with self._database.change() as connection:
            images = self.folder.stored_images(targets)
            update_case(connection, case.name, images=images)
            self._write_dataset(connection)


def _copy_file(image: Path, target: Path) -> None:
    """Copy a file beside its place and move it there."""
    if not image.is_file():
        msg = f"the image {str(image)!r} must be there to be copied: find it again"
        raise InputError(msg)
    with placed(target) as draft:
        try:
            shutil.copyfile(image, draft)
        except PermissionError as error:
            msg = f"the image {str(image)!r} must be readable: check its permissions"
            raise StorageError(msg) from error


def _convert(images: Sequence[Path], targets: Sequence[Path]) -> None:
    """Write every channel of a volume as a file of its own."""
    volume = open_volume(images)
    if volume.channels != len(targets):
        msg = (
            f"every case must have {len(targets)} channels, as the study says, got "
            f"{volume.channels} in {images[0].name!r}: leave the case out"
        )
        raise ChannelError(msg)
    for channel, target in enumerate(targets):
        one = Volume(
            volume.array[channel : channel + 1],
            volume.grid,
            volume.name,
            volume.source,
        )
        save_volume(one, target, overwrite=True)
