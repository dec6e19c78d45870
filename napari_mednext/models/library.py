"""The models that are there to be chosen: shipped ones and the user's own."""

from __future__ import annotations

import difflib
import importlib.resources
import os
from dataclasses import dataclass
from pathlib import Path

from napari_mednext.errors import ModelError
from napari_mednext.labels import LabelSet, SidedLabels
from napari_mednext.models.folder import ModelFolder

__all__ = [
    "LIBRARY_VARIABLE",
    "ModelInfo",
    "broken_models",
    "find_model",
    "installed_models",
    "library_folder",
]

#: Environment variable with another place for the user's models.
LIBRARY_VARIABLE = "NAPARI_MEDNEXT_MODELS"


@dataclass(frozen=True)
class ModelInfo:
    """What a list of models shows of one.

    ``sides`` is what the labels become when left and right are told apart, None for
    models that cannot.
    """

    name: str
    title: str
    path: Path
    modality: str
    labels: LabelSet
    description: str = ""
    is_shipped: bool = False
    sides: SidedLabels | None = None


def library_folder() -> Path:
    """Return the folder of the user's own models; it need not exist yet."""
    chosen = os.environ.get(LIBRARY_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-mednext", appauthor=False), "models")


def shipped_folder() -> Path:
    """Return the folder of the models that come with this package."""
    root = importlib.resources.files("napari_mednext")
    return Path(str(root)) / "resources" / "models"


def installed_models() -> tuple[ModelInfo, ...]:
    """Return all sound models, the user's own first; no weights are read.

    A model of the user hides a shipped one of the same name.

    Returns
    -------
    tuple of ModelInfo
        In the order of their names, each name once.
    """
    found: dict[str, ModelInfo] = {}
    for path, is_shipped in _candidates():
        try:
            folder = ModelFolder.open(path)
        except ModelError:  # told by broken_models
            continue
        info = ModelInfo(
            name=folder.name,
            title=folder.title,
            path=path,
            modality=folder.modality,
            labels=folder.labels,
            description=folder.card.description,
            is_shipped=is_shipped,
            sides=folder.sides,
        )
        found.setdefault(info.name, info)
    own_first = sorted(found.values(), key=lambda info: (info.is_shipped, info.name))
    return tuple(own_first)


def broken_models() -> tuple[tuple[Path, str], ...]:
    """Return the installed folders that cannot be used, each with a sentence why."""
    broken = []
    for path, _ in _candidates():
        try:
            ModelFolder.open(path)
        except ModelError as error:
            broken.append((path, str(error)))
    return tuple(broken)


def find_model(name_or_folder: str | Path) -> ModelFolder:
    """Open a model by its name or its folder.

    A name of an installed model comes before a folder of the same name.

    Parameters
    ----------
    name_or_folder : str or Path
        A name of :func:`installed_models`, or a folder.

    Returns
    -------
    ModelFolder
        Sound as far as this can be told without reading weights.

    Raises
    ------
    ModelError
        If there is no such model, or its folder cannot be used.
    """
    if isinstance(name_or_folder, Path):
        return ModelFolder.open(name_or_folder)
    paths = {info.name: info.path for info in installed_models()}
    if name_or_folder in paths:
        return ModelFolder.open(paths[name_or_folder])
    for path, _ in _candidates():
        if path.name == name_or_folder:  # installed but broken: say how
            return ModelFolder.open(path)
    if Path(name_or_folder).expanduser().exists() or os.sep in name_or_folder:
        return ModelFolder.open(name_or_folder)
    nearest = difflib.get_close_matches(name_or_folder, paths, n=1)
    advice = f"did you mean {nearest[0]!r}" if nearest else "choose one of them"
    known = ", ".join(paths) or "none is installed"
    msg = (
        f"a model must be a folder or one of the installed ones ({known}), got "
        f"{name_or_folder!r}: {advice}"
    )
    raise ModelError(msg)


def _candidates() -> list[tuple[Path, bool]]:
    """Return the folders that may be models, and whether they are shipped.

    A library holds models directly, or in nnU-Net's folders of data sets.
    """
    candidates = []
    for root, is_shipped in ((library_folder(), False), (shipped_folder(), True)):
        folders = {
            found.parent
            for pattern in ("*/plans.json", "*/*__*__*/plans.json")
            for found in root.glob(pattern)
        }
        candidates += [
            (folder, is_shipped)
            for folder in sorted(folders)
            if not folder.name.startswith(".")
        ]
    return candidates
