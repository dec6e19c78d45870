"""The folder of a training: settings, checkpoint, events, page and examples.

Everything but the events is written beside its place and moved there, so a process that
is killed at any moment leaves the last whole state. Events are lines that are added; a
line that was cut short is left out when they are read.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import torch

from napari_mednext.errors import ModelError, StorageError
from napari_mednext.settings.from_labels import FromLabelsSettings
from napari_mednext.training.history import Event, read_events

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RunFolder"]


class RunFolder:
    """The files of one training.

    Parameters
    ----------
    path : Path
        Made if missing.

    Raises
    ------
    StorageError
        If the folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint.pt"
        self.settings = path / "settings.json"
        self.events = path / "events.jsonl"
        self.page = path / "training.html"
        self.examples = path / "examples.png"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"the folder of a training must be made, got {str(path)!r}: {error}"
            raise StorageError(msg) from error

    def read_settings(self) -> FromLabelsSettings | None:
        """Return the settings that the folder was begun with, None in a new folder."""
        if not self.settings.exists():
            return None
        return FromLabelsSettings.load(self.settings)

    def read_checkpoint(self, device: torch.device) -> dict[str, Any] | None:
        """Return what :meth:`write_checkpoint` wrote, None where nothing is.

        Raises
        ------
        ModelError
            If the file is damaged.
        """
        if not self.checkpoint.exists():
            return None
        try:
            saved: dict[str, Any] = torch.load(
                self.checkpoint, map_location=device, weights_only=True
            )
        except Exception as error:
            msg = (
                f"the checkpoint must be whole, got {str(self.checkpoint)!r} "
                f"({type(error).__name__}): remove it to begin again"
            )
            raise ModelError(msg) from error
        return saved

    def write_checkpoint(self, content: dict[str, Any]) -> None:
        """Write a checkpoint beside the old one and move it into place.

        Raises
        ------
        StorageError
            If there is no room.
        """
        beside = self.checkpoint.with_suffix(".tmp")
        try:
            with beside.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self.checkpoint)  # noqa: PTH105 - atomic everywhere
        except (OSError, RuntimeError) as error:  # torch has its own when disks fill
            beside.unlink(missing_ok=True)
            msg = (
                f"the checkpoint must be written to {str(self.path)!r} ({error}): make "
                "room, then run the same command again to go on"
            )
            raise StorageError(msg) from error

    def write(self, path: Path, content: bytes) -> None:
        """Write a small file beside its place and move it there.

        Raises
        ------
        StorageError
            If there is no room.
        """
        beside = path.with_name(path.name + ".tmp")
        try:
            beside.write_bytes(content)
            os.replace(beside, path)  # noqa: PTH105 - atomic on every system
        except OSError as error:
            msg = f"{path.name} must be written to {str(self.path)!r}: {error}"
            raise StorageError(msg) from error

    def read_events(self) -> list[dict[str, Any]]:
        """Return the events so far, oldest first."""
        return read_events(self.events)

    def add_event(self, event: Event) -> None:
        """Add a line to the log.

        Raises
        ------
        StorageError
            If there is no room.
        """
        line = json.dumps(event) + "\n"
        try:
            with self.events.open("ab+") as file:
                if file.tell() and not _ends_a_line(file):
                    line = "\n" + line
                file.write(line.encode())
        except OSError as error:
            msg = f"events must be written to {str(self.events)!r}: {error}"
            raise StorageError(msg) from error


def _ends_a_line(file: Any) -> bool:
    """Whether an open log ends as it should; an interrupt may have cut it."""
    file.seek(-1, os.SEEK_END)
    whole: bool = file.read(1) == b"\n"
    return whole
