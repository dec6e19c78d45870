"""Small networks and a model folder without files, for the tests of inference."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from napari_mednext.inference import Model
from napari_mednext.labels import LabelSet
from napari_mednext.models import Card, ConfigurationPlan, Resampling
from napari_mednext.volume import SourceHeader, Volume, VoxelGrid


def make_plan(**changes) -> ConfigurationPlan:
    values = {
        "name": "3d_fullres",
        "spacing": (2.0, 1.5, 1.25),
        "patch_size": (6, 8, 10),
        "transpose_forward": (0, 1, 2),
        "transpose_backward": (0, 1, 2),
        "normalization_schemes": ("ZScoreNormalization",),
        "use_mask_for_norm": (False,),
        "intensity_properties": ({},),
        "resampling_data": Resampling(3, 0, None),
        "resampling_probabilities": Resampling(1, 0, None),
        "image_reader_writer": "SimpleITKIO",
        "network_class_name": "standin",
        "arch_kwargs": {},
    }
    values.update(changes)
    forward = values["transpose_forward"]
    values["transpose_backward"] = tuple(forward.index(a) for a in range(3))
    channels = len(values["normalization_schemes"])
    for key in ("use_mask_for_norm", "intensity_properties"):
        if len(values[key]) != channels:
            values[key] = values[key] * channels
    return ConfigurationPlan(**values)


@dataclass
class StandinFolder:
    """What a Model asks of its folder."""

    plan: ConfigurationPlan
    num_heads: int
    channel_names: tuple[str, ...] = ("T1",)
    regions: tuple | None = None
    region_class_order: tuple[int, ...] | None = None
    mirror_axes: tuple[int, ...] = ()
    name: str = "standin"
    ignore_label: int | None = None
    labels: LabelSet = field(default_factory=LabelSet)
    card: Card = field(default_factory=Card)

    @property
    def input_channels(self):
        return len(self.channel_names)

    @property
    def reorient_to_ras(self):
        return self.plan.image_reader_writer.endswith("WithReorient")


class NearestClass(nn.Module):
    """Logits of a voxel: how near its intensity is to each whole number."""

    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, x):
        values = torch.arange(self.heads, dtype=x.dtype, device=x.device)
        return -((x[:, :1] - values[None, :, None, None, None]) ** 2)


class Context(nn.Module):
    """Convolutions that see their neighbours and the border, with or without a head.

    The name of the layers tells an engine nothing; ``features`` and ``head`` do.
    """

    downsampling = 2

    def __init__(self, channels, heads, width, seed=0, gain=3.0):
        super().__init__()
        self.width = width
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Conv3d(channels, width, 3, padding=1)
        self.second = nn.Conv3d(width, width, 3, padding=1)
        self.last = nn.Conv3d(width, heads, 1)
        for parameter in self.parameters():
            shape = parameter.shape
            scale = gain / np.sqrt(np.prod(shape[1:]) or 1.0)
            parameter.data = torch.randn(shape, generator=generator) * scale
        self.last.bias.data *= 0.1

    def features(self, x):
        if any(size % self.downsampling for size in x.shape[2:]):
            msg = f"odd size {tuple(x.shape)}"
            raise ValueError(msg)
        return torch.tanh(self.second(torch.tanh(self.first(x))))

    def head(self, features):
        return self.last(features)

    def forward(self, x):
        return self.head(self.features(x))


class Headless(nn.Module):
    """The same function without features and head: logits are summed up."""

    downsampling = 2

    def __init__(self, network):
        super().__init__()
        self.inner = network

    def forward(self, x):
        return self.inner(x)


def make_model(networks, *, heads, device="cpu", **changes) -> Model:
    folder_keys = (
        "channel_names",
        "regions",
        "region_class_order",
        "mirror_axes",
        "labels",
    )
    folder_values = {k: changes.pop(k) for k in folder_keys if k in changes}
    names = folder_values.get("channel_names", ("T1",))
    changes.setdefault("normalization_schemes", ("ZScoreNormalization",) * len(names))
    folder_values.setdefault(
        "labels", LabelSet.from_names({i: f"label {i}" for i in range(1, heads)})
    )
    folder = StandinFolder(make_plan(**changes), heads, **folder_values)
    if isinstance(networks, nn.Module):
        networks = (networks,)
    return Model(folder, tuple(n.eval() for n in networks), device)


def make_volume(
    shape=(11, 17, 23),
    spacing=(2.5, 1.2, 1.0),
    *,
    channels=1,
    seed=0,
    code=None,
    border=0,
    dtype=np.float32,
    notes=(),
) -> Volume:
    """A smooth random volume, optionally with zeros around it and turned axes."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    array = ndimage.gaussian_filter(
        rng.normal(size=(channels, *shape)), (0, 1.2, 1.5, 1.8)
    )
    array = (array / array.std() * 100 + 300).astype(dtype)
    if border:
        inner = array.copy()
        array[:] = 0
        keep = (slice(None), slice(border, -border), slice(border + 1, -border))
        array[keep] = inner[keep]
    direction = np.eye(3) if code is None else np.asarray(code, dtype=float)
    grid = VoxelGrid(shape, spacing, (3.0, -4.0, 5.0), tuple(map(tuple, direction)))
    return Volume(array, grid, "case", SourceHeader(notes=notes))
