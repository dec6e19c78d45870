"""Writing an improved model as a folder of its own, with where it comes from."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
from typing import TYPE_CHECKING, Any

import torch

from napari_mednext.errors import StorageError
from napari_mednext.models import Card, make_dataset, write_model_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from napari_mednext.models import ConfigurationPlan, ModelFolder
    from napari_mednext.training.tuning.classes import ClassMap

__all__ = ["candidate_plans", "mixed", "plan_of_channels", "write_candidate"]

#: How channels are normalised that the old model does not know.
_NEW_CHANNEL = "ZScoreNormalization"


def plan_of_channels(
    plan: ConfigurationPlan, rows: Sequence[int | None]
) -> ConfigurationPlan:
    """Return a plan for other channels.

    Parameters
    ----------
    plan : ConfigurationPlan
        Of the old model.
    rows : sequence of int or None
        One a channel: the old channel that it continues; a new one is brought to mean
        0 and deviation 1.

    Returns
    -------
    ConfigurationPlan
    """
    schemes, masks = plan.normalization_schemes, plan.use_mask_for_norm
    properties = plan.intensity_properties
    return dataclasses.replace(
        plan,
        normalization_schemes=tuple(
            _NEW_CHANNEL if k is None else schemes[k] for k in rows
        ),
        use_mask_for_norm=tuple(k is not None and masks[k] for k in rows),
        intensity_properties=tuple({} if k is None else properties[k] for k in rows),
    )


def mixed(
    start: Mapping[str, Tensor], end: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Return weights between those of the start and the end of a training.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022: what
    lies between often keeps more of the old and loses little of the new.

    Parameters
    ----------
    start, end : mapping of str to Tensor
        Of one network.
    share : float
        Of the end, 0..1.

    Returns
    -------
    dict of str to Tensor
    """
    if share >= 1:
        return dict(end)
    return {name: torch.lerp(start[name], value, share) for name, value in end.items()}


def candidate_plans(
    start: ModelFolder,
    arch_kwargs: Mapping[str, Any],
    rows: Sequence[int | None],
) -> dict[str, Any]:
    """Return the plans of the new model: the old ones, with its network and channels.

    Parameters
    ----------
    start : ModelFolder
        The old model.
    arch_kwargs : mapping
        Constructor arguments of the new network.
    rows : sequence of int or None
        One a channel: the old channel that it continues. A new channel is normalised
        to mean 0 and deviation 1.

    Returns
    -------
    dict

    Raises
    ------
    StorageError
        If the old plans cannot be read any more.
    """
    try:
        text = (start.path / "plans.json").read_text(encoding="utf-8")
    except OSError as error:
        msg = f"the plans of {start.name!r} must be readable, but: {error}"
        raise StorageError(msg) from error
    old = json.loads(text)
    plan, name = start.plan, start.plan.name
    # Inherited entries are written out, so that the folder stands alone.
    entry = copy.deepcopy(_resolved(old["configurations"], name))
    network = {
        "network_class_name": plan.network_class_name,
        "arch_kwargs": {k: v for k, v in arch_kwargs.items() if k != "checkpointing"},
        "_kw_requires_import": [],
    }
    if "architecture" in entry:
        network = {**entry["architecture"], **network}
    entry["architecture"] = network
    if tuple(rows) != tuple(range(len(start.channel_names))):
        new = plan_of_channels(plan, rows)
        entry["normalization_schemes"] = list(new.normalization_schemes)
        entry["use_mask_for_norm"] = list(new.use_mask_for_norm)
        old["foreground_intensity_properties_per_channel"] = {
            str(i): dict(each) for i, each in enumerate(new.intensity_properties)
        }
    return {**old, "configurations": {name: entry}}


def _resolved(configurations: Mapping[str, Any], name: str) -> dict[str, Any]:
    entry = dict(configurations[name])
    parent = entry.pop("inherits_from", None)
    return {**_resolved(configurations, parent), **entry} if parent else entry


def write_candidate(
    path: Path,
    start: ModelFolder,
    classes: ClassMap,
    weights: Mapping[str, Tensor],
    *,
    plans: Mapping[str, Any],
    channels: Sequence[str],
    facts: Mapping[str, Any],
) -> ModelFolder:
    """Write the new model.

    Parameters
    ----------
    path : Path
        The new folder; what is there is replaced.
    start : ModelFolder
        Whose card is carried on: licence, credits, limits.
    classes : ClassMap
        What the heads stand for.
    weights : mapping
        Of the network, without lower heads.
    plans : mapping
        From :func:`candidate_plans`.
    channels : sequence of str
        Names of the channels.
    facts : mapping
        Fields of the card: name, title, lineage, recipe, metrics ...

    Returns
    -------
    ModelFolder
    """
    labels = {"background": 0}
    labels |= {name: head for head, name in enumerate(classes.names, start=1)}
    dataset = make_dataset(
        name=str(plans.get("dataset_name", "")) or start.dataset.name,
        channel_names=channels,
        labels=labels,
    )
    card: Card = dataclasses.replace(
        start.card,
        **{
            "created": datetime.datetime.now(datetime.UTC).isoformat(
                timespec="seconds"
            ),
            "software": {"torch": torch.__version__},
            "colors": dict(enumerate(classes.colors, start=1)),
            "mirror_axes": classes.mirror_axes(start.mirror_axes),
            "configuration": start.plan.name,
            "sha256": {},
            **facts,
        },
    )
    return write_model_folder(
        path,
        plans=plans,
        dataset=dataset,
        card=card,
        weights={"0": weights},
        overwrite=True,
    )
