"""Where everything of a study lies on disk."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import InputError, StorageError
from napari_mednext.formats.placing import placed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_mednext.study.case import ModelVersion

__all__ = ["CasePaths", "StudyFolder", "check_case_name", "found_images"]

#: The file ending of masks and of copied images.
ENDING = ".nii.gz"
#: What beside a mask is named after a case; a case of such a name would overwrite it.
_RESERVED_ENDINGS = (".provenance", ".doubt")
_SAFE_NAME = re.compile(r"\w[\w.+-]*")
_UNSAFE = re.compile(r"[^\w.+-]+")
_FOLDERS = (
    "imagesTr",
    "labelsTr",
    "annotations",
    "journal",
    "predictions",
    "models",
    "jobs",
)


@dataclass(frozen=True)
class CasePaths:
    """The files of one case; their folders are there, the files may be missing.

    ``prediction`` and ``doubt`` are None for a case without a model.
    """

    annotation: Path
    provenance: Path
    training: Path
    journal: Path
    lock: Path
    prediction: Path | None
    doubt: Path | None


class StudyFolder:
    """The layout of a study folder.

    Parameters
    ----------
    path : path
        Made absolute; links in it are kept.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = _absolute(path)
        self.database = self.path / "study.sqlite"
        self.backup = self.path / "study.sqlite.backup"
        self.dataset = self.path / "dataset.json"
        self.images = self.path / "imagesTr"

    def make(self) -> None:
        """Make the folder and the folders in it.

        Raises
        ------
        StorageError
            If one cannot be made.
        """
        for name in _FOLDERS:
            _make(self.path / name)

    def case(self, name: str, model: ModelVersion | None = None) -> CasePaths:
        """Return the paths of a case, with the prediction of one model version.

        Raises
        ------
        StorageError
            If a folder is missing and cannot be made.
        """
        for folder in ("annotations", "labelsTr", "journal"):
            _make(self.path / folder)
        predictions = None if model is None else self.predictions(model)
        return CasePaths(
            annotation=self.path / "annotations" / f"{name}{ENDING}",
            provenance=self.path / "annotations" / f"{name}.provenance{ENDING}",
            training=self.path / "labelsTr" / f"{name}{ENDING}",
            journal=self.path / "journal" / f"{name}.journal",
            lock=self.path / "journal" / f"{name}.lock",
            prediction=predictions and predictions / f"{name}{ENDING}",
            doubt=predictions and predictions / f"{name}.doubt{ENDING}",
        )

    def predictions(self, model: ModelVersion) -> Path:
        """Return the folder of what a model version predicted, which is there.

        Raises
        ------
        StorageError
            If it is missing and cannot be made.
        """
        # The code tells versions of one name apart, and names that differ in unsafe
        # characters only.
        safe = _UNSAFE.sub("_", model.name).strip("._") or "model"
        return _make(self.path / "predictions" / f"{safe}-{model.code}")

    def training_label(self, name: str) -> Path:
        """Return the training label of a case, without making folders."""
        return self.path / "labelsTr" / f"{name}{ENDING}"

    def image_copies(self, name: str, channels: int) -> tuple[Path, ...]:
        """Return where copies of the channels of a case lie, as nnU-Net names them."""
        return tuple(self.images / f"{name}_{c:04d}{ENDING}" for c in range(channels))

    def stored(self, path: str | Path) -> str:
        """Return how a path is kept: relative if it lies in the folder, else absolute.

        Relative ones have forward slashes everywhere, so that a study can be carried
        from one system to another.
        """
        full = _absolute(path)
        parent = self._stored_folder(str(full.parent))
        return full.name if parent == "." else f"{parent.rstrip('/')}/{full.name}"

    def _stored_folder(self, folder: str) -> str:
        """Return how a folder is kept, "." for that of the study."""
        full = Path(folder)
        for whole, inside in ((full, self.path), (full.resolve(), self.path.resolve())):
            if whole.is_relative_to(inside):
                return whole.relative_to(inside).as_posix()
        return full.as_posix()

    def found(self, stored: str) -> Path:
        """Return the absolute path of what `stored` returned."""
        return self.path / stored

    def stored_images(self, images: Sequence[Path]) -> str:
        """Return the images of a case as JSON; a common folder is named once.

        A DICOM series has hundreds of files, and a study many series.
        """
        parents = {os.path.dirname(image) for image in images}  # noqa: PTH120 - ten times faster for a million files
        if len(images) > 1 and len(parents) == 1:
            folder = self._stored_folder(str(_absolute(parents.pop())))
            names = [os.path.basename(image) for image in images]  # noqa: PTH119 - as above
            return json.dumps({"folder": folder, "names": names})
        return json.dumps([self.stored(image) for image in images])

    def found_images(self, stored: str) -> tuple[Path, ...]:
        """Return the absolute paths of what `stored_images` returned."""
        return found_images(self.path, stored)

    def write_dataset(self, values: Mapping[str, Any]) -> None:
        """Write ``dataset.json`` in one go, unless it says the same already.

        Raises
        ------
        StorageError
            If it cannot be written; the older one stays.
        """
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        if self._dataset_text() == text:
            return
        with (
            placed(self.dataset) as draft,
            draft.open("w", encoding="utf-8", newline="\n") as file,
        ):
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _dataset_text(self) -> str | None:
        """Return what ``dataset.json`` says, None where it cannot be read."""
        try:
            return self.dataset.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None


def found_images(root: Path, stored: str) -> tuple[Path, ...]:
    """Return the images of a case of the study in ``root``, from the JSON it keeps."""
    value = json.loads(stored)
    if isinstance(value, dict):
        folder = root / value["folder"]
        return tuple(folder / name for name in value["names"])
    return tuple(root / image for image in value)


def check_case_name(name: str) -> None:
    """Refuse a name that cannot name the files of a case.

    Raises
    ------
    InputError
        If it is not safe as a file name, or would name the files of another case.
    """
    fits = _SAFE_NAME.fullmatch(name) and not name.endswith(".")
    if not fits or name.casefold().endswith(_RESERVED_ENDINGS):
        msg = (
            "a case name must be made of letters, digits, '_', '-', '+' and '.' and "
            f"not end in '.', '.provenance' or '.doubt', got {name!r}: rename the case"
        )
        raise InputError(msg)


def _absolute(path: str | Path) -> Path:
    """Return an absolute path in which links are kept."""
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - resolve() would follow links


def _make(folder: Path) -> Path:
    """Make a folder if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = (
            f"the study must have the folder {str(folder)!r}, but it cannot be made "
            f"({error.strerror or error}): check the permissions and the free space"
        )
        raise StorageError(msg) from error
    return folder
