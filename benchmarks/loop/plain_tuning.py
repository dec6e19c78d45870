"""Fine-tuning as nnU-Net does it: what improving is compared with.

Source: nnU-Net v2 (Isensee et al., Nature Methods 2021; github MIC-DKFZ/nnUNet 2.8,
Apache-2.0), ``nnUNetTrainer`` and its data loader, written anew in small: SGD with
Nesterov momentum 0.99, rate 1e-2 that falls with power 0.9, weight decay 3e-5, gradient
norm 12, Dice and cross entropy with deep supervision, a third of the patches around
foreground and the others around any labelled voxel, mirroring, turns, scales, noise,
brightness, contrast and gamma with its probabilities.

What differs, all in its favour or for time: heads of known classes keep their weights
(nnU-Net starts all heads anew), one patch an update as the shipped model was trained,
and as many updates as the method it is compared with.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from napari_mednext.formats import open_volume
from napari_mednext.models import Expectations, ModelFolder, write_model_folder
from napari_mednext.network import build
from napari_mednext.preprocessing import preprocess
from napari_mednext.training.losses import deep_supervision_loss
from napari_mednext.volume import reorient

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from napari_mednext.study import Study

__all__ = ["PlainCase", "fine_tune", "heads_of", "patch_centre", "polynomial_rate"]

_RATE, _MOMENTUM, _DECAY, _CLIP = 1e-2, 0.99, 3e-5, 12.0
_IGNORE = 255
#: Share of the patches that lie around a voxel of a class.
_FOREGROUND = 1 / 3


@dataclass(frozen=True)
class PlainCase:
    """A case as the network sees it.

    Parameters
    ----------
    data : (c, z, y, x) float32
    target : (z, y, x) uint8
        Heads, 255 where nobody looked.
    """

    data: NDArray[np.float32]
    target: NDArray[np.uint8]


def polynomial_rate(step: int, steps: int) -> float:
    """Return nnU-Net's rate of an update, counted from 0."""
    return float(_RATE * (1 - step / steps) ** 0.9)


def heads_of(own: Mapping[int, str], wanted: Mapping[int, str]) -> dict[int, str]:
    """Return value -> name of the heads: the model's own, new ones behind them."""
    names = dict(own)
    known = {name.casefold() for name in own.values()}
    for name in wanted.values():
        if name.casefold() not in known:
            names[max(names, default=0) + 1] = name
    return names


def patch_centre(case: PlainCase, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a voxel around which a patch is cut.

    A third of the draws: any voxel of a class that is chosen first. Otherwise any voxel
    that somebody looked at.
    """
    known = case.target != _IGNORE
    if rng.random() < _FOREGROUND:
        classes = np.unique(case.target[known & (case.target > 0)])
        if classes.size:
            known = case.target == rng.choice(classes)
    places = np.flatnonzero(known)
    if not places.size:
        return np.array([n // 2 for n in case.target.shape])
    voxel = int(places[rng.integers(places.size)])
    return np.array(np.unravel_index(voxel, case.target.shape))


def fine_tune(
    model: ModelFolder,
    study: Study,
    out: Path,
    *,
    steps: int,
    patch: tuple[int, int, int],
    seed: int,
) -> ModelFolder:
    """Fine-tune a model on the training labels of a study, on the CPU.

    Parameters
    ----------
    model : ModelFolder
        What it starts from.
    study : Study
        All its cases with training labels are learned.
    out : Path
        The new folder.
    steps : int
    patch : (z, y, x) voxels
    seed : int

    Returns
    -------
    ModelFolder
    """
    names = heads_of(model.labels.names, study.labels.names)
    cases = _cases(model, study, names)
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(model, len(names) + 1)
        network.train()
        optimizer = torch.optim.SGD(
            network.parameters(),
            lr=_RATE,
            momentum=_MOMENTUM,
            nesterov=True,
            weight_decay=_DECAY,
        )
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = polynomial_rate(step, steps)
            case = cases[rng.integers(len(cases))]
            image, target = _augmented(*_patch(case, patch, rng), rng)
            loss = deep_supervision_loss(network(image), target, ignore=_IGNORE)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
            optimizer.step()
    return _written(model, network, names, out)


def _cases(
    model: ModelFolder, study: Study, names: Mapping[int, str]
) -> list[PlainCase]:
    """Return the cases of a study that have training labels."""
    values = study.training_values
    head = {name.casefold(): value for value, name in names.items()}
    table = np.full(256, _IGNORE, np.uint8)
    table[0] = 0
    for label in study.labels:
        table[values.mapping[label.value]] = head[label.name.casefold()]
    found = []
    for case in study.cases():
        path = study.folder.training_label(case.name)
        if not path.exists():
            continue
        scan, mask = (
            reorient(open_volume(p), "RAS") for p in (case.images, path)
        )  # the shipped model's plans ask for RAS
        ready = preprocess(scan.array, scan.grid.spacing, model.plan)
        known = table[mask.array[0].astype(np.int64)][ready.geometry.slices]
        target = torch.from_numpy(known)[None, None].float()
        shape = list(ready.data.shape[1:])
        target = F.interpolate(target, shape, mode="nearest-exact")
        found.append(PlainCase(ready.data, target[0, 0].numpy().astype(np.uint8)))
    return found


def _network(model: ModelFolder, heads: int) -> nn.Module:
    """Return the network with its weights; new heads, and those of lower levels, are
    random."""
    network = build(
        model.plan.network_class_name,
        input_channels=model.input_channels,
        num_classes=heads,
        deep_supervision=True,
        arch_kwargs=model.plan.arch_kwargs,
    )
    own = network.state_dict()
    for name, value in model.load_weights(model.folds[0]).items():
        if name.startswith("out_"):
            axis = 1 if name.endswith("weight") else 0
            own[name].narrow(axis, 0, value.shape[axis]).copy_(value)
        else:
            own[name].copy_(value)
    return network


def _patch(
    case: PlainCase, patch: tuple[int, int, int], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return a patch, (1, c, z, y, x) and (1, z, y, x); zero and ignored outside."""
    centre = patch_centre(case, rng)
    image = np.zeros((len(case.data), *patch), np.float32)
    target = np.full(patch, _IGNORE, np.uint8)
    source, place = [], []
    for size, extent, at in zip(patch, case.target.shape, centre, strict=True):
        start = int(at) - size // 2
        start = min(max(start, 0), max(extent - size, 0))
        stop = min(start + size, extent)
        source.append(slice(start, stop))
        place.append(slice(0, stop - start))
    image[(slice(None), *place)] = case.data[(slice(None), *source)]
    target[tuple(place)] = case.target[tuple(source)]
    return torch.from_numpy(image)[None], torch.from_numpy(target)[None]


def _augmented(
    image: Tensor, target: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return the pair as nnU-Net's augmentation leaves it."""
    turns, scales = rng.random() < 0.2, rng.random() < 0.2
    if turns or scales:
        image, target = _turned(image, target, rng, turns=turns, scales=scales)
    if rng.random() < 0.1:
        spread = math.sqrt(rng.uniform(0, 0.1))
        noise = rng.normal(0, spread, image.shape)
        image = image + torch.from_numpy(noise).float()
    if rng.random() < 0.15:
        image = image * float(rng.uniform(0.75, 1.25))
    if rng.random() < 0.15:
        mean = image.mean()
        image = (image - mean) * float(rng.uniform(0.75, 1.25)) + mean
    for inverted, chance in ((True, 0.1), (False, 0.3)):
        if rng.random() < chance:
            image = _gamma(image, float(rng.uniform(0.7, 1.5)), inverted=inverted)
    axes = [axis for axis in (-3, -2, -1) if rng.random() < 0.5]
    return image.flip(axes), target.flip(axes)


def _gamma(image: Tensor, power: float, *, inverted: bool) -> Tensor:
    """Return the image with a gamma curve, and its mean and spread as before."""
    mean, spread = image.mean(), image.std()
    image = -image if inverted else image
    low = image.min()
    extent = (image.max() - low).clamp_min(1e-7)
    image = ((image - low) / extent) ** power * extent + low
    image = -image if inverted else image
    return (image - image.mean()) / image.std().clamp_min(1e-7) * spread + mean


def _turned(
    image: Tensor,
    target: Tensor,
    rng: np.random.Generator,
    *,
    turns: bool,
    scales: bool,
) -> tuple[Tensor, Tensor]:
    """Return the pair turned by up to 30 degrees and scaled by 0.7..1.4."""
    size = np.array(image.shape[2:], float)
    matrix = np.eye(3)
    for axis in range(3) if turns else ():
        i, j = (k for k in range(3) if k != axis)
        angle = math.radians(rng.uniform(-30, 30))
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = math.cos(angle)
        turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    if scales:
        matrix = matrix * rng.uniform(0.7, 1.4)
    matrix = matrix * size[None, :] / size[:, None]
    # grid_sample counts axes from the last.
    theta = torch.from_numpy(matrix[::-1, ::-1].copy()).float()
    theta = torch.cat([theta, torch.zeros(3, 1)], 1)[None]
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    image = F.grid_sample(image, grid, align_corners=False)
    shifted = (target.float() - _IGNORE)[:, None]  # outside is ignored
    moved = F.grid_sample(shifted, grid, mode="nearest", align_corners=False)
    return image, (moved[:, 0] + _IGNORE).round().to(torch.uint8)


def _written(
    model: ModelFolder, network: nn.Module, names: Mapping[int, str], out: Path
) -> ModelFolder:
    """Write the model folder."""
    plans = json.loads((model.path / "plans.json").read_text(encoding="utf-8"))
    dataset = json.loads((model.path / "dataset.json").read_text(encoding="utf-8"))
    dataset["labels"] = {"background": 0, **{n: v for v, n in names.items()}}
    card = dataclasses.replace(
        model.card,
        name=out.name,
        lineage={"parent": model.name, "method": "plain fine-tuning"},
        mirror_axes=(),
        sides={},
        expects=Expectations(),
        sha256={},
    )
    weights = {n: w for n, w in network.state_dict().items() if not _is_lower(n)}
    return write_model_folder(
        out,
        plans=plans,
        dataset=dataset,
        card=card,
        weights={"0": weights},
        overwrite=True,
    )


def _is_lower(name: str) -> bool:
    """Whether a parameter belongs to deep supervision only."""
    return name.startswith(("out_1.", "out_2.", "out_3.", "out_4."))
