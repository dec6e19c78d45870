"""``models list``, ``models info``, ``models verify``, and those about versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_mednext.cli.model_versions import promote, rollback, tree
from napari_mednext.cli.outcome import (
    DeviceOption,
    ExitCode,
    JsonOption,
    Outcome,
    VerboseOption,
)

if TYPE_CHECKING:
    from napari_mednext.models import ModelFolder

__all__ = ["models"]

models = typer.Typer(
    help="The installed models, and the versions of a study.", no_args_is_help=True
)

NameArgument = Annotated[
    str, typer.Argument(help="Name or folder of a model.", metavar="MODEL")
]


models.command("tree")(tree)
models.command("promote")(promote)
models.command("rollback")(rollback)


@models.command("list")
def list_models(
    *,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """List the installed models, and those that cannot be used."""
    del as_json, device, verbose
    from napari_mednext.models import broken_models, installed_models, library_folder

    found, broken = installed_models(), broken_models()
    lines = [
        f"{info.name:<16}  {info.modality:<6}  {len(info.labels):>3} labels  "
        f"{info.title}"
        for info in found
    ]
    lines += [f"{path.name:<16}  cannot be used: {why}" for path, why in broken]
    if not lines:
        lines = [f"no model is installed: put model folders into {library_folder()}"]
    document = {
        "models": [
            {
                "name": info.name,
                "title": info.title,
                "modality": info.modality,
                "labels": {str(k): v for k, v in info.labels.names.items()},
                "path": str(info.path),
                "shipped": info.is_shipped,
            }
            for info in found
        ],
        "broken": [{"path": str(path), "error": why} for path, why in broken],
        "library": str(library_folder()),
    }
    return Outcome(document=document, text="\n".join(lines))


@models.command("info")
def info(
    model: NameArgument,
    *,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Show what a model is, what it was trained on, and where it fails."""
    del as_json, device, verbose
    from napari_mednext.models import find_model

    folder = find_model(model)
    return Outcome(document={"model": _facts(folder)}, text=_fact_sheet(folder))


@models.command("verify")
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names or folders; all when left out.", metavar="[MODEL]..."
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    verbose: VerboseOption = False,
) -> Outcome:
    """Check the files of models against their cards, and that their weights fit."""
    del as_json, device, verbose
    from napari_mednext.models import broken_models, installed_models

    if names:
        wanted = list(names)
    else:
        wanted = [str(each.path) for each in installed_models()]
        wanted += [str(path) for path, _ in broken_models()]
    found = {name: _problems(name) for name in wanted}
    lines = []
    for name, problems in found.items():
        lines += [f"{name}: {problem}" for problem in problems] or [f"{name}: ok"]
    bad = sum(1 for problems in found.values() if problems)
    document = {"models": [{"name": n, "problems": list(p)} for n, p in found.items()]}
    if not bad:
        return Outcome(document=document, text="\n".join(lines))
    code = ExitCode.SOME_FAILED if bad < len(found) else ExitCode.REFUSED
    error = f"{bad} of {len(found)} models cannot be used"
    return Outcome(code, document, "\n".join(lines), error)


def _problems(name: str) -> tuple[str, ...]:
    """Return what is wrong with a model."""
    from napari_mednext.models import verify_model
    from napari_mednext.network import build

    return verify_model(name, build=build)


def _facts(folder: ModelFolder) -> dict[str, Any]:
    """Return a model as JSON content."""
    return {
        "name": folder.name,
        "title": folder.title,
        "path": str(folder.path),
        "modality": folder.modality,
        "channels": list(folder.channel_names),
        "labels": {str(value): name for value, name in folder.labels.names.items()},
        "spacing_mm": list(folder.plan.spacing),
        "patch_size": list(folder.plan.patch_size),
        "network": folder.plan.network_class_name,
        "folds": list(folder.folds),
        "card": folder.card.to_dict(),
    }


def _fact_sheet(folder: ModelFolder) -> str:
    """Return a model as text for people."""
    card = folder.card
    spacing = " x ".join(f"{mm:g}" for mm in folder.plan.spacing)
    patch = " x ".join(str(n) for n in folder.plan.patch_size)
    network = folder.plan.network_class_name.rpartition(".")[2]
    labels = ", ".join(f"{v} {name}" for v, name in folder.labels.names.items())
    facts = {
        "name": folder.name,
        "title": folder.title,
        "folder": str(folder.path),
        "for": folder.modality,
        "channels": ", ".join(folder.channel_names),
        "labels": labels,
        "network": f"{network}, patch {patch} voxels at {spacing} mm",
        "folds": ", ".join(folder.folds),
        "about": card.description,
        "limits": _joined(card.limits),
        "licence": card.licence,
        "credits": _joined(card.credits),
        "use": card.research_use,
    }
    return "\n".join(f"{key:<9} {value}" for key, value in facts.items() if value)


def _joined(value: str | tuple[str, ...]) -> str:
    """Return one text of one or several."""
    return value if isinstance(value, str) else "; ".join(value)
