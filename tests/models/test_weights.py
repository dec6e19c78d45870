import struct

import pytest
import torch

from napari_mednext.errors import ModelError, StorageError
from napari_mednext.models.weights import (
    check_finite,
    file_digest,
    read_weights,
    save_weights,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


def test_half_precision_is_the_nearest_and_integers_are_kept(path, weights):
    save_weights(weights, path)
    found = read_weights(path)
    assert set(found) == set(weights)
    assert found["stem.weight"].dtype == torch.float16
    torch.testing.assert_close(found["stem.weight"], weights["stem.weight"].half())
    assert found["steps"].tolist() == [7, 11]


def test_full_precision_is_exact(path, weights):
    save_weights(weights, path, half=False)
    torch.testing.assert_close(read_weights(path), weights, rtol=0, atol=0)


def test_views_of_one_tensor_and_gradients_are_stored_as_values(path):
    base = torch.arange(12.0, requires_grad=True)
    save_weights({"a": base[:6].view(2, 3).T, "b": base[:6], "c": base}, path)
    found = read_weights(path)
    assert found["a"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["b"].tolist() == [0, 1, 2, 3, 4, 5]
    assert base.requires_grad


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 0.5, -1])
def test_a_truncated_file_is_refused(keep, path, weights):
    save_weights(weights, path)
    whole = path.read_bytes()
    size = int(len(whole) * keep) if isinstance(keep, float) else keep
    path.write_bytes(whole[:size])
    with pytest.raises(ModelError, match=r"whole safetensors file, got .*weights.saf"):
        read_weights(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{",
        b'{"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 400]}}',
        b'{"a": {"dtype": "F16", "shape": [-2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "X9", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F16", "shape": [4611686018427387904, 4], '
        b'"data_offsets": [0, 4]}}',
    ],
)
def test_a_header_that_lies_is_refused(header, path):
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(path)


def test_a_header_that_claims_a_huge_length_is_refused(path):
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(path)


def test_a_missing_file_and_no_tensors_are_refused(path):
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(path)
    path.write_bytes(struct.pack("<Q", 2) + b"{}")
    with pytest.raises(ModelError, match=r"weights must hold tensors, got none in"):
        read_weights(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(value, path, weights):
    weights["stem.bias"][3] = value
    with pytest.raises(ModelError, match=r"NaN or infinity in 'stem.bias' of here: us"):
        check_finite(weights, "here")
    with pytest.raises(ModelError, match=r"'stem.bias' of the weights for 'weights.s"):
        save_weights(weights, path)
    assert not path.exists()


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.complex64])
def test_a_type_that_weights_are_not_stored_in_is_refused(kind, path):
    weights = {"a": torch.ones(3).to(kind)}
    name = str(kind).rpartition(".")[2]
    with pytest.raises(ModelError, match=rf"got torch.{name} in 'a' of here: store th"):
        check_finite(weights, "here")
    with pytest.raises(ModelError, match=r"whole numbers, got torch"):
        save_weights(weights, path)


def test_what_half_precision_cannot_hold_is_refused(path):
    save_weights({"a": torch.tensor([65504.0, -65504.0])}, path)
    with pytest.raises(ModelError, match=r"below 65504 .* got 70000.0 in 'a': .*half="):
        save_weights({"a": torch.tensor([1.0, -70000.0])}, path)
    save_weights({"a": torch.tensor([1.0, -70000.0])}, path, half=False)


def test_no_weights_are_refused(path):
    with pytest.raises(ModelError, match=r"at least one tensor, got none for 'weights"):
        save_weights({}, path)


def test_a_place_that_cannot_be_written_is_told(tmp_path, weights):
    with pytest.raises(StorageError, match=r"the weights must be writable, got"):
        save_weights(weights, tmp_path / "missing" / "w.safetensors")


def test_everybody_may_read_the_file(path, weights):
    save_weights(weights, path)
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_digest_is_that_of_the_content(path):
    path.write_bytes(b"abc")
    assert file_digest(path).startswith("ba7816bf8f01cfea")
    with pytest.raises(ModelError, match=r"must be readable, got No such file"):
        file_digest(path.parent / "gone")
