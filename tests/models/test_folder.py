import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from napari_mednext.errors import ModelError, UnsafeModelError
from napari_mednext.models import Card, ModelFolder, make_dataset
from napari_mednext.models.weights import save_weights


def test_a_folder_of_ours_tells_everything(folder, weights):
    assert folder == ModelFolder.open(folder.path)
    assert (folder.name, folder.title) == ("heads_v1", "Heads")
    assert folder.channel_names == ("T1", "CT")
    assert (folder.input_channels, folder.num_heads) == (2, 3)
    assert folder.labels.names == {1: "grey", 2: "white"}
    assert folder.labels.colors[1] == (10, 20, 30)
    assert folder.regions is folder.region_class_order is folder.ignore_label is None
    assert folder.reorient_to_ras
    assert folder.mirror_axes == (0, 2)
    assert folder.folds == folder.available_folds == ("0", "1")
    assert folder.modality == "MR"
    assert folder.plan.patch_size == (16, 48, 32)
    assert folder.card.lineage == {"parent": None}
    loaded = folder.load_weights("1")
    assert loaded["stem.bias"].dtype == torch.float32
    assert loaded["steps"].dtype == torch.int64
    torch.testing.assert_close(loaded["stem.bias"], weights["stem.bias"].half().float())


def test_a_foreign_folder_is_opened_by_its_name_and_its_checkpoint(foreign, weights):
    folder = ModelFolder.open(foreign())
    assert folder.name == "Dataset007_Head/nnUNetTrainer__nnUNetPlans__3d_fullres"
    assert (folder.title, folder.modality) == ("Heads", "T1, CT")
    assert folder.card == Card()
    assert folder.mirror_axes == (0, 1)
    torch.testing.assert_close(folder.load_weights("0"), weights)


def test_a_foreign_folder_without_mirroring_mirrors_nothing(foreign):
    path = foreign(inference_allowed_mirroring_axes=None)
    assert ModelFolder.open(path).mirror_axes == ()


def test_weights_stay_when_their_file_changes(foreign, weights):
    """A large checkpoint is mapped, not read; what is returned must not be the map."""
    path = foreign()
    loaded = ModelFolder.open(path).load_weights("0")
    checkpoint = path / "fold_0" / "checkpoint_final.pth"
    with checkpoint.open("r+b") as stream:
        stream.write(bytes(checkpoint.stat().st_size))
    torch.testing.assert_close(loaded, weights, rtol=0, atol=0)


def test_without_reorienting_the_plans_say_so(foreign, plans):
    plans["image_reader_writer"] = "SimpleITKIO"
    assert not ModelFolder.open(foreign(plans=plans)).reorient_to_ras


def test_opening_imports_no_torch(folder):
    code = (
        "import sys; from napari_mednext.models import ModelFolder, installed_models;"
        f"f = ModelFolder.open({str(folder.path)!r}); f.mirror_axes; f.sha256;"
        "installed_models(); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _configurations(plans):
    entry = plans["configurations"]["3d_fullres"]
    low = {"inherits_from": "3d_fullres", "spacing": [4.0, 4.0, 4.0]}
    plans["configurations"] = {
        "2d": {"patch_size": [64, 64]},
        "3d_lowres": low,
        "3d_fullres": entry,
    }
    return plans


def test_the_name_of_the_folder_chooses_the_configuration(foreign, plans):
    path = foreign(
        "nnUNetTrainer__nnUNetPlans__3d_lowres",
        plans=_configurations(plans),
        init_args={"configuration": "3d_lowres"},
    )
    assert ModelFolder.open(path).plan.spacing == (4.0, 4.0, 4.0)


def test_the_checkpoint_chooses_where_the_name_does_not(foreign, plans):
    path = foreign(
        "renamed",
        plans=_configurations(plans),
        init_args={"configuration": "3d_lowres"},
    )
    folder = ModelFolder.open(path)
    assert (folder.plan.name, folder.name) == ("3d_lowres", "renamed")


def test_the_only_configuration_for_volumes_is_chosen(foreign, plans):
    plans["configurations"]["2d"] = {"patch_size": [64, 64]}
    assert ModelFolder.open(foreign("renamed", plans=plans)).plan.name == "3d_fullres"


def test_the_card_chooses_before_everything(folder, change):
    change("plans.json", _configurations)
    change("card.json", lambda card: card | {"configuration": "3d_lowres"})
    assert ModelFolder.open(folder.path).plan.name == "3d_lowres"
    change("card.json", lambda card: card | {"configuration": "gone"})
    with pytest.raises(ModelError, match=r"hold 'gone', which card.json names"):
        ModelFolder.open(folder.path)


def test_a_configuration_that_nobody_names_is_refused(folder, change):
    change("plans.json", _configurations)
    (folder.path / "card.json").unlink()
    with pytest.raises(ModelError, match=r"which configuration .* got \['2d', '3d_low"):
        ModelFolder.open(folder.path)


def test_a_checkpoint_that_names_none_leaves_the_choice_open(foreign, plans):
    path = foreign("renamed", plans=_configurations(plans), init_args={})
    with pytest.raises(ModelError, match=r"rename the folder to TRAINER__PLANS__CONF"):
        ModelFolder.open(path)


def test_a_checkpoint_of_another_configuration_is_refused(foreign):
    path = foreign(init_args={"configuration": "2d"})
    folder = ModelFolder.open(path)
    with pytest.raises(ModelError, match=r"configuration '3d_fullres', got '2d' in"):
        folder.load_weights("0")


@pytest.mark.parametrize(
    ("names", "available", "folds"),
    [
        (["0", "10", "2"], ("0", "2", "10"), ("0", "2", "10")),
        (["all"], ("all",), ("all",)),
        (["all", "1"], ("1", "all"), ("1",)),
        (["0", "00", "-1", "1x", "..", "all ", "1000"], ("0",), ("0",)),
    ],
)
def test_numbered_folds_come_before_all(names, available, folds, folder, weights):
    for fold in ("0", "1"):
        (folder.path / f"fold_{fold}" / "weights.safetensors").unlink()
    for name in names:
        target = folder.path / f"fold_{name}"
        target.mkdir(exist_ok=True)
        save_weights(weights, target / "weights.safetensors")
    found = ModelFolder.open(folder.path)
    assert (found.available_folds, found.folds) == (available, folds)


def test_a_fold_by_another_name_cannot_be_asked_for(folder, tmp_path, weights):
    secret = tmp_path / "fold_x"
    secret.mkdir()
    save_weights(weights, secret / "weights.safetensors")
    for fold in ("2", "x", "../../fold_x", "0/../1", "", "/etc"):
        with pytest.raises(ModelError, match=r"one of 0, 1, got .* choose one of them"):
            folder.load_weights(fold)


def test_a_fold_that_vanished_is_told(folder):
    (folder.path / "fold_1" / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"got none any more in .*fold_1': copy the"):
        folder.load_weights("1")


def test_safetensors_come_before_a_checkpoint(folder):
    evil = folder.path / "fold_0" / "checkpoint_final.pth"
    evil.write_bytes(b"cos\nsystem\n.")
    assert folder.load_weights("0")


def test_a_malicious_checkpoint_is_refused_wherever_it_is_read(foreign, tmp_path):
    class Intruder:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'marker')!r}, 'w').close()",)

    folder = ModelFolder.open(foreign(logging=[Intruder()]))
    with pytest.raises(UnsafeModelError, match="exec"):
        folder.load_weights("0")
    with pytest.raises(UnsafeModelError, match="exec"):
        _ = folder.mirror_axes
    assert not (tmp_path / "marker").exists()


def test_nan_in_the_weights_is_refused(foreign, weights):
    weights["stem.bias"][0] = np.nan
    folder = ModelFolder.open(foreign(network_weights=weights))
    with pytest.raises(ModelError, match=r"NaN or infinity in 'stem.bias' of .*fold_0"):
        folder.load_weights("0")


def test_the_hash_follows_what_decides_about_a_result(folder, change):
    before = folder.sha256
    change("card.json", lambda card: card | {"title": "Other"})
    assert ModelFolder.open(folder.path).sha256 == before
    change("dataset.json", lambda values: values | {"numTraining": 4})
    after = ModelFolder.open(folder.path).sha256
    assert after != before
    assert len(after) == 64


def test_regions_reach_the_folder(folder, change):
    dataset = make_dataset(
        name="R",
        channel_names=["a", "b"],
        labels={"whole": [1, 2], "core": 2},
        regions_class_order=[1, 2],
    )
    change("dataset.json", lambda _: dataset)
    found = ModelFolder.open(folder.path)
    assert (found.regions, found.region_class_order) == (((1, 2), (2,)), (1, 2))
    assert found.num_heads == 2


@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
def test_a_missing_file_is_named(name, folder):
    (folder.path / name).unlink()
    with pytest.raises(ModelError, match=rf"hold {name}, got none in"):
        ModelFolder.open(folder.path)


@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "card.json"])
def test_a_damaged_file_is_named(name, folder):
    path = folder.path / name
    path.write_text(path.read_text()[:-40])
    with pytest.raises(
        ModelError, match=rf"{name} must be JSON, got .* copy the model"
    ):
        ModelFolder.open(folder.path)


def test_what_is_no_model_folder_is_refused_with_the_nearest_place(folder, tmp_path):
    with pytest.raises(ModelError, match=r"must be a folder, got nothing there at"):
        ModelFolder.open(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"must be a folder, got a file at"):
        ModelFolder.open(folder.path / "plans.json")
    with pytest.raises(ModelError, match=r"plans.json, got none .* inside it, heads$"):
        ModelFolder.open(folder.path.parent)
    with pytest.raises(ModelError, match=r"plans.json, got none .* the folder above$"):
        ModelFolder.open(folder.path / "fold_0")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"choose the folder that holds plans.json"):
        ModelFolder.open(tmp_path / "empty")


def test_a_folder_without_weights_is_refused(folder):
    for fold in ("0", "1"):
        (folder.path / f"fold_{fold}" / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"fold_0/checkpoint_final.pth, got none in"):
        ModelFolder.open(folder.path)
    (folder.path / "fold_1" / "checkpoint_best.pth").touch()
    with pytest.raises(ModelError, match=r"rename fold_1/checkpoint_best.pth to check"):
        ModelFolder.open(folder.path)


def test_names_are_found_where_the_card_has_none(folder, change):
    change("card.json", lambda card: card | {"name": "", "title": ""})
    found = ModelFolder.open(folder.path)
    assert (found.name, found.title) == ("heads", "Heads")
    change("dataset.json", lambda values: values | {"name": ""})
    assert ModelFolder.open(folder.path).title == "heads"
    card = dataclasses.replace(found.card, modality="")
    assert dataclasses.replace(found, card=card).modality == "T1, CT"


def test_safetensors_without_a_card_mirror_nothing(folder):
    (folder.path / "card.json").unlink()
    found = ModelFolder.open(folder.path)
    assert (found.mirror_axes, found.plan.name) == ((), "3d_fullres")


def test_the_files_are_what_people_can_read(folder):
    plans = json.loads((folder.path / "plans.json").read_text())
    assert plans["dataset_name"] == "Dataset007_Head"


def test_sides_come_from_the_card(folder, change):
    assert folder.sides is None
    with pytest.raises(ModelError, match=r"card of 'heads_v1' lists none: leave sides"):
        folder.require_sides()
    path = change("card.json", lambda card: card.update(sides={"paired": [1]}))
    sides = ModelFolder.open(path).require_sides()
    assert sides.split.names == {2: "white", 101: "left grey", 201: "right grey"}


def test_sides_of_labels_that_are_not_there_are_refused(change):
    path = change("card.json", lambda card: card.update(sides={"paired": [7]}))
    with pytest.raises(ModelError, match=r'"sides" in the model card .* got \[7\]'):
        ModelFolder.open(path)
