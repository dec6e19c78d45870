"""What every command returns, and the options that every command takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Any

import typer

from napari_mednext.cli.interrupts import INTERRUPTED

__all__ = ["DeviceOption", "ExitCode", "JsonOption", "Outcome", "VerboseOption"]


class ExitCode(IntEnum):
    """The exit codes; scripts rely on them."""

    DONE = 0
    SOME_FAILED = 1
    REFUSED = 2
    INTERRUPTED = INTERRUPTED


#: The word for each exit code in a JSON document.
STATUS = {
    ExitCode.DONE: "done",
    ExitCode.SOME_FAILED: "some failed",
    ExitCode.REFUSED: "refused",
    ExitCode.INTERRUPTED: "interrupted",
}

JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print exactly one JSON document on stdout."),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Tell more, with tracebacks.")
]
DeviceOption = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE"),
]


@dataclass(frozen=True)
class Outcome:
    """How a command ended: shown by the entry point, the only one that prints.

    Parameters
    ----------
    code : ExitCode
        Becomes the exit code.
    document : dict
        The content of the JSON document.
    text : str
        The same for people, on stdout.
    error : str
        One sentence for stderr, when the command refused to work.
    """

    code: ExitCode = ExitCode.DONE
    document: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    error: str = ""
