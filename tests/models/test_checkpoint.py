"""A checkpoint is read, or refused with a sentence; nothing in it ever runs."""

import collections
import io
import pickle
import random
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
import torch

from napari_mednext.errors import ModelError, ResourceError, UnsafeModelError
from napari_mednext.models.checkpoint import read_checkpoint


class Intruder:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, target):
        self.code = f"open({str(target)!r}, 'w').close()"

    def __reduce__(self):
        return exec, (self.code,)


class ShellIntruder(Intruder):
    def __reduce__(self):
        import os

        return os.system, (f'python3 -c "{self.code}"',)


class HiddenIntruder(Intruder):
    """Through a harmless-looking chain: functools.partial of exec."""

    def __reduce__(self):
        import functools

        return functools.partial(exec), (self.code,)


INTRUDERS = [Intruder, ShellIntruder, HiddenIntruder]


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "intruder-was-here"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint_final.pth"


def _plain(content, path, protocol):
    path.write_bytes(pickle.dumps(content, protocol=protocol))


def _zipped(content, path, protocol):
    torch.save(content, path, pickle_protocol=protocol)


def _legacy(content, path, protocol):
    torch.save(
        content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False
    )


@pytest.mark.parametrize("intruder", INTRUDERS)
def test_the_intruders_are_armed(intruder, marker):
    pickle.loads(pickle.dumps(intruder(marker)))
    assert marker.exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("write", [_plain, _zipped, _legacy])
@pytest.mark.parametrize("intruder", INTRUDERS)
@pytest.mark.parametrize("place", ["top", "init_args", "weights", "key"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(
    intruder, place, write, protocol, path, marker, weights
):
    evil = intruder(marker)
    content = {
        "top": evil,
        "init_args": {"network_weights": weights, "init_args": {"device": [evil]}},
        "weights": {"network_weights": {**weights, "x": evil}},
        "key": {"network_weights": {("a", evil): 1}},
    }[place]
    write(content, path, protocol)
    names = r"(builtins\.|__builtin__\.)?exec|posix\.system|functools\.partial"
    sentence = rf"got ({names}).* which would run code; it was not run: do not use"
    with pytest.raises(UnsafeModelError, match=sentence):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [0, 1])
def test_old_protocols_are_refused_too(protocol, path, marker):
    _plain(Intruder(marker), path, protocol)
    with pytest.raises(UnsafeModelError, match=r"exec in .* it was not run"):
        read_checkpoint(path)
    assert not marker.exists()


def test_the_opcode_that_calls_in_one_step_is_refused(path, marker):
    code = f"open({str(marker)!r}, 'w').close()"
    path.write_bytes(f"(S{code!r}\ni__builtin__\nexec\n.".encode())
    with pytest.raises(UnsafeModelError, match=r"__builtin__\.exec"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("module", ["torch", "torch.hub", "numpy", "os", "builtins"])
def test_functions_of_trusted_packages_that_load_are_refused(module, path, marker):
    inner = marker.parent / "inner.pkl"
    inner.write_bytes(pickle.dumps(Intruder(marker)))
    name = {"os": "popen", "builtins": "eval"}.get(module, "load")
    opcodes = f"c{module}\n{name}\n(S{str(inner)!r}\ntR."
    path.write_bytes(b"\x80\x02" + opcodes.encode())
    with pytest.raises(UnsafeModelError, match=rf"{name} in "):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["torch.serialization.load", "numpy.core.records.sb"])
def test_what_the_zip_refuses_is_named(name, path):
    module, _, attribute = name.rpartition(".")
    pickled = b"\x80\x02" + f"c{module}\n{attribute}\n.".encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    with pytest.raises(UnsafeModelError, match=name):
        read_checkpoint(path)


def test_an_object_array_cannot_carry_one_in(path, marker):
    array = np.empty(1, dtype=object)
    array[0] = Intruder(marker)
    _zipped({"network_weights": {"a": torch.ones(1)}, "log": array}, path, 2)
    with pytest.raises(UnsafeModelError, match="exec"):
        read_checkpoint(path)
    assert not marker.exists()


def test_torchscript_is_refused(path):
    class Double(torch.nn.Module):
        def forward(self, x):
            return 2 * x

    with warnings.catch_warnings():  # TorchScript is on its way out
        warnings.simplefilter("ignore")
        torch.jit.script(Double()).save(str(path))
    with pytest.raises(ModelError, match="checkpoint_final"):
        read_checkpoint(path)


def test_the_oldest_tar_format_is_refused(path, marker):
    payload = pickle.dumps(Intruder(marker))
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            entry = tarfile.TarInfo(name)
            entry.size = len(payload)
            archive.addfile(entry, io.BytesIO(payload))
    with pytest.raises(ModelError, match="checkpoint_final"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("write", [_zipped, _legacy])
def test_what_nnunet_writes_is_read(write, path, weights):
    losses = collections.defaultdict(list)
    losses["train"] += [np.float64(0.25), np.float32(-1.5), np.int64(3)]
    content = {
        "network_weights": {f"module.{k}": v for k, v in weights.items()},
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.ones(3)}}},
        "grad_scaler_state": None,
        "logging": collections.OrderedDict(losses=losses, dice=[np.array([1.0, 2.0])]),
        "_best_ema": np.float64(0.87),
        "current_epoch": 1000,
        "init_args": {
            "plans": {"spacing": [np.float64(1.0)], "numbers": {1, 2}},
            "configuration": "3d_lowres",
            "fold": 0,
            "dataset_json": {"labels": {"background": 0}},
            "device": torch.device("cuda", 0),
        },
        "trainer_name": "nnUNetTrainer_MedNeXt",
        "inference_allowed_mirroring_axes": (2, 0),
    }
    write(content, path, 2)
    checkpoint = read_checkpoint(path)
    assert checkpoint.configuration == "3d_lowres"
    assert checkpoint.trainer == "nnUNetTrainer_MedNeXt"
    assert checkpoint.mirror_axes == (0, 2)
    assert set(checkpoint.weights) == set(weights)
    for name, tensor in weights.items():
        torch.testing.assert_close(checkpoint.weights[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    "number",
    [np.float64(0.1), np.float32(-2.5), np.float16(3), np.int64(-9), np.uint8(200)],
)
def test_numpy_numbers_become_python_numbers(number, path):
    """The trainer's name is a text; a number in its place shows what was decoded."""
    from napari_mednext.models.checkpoint import _load

    _zipped({"number": number, "flag": np.bool_(True)}, path, 2)
    content = _load(path)
    assert content == {"number": number.item(), "flag": True}
    assert type(content["number"]) in (int, float)


@pytest.mark.parametrize(
    ("code", "order", "data"),
    [
        ("O8", "|", b"\x00" * 8),  # a pointer, to NumPy
        ("V8", "|", b"\x00" * 8),
        ("f8", "<", b"\x00" * 3),
        ("f1", "<", b"\x00" * 8),
        ("f8", 7, b"\x00" * 8),
        ("f8,O", "<", b"\x00" * 16),
        (5, "<", b"\x00" * 8),
        ("f8", "<", "text"),
    ],
)
def test_a_number_that_is_none_becomes_nothing(code, order, data):
    from napari_mednext.models.checkpoint import _Dtype, _scalar

    dtype = _Dtype(code, False, True)
    dtype.__setstate__("no state of a dtype")
    dtype.__setstate__((3, order, None, None, None, -1, -1, 0))
    assert _scalar(dtype, data) is None
    assert _scalar(None, data) is None


def test_bare_weights_and_compiled_names_are_read(path, weights):
    torch.save({f"module._orig_mod.{k}": v for k, v in weights.items()}, path)
    assert set(read_checkpoint(path).weights) == set(weights)
    torch.save({"state_dict": weights}, path)
    checkpoint = read_checkpoint(path)
    assert set(checkpoint.weights) == set(weights)
    assert (checkpoint.configuration, checkpoint.trainer) == (None, None)
    assert checkpoint.mirror_axes == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], r"it holds a list"),
        ({}, r"it holds no weights"),
        ({"network_weights": {}}, r"it holds no weights"),
        ({"network_weights": {"a": 3}}, r"'a' is no tensor"),
        ({"network_weights": {3: torch.ones(1)}}, r"3 is no tensor"),
        ({"epoch": 4}, r"'epoch' is no tensor"),
        (
            {
                "network_weights": {"a": torch.ones(1)},
                "inference_allowed_mirroring_axes": (0, 3),
            },
            r"mirroring_axes\[1\]\" in .* at least 0 and at most 2, got 3",
        ),
    ],
)
def test_a_checkpoint_without_weights_is_refused(content, message, path):
    torch.save(content, path)
    with pytest.raises(ModelError, match=message):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(1).expand(10**12),
        lambda: torch.ones(7, device="meta"),
        lambda: torch.eye(3).to_sparse(),
        lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    ],
)
def test_tensors_without_numbers_of_their_own_are_refused(make, path):
    with warnings.catch_warnings():  # some kinds are on their way out
        warnings.simplefilter("ignore")
        torch.save({"network_weights": {"x": make()}}, path)
        with pytest.raises(ModelError, match=r"'x' has no values of its own for its"):
            read_checkpoint(path)


@pytest.mark.parametrize("write", [_zipped, _legacy, _plain])
def test_a_damaged_file_is_refused_with_a_sentence(write, path, weights):
    write({"network_weights": weights, "logging": [1.5, "text"]}, path, 2)
    whole = path.read_bytes()
    chance = random.Random(5)
    for _ in range(60):
        damaged = bytearray(whole[: chance.randrange(len(whole))])
        for _ in range(chance.randrange(3) if damaged else 0):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="weights"):
            read_checkpoint(path)


@pytest.mark.parametrize("write", [_zipped, _legacy])
def test_flipped_bytes_never_raise_anything_else(write, path, weights):
    write({"network_weights": weights, "logging": [1.5, "text"]}, path, 2)
    whole = path.read_bytes()
    chance = random.Random(5)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            read_checkpoint(path)
        except (ModelError, ResourceError):
            continue


def test_too_little_memory_is_no_fault_of_the_file(path, weights, monkeypatch):
    torch.save(weights, path)

    def fail(*_args, **_kwargs):
        raise MemoryError

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(ResourceError, match=r"must fit into memory, got \d+ bytes"):
        read_checkpoint(path)


def test_a_torch_whose_unpickler_is_unsafe_is_not_trusted(path, weights, monkeypatch):
    torch.save(weights, path)
    monkeypatch.setattr(torch, "__version__", "2.5.1+cu121")
    with pytest.raises(UnsafeModelError, match=r"2\.6 or newer, got 2\.5\.1\+cu121"):
        read_checkpoint(path)


def test_the_allow_list_is_gone_afterwards(path, weights):
    torch.save({"network_weights": weights, "x": np.float64(1)}, path)
    before = set(torch.serialization.get_safe_globals())
    read_checkpoint(path)
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
