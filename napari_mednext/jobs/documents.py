"""The small JSON files of a job: read whole or refused, replaced in one move."""

from __future__ import annotations

import contextlib
import json
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import InputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SCHEMA", "local_time", "read_document", "replace_document"]

#: The newest schema of ``spec.json`` and ``state.json`` that this version knows.
SCHEMA = 1
#: Windows refuses to open a file in the moment in which it is replaced.
_READ_TRIES, _READ_PAUSE_S = 20, 0.01


def local_time() -> str:
    """Return the time for showing; nothing is decided by it."""
    return datetime.now(UTC).astimezone().isoformat(" ", "seconds")


def read_document(path: Path) -> dict[str, Any] | None:
    """Return the content of a file that :func:`replace_document` wrote.

    Returns
    -------
    dict or None
        None where there is no such file.

    Raises
    ------
    InputError
        If the file is damaged, or of a newer schema.
    StorageError
        If the system does not let it be read.
    """  # noqa: DOC501 - made by damaged
    try:
        content = json.loads(_read(path) or "null")
    except FileNotFoundError:
        return None
    except OSError as error:
        msg = (
            f"the file {str(path)!r} must be readable, the system refuses it "
            f"({error.strerror or error}): check the permissions"
        )
        raise StorageError(msg) from error
    except ValueError as error:
        raise damaged(path, "something that is not JSON") from error
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise damaged(path, "something else")
    if content["schema"] > SCHEMA:
        msg = (
            f"{path.name} of the job {path.parent.name!r} must have schema {SCHEMA} or "
            f"an older one, got {content['schema']}: update napari-mednext"
        )
        raise InputError(msg)
    return content


def damaged(path: Path, got: str) -> InputError:
    """Return the sentence about a file that was not written by this package."""
    return InputError(
        f"{path.name} of the job {path.parent.name!r} must be a JSON object that "
        f"napari-mednext wrote, got {got}: remove the folder {str(path.parent)!r}"
    )


def _read(path: Path) -> str:
    for _ in range(_READ_TRIES - 1):
        with contextlib.suppress(PermissionError):
            return path.read_text(encoding="utf-8")
        time.sleep(_READ_PAUSE_S)
    return path.read_text(encoding="utf-8")


def replace_document(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file beside its place and move it there; only one process may at a time.

    Raises
    ------
    OSError
        If there is no room, or no right; the older file stays as it was.
    """
    beside = path.with_name(f"{path.name}.tmp")
    try:
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            write_all(file, as_json(content))
            os.fsync(file)
        finally:
            os.close(file)
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def as_json(content: Mapping[str, Any]) -> bytes:
    """Return the text of a document."""
    return json.dumps({"schema": SCHEMA, **content}, indent=1, default=str).encode()


def write_all(file: int, data: bytes) -> None:
    """Write all bytes to an open file.

    Raises
    ------
    OSError
        If there is no room, or no right.
    """
    while data:
        data = data[os.write(file, data) :]
