"""Model folders with cards and lineages, made without torch: weights are any bytes."""

from __future__ import annotations

import hashlib
import json

from napari_mednext.models import Card, ModelFolder, make_dataset, make_plans
from napari_mednext.study import Study
from tests.app.tiny_model import ARCHITECTURE


def write_model(path, name, *, content=b"weights", parent=None, **card) -> ModelFolder:
    """Write a folder as training leaves it; its parent is another ModelFolder."""
    (path / "fold_0").mkdir(parents=True)
    plans = make_plans(
        dataset_name="Dataset001_Tiny",
        spacing=(2.0, 1.0, 1.0),
        patch_size=(16, 16, 16),
        normalization_schemes=["ZScoreNormalization"],
        arch_kwargs=ARCHITECTURE,
    )
    dataset = make_dataset(
        name="Dataset001_Tiny", channel_names=["T1"], labels={"cortex": 1}
    )
    (path / "plans.json").write_text(json.dumps(plans))
    (path / "dataset.json").write_text(json.dumps(dataset))
    (path / "fold_0" / "weights.safetensors").write_bytes(content)
    digests = {
        file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in path.rglob("*.*")
    }
    lineage = dict(card.pop("lineage", {}))
    if parent is not None:
        lineage |= {"parent": parent.name, "parent_sha256": parent.sha256}
    full = Card(
        name=name,
        sha256=digests,
        lineage=lineage,
        configuration="3d_fullres",
        **card,
    )
    (path / "card.json").write_text(json.dumps(full.to_dict()))
    return ModelFolder.open(path)


def make_candidate(study, job, name="liver", **options) -> ModelFolder:
    """Write the folder of a job that has ended with a model."""
    lineage = {"job": job, **options.pop("lineage", {})}
    folder = study / "jobs" / job
    return write_model(folder / "model", name, lineage=lineage, **options)


def make_empty_study(folder):
    """Make a study without cases; returns its folder."""
    Study.create(folder).close()
    return folder
