"""Is this machine fit: versions, devices, memory, disk, Qt, models.

References
----------
.. [1] pytorch issues 166643, 166790 and 177406: torch 2.9 takes half-precision 3D
   convolutions away from cuDNN below 9.15, and their memory grows several times.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Finding", "examine", "has_display", "torch_warning"]

_PACKAGES = ("numpy", "SimpleITK", "scikit-image", "napari")
_QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
#: Less free memory than this makes large volumes slow or impossible.
_LITTLE_MEMORY_GB = 4.0
#: Less free disk than this may not hold the masks of a study.
_LITTLE_DISK_GB = 2.0
#: torch 2.9 with an older cuDNN than this is known bad, as ``cudnn.version()`` counts.
_GOOD_CUDNN = 91500


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    level : ok, warn or bad
        Bad is what stops the work.
    what : str
        A short name of the thing.
    text : str
        What was found, and what to do about it.
    """

    level: Literal["ok", "warn", "bad"]
    what: str
    text: str


def examine(*, device: str = "auto") -> tuple[Finding, ...]:
    """Look at this machine; imports torch.

    Parameters
    ----------
    device : str
        A device that must be there; auto asks for none.

    Returns
    -------
    tuple of Finding
        In the order they are shown.
    """
    return (
        *_versions(),
        *_torch(device),
        _memory(),
        *_disk(),
        _qt(),
        _display(),
        *_models(),
    )


def has_display() -> bool:
    """Whether a window can be opened."""
    if os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def torch_warning(torch_version: str, cudnn_version: int | None) -> str | None:
    """Return what is known to be wrong with a pair of torch and cuDNN.

    Parameters
    ----------
    torch_version : str
        As ``torch.__version__``.
    cudnn_version : int or None
        As ``torch.backends.cudnn.version()``: 91400 is 9.14.0; None without cuDNN.

    Returns
    -------
    str or None
        A sentence, or None when nothing is known.
    """
    is_affected = re.match(r"2\.9(\.|$|\+|a|b|rc)", torch_version) is not None
    if not is_affected or cudnn_version is None or cudnn_version >= _GOOD_CUDNN:
        return None
    return (
        f"torch {torch_version} with cuDNN {_cudnn_name(cudnn_version)} needs several "
        "times the GPU memory for half-precision 3D convolutions: install torch 2.8 or "
        "2.10, or cuDNN 9.15"
    )


def _versions() -> Iterator[Finding]:
    """Look at the package, Python, and what the package stands on."""
    from napari_mednext import __version__

    system = f"{platform.system()} {platform.machine()}"
    text = f"{__version__} on Python {platform.python_version()}, {system}"
    yield Finding("ok", "napari-mednext", text)
    for name in _PACKAGES:
        version = _version(name)
        if version is None:
            yield Finding("bad", name, f"is missing: pip install {name}")
        else:
            yield Finding("ok", name, version)


def _torch(device: str) -> Iterator[Finding]:
    """Look at torch, its cuDNN, and the devices."""
    try:
        import torch
    except (ImportError, OSError) as error:
        # OSError: a shared library of torch is missing or does not fit the system.
        text = f"cannot be loaded ({error}): reinstall it"
        yield Finding("bad", "torch", " ".join(text.split()))
        return
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch's
    warning = torch_warning(torch.__version__, cudnn)
    text = torch.__version__
    if cudnn is not None:
        text += f" with cuDNN {_cudnn_name(cudnn)}"
    yield Finding("warn" if warning else "ok", "torch", warning or text)
    devices = list(_devices(torch))
    yield Finding(
        "ok",
        "processor",
        f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()}",
    )
    for name, text in devices:
        yield Finding("ok", name, text)
    if not devices:
        yield Finding("ok", "GPU", "none: the processor does the work")
    yield from _wanted_device(device, [name for name, _ in devices])


def _devices(torch: Any) -> Iterator[tuple[str, str]]:
    """Return name and description of each accelerator."""
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        total_gb = properties.total_memory / 1e9
        yield f"cuda:{index}", f"{properties.name}, {total_gb:.1f} GB"
    if torch.backends.mps.is_available():
        yield "mps", "Apple GPU"


def _wanted_device(device: str, names: list[str]) -> Iterator[Finding]:
    """Say when the wanted device is not there."""
    wanted = "cuda:0" if device == "cuda" else device
    if wanted in ("auto", "cpu", *names):
        return
    there = ", ".join(["cpu", *names])
    yield Finding("bad", device, f"is not there, only {there}: choose one of these")


def _memory() -> Finding:
    """Look at the memory."""
    import psutil

    memory = psutil.virtual_memory()
    free_gb, total_gb = memory.available / 1e9, memory.total / 1e9
    text = f"{free_gb:.1f} of {total_gb:.1f} GB free"
    if free_gb < _LITTLE_MEMORY_GB:
        return Finding("warn", "memory", f"{text}: close other programs")
    return Finding("ok", "memory", text)


def _disk() -> Iterator[Finding]:
    """Look at the disks of the working folder and of the user's models."""
    from napari_mednext.models import library_folder

    for what, folder in (
        ("disk here", Path.cwd()),
        ("disk of models", library_folder()),
    ):
        there = next(path for path in (folder, *folder.parents) if path.is_dir())
        free_gb = shutil.disk_usage(there).free / 1e9
        level: Literal["ok", "warn"] = "warn" if free_gb < _LITTLE_DISK_GB else "ok"
        yield Finding(level, what, f"{free_gb:.1f} GB free ({folder})")


def _qt() -> Finding:
    """Look for a Qt binding, without loading it."""
    found = [name for name in _QT_BINDINGS if importlib.util.find_spec(name)]
    if not found:
        text = (
            "no binding is installed, so napari cannot open: "
            "pip install 'napari-mednext[pyqt6]'"
        )
        return Finding("warn", "Qt", text)
    return Finding(
        "ok", "Qt", ", ".join(f"{n} {_version(n) or ''}".strip() for n in found)
    )


def _display() -> Finding:
    """Look for a display."""
    if has_display():
        return Finding("ok", "display", "there is one")
    return Finding("ok", "display", "there is none: the commands work without")


def _models() -> Iterator[Finding]:
    """Look at the installed models."""
    from napari_mednext.models import broken_models, installed_models

    found = installed_models()
    for info in found:
        yield Finding("ok", f"model {info.name}", info.title)
    for path, why in broken_models():
        yield Finding("warn", f"model {path.name}", f"cannot be used: {why}")
    if not found:
        text = "none is installed: name a model folder with --model"
        yield Finding("warn", "models", text)


def _version(package: str) -> str | None:
    """Return the version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cudnn_name(version: int) -> str:
    """Return 91400 as 9.14.0; before 9, thousands stood for the major number."""
    scale = 10000 if version >= 90000 else 1000
    return f"{version // scale}.{version % scale // 100}.{version % 100}"
