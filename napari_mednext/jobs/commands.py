"""What the user wants of a job: an empty file in its folder for each wish."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from napari_mednext.errors import StorageError
from napari_mednext.jobs.states import Command

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["clear_commands", "read_command", "withdraw_command", "write_command"]

#: The strongest first.
_FILES = {Command.CANCEL: "CANCEL", Command.STOP: "STOP", Command.PAUSE: "PAUSE"}


def read_command(folder: Path) -> Command:
    """Return the strongest command that is given."""
    for command, name in _FILES.items():
        if (folder / name).exists():
            return command
    return Command.NONE


def write_command(folder: Path, command: Command) -> None:
    """Give a command; a second time changes nothing.

    Raises
    ------
    StorageError
        If the disk is full or the folder may not be written to.
    """
    path = folder / _FILES[command]
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
    except OSError as error:
        msg = (
            f"the job is told to {command} by the file {str(path)!r}, but the system "
            f"refuses it ({error.strerror or error}): make room, then try again"
        )
        raise StorageError(msg) from error


def withdraw_command(folder: Path, command: Command) -> None:
    """Take a command back.

    Raises
    ------
    StorageError
        If the folder may not be written to.
    """
    path = folder / _FILES[command]
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        msg = (
            f"the file {str(path)!r} must be removed, but the system refuses it "
            f"({error.strerror or error}): check the permissions"
        )
        raise StorageError(msg) from error


def clear_commands(folder: Path) -> None:
    """Take all commands back, as far as the system lets."""
    for name in _FILES.values():
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)
