import copy
import json

import pytest
import torch

from napari_mednext.models import Card, make_dataset, make_plans, write_model_folder

#: Keyword arguments of a network with two stages' worth of blocks, eight channels.
ARCH_KWARGS = {"width": 8, "blocks": [1] * 9, "ratios": [2] * 9}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def plans():
    return make_plans(
        dataset_name="Dataset007_Head",
        spacing=(3.0, 0.5, 0.75),
        patch_size=(16, 48, 32),
        normalization_schemes=["ZScoreNormalization", "CTNormalization"],
        use_mask_for_norm=[True, False],
        intensity_properties=[
            {},
            {
                "mean": 40.5,
                "std": 12.25,
                "percentile_00_5": -60,
                "percentile_99_5": 300,
            },
        ],
        arch_kwargs=ARCH_KWARGS,
        transpose_forward=(2, 0, 1),
    )


@pytest.fixture
def dataset():
    return make_dataset(
        name="Heads",
        channel_names=["T1", "CT"],
        labels={"grey": 1, "white": 2},
        training_cases=3,
    )


@pytest.fixture
def weights():
    generator = torch.Generator().manual_seed(3)
    return {
        "stem.weight": torch.randn(8, 2, 1, 1, 1, generator=generator),
        "stem.bias": torch.randn(8, generator=generator),
        "steps": torch.tensor([7, 11]),
    }


@pytest.fixture
def card():
    return Card(
        name="heads_v1",
        title="Heads",
        description="Grey and white matter.",
        modality="MR",
        mirror_axes=(0, 2),
        colors={1: (10, 20, 30)},
        lineage={"parent": None},
        training_data=({"name": "ours", "licence": "CC0"},),
        limits=("never tried on children",),
        seed=5,
    )


@pytest.fixture
def folder(tmp_path, plans, dataset, card, weights):
    """A model folder of ours, written."""
    return write_model_folder(
        tmp_path / "models" / "heads",
        plans=plans,
        dataset=dataset,
        card=card,
        weights={"0": weights, "1": weights},
    )


@pytest.fixture
def change(folder):
    """Change a JSON file of the written folder in place."""

    def apply(name, function):
        path = folder.path / name
        values = json.loads(path.read_text())
        changed = copy.deepcopy(values)
        result = function(changed)
        path.write_text(json.dumps(changed if result is None else result))
        return folder.path

    return apply


@pytest.fixture
def foreign(tmp_path, plans, dataset, weights):
    """Write a folder as nnU-Net leaves it, without a card."""

    def write(name="nnUNetTrainer__nnUNetPlans__3d_fullres", *, fold="0", **content):
        path = tmp_path / "Dataset007_Head" / name
        (path / f"fold_{fold}").mkdir(parents=True, exist_ok=True)
        (path / "plans.json").write_text(json.dumps(content.pop("plans", plans)))
        (path / "dataset.json").write_text(json.dumps(dataset))
        checkpoint = {
            "network_weights": weights,
            "init_args": {"configuration": "3d_fullres", "fold": 0},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1),
            **content,
        }
        torch.save(checkpoint, path / f"fold_{fold}" / "checkpoint_final.pth")
        return path

    return write
