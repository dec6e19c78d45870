import pytest
import torch
from torch import nn

from napari_mednext.errors import ModelError
from napari_mednext.models import ModelFolder, verify_model
from napari_mednext.models.weights import save_weights


class Network(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.stem = nn.Conv3d(channels, 8, 1)
        self.register_buffer("steps", torch.zeros(2, dtype=torch.int64))


def build(class_name, *, input_channels, num_classes, arch_kwargs):
    assert class_name == "napari_mednext.network.mednext.MedNeXt"
    assert num_classes == 3
    assert arch_kwargs["width"] == 8
    return Network(input_channels)


def test_a_sound_model_has_no_problems(folder):
    assert verify_model(folder) == ()
    assert verify_model(folder.path, build=build) == ()
    assert verify_model(str(folder.path), build=build) == ()


def test_unused_tensors_of_official_files_are_no_problem(folder, weights):
    extra = {"dummy_tensor": torch.ones(1), "out_3.conv_out.weight": torch.ones(4, 2)}
    (folder.path / "card.json").unlink()
    save_weights(weights | extra, folder.path / "fold_0" / "weights.safetensors")
    assert verify_model(folder.path, build=build) == ()


def test_a_first_down_block_without_grn_is_no_problem(folder):
    def build_with_grn(*args, **kwargs):
        network = build(*args, **kwargs)
        network.down_0 = nn.Module()
        network.down_0.grn_beta = nn.Parameter(torch.zeros(8))
        network.down_1 = nn.Module()
        network.down_1.grn_beta = nn.Parameter(torch.zeros(8))
        return network

    problems = verify_model(folder, build=build_with_grn)
    assert len(problems) == len(folder.folds)
    assert "got 1 wrong: down_1.grn_beta:" in problems[0]


def test_every_problem_is_told(folder, weights):
    del weights["stem.bias"]
    weights["stem.weight"] = torch.ones(8, 1, 1, 1, 1)
    weights["other"] = torch.ones(1)
    save_weights(weights, folder.path / "fold_0" / "weights.safetensors")
    (folder.path / "fold_1" / "weights.safetensors").write_bytes(b"x")
    problems = verify_model(folder.path, build=build)
    expected = [
        "fold_0/weights.safetensors must have the SHA-256 that card.json states",
        "fold_1/weights.safetensors must have the SHA-256 that card.json states",
        "fold 0 must hold every tensor of the network, got 1 wrong: stem.bias: the",
        "fold 0 must hold no other tensor, got 1 wrong: other: ",
        "fold 0 must have the network's shapes, got 1 wrong: stem.weight (8, 1, 1, 1, "
        "1) for (8, 2, 1, 1, 1)",
        "weights must be a whole safetensors file, got",
    ]
    assert len(problems) == len(expected)
    for sentence, start in zip(problems, expected, strict=True):
        assert sentence.startswith(start), sentence


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "a/../../b", "..\\b"])
def test_digests_of_files_outside_are_not_even_read(name, folder, change, monkeypatch):
    change("card.json", lambda card: card | {"sha256": {name: "0" * 64}})
    monkeypatch.setattr(
        "napari_mednext.models.verifying.file_digest",
        lambda path: pytest.fail(f"read {path}"),
    )
    (problem,) = verify_model(folder.path)
    assert problem.startswith("card.json must name files inside the model folder, got")


def test_a_file_that_is_gone_is_told(folder):
    (folder.path / "fold_1" / "weights.safetensors").unlink()
    (problem,) = verify_model(folder.path)
    assert "every file of a model must be readable, got No such file" in problem


@pytest.mark.parametrize("error", [ModelError("no such class"), TypeError("width")])
def test_a_network_that_cannot_be_built_is_told(error, folder):
    def fail(*_args, **_kwargs):
        raise error

    (problem,) = verify_model(folder, build=fail)
    assert problem.startswith("the network that plans.json names must be a known one")
    assert str(error) in problem


def test_a_folder_that_cannot_be_opened_is_one_problem(tmp_path):
    (problem,) = verify_model(tmp_path / "gone")
    assert problem.startswith("a model must be a folder")


def test_a_malicious_checkpoint_is_a_problem_not_a_crash(foreign):
    class Intruder:
        def __reduce__(self):
            return print, ("intruder",)

    path = foreign(logging=Intruder())
    (problem,) = verify_model(ModelFolder.open(path))
    assert "print" in problem
    assert "it was not run" in problem
