"""The model folder: nnU-Net's layout, with a card beside it.

::

    FOLDER/plans.json  dataset.json  card.json (ours; foreign folders have none)
    FOLDER/fold_0/weights.safetensors   or   FOLDER/fold_0/checkpoint_final.pth

Opening a folder reads the JSON files only and imports no torch, with one exception: a
foreign folder whose configuration cannot be told from its name, and the mirror axes of
a foreign folder, are read from its checkpoint.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mednext.errors import ModelError
from napari_mednext.models.card import Card, read_card
from napari_mednext.models.dataset import DatasetDescription, read_dataset
from napari_mednext.models.documents import Node, read_json
from napari_mednext.models.plan_reading import read_plan, volume_configurations
from napari_mednext.models.plans import ConfigurationPlan
from napari_mednext.models.weights import check_finite, file_digest, read_weights

if TYPE_CHECKING:
    import torch

    from napari_mednext.labels import LabelSet, SidedLabels
    from napari_mednext.models.checkpoint import Checkpoint

__all__ = ["FOLD_NAME", "WEIGHT_FILES", "ModelFolder"]

#: The folders of folds; anything else in a model folder is not looked at.
FOLD_NAME = re.compile(r"all|0|[1-9][0-9]{0,2}")
#: Files that weights are read from, the first that is there.
WEIGHT_FILES = ("weights.safetensors", "checkpoint_final.pth")


@dataclass(frozen=True)
class ModelFolder:
    """A model folder that was found to be sound, apart from the weights themselves.

    Parameters
    ----------
    path : Path
        The folder that holds ``plans.json``.
    card : Card
        Of the model; an empty one for foreign folders.
    dataset : DatasetDescription
        Channels and labels.
    plan : ConfigurationPlan
        The configuration that the weights belong to.
    available_folds : tuple of str
        ``"0"``, ... in order, then ``"all"``: every fold with weights.
    """

    path: Path
    card: Card
    dataset: DatasetDescription
    plan: ConfigurationPlan
    available_folds: tuple[str, ...]

    @classmethod
    def open(cls, path: str | Path) -> ModelFolder:
        """Read and check a model folder, all but the weights.

        Parameters
        ----------
        path : str or Path
            The folder that holds ``plans.json``.

        Returns
        -------
        ModelFolder
            Sound as far as this can be told without reading weights.

        Raises
        ------
        ModelError
            If a file is missing or cannot be used; the sentence names it.
        """
        path = Path(path).expanduser()
        _refuse_no_folder(path)
        plans = read_json(path / "plans.json")
        dataset_json = read_json(path / "dataset.json")
        has_card = (path / "card.json").exists()
        card = read_card(read_json(path / "card.json")) if has_card else Card()
        dataset = read_dataset(dataset_json, card.colors)
        card.sided(dataset.labels)  # refuses sides of labels that are not there
        folds = _available_folds(path)
        name = _configuration(path, plans, card, folds)
        plan = read_plan(plans, name, channels=len(dataset.channel_names))
        return cls(path, card, dataset, plan, folds)

    @property
    def name(self) -> str:
        """The card's name, or else the folder's, with nnU-Net's dataset before it."""
        if self.card.name:
            return self.card.name
        own, parent = self.path.resolve().name, self.path.resolve().parent.name
        return f"{parent}/{own}" if "__" in own and parent else own

    @property
    def title(self) -> str:
        """The name that people see."""
        return self.card.title or self.dataset.name or self.name

    @property
    def labels(self) -> LabelSet:
        """The label values that a mask of this model can hold."""
        return self.dataset.labels

    @property
    def sides(self) -> SidedLabels | None:
        """What the labels become when left and right are told apart, if they can be."""
        return self.card.sided(self.labels)

    def require_sides(self) -> SidedLabels:
        """Return what the labels become with sides.

        Raises
        ------
        ModelError
            If the card does not say which labels have sides.
        """
        sides = self.sides
        if sides is None:
            msg = (
                "left and right can be told apart where a model's card lists its "
                f"paired labels, the card of {self.name!r} lists none: leave sides out "
                'or add "sides" to card.json'
            )
            raise ModelError(msg)
        return sides

    @property
    def channel_names(self) -> tuple[str, ...]:
        """One name an input channel, in order."""
        return self.dataset.channel_names

    @property
    def input_channels(self) -> int:
        """How many channels a volume must have."""
        return len(self.dataset.channel_names)

    @property
    def num_heads(self) -> int:
        """How many outputs the network has, the background among them if no regions."""
        return self.dataset.num_heads

    @property
    def regions(self) -> tuple[tuple[int, ...], ...] | None:
        """The label values that each head unites, or None for plain labels."""
        return self.dataset.regions

    @property
    def region_class_order(self) -> tuple[int, ...] | None:
        """The value that each region writes, later ones over earlier ones."""
        return self.dataset.region_class_order

    @property
    def ignore_label(self) -> int | None:
        """The label value of voxels where nobody looked; never predicted."""
        return self.dataset.ignore_label

    @property
    def modality(self) -> str:
        """As the card says, or else the names of the channels."""
        return self.card.modality or ", ".join(self.channel_names)

    @property
    def reorient_to_ras(self) -> bool:
        """Whether a volume is brought to RAS before anything else."""
        return self.plan.image_reader_writer.endswith("WithReorient")

    @property
    def folds(self) -> tuple[str, ...]:
        """The folds that are averaged: the numbered ones, or else ``("all",)``."""
        numbered = tuple(fold for fold in self.available_folds if fold != "all")
        return numbered or self.available_folds

    @cached_property
    def mirror_axes(self) -> tuple[int, ...]:
        """Axes of the network's input that it was trained to mirror.

        Raises
        ------
        ModelError
            If this must be read from a foreign checkpoint that cannot be read.
        """
        own = self.weight_file(self.folds[0]).name == WEIGHT_FILES[0]
        if own or (self.path / "card.json").exists():
            return self.card.mirror_axes
        return self._checkpoint(self.folds[0]).mirror_axes

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over all files that decide about a result, in hexadecimal.

        Raises
        ------
        ModelError
            If a file cannot be read.
        """
        names = ["plans.json", "dataset.json"]
        names += [
            self.weight_file(fold).relative_to(self.path).as_posix()
            for fold in self.folds
        ]
        lines = [f"{file_digest(self.path / name)}  {name}\n" for name in names]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def weight_file(self, fold: str) -> Path:
        """Find the file that holds the weights of a fold.

        Parameters
        ----------
        fold : str
            One of :attr:`available_folds`.

        Returns
        -------
        Path
            A file of :data:`WEIGHT_FILES`.

        Raises
        ------
        ModelError
            If there is no such fold.
        """
        if fold not in self.available_folds:
            msg = (
                f"a fold must be one of {', '.join(self.available_folds)}, got "
                f"{fold!r} for {self.name!r}: choose one of them"
            )
            raise ModelError(msg)
        found = _weight_file(self.path / f"fold_{fold}")
        if found is None:
            msg = (
                f"a fold must hold {' or '.join(WEIGHT_FILES)}, got none any more in "
                f"{str(self.path / f'fold_{fold}')!r}: copy the model folder again"
            )
            raise ModelError(msg)
        return found

    def load_weights(self, fold: str) -> dict[str, torch.Tensor]:
        """Read the weights of a fold; nothing that comes with them is run.

        Parameters
        ----------
        fold : str
            One of :attr:`available_folds`.

        Returns
        -------
        dict
            Name -> tensor on the CPU, numbers as float32, all finite.

        Raises
        ------
        ModelError
            If the fold is unknown, or its file is damaged, holds NaN or infinity, or
            belongs to another configuration.
        UnsafeModelError
            If reading the file would run code.
        ResourceError
            If there is not enough memory.
        """
        import torch

        path = self.weight_file(fold)
        if path.name == WEIGHT_FILES[0]:
            weights = read_weights(path)
        else:
            weights = dict(self._checkpoint(fold).weights)
        check_finite(weights, f"{str(path)!r}")
        # Copied, since what was read may be a view of the file.
        return {
            name: tensor.to(
                torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True
            )
            for name, tensor in weights.items()
        }

    def _checkpoint(self, fold: str) -> Checkpoint:
        """Read nnU-Net's checkpoint of a fold and see that the plan is the right one.

        Raises
        ------
        ModelError
            If it belongs to another configuration.
        """
        from napari_mednext.models.checkpoint import read_checkpoint

        path = self.weight_file(fold)
        checkpoint = read_checkpoint(path)
        if checkpoint.configuration not in (None, self.plan.name):
            msg = (
                f"a checkpoint must belong to the configuration {self.plan.name!r}, "
                f"got {checkpoint.configuration!r} in {str(path)!r}: rename the folder "
                "to TRAINER__PLANS__CONFIGURATION"
            )
            raise ModelError(msg)
        return checkpoint


def _refuse_no_folder(path: Path) -> None:
    """Refuse what is no model folder, and name one nearby if there is one."""
    advice = "choose the folder that holds plans.json, dataset.json and fold_0"
    if not path.is_dir():
        noun = "a file" if path.exists() else "nothing there"
        msg = f"a model must be a folder, got {noun} at {str(path)!r}: {advice}"
        raise ModelError(msg)
    if not (path / "plans.json").exists():
        inside = sorted(each.parent.name for each in path.glob("*/plans.json"))
        if inside:
            advice = f"choose one of the folders inside it, {', '.join(inside[:5])}"
        elif (path.parent / "plans.json").exists():
            advice = "choose the folder above"
        msg = (
            f"a model folder must hold plans.json, got none in {str(path)!r}: {advice}"
        )
        raise ModelError(msg)


def _weight_file(fold: Path) -> Path | None:
    """Return the file with the weights of a fold, if there is one."""
    for name in WEIGHT_FILES:
        if (fold / name).is_file():
            return fold / name
    return None


def _available_folds(path: Path) -> tuple[str, ...]:
    """Return the folds with weights: numbers in order, then ``all``."""
    names = [
        each.name.removeprefix("fold_")
        for each in path.glob("fold_*")
        if FOLD_NAME.fullmatch(each.name.removeprefix("fold_")) and _weight_file(each)
    ]
    if not names:
        best = next(path.glob("fold_*/checkpoint_best.pth"), None)
        advice = (
            "copy the model folder again"
            if best is None
            else f"rename {best.parent.name}/checkpoint_best.pth to {WEIGHT_FILES[1]}"
        )
        msg = (
            f"a model folder must hold fold_0/{WEIGHT_FILES[0]} or "
            f"fold_0/{WEIGHT_FILES[1]}, got none in {str(path)!r}: {advice}"
        )
        raise ModelError(msg)
    return tuple(sorted(names, key=lambda name: 1000 if name == "all" else int(name)))


def _configuration(path: Path, plans: Node, card: Card, folds: tuple[str, ...]) -> str:
    """Return the configuration that the weights belong to.

    The card decides, then the name of the folder, then the only one for volumes, then
    the checkpoint.
    """
    names = plans["configurations"].names()
    if card.configuration is not None:
        if card.configuration not in names:
            plans["configurations"].refuse(
                f"hold {card.configuration!r}, which card.json names"
            )
        return card.configuration
    parts = path.resolve().name.split("__")
    if len(parts) == 3 and parts[2] in names:
        return parts[2]
    candidates = volume_configurations(plans)
    if len(candidates) == 1:
        return candidates[0]
    weights = _weight_file(path / f"fold_{folds[0]}")
    if weights is not None and weights.name == WEIGHT_FILES[1]:
        from napari_mednext.models.checkpoint import read_checkpoint

        stated = read_checkpoint(weights).configuration
        if stated in names:
            return str(stated)
    return Node(names, plans.file, "configurations").refuse(
        "say which configuration the weights belong to",
        "rename the folder to TRAINER__PLANS__CONFIGURATION",
    )
