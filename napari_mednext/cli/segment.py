"""``segment``: scans in, masks out."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path  # noqa: TC003 - typer reads it when it runs
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from napari_mednext.cli.outcome import (
    DeviceOption,
    ExitCode,
    JsonOption,
    Outcome,
    VerboseOption,
)
from napari_mednext.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_mednext.app.batch import BatchEvent, FileResult
    from napari_mednext.app.outputs import Refused
    from napari_mednext.app.table import Row
    from napari_mednext.settings import InferenceSettings

__all__ = ["parse_roi", "segment", "table_document"]

#: The model that is used when none is named.
DEFAULT_MODEL = "brain_mr"
#: The last line names at most so many scans that failed.
_NAMED = 5
_RANGE = re.compile(r"\s*(\d*)\s*:\s*(\d*)\s*")


def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="NIfTI, NRRD, MHA files, DICOM folders, folders of these, nnU-Net "
            "imagesTs (channels as _0000, _0001).",
            metavar="IN",
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="A file for one scan, if it has an ending of a mask; else a folder.",
            metavar="OUT",
        ),
    ],
    model: Annotated[
        str, typer.Option(help="Name or folder of a model.", metavar="MODEL")
    ] = DEFAULT_MODEL,
    step: Annotated[
        float, typer.Option(help="Distance of tiles, in tile edges.")
    ] = 0.5,
    no_mirror: Annotated[
        bool, typer.Option("--no-mirror", help="Do not average over mirrored tiles.")
    ] = False,
    roi: Annotated[
        str | None,
        typer.Option(help="Only these voxels.", metavar="z0:z1,y0:y1,x0:x1"),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write probabilities too.")
    ] = False,
    sides: Annotated[
        bool, typer.Option("--sides", help="Tell left from right, if the model can.")
    ] = False,
    frame: Annotated[
        int | None, typer.Option(help="Which frame of 4D files, from 0.", metavar="N")
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option("--format", help="nii.gz, nii, nrrd, mha, mhd.", metavar="FORMAT"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace masks that are there.")
    ] = False,
    engine: Annotated[
        str, typer.Option(help="auto, eager, compiled or fused.", metavar="ENGINE")
    ] = "auto",
    max_ram: Annotated[
        float | None, typer.Option(help="Memory that may be used.", metavar="GB")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Not in this version.", metavar="ADDRESS")
    ] = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Segment scans: one mask each, on the scan's own grid."""
    del as_json, verbose
    _refuse_what_is_missing(file_format, cluster)
    settings = _settings(
        step, mirror=not no_mirror, engine=engine, max_ram=max_ram, device=device
    )
    box = parse_roi(roi) if roi is not None else None
    run = _Run()
    try:
        run.do(
            inputs,
            output,
            model=model,
            settings=settings,
            file_format=file_format,
            overwrite=overwrite,
            roi=box,
            probabilities=probabilities,
            sides=sides,
            frame=frame,
        )
    except KeyboardInterrupt:
        return run.outcome(was_interrupted=True)
    return run.outcome()


class _Run:
    """One call of the command: keeps what is done, for an interrupt at any moment."""

    def __init__(self) -> None:
        self.results: list[FileResult] = []
        self.refused: tuple[Refused, ...] = ()

    def do(
        self,
        inputs: Sequence[Path],
        output: Path,
        *,
        model: str,
        settings: InferenceSettings,
        sides: bool,
        **rest: Any,
    ) -> None:
        """Find the scans and do them."""
        from napari_mednext.app.batch import run_batch
        from napari_mednext.app.outputs import find_inputs
        from napari_mednext.cli.display import batch_display
        from napari_mednext.models import find_model

        folder = find_model(model)  # refused here in a moment, not after loading torch
        if sides:
            folder.require_sides()
        sources, self.refused = find_inputs(inputs)
        if len(sources) + len(self.refused) > 1:
            for each in self.refused:
                sys.stderr.write(f"{each.path}: failed: {each.sentence}\n")
        if not sources:
            return
        with batch_display() as show:
            run_batch(
                sources,
                output,
                model=model,
                settings=settings,
                sides=sides,
                on_event=self._keep(show),
                **rest,
            )

    def outcome(self, *, was_interrupted: bool = False) -> Outcome:
        """Return how the call ended."""
        failed = [(r.item.name, r.sentence) for r in self.results if r.sentence]
        failed += [(str(each.path), each.sentence) for each in self.refused]
        saved = [r for r in self.results if r.state == "saved"]
        document = {
            "results": [_result_document(result) for result in self.results]
            + [
                {"input": [str(each.path)], "state": "failed", "error": each.sentence}
                for each in self.refused
            ],
        }
        text = _text(saved)
        if was_interrupted:
            error = f"interrupted, {len(saved)} masks were saved"
            return Outcome(ExitCode.INTERRUPTED, document, text, error)
        if not failed:
            return Outcome(ExitCode.DONE, document, text)
        code = ExitCode.SOME_FAILED if saved else ExitCode.REFUSED
        whole = len(failed) + len(saved)
        return Outcome(code, document, text, _failure(failed, whole))

    def _keep(self, show: Callable[[BatchEvent], None]) -> Callable[[BatchEvent], None]:
        """Return a callback that keeps results and shows events."""

        def on_event(event: BatchEvent) -> None:
            if event.result is not None:
                self.results.append(event.result)
            show(event)

        return on_event


def parse_roi(text: str) -> tuple[slice, slice, slice]:
    """Return the box that ``z0:z1,y0:y1,x0:x1`` means, in voxels.

    A left-out number is the edge of the scan; the upper ends are not included.

    Parameters
    ----------
    text : str
        Three ranges with commas between.

    Returns
    -------
    three slices
        In the order z, y, x.

    Raises
    ------
    InputError
        If the text is not three ranges, or one of them is empty.
    """
    parts = [_RANGE.fullmatch(part) for part in text.split(",")]
    found = [part for part in parts if part is not None]
    if len(parts) != 3 or len(found) != 3:
        msg = f"a region must be z0:z1,y0:y1,x0:x1 in voxels, got {text!r}"
        raise InputError(msg)
    z, y, x = (
        slice(*(int(number) if number else None for number in part.groups()))
        for part in found
    )
    for axis, part in zip("zyx", (z, y, x), strict=True):
        if part.stop is not None and part.stop <= (part.start or 0):
            msg = (
                f"the region must end after it begins, got {part.start}:{part.stop} "
                f"along {axis}: swap the numbers"
            )
            raise InputError(msg)
    return z, y, x


def table_document(table: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a table of volumes as JSON content.

    Parameters
    ----------
    table : sequence of Row
        From :mod:`napari_mednext.app.table`.

    Returns
    -------
    list of dict
        One for each label.
    """
    return [
        {
            "value": row.value,
            "name": row.name,
            "voxels": row.voxels,
            "volume_ml": round(row.volume_ml, 3),
        }
        for row in table
    ]


def _refuse_what_is_missing(file_format: str | None, cluster: str | None) -> None:
    """Refuse options that this version does not have.

    Raises
    ------
    InputError
        If one of them is used.
    """
    if file_format == "dicom-seg":
        msg = (
            "masks as DICOM SEG are not available in this version: choose nii.gz, "
            "nrrd or mha"
        )
        raise InputError(msg)
    if cluster is not None:
        msg = (
            "segmenting on a cluster is not available in this version: leave "
            "--cluster out"
        )
        raise InputError(msg)


def _settings(
    step: float,
    *,
    mirror: bool,
    engine: str,
    max_ram: float | None,
    device: str,
) -> InferenceSettings:
    """Return the settings that the options mean."""
    from napari_mednext.settings import InferenceSettings

    return InferenceSettings(
        step=step,
        mirror=mirror,
        engine=cast("Any", engine),  # checked there, with a sentence
        max_ram_gb=max_ram,
        device=device,
    )


def _result_document(result: FileResult) -> dict[str, Any]:
    """Return how one scan ended as JSON content."""
    saved = result.state == "saved"
    beside = result.item.probabilities_output
    return {
        "name": result.item.name,
        "input": [str(path) for path in result.item.source.paths],
        "state": str(result.state),
        "output": str(result.item.output) if saved else None,
        "probabilities": str(beside) if saved and beside.exists() else None,
        "error": result.sentence or None,
        "notes": list(result.notes),
        "warnings": [dataclasses.asdict(each) for each in result.quality.findings],
        "quality": {k: round(v, 4) for k, v in result.quality.figures.items()},
        "elapsed_s": round(result.elapsed_s, 3),
        "volumes": table_document(result.table),
    }


def _failure(failed: Sequence[tuple[str, str]], whole: int) -> str:
    """Return one line about what failed; several were told one by one already."""
    if whole == 1:
        name, sentence = failed[0]
        return f"{name}: {sentence}"
    names = ", ".join(name for name, _ in failed[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return f"{len(failed)} of {whole} failed: {names}{more}"


def _text(saved: Sequence[FileResult]) -> str:
    """Return what was saved, for people; with the volumes when it is one scan."""
    from napari_mednext.app.table import plain_text

    lines = [str(result.item.output) for result in saved]
    if len(saved) == 1:
        lines += ["", plain_text(saved[0].table)]
    return "\n".join(lines)
