"""Gathering the cases of a list: their files are looked for, their names told apart."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import FormatError
from napari_mednext.formats import find_sources, list_series, mask_name
from napari_mednext.formats.dicom_headers import is_dicom
from napari_mednext.labels import LabelSet
from napari_mednext.study.entry import CaseEntry, CaseList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.study.entry import State

__all__ = ["Gathering", "located"]

_UNSAFE = re.compile(r"[^\w.+-]+")
#: Names that would be those of other files of a case.
_TAKEN_ENDINGS = re.compile(r"\.(provenance|doubt)$", re.IGNORECASE)


def located(base: Path, text: str) -> Path:
    r"""Return the absolute path that a list means, relative to its own folder.

    Backslashes count as slashes where the path is not there as it is written, as in
    lists that were made on another system.
    """
    path = _absolute(base, text)
    if "\\" in text and not os.path.exists(path):  # noqa: PTH110 - Path.exists raises on names that are too long
        return _absolute(base, text.replace("\\", "/"))
    return path


class Gathering:
    """Cases of a list, taken one by one.

    Parameters
    ----------
    kind : str
        One of `LIST_KINDS`.
    source : Path
        The list, for sentences.
    notes : sequence of str
        What was noticed before.
    """

    def __init__(self, kind: str, source: Path, notes: Sequence[str] = ()) -> None:
        self.kind = kind
        self.source = source
        self.notes = list(notes)
        self.labels = LabelSet()
        self.channel_names: tuple[str, ...] = ()
        self._entries: list[CaseEntry] = []
        self._taken: set[str] = set()

    def add(
        self,
        name: str,
        images: Sequence[Path],
        *,
        labels: Path | None = None,
        prediction: Path | None = None,
        state: State = "new",
        comment: str = "",
        patient: str = "",
    ) -> None:
        """Take a case if its images are there; a note says what is not.

        A DICOM folder or a single slice becomes the files of its series. A state that
        needs a mask which is not there falls back to ``new``.

        Parameters
        ----------
        name : str
            May be empty: the first image names the case then.
        images : sequence of Path
            One per channel; absolute.
        labels, prediction : Path or None
            Masks; absolute.
        state, comment, patient
            As in `CaseEntry`.
        """
        shown = name or (mask_name(images[0]) if images else "")
        try:
            files = self._files(images)
        except FormatError as error:
            self.notes.append(f"the case {shown!r} is left out: {error}")
            return
        labels = self._mask(labels, shown)
        prediction = self._mask(prediction, shown)
        if state in ("accepted", "in progress") and labels is None:
            state = "new"
        if state in ("new", "predicted"):
            state = "new" if prediction is None else "predicted"
        if state == "flagged" and not comment.strip():
            comment = f"flagged in {self.kind}"
        entry = CaseEntry(
            name=self._unique(shown, files[0]),
            images=files,
            labels=labels,
            prediction=prediction,
            state=state,
            comment=comment,
            patient=patient,
        )
        self._entries.append(entry)

    def finished(self) -> CaseList:
        """Return the list.

        Raises
        ------
        FormatError
            If no case is left.
        """
        if not self._entries:
            reason = f" ({self.notes[-1]})" if self.notes else ""
            msg = (
                f"{self.source.name!r} must list a case whose images are there, but it "
                f"lists none{reason}: check its paths"
            )
            raise FormatError(msg)
        return CaseList(
            entries=tuple(self._entries),
            labels=self.labels,
            channel_names=self.channel_names,
            notes=tuple(self.notes),
            kind=self.kind,
        )

    def _files(self, images: Sequence[Path]) -> tuple[Path, ...]:
        """Return the files of a volume."""
        if not images:
            msg = "a case must have an image, but none is named"
            raise FormatError(msg)
        for path in images:
            if not os.path.exists(path):  # noqa: PTH110 - as above
                msg = f"the image {str(path)!r} is not there"
                raise FormatError(msg)
        if len(images) > 1:
            return tuple(images)
        (image,) = images
        if image.is_dir():
            sources = find_sources(image)
            if len(sources) > 1:
                msg = f"the folder {str(image)!r} holds {len(sources)} volumes"
                raise FormatError(msg)
            return sources[0].paths
        if is_dicom(image):
            return _series_of(image)
        return (image,)

    def _mask(self, path: Path | None, name: str) -> Path | None:
        """Return a mask if it is there."""
        if path is None or os.path.isfile(path):  # noqa: PTH113 - as above
            return path
        self.notes.append(f"the mask {str(path)!r} of the case {name!r} is not there")
        return None

    def _unique(self, name: str, image: Path) -> str:
        """Return a safe name that no other case has."""
        safe = _safe(name)
        if safe.casefold() in self._taken:
            safe = _safe(f"{image.parent.name}_{safe}")
        unique, number = safe, 2
        while unique.casefold() in self._taken:
            unique, number = f"{safe}_{number}", number + 1
        self._taken.add(unique.casefold())
        return unique


def _safe(name: str) -> str:
    """Return a name that every file system takes and that is not another file's."""
    safe = _UNSAFE.sub("_", name).strip("._").lstrip("+-.") or "case"
    return _TAKEN_ENDINGS.sub(r"_\1", safe)


def _absolute(base: Path, text: str) -> Path:
    """Return an absolute path without dots; links in it are kept."""
    return Path(os.path.abspath(os.path.join(base, text)))  # noqa: PTH100, PTH118 - resolve() would follow links


def _series_of(image: Path) -> tuple[Path, ...]:
    """Return the files of the series in whose folder a DICOM file lies."""
    for series in list_series(image.parent):
        if image in series.files:
            return series.files
    return (image,)
