"""What a training takes in memory, time and disk, known before it starts.

Main memory is that of the whole process: Python with its libraries, the weights in all
their copies, the cases, and the most that an update needs beyond them. The peaks of
updates are counted from the shape of the network (:mod:`.training_memory`); what was
fitted are the bytes of the libraries, and the speed of the machine on which
``benchmarks/improve_cost.py`` ran, two cores. GPU memory and GPU speed are analytic:
they were never compared with a GPU. Nothing here imports torch.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_mednext.models.training_memory import (
    FLOAT32,
    Update,
    forward_peak,
    update_peak,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_mednext.models.network_shape import Block

__all__ = [
    "CaseSize",
    "TrainingCost",
    "TrainingWork",
    "calibrated",
    "training_cost",
]

#: Resident bytes of a process that has loaded torch and the engine, and what the first
#: update adds: thread pools, compiled convolutions.
LIBRARY_BYTES, FIRST_USE_BYTES = 280_000_000, 165_000_000
#: What the C library keeps of tensors below 32 MB that were freed: a part of an update,
#: at most so many bytes.
KEPT_SHARE, KEPT_BYTES = 0.4, 700_000_000
#: Bytes of a context of CUDA with its libraries.
GPU_CONTEXT_BYTES = 700_000_000
#: Bytes for each voxel and channel while a patch is drawn and changed at random.
AUGMENTING = 40
#: Sizes of tiles are multiples of it.
MULTIPLE = 16
#: Seconds for 1e9 multiplications of matrix products and of depthwise convolutions, and
#: for 1e9 voxels and heads in the loss, on one core of a machine that was busy; the
#: part of the time that is left when the cores are doubled.
POINTWISE_S, DEPTHWISE_S, LOSS_S = 0.08, 1.4, 170.0
DOUBLED = 0.6
#: Passes of a backward pass in those of a forward pass.
BACKWARD = 2.0
#: A GPU does so many times what one core does; a guess until a job was timed.
GPU_SPEEDUP = 60.0
#: Part of masks that is left when they are compressed.
COMPRESSED = 0.1
#: Pictures and logs of a job.
PAGES_BYTES = 5_000_000

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class CaseSize:
    """What decides how much memory a case takes.

    Parameters
    ----------
    native_voxels, network_voxels : int
        Of the scan, and of what the network sees of it.
    channels : int
        Of the scan.
    value_bytes : int
        Of a voxel of the scan in memory.
    """

    native_voxels: int
    network_voxels: int
    channels: int = 1
    value_bytes: int = FLOAT32

    @property
    def held_bytes(self) -> int:
        """Bytes while it is learned from: labels, what is known, the target."""
        return self.native_voxels * 4

    @property
    def disk_bytes(self) -> int:
        """Bytes of the scan on the disk, as it is and as the network wants it."""
        native = self.native_voxels * self.channels * self.value_bytes
        return native + self.network_voxels * self.channels * FLOAT32

    @property
    def loading_bytes(self) -> int:
        """Bytes that bringing it to the network's grid takes for a moment."""
        most = max(self.native_voxels, self.network_voxels)
        return self.disk_bytes + 2 * FLOAT32 * self.channels * most


@dataclass(frozen=True)
class TrainingWork:
    """What is to be done.

    Parameters
    ----------
    update : Update
        One update: the network, the patch, what learns.
    cases : tuple of CaseSize
        That are in memory at the same time.
    folds : int
        Trainings that stand in for the final one.
    tile : (z, y, x) voxels, optional
        With which cases are segmented before and after; the patch when left out.
    device : {"cpu", "gpu"}
        Where it learns.
    threads : int
        Of the CPU.
    """

    update: Update
    cases: tuple[CaseSize, ...] = ()
    folds: int = 0
    tile: Shape | None = None
    device: Literal["cpu", "gpu"] = "cpu"
    threads: int = 2


@dataclass(frozen=True)
class TrainingCost:
    """What a training takes.

    Parameters
    ----------
    ram_bytes : int
        Peak of the process in main memory.
    gpu_bytes : int or None
        Peak on the GPU, None without one. Analytic, see the module.
    seconds_per_step : float
        One update, as far as it is known before one was done.
    disk_bytes : int
        Checkpoints, models and masks of the job.
    """

    ram_bytes: int
    gpu_bytes: int | None
    seconds_per_step: float
    disk_bytes: int


def training_cost(work: TrainingWork, *, slowness: float = 1.0) -> TrainingCost:
    """Return what a training takes.

    Parameters
    ----------
    work : TrainingWork
        What is to be done.
    slowness : float
        Of this machine, from :func:`calibrated`; 1 is that of the measurements.

    Returns
    -------
    TrainingCost
    """
    gpu = work.device == "gpu"
    weights, update = _weight_bytes(work), update_peak(work.update, gpu=gpu)
    network, sums = _segmenting_bytes(work)
    held = sum(case.held_bytes for case in work.cases)
    loading = max((case.loading_bytes for case in work.cases), default=0)
    patches = _patch_bytes(work)
    if gpu:
        beside = max(_copied_bytes(work) + patches, sums, loading)
        on_device = GPU_CONTEXT_BYTES + max(weights + update, network)
    else:
        kept = min(KEPT_SHARE * update, KEPT_BYTES)
        beside = max(weights + patches + update + round(kept), network + sums, loading)
        on_device = None
    return TrainingCost(
        LIBRARY_BYTES + FIRST_USE_BYTES + held + beside,
        on_device,
        slowness * _step_seconds(work),
        _disk_bytes(work),
    )


def calibrated(previous: Sequence[tuple[float, float]]) -> float:
    """Return how much slower this machine is than the one that was measured.

    Parameters
    ----------
    previous : sequence of (planned, measured)
        Seconds per update of earlier jobs on the same kind of device, as
        :func:`training_cost` gave them with a slowness of 1, and as they were.

    Returns
    -------
    float
        The median of the last three, 1 where there are none.
    """
    ratios = [real / planned for planned, real in previous if planned > 0 < real]
    return statistics.median(ratios[-3:]) if ratios else 1.0


def _parameters(work: TrainingWork) -> tuple[int, int]:
    update = work.update
    return update.shape.parameters(
        update.part, deep_supervision=update.deep_supervision
    )


def _weight_bytes(work: TrainingWork) -> int:
    """Return the bytes of all copies of the weights where the network is.

    The network, its mean and the teacher; of what learns also the gradient and the two
    moments of Adam. On the CPU also the weights at the beginning, and the best ones.
    """
    everything, learned = _parameters(work)
    copies = 2 + (work.update.teacher_heads > 0)
    copies += 0 if work.device == "gpu" else 2
    return FLOAT32 * (copies * everything + 3 * learned)


def _copied_bytes(work: TrainingWork) -> int:
    """Return the bytes of weights in main memory beside a GPU."""
    return FLOAT32 * 4 * _parameters(work)[0]


def _patch_bytes(work: TrainingWork) -> int:
    """Return the bytes of the patches in use and of those that are drawn ahead."""
    update = work.update
    there = 2 * update.voxels * (FLOAT32 * update.shape.channels + 1)
    return there + AUGMENTING * math.prod(update.patch) * update.shape.channels


def _segmenting_bytes(work: TrainingWork) -> tuple[int, int]:
    """Return the bytes of the network on a tile, and of all else, of a segmentation."""
    update = work.update
    tile = work.tile or update.patch
    padded = [math.ceil(n / MULTIPLE) * MULTIPLE for n in tile]
    network = forward_peak(update.shape, padded, gpu=work.device == "gpu")
    largest = max((case.network_voxels for case in work.cases), default=0)
    voxels = max(largest, math.prod(padded))
    image = 2 * FLOAT32 * update.shape.channels
    sums = FLOAT32 * (update.shape.heads + 1)
    return network + 2 * _parameters(work)[0] * FLOAT32, voxels * (image + sums)


def _step_seconds(work: TrainingWork) -> float:
    """Return the seconds of an update on the machine of the measurements."""
    update, shape = work.update, work.update.shape
    again = update.checkpointing == "expansion"
    asked = update.teacher_heads > 0
    seconds = LOSS_S * 1e-9 * shape.heads * math.prod(update.patch)
    for block in shape.in_order(update.patch):
        learns = {"full": True, "decoder": block.is_decoder, "head": False}
        passes = 1 + asked + (BACKWARD + again) * learns[update.part]
        seconds += passes * _pass_seconds(block, shape.kernel_size)
    seconds *= update.batch_size
    if work.device == "gpu":
        return seconds / GPU_SPEEDUP
    return float(seconds * DOUBLED ** math.log2(max(1, work.threads)))


def _pass_seconds(block: Block, kernel_size: int) -> float:
    """Return the seconds of a forward pass of a block, on one core."""
    pointwise, depthwise = block.parameters
    products = pointwise * POINTWISE_S + kernel_size**3 * depthwise * DEPTHWISE_S
    return 1e-9 * block.voxels * products


def _disk_bytes(work: TrainingWork) -> int:
    """Return the bytes that a job takes on the disk, at most.

    Each training leaves a model and a checkpoint: the network, its mean, the best
    weights, and Adam's moments. One more checkpoint is there while it is written.
    """
    everything, learned = _parameters(work)
    checkpoint = FLOAT32 * (3 * everything + 2 * learned)
    trainings = 1 + work.folds
    masks = 4 * sum(case.native_voxels for case in work.cases)
    models = trainings * FLOAT32 * everything
    scans = sum(case.disk_bytes for case in work.cases)
    written = models + (trainings + 1) * checkpoint + round(COMPRESSED * masks)
    return written + scans + PAGES_BYTES
