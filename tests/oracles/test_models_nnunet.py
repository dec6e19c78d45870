"""Model folders against nnunetv2's own classes, both ways.

nnU-Net must accept what is written here, and what nnU-Net writes must be read here with
the same meaning. Runs in an environment with nnunetv2 2.8.1.
"""

import json

import numpy as np
import pytest
import torch

from napari_mednext.models import (
    Card,
    ModelFolder,
    export_for_nnunet,
    make_dataset,
    make_plans,
    verify_model,
    write_model_folder,
)
from napari_mednext.models.documents import Node
from napari_mednext.models.plan_reading import read_plan
from napari_mednext.network import build

pytestmark = [
    pytest.mark.oracle,
    # The judge, not the judged: nnunetv2 and what it imports warn about themselves.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module", autouse=True)
def _nnunet():
    """Import nnunetv2 before any test: its imports set environment variables."""
    pytest.importorskip("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")


ARCHITECTURE = {"width": 4, "blocks": [1] * 9, "ratios": [2] * 9, "grn": "mean"}
LABELS = {
    "plain": ({"grey": 1, "white": 2}, None),
    "ignore": ({"grey": 1, "white": 2, "ignore": 3}, None),
    "regions": ({"whole": (1, 2, 3), "core": (2, 3), "edge": 3}, (1, 2, 3)),
    "regions and ignore": ({"whole": (1, 2), "core": 2, "ignore": 3}, (1, 2)),
}


def plans_of(forward=(0, 1, 2), **more):
    return make_plans(
        dataset_name="Dataset901_Head",
        spacing=(3.0, 0.5, 0.75),
        patch_size=(16, 48, 32),
        normalization_schemes=["ZScoreNormalization", "CTNormalization"],
        use_mask_for_norm=[True, False],
        intensity_properties=[
            {},
            {
                "max": 3000.0,
                "mean": 40.5,
                "median": 38.0,
                "min": -1024.0,
                "percentile_00_5": -60.0,
                "percentile_99_5": 300.0,
                "std": 12.25,
            },
        ],
        arch_kwargs=ARCHITECTURE,
        transpose_forward=forward,
        **more,
    )


def dataset_of(kind):
    labels, order = LABELS[kind]
    return make_dataset(
        name="Heads",
        channel_names=["T1", "CT"],
        labels=labels,
        regions_class_order=order,
    )


@pytest.fixture
def write(tmp_path):
    """Write a folder with a network of random weights."""

    def apply(kind="plain", **more):
        heads = {"plain": 3, "ignore": 3, "regions": 3, "regions and ignore": 2}[kind]
        torch.manual_seed(4)
        plans = plans_of(**more)
        network = build(
            "napari_mednext.network.mednext.MedNeXt",
            input_channels=2,
            num_classes=heads,
            arch_kwargs=ARCHITECTURE,
        )
        return write_model_folder(
            tmp_path / "m",
            plans=plans,
            dataset=dataset_of(kind),
            card=Card(mirror_axes=(0, 2)),
            weights={"0": network.state_dict()},
        )

    return apply


@pytest.mark.parametrize("forward", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("kind", LABELS)
def test_nnunets_managers_read_what_is_written(kind, forward, write):
    from nnunetv2.utilities.label_handling.label_handling import (
        determine_num_input_channels,
    )
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    folder = write(kind, forward=forward)
    dataset = json.loads((folder.path / "dataset.json").read_text())
    manager = PlansManager(str(folder.path / "plans.json"))
    theirs = manager.get_configuration("3d_fullres")
    plan = folder.plan
    assert tuple(theirs.spacing) == plan.spacing
    assert tuple(theirs.patch_size) == plan.patch_size
    assert theirs.batch_size == plan.batch_size
    assert tuple(theirs.normalization_schemes) == plan.normalization_schemes
    assert tuple(theirs.use_mask_for_norm) == plan.use_mask_for_norm
    assert tuple(manager.transpose_forward) == plan.transpose_forward == forward
    assert tuple(manager.transpose_backward) == plan.transpose_backward
    assert manager.foreground_intensity_properties_per_channel == {
        "0": {},  # nnU-Net's predictor wants an entry for every channel
        "1": plan.intensity_properties[1],
    }
    for function, ours in (
        (theirs.resampling_fn_data, plan.resampling_data),
        (theirs.resampling_fn_probabilities, plan.resampling_probabilities),
    ):
        assert function.func.__name__ == "resample_data_or_seg_to_shape"
        assert function.keywords["order"] == ours.order
        assert function.keywords["order_z"] == ours.order_z
        assert function.keywords["force_separate_z"] == ours.force_separate_z
        assert function.keywords["is_seg"] is False
    assert theirs.resampling_fn_seg.keywords["is_seg"] is True
    assert theirs.preprocessor_class.__name__ == "DefaultPreprocessor"
    assert manager.image_reader_writer_class.__name__ == "NibabelIOWithReorient"
    assert theirs.previous_stage_name is theirs.next_stage_names is None
    assert theirs.network_arch_init_kwargs_req_import == []
    labels = manager.get_label_manager(dataset)
    assert labels.num_segmentation_heads == folder.num_heads
    assert labels.ignore_label == folder.ignore_label
    if folder.regions is None:
        assert not labels.has_regions
        assert list(labels.foreground_labels) == [each.value for each in folder.labels]
    else:
        assert [np.atleast_1d(r).tolist() for r in labels.foreground_regions] == [
            list(region) for region in folder.regions
        ]
        assert tuple(labels.regions_class_order) == folder.region_class_order
    channels = determine_num_input_channels(manager, theirs, dataset)
    assert channels == folder.input_channels == 2


def test_nnunets_inheritance_is_ours():
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = plans_of()
    plans["configurations"] |= {
        "bs4": {"inherits_from": "3d_fullres", "batch_size": 4, "spacing": [2, 2, 2]},
        "low": {"inherits_from": "bs4", "spacing": [4, 5, 6]},
    }
    for name in plans["configurations"]:
        theirs = PlansManager(plans).get_configuration(name)
        ours = read_plan(Node(plans, "f"), name, channels=2)
        assert tuple(theirs.spacing) == ours.spacing
        assert tuple(theirs.patch_size) == ours.patch_size
        assert theirs.batch_size == ours.batch_size
        assert theirs.network_arch_class_name == ours.network_class_name


@pytest.mark.parametrize("unet", ["PlainConvUNet", "ResidualEncoderUNet"])
def test_old_plans_mean_the_same_network(unet):
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = plans_of()
    entry = plans["configurations"]["3d_fullres"]
    del entry["architecture"]
    entry |= {
        "UNet_class_name": unet,
        "UNet_base_num_features": 32,
        "unet_max_num_features": 320,
        "n_conv_per_stage_encoder": [2, 2, 2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2, 2, 2],
        "num_pool_per_axis": [4, 4, 4],
        "conv_kernel_sizes": [[1, 3, 3]] + [[3, 3, 3]] * 4,
        "pool_op_kernel_sizes": [[1, 1, 1]] + [[2, 2, 2]] * 4,
    }
    ours = read_plan(Node(json.loads(json.dumps(plans)), "f"), "3d_fullres", channels=2)
    theirs = PlansManager(plans).get_configuration("3d_fullres")
    assert ours.network_class_name.rpartition(".")[2] == unet
    assert dict(ours.arch_kwargs) == theirs.network_arch_init_kwargs


def test_nnunets_predictor_runs_an_exported_folder(write, tmp_path):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    folder = write()
    target = export_for_nnunet(folder, tmp_path / "nnUNetTrainer__nnUNetPlans__3d")
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(target), use_folds=None)
    assert type(predictor.network).__module__ == "napari_mednext.network.mednext"
    assert tuple(predictor.allowed_mirroring_axes) == folder.mirror_axes == (0, 2)
    weights = folder.load_weights("0")
    for name, tensor in predictor.network.state_dict().items():
        torch.testing.assert_close(tensor, weights[name], rtol=0, atol=0)
    assert verify_model(folder, build=build) == ()


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """nnU-Net's trainer after an epoch that it is told of."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, str(tmp_path / name))
    plans = plans_of(
        network_class_name="dynamic_network_architectures.architectures.unet."
        "PlainConvUNet"
    )
    plans["configurations"]["3d_fullres"]["architecture"] = {
        "network_class_name": "dynamic_network_architectures.architectures.unet."
        "PlainConvUNet",
        "arch_kwargs": {
            "n_stages": 2,
            "features_per_stage": [4, 8],
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * 2,
            "strides": [[1, 1, 1], [2, 2, 2]],
            "n_conv_per_stage": [1, 1],
            "n_conv_per_stage_decoder": [1],
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
    dataset = dataset_of("plain")
    made = nnUNetTrainer(
        {**plans, "continue_training": False},
        "3d_fullres",
        0,
        dataset,
        torch.device("cpu"),
    )
    made.network = made.build_network_architecture(
        made.plans_manager, made.configuration_manager, 2, 3, False
    )
    made.optimizer, _ = made.configure_optimizers()
    made.network(torch.randn(1, 2, 16, 16, 16)).square().mean().backward()
    made.optimizer.step()
    made.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    made.logger.log("train_losses", np.float32(-0.5), 0)
    made.logger.log("val_losses", np.mean([0.25, 0.5]), 0)
    made.logger.log("dice_per_class_or_region", [np.float64(0.5), np.float64(0.7)], 0)
    made._best_ema = np.float64(0.61)
    return made, plans, dataset


def test_a_checkpoint_of_nnunets_trainer_is_read(trainer, tmp_path):
    made, plans, dataset = trainer
    path = tmp_path / "Dataset901_Head" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    (path / "fold_0").mkdir(parents=True)
    (path / "plans.json").write_text(json.dumps(plans))
    (path / "dataset.json").write_text(json.dumps(dataset))
    made.save_checkpoint(str(path / "fold_0" / "checkpoint_final.pth"))
    with pytest.raises(Exception, match="weights_only"):  # torch alone refuses it
        torch.load(path / "fold_0" / "checkpoint_final.pth", weights_only=True)
    folder = ModelFolder.open(path)
    assert folder.mirror_axes == (0, 1, 2)
    assert folder.plan.network_class_name.endswith("PlainConvUNet")
    expected = made.network.state_dict()
    loaded = folder.load_weights("0")
    assert set(loaded) == set(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(loaded[name], tensor, rtol=0, atol=0)
