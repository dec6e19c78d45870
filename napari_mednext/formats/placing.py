"""Writing a file beside its place and moving it there when it is proven whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_output", "placed"]


def check_output(path: str | Path, *, overwrite: bool = False) -> Path:
    """Return the path if a file may be written there; call it before long work.

    Raises
    ------
    StorageError
        If the file exists and must not be replaced, or its folder is missing or cannot
        be written to.
    """
    path = Path(path)
    folder = path.parent
    if path.is_dir():
        msg = (
            f"the output must be a file, but {str(path)!r} is a folder: "
            "name a file in it"
        )
        raise StorageError(msg)
    if path.exists() and not overwrite:
        msg = f"{str(path)!r} exists already: choose another name or allow overwriting"
        raise StorageError(msg)
    if not folder.is_dir():
        msg = f"the output folder {str(folder)!r} must exist: make it first"
        raise StorageError(msg)
    if not os.access(folder, os.W_OK | os.X_OK):
        msg = f"the output folder {str(folder)!r} cannot be written to: choose another"
        raise StorageError(msg)
    return path


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """Give a path of the same name in a new hidden folder; move it when the block ends.

    All files made in that folder are moved, the named one last. If the block fails or
    is interrupted, nothing of it is left and an older file stays as it was.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written to.
    """  # noqa: DOC501 - made by storage_error
    try:
        folder = Path(tempfile.mkdtemp(prefix=".saving-", dir=path.parent))
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        draft = folder / path.name
        yield draft
        _move(draft, path)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise storage_error(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(draft: Path, path: Path) -> None:
    """Move a file and what lies beside it; if that fails, put all back as it was."""
    companions = sorted(set(draft.parent.iterdir()) - {draft})
    targets = [path.parent / source.name for source in companions]
    older = {t: t.read_bytes() if t.exists() else None for t in targets}
    try:
        for source, target in zip(companions, targets, strict=True):
            source.replace(target)
        draft.replace(path)
    except BaseException:
        for target, content in older.items():
            if content is None:
                target.unlink(missing_ok=True)
            else:
                target.write_bytes(content)
        raise


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the sentence for a file that the system would not write."""
    reason = error.strerror or str(error)
    return StorageError(
        f"{path.name!r} could not be written to {str(path.parent)!r} "
        f"({reason[:1].lower()}{reason[1:]}): nothing was changed there, "
        "make room or choose another folder"
    )
