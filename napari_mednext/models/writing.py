"""Writing a model folder: beside its place first, then moved, so never half of one."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_mednext.errors import ModelError, StorageError
from napari_mednext.models.folder import FOLD_NAME, WEIGHT_FILES, ModelFolder
from napari_mednext.models.weights import file_digest, save_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from napari_mednext.models.card import Card

__all__ = ["export_for_nnunet", "replace_card", "write_model_folder"]


def write_model_folder(
    path: str | Path,
    *,
    plans: Mapping[str, Any],
    dataset: Mapping[str, Any],
    card: Card,
    weights: Mapping[str, Mapping[str, torch.Tensor]],
    half: bool = True,
    overwrite: bool = False,
) -> ModelFolder:
    """Write a model folder that this package and nnU-Net's tools can read.

    What is written is opened and checked before it is moved into place, so a folder
    that exists under ``path`` afterwards is whole. An interrupt leaves nothing.

    Parameters
    ----------
    path : str or Path
        The new folder. Folders above it are made.
    plans, dataset : mapping
        ``plans.json`` and ``dataset.json``, as ``make_plans`` and ``make_dataset``
        return them.
    card : Card
        Its ``sha256`` is filled in here, and its ``configuration`` when it is None.
    weights : mapping
        Fold (``"0"``, ... or ``"all"``) -> name -> tensor.
    half : bool
        Store numbers as float16.
    overwrite : bool
        Replace what is there.

    Returns
    -------
    ModelFolder
        The folder, opened.

    Raises
    ------
    ModelError
        If a fold has another name, or a value cannot be used.
    StorageError
        If something is there already, or the folder cannot be written.
    """
    if not weights or not all(FOLD_NAME.fullmatch(str(fold)) for fold in weights):
        msg = (
            f'folds must be named "0", "1", ... or "all", got {list(weights)!r}: '
            "rename them"
        )
        raise ModelError(msg)

    def fill(folder: Path) -> None:
        _write_json(folder / "plans.json", plans)
        _write_json(folder / "dataset.json", dataset)
        for fold, state in weights.items():
            target = folder / f"fold_{fold}" / WEIGHT_FILES[0]
            target.parent.mkdir()
            save_weights(state, target, half=half)
        _write_json(folder / "card.json", _completed(card, plans, folder).to_dict())
        ModelFolder.open(folder)

    target = Path(path).expanduser()
    _fill_and_move(target, fill, overwrite=overwrite)
    return ModelFolder.open(target)


def export_for_nnunet(
    folder: ModelFolder,
    path: str | Path,
    *,
    trainer: str = "nnUNetTrainer",
    overwrite: bool = False,
) -> Path:
    """Write a copy with ``checkpoint_final.pth``, which nnU-Net's own predictor reads.

    nnU-Net then builds the network from ``plans.json``, so this package must be
    installed where it runs.

    Parameters
    ----------
    folder : ModelFolder
        Not modified.
    path : str or Path
        The new folder, best named ``TRAINER__PLANS__CONFIGURATION``.
    trainer : str
        nnU-Net's trainer class, which builds the network.
    overwrite : bool
        Replace what is there.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    ModelError
        If the weights cannot be read.
    StorageError
        If something is there already, or the folder cannot be written.
    """
    import torch

    def fill(target: Path) -> None:
        for name in ("plans.json", "dataset.json"):
            shutil.copyfile(folder.path / name, target / name)
        for fold in folder.available_folds:
            (target / f"fold_{fold}").mkdir()
            checkpoint = {
                "network_weights": folder.load_weights(fold),
                "init_args": {"configuration": folder.plan.name, "fold": fold},
                "trainer_name": trainer,
                "inference_allowed_mirroring_axes": folder.mirror_axes or None,
            }
            torch.save(checkpoint, target / f"fold_{fold}" / WEIGHT_FILES[1])

    target = Path(path).expanduser()
    _fill_and_move(target, fill, overwrite=overwrite)
    return target


def replace_card(folder: ModelFolder, card: Card) -> ModelFolder:
    """Write another card into a folder, beside the old one, and move it into place.

    Parameters
    ----------
    folder : ModelFolder
        Its other files stay, and their digests in the card.
    card : Card
        Best the folder's own with some fields replaced.

    Returns
    -------
    ModelFolder
        Opened anew.

    Raises
    ------
    ModelError
        If the card holds what JSON cannot.
    StorageError
        If it cannot be written.
    """
    target = folder.path / "card.json"
    beside = target.with_name(".card.json.part")
    try:
        _write_json(beside, card.to_dict())
        beside.replace(target)
    except OSError as error:
        msg = (
            f"the model card must be writable, got {error.strerror or error} for "
            f"{str(target)!r}: check the free space and the permissions"
        )
        raise StorageError(msg) from error
    finally:
        beside.unlink(missing_ok=True)
    return ModelFolder.open(folder.path)


def _completed(card: Card, plans: Mapping[str, Any], folder: Path) -> Card:
    """Return the card with the digests of all files, and with its configuration."""
    configurations = list(plans.get("configurations", ()))
    only = configurations[0] if len(configurations) == 1 else None
    digests = {
        file.relative_to(folder).as_posix(): file_digest(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    return dataclasses.replace(
        card, sha256=digests, configuration=card.configuration or only
    )


def _fill_and_move(
    target: Path, fill: Callable[[Path], None], *, overwrite: bool
) -> None:
    """Let ``fill`` write a folder beside ``target``, then put it in its place."""
    if not overwrite and (target.is_symlink() or target.exists()):
        msg = (
            f"a new model must not replace another, got {str(target)!r}, which is "
            "there: choose another name or allow overwriting"
        )
        raise StorageError(msg)
    partial: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(
            tempfile.mkdtemp(
                prefix=f".{target.name}.", suffix=".part", dir=target.parent
            )
        )
        partial.chmod(0o755)
        fill(partial)
        _sync(partial)
        _put(partial, target)
    except StorageError:
        raise
    except OSError as error:
        msg = (
            f"the model folder must be writable, got {error.strerror or error} for "
            f"{str(target)!r}: check the free space and the permissions"
        )
        raise StorageError(msg) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _sync(folder: Path) -> None:
    """See that all files reached the disk: a name may be there before its content."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())


def _put(partial: Path, target: Path) -> None:
    """Move a whole folder into place; what was there is kept until it stands."""
    if not target.exists():
        partial.replace(target)
        return
    old = partial.with_suffix(".old")
    target.replace(old)
    try:
        partial.replace(target)
    except BaseException:
        old.replace(target)
        raise
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink()


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON and see that it reached the disk."""
    try:
        text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = (
            f"{path.name} must hold JSON values only, got one that is not ({error}): "
            "use numbers, texts, lists and objects"
        )
        raise ModelError(msg) from error
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
