"""``doctor``: is this machine fit."""

from __future__ import annotations

from napari_mednext.cli.outcome import (
    DeviceOption,
    ExitCode,
    JsonOption,
    Outcome,
    VerboseOption,
)

__all__ = ["doctor"]


def doctor(
    *,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Look at versions, the GPU, known-bad pairs, memory, disk, Qt and the models."""
    del as_json, verbose
    from napari_mednext.app.doctor import examine

    findings = examine(device=device)
    marks = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}
    wide = max(len(finding.what) for finding in findings)
    lines = [f"{marks[f.level]}  {f.what:<{wide}}  {f.text}" for f in findings]
    bad = [finding for finding in findings if finding.level == "bad"]
    document = {
        "findings": [
            {"level": f.level, "what": f.what, "text": f.text} for f in findings
        ]
    }
    code = ExitCode.SOME_FAILED if bad else ExitCode.DONE
    return Outcome(code, document, "\n".join(lines))
