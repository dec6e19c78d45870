"""Which scans a batch works on, and which mask goes where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import InputError, MednextError, StorageError
from napari_mednext.formats import Source

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["FILE_FORMATS", "BatchItem", "Refused", "find_inputs", "plan_outputs"]

#: Formats a mask can be written in, by the ending without the first dot.
FILE_FORMATS = ("nii.gz", "nii", "nrrd", "mha", "mhd")


@dataclass(frozen=True)
class BatchItem:
    """One scan of a batch and the file that its mask goes to.

    Parameters
    ----------
    index : int
        Place in the batch, from 0.
    source : Source
        The scan.
    output : Path
        The mask.
    """

    index: int
    source: Source
    output: Path

    @property
    def name(self) -> str:
        """What to call the scan on screen."""
        return self.source.name

    @property
    def probabilities_output(self) -> Path:
        """The file for the probabilities, beside the mask."""
        ending = _ending(self.output)
        stem = self.output.name[: len(self.output.name) - len(ending)]
        return self.output.with_name(f"{stem}_probabilities{ending}")


@dataclass(frozen=True)
class Refused:
    """An input that holds nothing to segment, and the sentence why."""

    path: Path
    sentence: str


def find_inputs(
    paths: Sequence[str | Path],
) -> tuple[tuple[Source, ...], tuple[Refused, ...]]:
    """Return the scans among files and folders, and what was refused.

    All paths are looked at together, so that channels in several files find each
    other. When that fails, each path is looked at alone, to name the bad ones and go
    on with the others.

    Parameters
    ----------
    paths : sequence of paths
        Files and folders; folders are searched.

    Returns
    -------
    sources : tuple of Source
        The scans.
    refused : tuple of Refused
        Inputs that are not, or hold no scan.
    """
    from napari_mednext.formats import find_sources

    wanted = [Path(path) for path in paths]
    try:
        return tuple(find_sources(wanted)), ()
    except (MednextError, OSError):
        pass
    good: list[Path] = []
    refused: list[Refused] = []
    for path in wanted:
        try:
            find_sources([path])
        except (MednextError, OSError) as error:
            refused.append(Refused(path, str(error)))
        else:
            good.append(path)
    try:
        return (tuple(find_sources(good)) if good else ()), tuple(refused)
    except (MednextError, OSError) as error:
        # Each is fine alone and all together are not: nobody can say which one it is.
        refused += [Refused(path, str(error)) for path in good]
        return (), tuple(refused)


def plan_outputs(
    sources: Sequence[Source], out: str | Path, *, file_format: str | None = None
) -> tuple[BatchItem, ...]:
    """Say which mask goes where.

    ``out`` is a file when there is one scan and ``out`` has an ending that masks can
    have, else a folder. In a folder a mask is named after its scan.

    Parameters
    ----------
    sources : sequence of Source
        The scans.
    out : path
        A file or a folder; nothing is made yet.
    file_format : one of FILE_FORMATS, optional
        For masks in a folder; ``nii.gz`` when left out.

    Returns
    -------
    tuple of BatchItem
        In the order of the scans.

    Raises
    ------
    InputError
        If the format is unknown, or disagrees with the ending of ``out``.
    """
    if file_format is not None and file_format not in FILE_FORMATS:
        msg = (
            f"the format must be one of {', '.join(FILE_FORMATS)}, got {file_format!r}"
            ": choose one of them"
        )
        raise InputError(msg)
    out = Path(out)
    ending = _ending(out)
    if len(sources) == 1 and ending and not out.is_dir():
        if file_format is not None and ending != f".{file_format}":
            msg = (
                f"the output must end in .{file_format} as the format says, got "
                f"{out.name!r}: leave one of them out"
            )
            raise InputError(msg)
        return (BatchItem(0, sources[0], out),)
    ending = f".{file_format or FILE_FORMATS[0]}"
    return tuple(
        BatchItem(index, source, out / (source.name + ending))
        for index, source in enumerate(sources)
    )


def check_output(
    item: BatchItem, items: Sequence[BatchItem], *, overwrite: bool
) -> None:
    """Refuse an output that would destroy something, before any work is done.

    Parameters
    ----------
    item : BatchItem
        The one to check.
    items : sequence of BatchItem
        The whole batch.
    overwrite : bool
        Whether a mask that is there may be replaced.

    Raises
    ------
    StorageError
        If the output is one of the scans, belongs to two scans, or exists.
    """
    place = _place(item.output)
    if any(_place(path) == place for each in items for path in each.source.paths):
        msg = f"the mask would replace the scan {item.output}: choose another folder"
        raise StorageError(msg)
    twin = next((each for each in items if _place(each.output) == place), item)
    if twin.index < item.index:
        msg = (
            f"every mask must have a file of its own, {item.output.name} already "
            f"belongs to {twin.source.paths[0]}: rename one of the scans"
        )
        raise StorageError(msg)
    if item.output.exists() and not overwrite:
        msg = (
            f"the output must not exist yet, {item.output} is there: choose another "
            "folder, or overwrite"
        )
        raise StorageError(msg)


def make_folder(folder: Path) -> None:
    """Make a folder for masks and prove that it can be written to.

    Parameters
    ----------
    folder : Path
        Made with its parents if missing.

    Raises
    ------
    StorageError
        If it is a file, cannot be made, or cannot be written to.
    """
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        msg = (
            f"the output folder must be writable, {folder} answers "
            f"{error.strerror or error}: choose another folder"
        )
        raise StorageError(msg) from error


def _ending(path: Path) -> str:
    """Return the ending that says how a mask is written, "" when there is none."""
    name = path.name.lower()
    known = (f".{each}" for each in FILE_FORMATS)
    return next((each for each in known if name.endswith(each) and name != each), "")


def _place(path: Path) -> str:
    """Return a text that is equal for two paths to the same file on any system."""
    return str(path.absolute().resolve()).casefold()
