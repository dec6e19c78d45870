"""``demo``, and opening napari."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_mednext.cli.outcome import (
    DeviceOption,
    ExitCode,
    JsonOption,
    Outcome,
    VerboseOption,
)

__all__ = ["demo", "open_napari"]


def open_napari(*arguments: str) -> Outcome:
    """Open napari with the dock, in a process of its own, and wait until it is closed.

    Parameters
    ----------
    *arguments : str
        For ``python -m napari_mednext.ui``.

    Returns
    -------
    Outcome
        Refused when there is no display, or napari did not end well.
    """
    from napari_mednext.app.doctor import has_display

    if not has_display():
        return Outcome(
            ExitCode.REFUSED,
            error="opening napari needs a display, there is none: use "
            "napari-mednext demo or napari-mednext segment, which work without",
        )
    # The command line never imports Qt: a window is a process of its own.
    window = subprocess.run(
        [sys.executable, "-m", "napari_mednext.ui", *arguments], check=False
    )
    if window.returncode:
        return Outcome(
            ExitCode.REFUSED,
            error=f"napari ended with exit code {window.returncode}: "
            "napari-mednext doctor looks for the reason",
        )
    return Outcome()


def demo(
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for what the demo writes.")
    ] = Path("demo-output"),
    no_window: Annotated[
        bool, typer.Option("--no-window", help="Write files even with a display.")
    ] = False,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Segment the sample head MR: in napari, or without a display into files."""
    del verbose
    from napari_mednext.app.doctor import has_display

    if has_display() and not no_window and not as_json:
        return open_napari("--demo")
    from napari_mednext.app.demo import run_demo
    from napari_mednext.app.table import plain_text
    from napari_mednext.cli.display import step_display
    from napari_mednext.cli.segment import table_document
    from napari_mednext.settings import InferenceSettings

    with step_display() as show:
        result = run_demo(
            output, settings=InferenceSettings(device=device), on_progress=show
        )
    text = (
        f"{result.title}\n\n{plain_text(result.table)}\n\n"
        f"mask     {result.mask}\npicture  {result.picture}\n"
        f"table    {result.table_file}\n"
        f"segmented in {result.elapsed_s:.0f} s with {result.model}"
    )
    document = {
        "mask": str(result.mask),
        "picture": str(result.picture),
        "table": str(result.table_file),
        "model": result.model,
        "elapsed_s": round(result.elapsed_s, 2),
        "volumes": table_document(result.table),
        "notes": list(result.notes),
    }
    return Outcome(document=document, text=text)
