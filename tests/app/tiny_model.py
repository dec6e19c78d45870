"""A real model folder with a very small network of random weights."""

from __future__ import annotations

from napari_mednext.models import (
    Card,
    ModelFolder,
    make_dataset,
    make_plans,
    write_model_folder,
)

ARCHITECTURE = {
    "width": 2,
    "blocks": [1] * 9,
    "ratios": [1] * 9,
    "kernel_size": 3,
    "grn": "mean",
}


def write_tiny_model(path, *, channels=("T1",)) -> ModelFolder:
    """Write it; the labels are cortex 1 and white 2. Imports torch."""
    import torch

    from napari_mednext.network import build

    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build(
            "MedNeXt",
            input_channels=len(channels),
            num_classes=3,
            arch_kwargs=ARCHITECTURE,
        )
    return write_model_folder(
        path,
        plans=make_plans(
            dataset_name="Dataset001_Tiny",
            spacing=(2.0, 1.0, 1.0),
            patch_size=(16, 16, 16),
            normalization_schemes=["ZScoreNormalization"] * len(channels),
            arch_kwargs=ARCHITECTURE,
        ),
        dataset=make_dataset(
            name="Dataset001_Tiny",
            channel_names=list(channels),
            labels={"background": 0, "cortex": 1, "white": 2},
        ),
        card=Card(name="tiny", title="Tiny test model", modality="MR"),
        weights={"0": network.state_dict()},
    )
