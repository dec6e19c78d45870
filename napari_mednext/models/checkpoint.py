"""Reading nnU-Net's ``checkpoint_final.pth`` without running anything in it.

A ``.pth`` file is a pickle, and a pickle is a program. It is read by PyTorch's
restricted unpickler (``torch.load(weights_only=True)``), which builds tensors and plain
containers and refuses every other name. nnU-Net's files also hold NumPy numbers and
default dictionaries beside the weights. NumPy's own unpickling takes raw bytes and type
flags on trust, so it is not let in: the names are served by small stand-ins below, and
no code of NumPy or of the file runs on the file's bytes.

References
----------
.. [1] nnU-Net v2, release 2.8.1 (Apache-2.0), ``nnUNetTrainer.save_checkpoint``: the
   keys of the file. Its own loader uses ``weights_only=False``.
.. [2] CVE-2025-32434: ``weights_only=True`` could be made to run code before PyTorch
   2.6, so older versions are refused.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import struct
import threading
import warnings
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_mednext.errors import ModelError, ResourceError, UnsafeModelError
from napari_mednext.models.card import read_axes
from napari_mednext.models.documents import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import torch

__all__ = ["Checkpoint", "read_checkpoint"]

#: First PyTorch whose restricted unpickler is not known to run code.
_SAFE_TORCH = (2, 6)
#: torch.load's allow-list is one for the whole process.
_ALLOW_LIST_LOCK = threading.Lock()
#: What a damaged file makes an unpickler raise: it runs out of stack, bytes or types.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
_REFUSED_NAME = re.compile(r"GLOBAL (\S+)")
_NUMBER_CODE = re.compile(r"[<>|=][fiub][1248]")
#: torch writes at most five pickles one after the other (its format before 1.6).
_MAX_PICKLES = 5
#: What DDP and torch.compile put before names.
_PREFIXES = ("module.", "_orig_mod.")
#: How many names a sentence lists.
_MAX_NAMED = 3


class Checkpoint(NamedTuple):
    """What a checkpoint says about the model, and its weights.

    ``weights`` are tensors on the CPU, in the type that they were saved in; they may
    be a view of the file, so copy them before the file may change.
    """

    weights: Mapping[str, torch.Tensor]
    configuration: str | None
    trainer: str | None
    mirror_axes: tuple[int, ...]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint without running any code of it.

    Parameters
    ----------
    path : Path
        nnU-Net's ``checkpoint_*.pth``, or a file with bare weights.

    Returns
    -------
    Checkpoint
        Names of weights are without the prefixes that DDP and torch.compile add.

    Raises
    ------
    UnsafeModelError
        If the file names anything but tensors, numbers and containers; nothing of it
        was run.
    ModelError
        If the file is damaged or holds no weights.
    ResourceError
        If there is not enough memory.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise ModelError(_damaged(path, f"it holds a {type(content).__name__}"))
    weights = content.get("network_weights", content.get("state_dict", content))
    init_args = content.get("init_args")
    init_args = init_args if isinstance(init_args, dict) else {}
    axes = content.get("inference_allowed_mirroring_axes")
    place = Node(axes or (), f"{str(path)!r}", "inference_allowed_mirroring_axes")
    return Checkpoint(
        weights=_checked(weights, path),
        configuration=_text(init_args.get("configuration")),
        trainer=_text(content.get("trainer_name")),
        mirror_axes=read_axes(place),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _checked(weights: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return weights by their plain names, or refuse what is no set of weights."""
    import torch

    if not isinstance(weights, dict) or not weights:
        raise ModelError(_damaged(path, "it holds no weights"))
    plain = {}
    for name, tensor in weights.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ModelError(_damaged(path, f"{name!r} is no tensor"))
        if not _is_plain(tensor):
            kind = f"{name!r} has no values of its own for its {tensor.numel()} numbers"
            raise ModelError(_damaged(path, kind))
        for prefix in _PREFIXES * 2:
            name = name.removeprefix(prefix)
        plain[name] = tensor.data
    return plain


def _is_plain(tensor: torch.Tensor) -> bool:
    """Whether a tensor holds its numbers one by one, in memory.

    Sparse, quantised and shapeless ones are no weights here, and a tensor that repeats
    few numbers over a huge shape would fill the memory when it is copied.
    """
    import torch

    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        return False
    if tensor.is_quantized or tensor.is_nested:
        return False
    size = tensor.numel() * tensor.element_size()
    return size <= tensor.untyped_storage().nbytes()


def _load(path: Path) -> Any:
    """Return what the file holds, by the restricted unpickler."""
    import torch

    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < _SAFE_TORCH:
        msg = (
            f"reading {str(path)!r} must not run code in it, which takes PyTorch 2.6 "
            f"or newer, got {torch.__version__}: update PyTorch"
        )
        raise UnsafeModelError(msg)
    stand_ins: list[Any] = [(stand_in, name) for name, stand_in in _STAND_INS.items()]
    try:
        with (
            _ALLOW_LIST_LOCK,
            torch.serialization.safe_globals(stand_ins),
            warnings.catch_warnings(),
        ):
            # What cannot be read is refused below; a warning beside adds nothing.
            warnings.simplefilter("ignore")
            return torch.load(
                path, map_location="cpu", weights_only=True, mmap=_is_zip(path)
            )
    except MemoryError as error:
        msg = (
            f"the weights must fit into memory, got {path.stat().st_size} bytes in "
            f"{str(path)!r}: close other programs"
        )
        raise ResourceError(msg) from error
    except _DAMAGE as error:
        names = _refused_names(path, str(error))
        if names:
            msg = (
                "weights must be tensors, numbers and containers, got "
                f"{', '.join(names)} in {str(path)!r}, which would run code; it was "
                "not run: do not use this file unless you know who made it"
            )
            raise UnsafeModelError(msg) from error
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(_damaged(path, reason[0][:120].rstrip("."))) from error


def _is_zip(path: Path) -> bool:
    """Whether torch can map the file, so that the optimiser's half is never read."""
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _damaged(path: Path, reason: str) -> str:
    return (
        f"a checkpoint must hold weights, got {str(path)!r}, of which this cannot be "
        f"read ({reason}): copy the file again"
    )


def _refused_names(path: Path, message: str) -> list[str]:
    """Return the names for which the file was refused, as far as they can be read."""
    with warnings.catch_warnings():  # damaged texts have odd escapes
        warnings.simplefilter("ignore")
        names = sorted({name for name in _names(path) if not _is_known(name)})
    named = _REFUSED_NAME.search(message)
    if named and not any(name.endswith(named[1]) for name in names):
        names.append(named[1])
    return names[:_MAX_NAMED]


def _is_known(name: str) -> bool:
    plain = name.startswith(("torch.", "_codecs.")) or name in _STAND_INS
    return plain or name == "collections.OrderedDict"


def _names(path: Path) -> Iterator[str]:
    """Iterate over the names that a file imports, reading it as text only."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for entry in archive.namelist():
                    if entry.endswith("data.pkl"):
                        with archive.open(entry) as stream:
                            yield from _pickled_names(stream)
        else:
            with path.open("rb") as stream:
                for _ in range(_MAX_PICKLES):
                    yield from _pickled_names(stream)
    except (*_DAMAGE, MemoryError, zipfile.BadZipFile, zlib.error):
        return  # what could be read was read


def _pickled_names(stream: IO[bytes]) -> Iterator[str]:
    """Iterate over ``module.name`` of the imports in one pickle.

    Raises
    ------
    ValueError
        Where the pickle is damaged.
    """
    texts: list[str] = []
    memo: dict[int, str] = {}
    for operation, argument, _ in pickletools.genops(stream):
        match operation.name:
            case "GLOBAL" | "INST":
                yield str(argument).replace(" ", ".", 1)
            case "STACK_GLOBAL":
                yield ".".join(texts[-2:])
            case "MEMOIZE" | "PUT" | "BINPUT" | "LONG_BINPUT":
                index = argument if isinstance(argument, int) else len(memo)
                memo[index] = texts[-1] if texts else ""
            case "GET" | "BINGET" | "LONG_BINGET":
                texts.append(memo.get(int(str(argument)), "?"))
            case _ if isinstance(argument, str):
                texts.append(argument)


class _Dtype:
    """Stands in for ``numpy.dtype``: keeps the code of a number type, nothing else."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code = code
        self.order: object = "|"

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1:
            self.order = state[1]


class _Array:
    """Stands in for ``numpy.ndarray``: nothing that is read from a file needs one."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _scalar(dtype: object = None, data: object = b"") -> object:
    """Stand in for NumPy's scalar: return a Python number, or None."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        return None
    code = f"{dtype.order}{dtype.code}"
    if not _NUMBER_CODE.fullmatch(code):
        return None
    try:
        return np.frombuffer(data, dtype=code, count=1)[0].item()
    except (TypeError, ValueError):  # no such width, or too few bytes
        return None


def _dictionary(*_: object) -> dict[object, object]:
    """Stand in for ``defaultdict``: return a plain dictionary."""
    return {}


def _nothing(*_: object) -> None:
    """Stand in for the factory of a ``defaultdict``."""


_STAND_INS: dict[str, Callable[..., object]] = {
    **{
        f"numpy.{core}.multiarray.{name}": stand_in
        for core in ("core", "_core")
        for name, stand_in in (("scalar", _scalar), ("_reconstruct", _Array))
    },
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _Array,
    "collections.defaultdict": _dictionary,
    **{f"builtins.{name}": _nothing for name in ("list", "dict", "int", "float")},
}
