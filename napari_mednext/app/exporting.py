"""Writing the masks of a study to files, each on exactly the grid of its scan.

Every mask is that of the newest step, whether it was saved or still lies in the
journal. A case that fails is named and the others are done.
"""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mednext.app.outputs import FILE_FORMATS, make_folder
from napari_mednext.correction.annotation import AnnotationFiles, open_annotation
from napari_mednext.correction.provenance import is_reviewed, source_names
from napari_mednext.errors import Cancelled, InputError, MednextError, StorageError
from napari_mednext.formats import open_volume, save_segmentation
from napari_mednext.formats.placing import placed
from napari_mednext.progress import CancelFlag, Progress, check_cancelled
from napari_mednext.study import Case, CaseState, Study
from napari_mednext.volume import Segmentation, Volume, reorient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["PATTERN", "ExportReport", "Exported", "export_study", "file_names"]

_LOG = logging.getLogger(__name__)
#: How masks are called unless somebody says otherwise.
PATTERN = "{case}"
_FIELDS = ("case", "patient", "number", "state", "study")
_FIELD = re.compile(r"\{(\w*)\}")
_UNSAFE = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class Exported:
    """How the export of one case ended: its file, or the sentence why not."""

    case: str
    path: Path | None = None
    sentence: str = ""


@dataclass(frozen=True)
class ExportReport:
    """How the export of every case ended, in order."""

    results: tuple[Exported, ...]
    was_cancelled: bool = False

    @property
    def saved(self) -> tuple[Exported, ...]:
        """The cases whose mask was written."""
        return tuple(each for each in self.results if each.path is not None)

    @property
    def failed(self) -> tuple[Exported, ...]:
        """The cases whose mask could not be written."""
        return tuple(each for each in self.results if each.path is None)


def export_study(
    study: Study,
    out: str | Path,
    *,
    cases: Sequence[str] | None = None,
    pattern: str = PATTERN,
    file_format: str = "nii.gz",
    overwrite: bool = False,
    provenance: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    on_result: Callable[[Exported], None] | None = None,
    cancel: CancelFlag | None = None,
) -> ExportReport:
    """Write masks of a study into a folder.

    Parameters
    ----------
    study : Study
        Open.
    out : path
        A folder, made if missing.
    cases : sequence of str, optional
        Names; all accepted cases by default.
    pattern : str
        File name without its ending. ``{case}``, ``{patient}``, ``{number}`` (place in
        the study from 1), ``{state}`` and ``{study}`` stand for what they say.
    file_format : str
        nii.gz, nii, nrrd, mha or mhd.
    overwrite : bool
        Whether files that are there are replaced.
    provenance : bool
        Whether who made each voxel is written beside each mask, as
        ``NAME_provenance``, with what its values mean in ``NAME_provenance.json``.
    on_progress : callable, optional
        Told before each case, with its name.
    on_result : callable, optional
        Told after each case.
    cancel : CancelFlag, optional
        Obeyed between cases; what is written stays.

    Returns
    -------
    ExportReport

    Raises
    ------
    InputError
        If the pattern gives two cases one name, also with ``_provenance``, has an
        unknown field, the format is unknown, or there is no case to export.
    StorageError
        If the folder cannot be made.
    """  # noqa: DOC501 - StorageError comes from make_folder
    chosen = _chosen(study, cases)
    names = file_names(study, chosen, pattern)
    if provenance:
        _refuse_mixing(names)
    if file_format not in FILE_FORMATS:
        msg = (
            f"the format must be one of {', '.join(FILE_FORMATS)}, got "
            f"{file_format!r}: choose one of them"
        )
        raise InputError(msg)
    folder = Path(out).expanduser()
    make_folder(folder)
    results: list[Exported] = []
    for done, (case, name) in enumerate(zip(chosen, names, strict=True)):
        try:
            check_cancelled(cancel)
        except Cancelled:
            return ExportReport(tuple(results), was_cancelled=True)
        if on_progress is not None:
            on_progress(Progress(done, len(chosen), f"exporting {case.name}"))
        path = folder / f"{name}.{file_format}"
        result = _export(study, case, path, overwrite=overwrite, provenance=provenance)
        results.append(result)
        if on_result is not None:
            on_result(result)
    return ExportReport(tuple(results))


def _chosen(study: Study, names: Sequence[str] | None) -> list[Case]:
    """Return the cases to export.

    Raises
    ------
    InputError
        If there is none.
    """
    if names is not None:
        chosen = [study.case(name) for name in names]
    else:
        chosen = list(study.cases(state=CaseState.ACCEPTED))
    if not chosen:
        msg = (
            f"a study must have accepted cases to be exported, {study.name!r} has "
            "none: accept cases, or name those that shall be exported"
        )
        raise InputError(msg)
    return chosen


def file_names(study: Study, cases: Sequence[Case], pattern: str) -> list[str]:
    """Return the file name of every case, without ending.

    Parameters
    ----------
    study : Study
        Open.
    cases : sequence of Case
        Of the study.
    pattern : str
        As :func:`export_study` takes it.

    Returns
    -------
    list of str
        In the order of the cases.

    Raises
    ------
    InputError
        If a field is unknown, or two names are equal.
    """
    unknown = [name for name in _FIELD.findall(pattern) if name not in _FIELDS]
    bare = _FIELD.sub("", pattern)
    if unknown or not pattern.strip() or set(bare) & set("{}/\\"):
        msg = (
            "a naming pattern must be a file name with the fields "
            f"{', '.join(f'{{{f}}}' for f in _FIELDS)}, got {pattern!r}: correct it"
        )
        raise InputError(msg)
    places = {case.name: number for number, case in enumerate(study.cases(), start=1)}
    names = []
    for case in cases:
        values = {
            "case": case.name,
            "patient": case.patient or "unknown",
            "number": f"{places[case.name]:04d}",
            "state": case.state.value,
            "study": study.name,
        }
        name = pattern.format_map(values)
        names.append(_UNSAFE.sub("_", name))
    folded = [name.casefold() for name in names]
    twice = sorted({name for name in names if folded.count(name.casefold()) > 1})
    if twice:
        msg = (
            f"a naming pattern must give every case a name of its own, {pattern!r} "
            f"gives {twice[0]!r} to several: add {{case}} to it"
        )
        raise InputError(msg)
    return names


def _refuse_mixing(names: Sequence[str]) -> None:
    """Refuse names of masks that are those of another's provenance.

    Raises
    ------
    InputError
        If there is one.
    """
    folded = {name.casefold(): name for name in names}
    for name in names:
        other = folded.get(f"{name}_provenance".casefold())
        if other is not None:
            msg = (
                f"a mask must not have the name of another one's provenance, got "
                f"{other!r} beside {name!r}: use another naming pattern, or export "
                "without provenance"
            )
            raise InputError(msg)


def _export(
    study: Study, case: Case, path: Path, *, overwrite: bool, provenance: bool
) -> Exported:
    """Write the mask of one case, and say how it went."""
    try:
        _write(study, case, path, overwrite=overwrite, provenance=provenance)
    except (MednextError, OSError, MemoryError) as error:
        _LOG.info("%s was not exported", case.name, exc_info=True)
        sentence = str(error) or "the mask must fit into memory: close other programs"
        return Exported(case.name, sentence=sentence)
    return Exported(case.name, path)


def _write(
    study: Study, case: Case, path: Path, *, overwrite: bool, provenance: bool
) -> None:
    """Write a mask and what belongs beside it.

    Raises
    ------
    InputError
        If the case has no labels.
    StorageError
        If a file is there and may not be replaced.
    """
    paths = study.folder.case(case.name)
    if not paths.annotation.exists() and not paths.journal.exists():
        msg = f"the case {case.name!r} must have labels, it was never opened: open it"
        raise InputError(msg)
    stem = path.name[: len(path.name) - len("".join(_ending(path)))]
    beside = path.with_name(f"{stem}_provenance{_ending(path)}")
    for file in (path, *([beside] if provenance else [])):
        if file.exists() and not overwrite:
            msg = (
                f"{str(file)!r} exists already: choose another folder or name, or "
                "allow overwriting"
            )
            raise StorageError(msg)
    labels = study.labels
    volume = _grid_of(case, paths.annotation)
    annotation = open_annotation(
        volume,
        AnnotationFiles(paths.annotation, paths.provenance, paths.journal),
        dtype=_widest(labels.names),
        read_only=True,
    )
    save_segmentation(annotation.segmentation(labels), path, overwrite=overwrite)
    if provenance:
        sources = {m.code: f"{m.name} {m.sha256[:12]}".strip() for m in study.models()}
        array = annotation.editing.provenance
        mask = Segmentation(array, volume.grid, {}, {}, volume.source)
        save_segmentation(mask, beside, overwrite=overwrite)
        _write_meaning(beside, stem, array, sources)


def _grid_of(case: Case, annotation: Path) -> Volume:
    """Return a volume on the grid of a case: its mask when there is one, else its scan.

    A mask has the header of its scan, and reads much faster.
    """
    source = open_volume(annotation if annotation.exists() else case.images)
    return reorient(source, "LPS")


def _write_meaning(
    beside: Path, stem: str, array: NDArray[np.uint8], models: dict[int, str]
) -> None:
    """Write what the values of a provenance file mean, and how many there are."""
    counts = np.bincount(array.ravel(), minlength=256)
    names = source_names(models)
    document: dict[str, Any] = {
        "reviewed": round(float(is_reviewed(array).mean()), 6),
        "values": {
            str(value): {
                "name": names.get(value, f"value {value}"),
                "voxels": int(counts[value]),
            }
            for value in np.flatnonzero(counts).tolist()
        },
    }
    target = beside.with_name(f"{stem}_provenance.json")
    with placed(target) as draft, draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _widest(names: Any) -> type[np.unsignedinteger[Any]]:
    """Return a type that holds every label."""
    return np.uint8 if max(names, default=0) <= np.iinfo(np.uint8).max else np.uint16


def _ending(path: Path) -> str:
    """Return the ending of a mask file."""
    name = path.name
    return next(f".{kind}" for kind in FILE_FORMATS if name.endswith(f".{kind}"))
