import pytest

from napari_mednext.errors import ModelError
from napari_mednext.models import Resampling, make_plans
from napari_mednext.models.documents import Node
from napari_mednext.models.plan_reading import (
    read_plan,
    resolve,
    volume_configurations,
)

NAME = "3d_fullres"


def read(plans, name=NAME):
    return read_plan(Node(plans, "'plans.json'"), name, channels=2)


def put(plans, place, value):
    """Set plans["a"]["b"] from "a/b"; a value of ... deletes it."""
    *keys, last = place.split("/")
    for key in keys:
        plans = plans[key]
    if value is ...:
        del plans[last]
    else:
        plans[last] = value


def test_everything_arrives(plans):
    plan = read(plans)
    assert plan.name == NAME
    assert plan.spacing == (3.0, 0.5, 0.75)
    assert plan.patch_size == (16, 48, 32)
    assert plan.transpose_forward == (2, 0, 1)
    assert plan.transpose_backward == (1, 2, 0)
    assert plan.normalization_schemes == ("ZScoreNormalization", "CTNormalization")
    assert plan.use_mask_for_norm == (True, False)
    assert plan.intensity_properties == (
        {},
        {"mean": 40.5, "std": 12.25, "percentile_00_5": -60, "percentile_99_5": 300},
    )
    assert plan.resampling_data == Resampling(3, 0, None)
    assert plan.resampling_probabilities == Resampling(1, 0, None)
    assert plan.image_reader_writer == "NibabelIOWithReorient"
    assert plan.network_class_name == "napari_mednext.network.mednext.MedNeXt"
    assert plan.arch_kwargs == {"width": 8, "blocks": [1] * 9, "ratios": [2] * 9}
    assert plan.batch_size == 2


def test_the_transpose_undoes_itself():
    for forward in ((0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 2, 1)):
        plans = make_plans(
            dataset_name="D",
            spacing=(1, 1, 1),
            patch_size=(16, 16, 16),
            normalization_schemes=["ZScoreNormalization"] * 2,
            arch_kwargs={},
            transpose_forward=forward,
        )
        plan = read(plans)
        shape = (5, 6, 7)
        turned = tuple(shape[axis] for axis in plan.transpose_forward)
        assert tuple(turned[axis] for axis in plan.transpose_backward) == shape


def test_a_configuration_inherits_from_its_ancestors(plans):
    configurations = plans["configurations"]
    configurations["wide"] = {"inherits_from": NAME, "patch_size": [32, 64, 64]}
    configurations["wider"] = {
        "inherits_from": "wide",
        "spacing": [1, 2, 3],
        "batch_size": 7,
    }
    plan = read(plans, "wider")
    assert (plan.name, plan.batch_size) == ("wider", 7)
    assert plan.spacing == (1, 2, 3)
    assert plan.patch_size == (32, 64, 64)
    assert plan.normalization_schemes == read(plans).normalization_schemes


@pytest.mark.parametrize("circle", [("a",), ("a", "b"), ("a", "b", "c")])
def test_ancestors_in_a_circle_are_refused(circle):
    configurations = {
        name: {"inherits_from": circle[(index + 1) % len(circle)]}
        for index, name in enumerate(circle)
    }
    node = Node({"configurations": configurations}, "'plans.json'")
    chain = r", ".join([*circle, circle[0]]).replace(", ", "', '")
    with pytest.raises(ModelError, match=rf"without a circle, got \['{chain}'\]"):
        resolve(node, "a")


def test_an_ancestor_that_is_missing_is_named(plans):
    plans["configurations"]["child"] = {"inherits_from": "gone"}
    with pytest.raises(ModelError, match=r'"configurations" .* hold the key "gone"'):
        read(plans, "child")


def test_only_configurations_for_volumes_on_their_own_are_listed(plans):
    plans["configurations"] |= {
        "2d": {"patch_size": [64, 64]},
        "3d_lowres": {"inherits_from": NAME},
        "3d_cascade_fullres": {"inherits_from": NAME, "previous_stage": "3d_lowres"},
        "loop": {"inherits_from": "loop"},
        "broken": {"patch_size": 3},
    }
    node = Node(plans, "'plans.json'")
    assert volume_configurations(node) == (NAME, "3d_lowres")


def test_names_of_older_plans_are_read(plans):
    table = plans.pop("foreground_intensity_properties_per_channel")
    plans["foreground_intensity_properties_by_modality"] = table
    entry = plans["configurations"][NAME]
    del entry["architecture"]
    for key in ("data", "probabilities"):
        del entry[f"resampling_fn_{key}"], entry[f"resampling_fn_{key}_kwargs"]
    del entry["batch_size"]
    entry |= {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 32,
        "unet_max_num_features": 100,
        "n_conv_per_stage_encoder": [2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2],
        "conv_kernel_sizes": [[1, 3, 3]] * 3,
        "pool_op_kernel_sizes": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    }
    plan = read(plans)
    assert plan.intensity_properties[1]["mean"] == 40.5
    assert plan.resampling_data == Resampling(3, 0)
    assert plan.resampling_probabilities == Resampling(1, 0)
    assert plan.network_class_name.endswith("unet.PlainConvUNet")
    assert plan.arch_kwargs["features_per_stage"] == [32, 64, 100]
    assert plan.arch_kwargs["n_conv_per_stage"] == [2, 2, 2]
    entry["UNet_class_name"] = "ResidualEncoderUNet"
    assert read(plans).arch_kwargs["n_blocks_per_stage"] == [2, 2, 2]
    entry["UNet_class_name"] = "MyUNet"
    with pytest.raises(ModelError, match=r"one of PlainConvUNet, .* got 'MyUNet'"):
        read(plans)


ENTRY = f"configurations/{NAME}"
INTENSITIES = "foreground_intensity_properties_per_channel"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("configurations", ..., r'hold the key "configurations"'),
        ("configurations", [], r'"configurations" .* be an object, got \[\]'),
        (f"{ENTRY}/spacing", [1, 0, 1], r"spacing\[1\]\" .* positive number, got 0"),
        (f"{ENTRY}/spacing", [1, -2.5, 1], r"positive number, got -2.5"),
        (f"{ENTRY}/spacing", [1, float("nan"), 1], r"positive number, got nan"),
        (f"{ENTRY}/spacing", [1, 1], r"have 3 entries, .* volumes, got \[1, 1\]: ch"),
        (f"{ENTRY}/spacing", "1", r"be a list, got '1'"),
        (f"{ENTRY}/spacing", ..., r'hold the key "spacing"'),
        (f"{ENTRY}/patch_size", [64, 64], r"have 3 entries.* choose the model of a 3d"),
        (f"{ENTRY}/patch_size", [0, 64, 64], r"patch_size\[0\]\" .* at least 1 .*0:"),
        (f"{ENTRY}/patch_size", [1, 64.5, 64], r"whole number .* got 64.5"),
        (f"{ENTRY}/patch_size", [1, 64, 2**21], r"at most 1048576, got 2097152"),
        ("transpose_forward", [0, 1, 1], r"permutation of \[0, 1, 2\], got \[0, 1, 1"),
        ("transpose_forward", [0, 1], r"have 3 entries, got \[0, 1\]"),
        ("transpose_forward", [0, 1, 3], r"at most 2, got 3"),
        ("transpose_backward", [2, 0, 1], r"undo transpose_forward \[2, 0, 1\], got"),
        ("transpose_backward", ..., r'hold the key "transpose_backward"'),
        (f"{ENTRY}/normalization_schemes", ["a"], r"have 2 entries, got \['a'\]"),
        (f"{ENTRY}/normalization_schemes", ["a", 3], r"schemes\[1\]\" .* a text, got"),
        (f"{ENTRY}/use_mask_for_norm", [0, 1], r"be true or false, got 0"),
        (f"{ENTRY}/use_mask_for_norm", [True], r"have 2 entries"),
        (f"{ENTRY}/previous_stage", "3d_lowres", r"be missing, .* choose the 3d_full"),
        (f"{ENTRY}/preprocessor_name", "Mine", r"be 'DefaultPreprocessor', got 'Mine'"),
        (f"{ENTRY}/resampling_fn_data", "no_resampling_hack", r"got 'no_resampling"),
        (f"{ENTRY}/resampling_fn_probabilities", "x", r"use nnU-Net itself"),
        (f"{ENTRY}/resampling_fn_data_kwargs/order", 6, r"at most 5, got 6"),
        (f"{ENTRY}/resampling_fn_data_kwargs/order_z", -1, r"at least 0 .* got -1"),
        (f"{ENTRY}/resampling_fn_data_kwargs/force_separate_z", 1, r"true or false"),
        ("label_manager", "OtherManager", r"be 'LabelManager', got 'OtherManager'"),
        ("image_reader_writer", ..., r'hold the key "image_reader_writer"'),
        ("image_reader_writer", 3, r"a text, got 3"),
        (f"{ENTRY}/batch_size", 0, r"at least 1, got 0"),
        (f"{ENTRY}/inherits_from", 3, r"a text, got 3"),
        (f"{ENTRY}/architecture", {}, r'hold the key "arch_kwargs"'),
        (f"{ENTRY}/architecture/arch_kwargs", [1], r"be an object, got \[1\]"),
        (f"{ENTRY}/architecture/network_class_name", 3, r"be a text, got 3"),
        (f"{ENTRY}/architecture", None, r'hold the key "UNet_class_name"'),
        (INTENSITIES, ..., r"for channel 1, which CTNormalization needs, got None"),
        (INTENSITIES, {"0": {}}, r"for channel 1, .* got \['0'\]"),
        (f"{INTENSITIES}/1/mean", ..., r'hold the key "mean"'),
        (f"{INTENSITIES}/1/mean", "x", r"a finite number, got 'x'"),
        (f"{INTENSITIES}/1/std", -0.1, r"std\" .* at least 0, got -0.1"),
        (f"{INTENSITIES}/1/percentile_00_5", 301, r"at most percentile_99_5, got"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused(place, value, message, plans):
    put(plans, place, value)
    with pytest.raises(ModelError, match=message):
        read(plans)


@pytest.mark.parametrize("force", [True, False])
def test_resampling_follows_the_plans(force, plans):
    entry = plans["configurations"][NAME]
    entry["resampling_fn_data_kwargs"] = {
        "is_seg": False,
        "order": 5,
        "order_z": 1,
        "force_separate_z": force,
    }
    assert read(plans).resampling_data == Resampling(5, 1, force)
