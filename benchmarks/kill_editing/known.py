"""What must be on disk: the states that a case went through, as checksums."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Known", "LossError"]


class LossError(Exception):
    """Something that was done is not there, or is there in another form."""


@dataclass
class Known:
    """States of the history: ``states[at]`` is the present one, below it undo leads.

    Parameters
    ----------
    states : list of int
        Checksums; the first is that of the empty case.
    at : int
        How many steps are done.
    last : int
        Number of the last record of the journal.
    comment : str
        What the database says of the case.
    """

    states: list[int] = field(default_factory=list)
    at: int = 0
    last: int = 0
    comment: str = ""

    @property
    def undone(self) -> int:
        """How many steps can be done again."""
        return len(self.states) - 1 - self.at

    def follow(self, line: dict[str, Any]) -> None:
        """Go where a finished step went, and check that undoing leads back.

        Raises
        ------
        LossError
            If the session was in a state that the history does not explain.
        """
        kind, found, done = line["kind"], line["checksum"], line["done"]
        if kind not in ("undo", "redo") and (done, line["undone"]) == (self.at + 1, 0):
            del self.states[done:]
            self.states.append(found)
        self.at = done
        if done >= len(self.states) or self.states[done] != found:
            msg = f"step {line['number']}, {kind}, led to a state that is not known"
            raise LossError(msg)

    def continue_with(self, kind: str, found: int) -> None:
        """Take a step that was begun and whose record is on disk.

        Raises
        ------
        LossError
            If an undo or redo did not lead where it has to.
        """
        if kind == "edit":
            self.at += 1
            del self.states[self.at :]
            self.states.append(found)
            return
        self.at += 1 if kind == "redo" else -1
        if not 0 <= self.at < len(self.states) or self.states[self.at] != found:
            msg = f"the {kind} that was cut off led to a state that is not known"
            raise LossError(msg)
