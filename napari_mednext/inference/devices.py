"""Which device the network runs on."""

from __future__ import annotations

import torch

from napari_mednext.errors import ResourceError

__all__ = ["free_bytes", "is_out_of_memory", "resolve_device"]

#: What torch and its libraries say when memory runs out; only CUDA's allocator has a
#: class of its own for it.
_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate",
    "alloc_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out, on any device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in text for words in _OUT_OF_MEMORY
    )


def resolve_device(name: str) -> str:
    """Return the device of a name: "cpu", "cuda:N" or "mps".

    Parameters
    ----------
    name : str
        "auto" takes the first NVIDIA or AMD GPU that torch sees, else the processor.

    Returns
    -------
    str

    Raises
    ------
    ResourceError
        If the device is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda:0" if gpus else "cpu"
    if name.startswith("cuda"):
        index = int(name.partition(":")[2] or 0)
        if index >= gpus:
            msg = (
                f"the device {name!r} must be there, torch sees {gpus} GPUs: choose "
                "auto or cpu, or install a torch with GPU support"
            )
            raise ResourceError(msg)
        return f"cuda:{index}"
    if name == "mps" and not torch.backends.mps.is_available():
        msg = "the device 'mps' must be there, torch sees none: choose auto or cpu"
        raise ResourceError(msg)
    return name


def free_bytes(device: str) -> int | None:
    """Return the free memory of a GPU, None for other devices.

    What torch holds in reserve counts as free.
    """
    if not device.startswith("cuda"):
        return None
    free, _ = torch.cuda.mem_get_info(device)
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + reserved)
