import numpy as np
import pytest
import torch

from napari_mednext.errors import ModelError, ResourceError
from napari_mednext.inference import devices, load_model
from napari_mednext.inference import model as model_module
from napari_mednext.models import Card, make_dataset, make_plans, write_model_folder
from napari_mednext.network import build
from napari_mednext.settings import InferenceSettings
from tests.inference.standins import make_volume

ARCHITECTURE = {"width": 4, "blocks": [1] * 9, "ratios": [2] * 9, "grn": "mean"}


def make_network(**changes):
    torch.manual_seed(0)
    return build(
        "MedNeXt",
        input_channels=1,
        num_classes=6,
        arch_kwargs={**ARCHITECTURE, **changes},
    ).eval()


def write(path, folds, **changes):
    return write_model_folder(
        path,
        plans=make_plans(
            dataset_name="Dataset001_Any",
            spacing=(2.0, 1.5, 1.25),
            patch_size=(16, 32, 16),
            normalization_schemes=("ZScoreNormalization",),
            arch_kwargs={**ARCHITECTURE, **changes},
        ),
        dataset=make_dataset(
            name="any", channel_names=["T1"], labels={f"l{i}": i for i in range(1, 6)}
        ),
        card=Card(name="any", mirror_axes=(0, 2)),
        weights=folds,
        half=False,
    )


@pytest.fixture
def _fixed_seed():
    with torch.random.fork_rng():
        yield


@pytest.mark.usefixtures("_fixed_seed")
def test_a_folder_of_two_folds_segments(tmp_path):
    weights = make_network().state_dict()
    write(tmp_path / "m", {"0": weights, "1": weights})
    write(tmp_path / "one", {"0": weights})
    model = load_model(tmp_path / "m", device="cpu")
    assert len(model.networks) == 2
    assert not any(n.training for n in model.networks)
    assert not any(p.requires_grad for n in model.networks for p in n.parameters())
    assert model.device == "cpu"
    volume = make_volume(shape=(9, 21, 17))
    settings = InferenceSettings(mirror=False, device="cpu")
    both = model.segment(volume, settings=settings)
    one = load_model(tmp_path / "one", device="cpu").segment(volume, settings=settings)
    assert (both.array == one.array).mean() > 0.999
    assert len(np.unique(both.array)) > 1
    assert both.names == {i: f"l{i}" for i in range(1, 6)}


@pytest.mark.usefixtures("_fixed_seed")
def test_heads_of_deep_supervision_are_loaded_and_not_used(tmp_path):
    network = build(
        "MedNeXt",
        input_channels=1,
        num_classes=6,
        deep_supervision=True,
        arch_kwargs=ARCHITECTURE,
    )
    write(tmp_path / "m", {"0": network.state_dict()})
    model = load_model(tmp_path / "m", device="cpu")
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        assert model.networks[0](x).shape == (1, 6, 16, 16, 16)


@pytest.mark.usefixtures("_fixed_seed")
def test_weights_of_another_network_are_refused(tmp_path):
    write(tmp_path / "m", {"0": make_network(width=8).state_dict()})
    with pytest.raises(ModelError, match=r"fold 0 of .*'any' .*stem\.weight"):
        load_model(tmp_path / "m", device="cpu")


@pytest.mark.usefixtures("_fixed_seed")
def test_a_device_without_room_leaves_the_network_on_the_processor(
    tmp_path, monkeypatch
):
    write(tmp_path / "m", {"0": make_network().state_dict()})
    monkeypatch.setattr(model_module, "resolve_device", lambda name: "meta")
    original = torch.nn.Module.to

    def to(self, device):
        if device == "meta":
            msg = "no room"
            raise torch.OutOfMemoryError(msg)
        return original(self, device)

    monkeypatch.setattr(torch.nn.Module, "to", to)
    model = load_model(tmp_path / "m")
    assert next(model.networks[0].parameters()).device.type == "cpu"
    assert model.device == "meta"


def test_devices_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.resolve_device("auto") == "cpu"
    assert devices.resolve_device("cpu") == "cpu"
    with pytest.raises(ResourceError, match="'cuda:3' must be there, torch sees 0"):
        devices.resolve_device("cuda:3")
    with pytest.raises(ResourceError, match="'mps' must be there"):
        devices.resolve_device("mps")
    assert devices.free_bytes("cpu") is None


def test_gpus_are_numbered_and_their_memory_is_asked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5000, 9000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 300)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    assert devices.resolve_device("auto") == "cuda:0"
    assert devices.resolve_device("cuda") == "cuda:0"
    assert devices.resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(ResourceError, match="torch sees 2 GPUs"):
        devices.resolve_device("cuda:2")
    assert devices.free_bytes("cuda:1") == 5200
