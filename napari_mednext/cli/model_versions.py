"""``models tree``, ``models promote`` and ``models rollback``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_mednext.cli.outcome import (
    DeviceOption,
    JsonOption,
    Outcome,
    VerboseOption,
)

if TYPE_CHECKING:
    from napari_mednext.app.version_tree import Version

__all__ = ["promote", "rollback", "tree"]

#: How much of an ISO date and time is the date.
_DATE = 10

StudyArgument = Annotated[
    Path, typer.Argument(help="Folder of the study.", metavar="STUDY")
]


def tree(
    study: StudyArgument,
    *,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Show the models a study can use: which was made from which, and which is used."""
    del as_json, device, verbose
    from napari_mednext.app.versions import disk_use, versions

    found, sizes = versions(study), disk_use(study)
    width = max((2 * each.depth + len(each.name) for each in found), default=0)
    lines = [_line(each, width) for each in found]
    lines.append(
        f"in the study: models {_size(sizes['models'])}, jobs {_size(sizes['jobs'])}"
    )
    document = {
        "study": str(study),
        "versions": [_facts(each) for each in found],
        "disk_use": sizes,
    }
    return Outcome(document=document, text="\n".join(lines))


def promote(
    study: StudyArgument,
    version: Annotated[
        str,
        typer.Argument(
            help="Name or folder of a version, or id of the job that made it.",
            metavar="VERSION|JOB",
        ),
    ],
    *,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Choose the model that segments a study's cases; a job's model is kept first."""
    del as_json, device, verbose
    from napari_mednext.app import versions

    chosen = versions.find_version(study, version)
    return _chosen(study, versions.promote(study, chosen.path))


def rollback(
    study: StudyArgument,
    *,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Go back to the model that was chosen before; again, one further."""
    del as_json, device, verbose
    from napari_mednext.app import versions

    return _chosen(study, versions.rollback(study))


def _chosen(study: Path, path: Path) -> Outcome:
    """Return which model a study uses now."""
    from napari_mednext.models import find_model

    name = find_model(path).name
    document = {"study": str(study), "model": {"name": name, "path": str(path)}}
    return Outcome(document=document, text=f"{study}: uses {name} in {path}")


def _line(version: Version, width: int) -> str:
    """Return a version as a line for people."""
    mark = "*" if version.is_current else " "
    name = f"{'  ' * version.depth}{version.name}"
    kind = "discarded" if version.is_discarded else version.kind
    date = version.created[:_DATE]
    facts = [f"{mark} {name:<{width}}", f"{kind:<9}", f"{date:<{_DATE}}"]
    facts.append(f"{_size(version.bytes):>9}")
    if version.problem:
        facts.append(f"cannot be used: {version.problem}")
    elif version.depth == 0 and version.parent is not None:
        facts.append(f"from {version.parent}")
    return "  ".join(facts).rstrip()


def _size(number: int) -> str:
    """Return a number of bytes for people."""
    return f"{number / 2**20:.1f} MiB"


def _facts(version: Version) -> dict[str, Any]:
    """Return a version as JSON content."""
    return {
        "name": version.name,
        "title": version.title,
        "path": str(version.path),
        "kind": version.kind,
        "depth": version.depth,
        "parent": version.parent,
        "parent_sha256": version.parent_sha256 or None,
        "sha256": version.sha256 or None,
        "created": version.created or None,
        "current": version.is_current,
        "shipped": version.is_shipped,
        "discarded": version.is_discarded,
        "job": version.job,
        "bytes": version.bytes,
        "metrics": dict(version.metrics),
        "recipe": dict(version.card.recipe),
        "training_data": list(version.card.training_data),
        "software": dict(version.card.software),
        "problem": version.problem or None,
    }
