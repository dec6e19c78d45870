"""The command line, ``napari-mednext``.

This file imports next to nothing, so that an interrupt is obeyed from the first
moment; the commands import what they need when they run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program name; those of this process when left out.

    Returns
    -------
    int
        0 done, 1 some inputs failed, 2 bad usage or input, 130 interrupted.
    """
    from napari_mednext.cli.interrupts import INTERRUPTED, Interrupts

    with Interrupts():
        try:
            from napari_mednext.app.computing import prepare_computing
            from napari_mednext.cli.entry import run

            if arguments is None:  # the process is ours alone
                prepare_computing()
            code = run(arguments)
        except KeyboardInterrupt:
            code = INTERRUPTED
    if code == INTERRUPTED:
        # An interrupt that passed through an exec() inside a library, as in the import
        # of torch, leaves a mark in CPython 3.11, which then ends the process by the
        # signal whatever exit code we give. Running anything by exec() takes it away.
        exec("")
    return code
