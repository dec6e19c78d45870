"""nnU-Net's inference written anew, slow and plain, in float64: the judge in tests.

Written from the description of its steps; shares no code with the package.
"""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import torch
from scipy import ndimage
from skimage.transform import resize


def _to_ras(array, direction, spacing):
    """Permute and flip (c, z, y, x) so that x, y, z run to R, A, S."""
    order, flips = [], []
    for world, sign in ((2, 1), (1, -1), (0, -1)):  # S, A, R in LPS signs
        column = int(np.argmax(np.abs(direction[world])))
        order.append(2 - column)
        flips.append(np.sign(direction[world, column]) != sign)
    turned = array.transpose(0, *(o + 1 for o in order))
    turned = turned[(slice(None), *(slice(None, None, -1 if f else 1) for f in flips))]
    return turned, [spacing[o] for o in order], order, flips


def _separate(first, second, force):
    if force is False:
        return None
    for spacing in (first, second):
        if force or max(spacing) / min(spacing) > 3:
            axes = [a for a in range(3) if spacing[a] == max(spacing)]
            return axes[0] if len(axes) == 1 else None
    return None


def _resample(array, shape, first, second, rule):
    if tuple(array.shape[1:]) == tuple(shape):
        return array
    axis = _separate(first, second, rule.force_separate_z)
    options = {"mode": "edge", "anti_aliasing": False}
    result = []
    for channel in array.astype(np.float64):
        if axis is None:
            result.append(resize(channel, shape, rule.order, **options))
            continue
        planes = [
            resize(p, np.delete(shape, axis), rule.order, **options)
            for p in np.moveaxis(channel, axis, 0)
        ]
        stack = np.moveaxis(np.stack(planes), 0, axis)
        grids = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
        coordinates = [
            (g + 0.5) * (a / b) - 0.5
            for g, a, b in zip(grids, stack.shape, shape, strict=True)
        ]
        result.append(
            ndimage.map_coordinates(
                stack, coordinates, order=rule.order_z, mode="nearest"
            )
        )
    return np.stack(result)


def _normalise(channel, scheme, mask, properties):
    channel = channel.astype(np.float64)
    if scheme == "ZScoreNormalization":
        where = np.ones(channel.shape, bool) if mask is None else mask
        mean, std = channel[where].mean(), channel[where].std()
        channel[where] = (channel[where] - mean) / max(std, 1e-8)
    elif scheme == "CTNormalization":
        low, high = properties["percentile_00_5"], properties["percentile_99_5"]
        channel = np.clip(channel, low, high)
        channel = (channel - properties["mean"]) / max(properties["std"], 1e-8)
    elif scheme == "RescaleTo01Normalization":
        channel = channel - channel.min()
        channel = channel / max(channel.max(), 1e-8)
    return channel


def reference_logits(
    networks,
    data,
    plan,
    *,
    step=0.5,
    mirror_axes=(),
    heads,
    dtype=torch.float64,
    collect=None,
):
    """Sliding window over (c, z, y, x) in float64; logits (k, z, y, x)."""
    patch = plan.patch_size
    shape = data.shape[1:]
    pads = [max(p - s, 0) for p, s in zip(patch, shape, strict=True)]
    widths = [(0, 0)] + [(p // 2, p - p // 2) for p in pads]
    padded = np.pad(data, widths)
    impulse = np.zeros(patch)
    impulse[tuple(p // 2 for p in patch)] = 1
    weight = ndimage.gaussian_filter(impulse, [p / 8 for p in patch], mode="constant")
    weight = (weight / weight.max() * 10).astype(np.float16)
    weight[weight == 0] = weight[weight != 0].min()
    weight = weight.astype(np.float64)
    starts = []
    for size, p in zip(padded.shape[1:], patch, strict=True):
        n = math.ceil((size - p) / (p * step)) + 1
        gap = (size - p) / (n - 1) if n > 1 else 0
        starts.append([int(np.round(gap * i)) for i in range(n)])
    flips = [
        c
        for n in range(len(mirror_axes) + 1)
        for c in itertools.combinations(mirror_axes, n)
    ]
    total = np.zeros((heads, *padded.shape[1:]))
    norm = np.zeros(padded.shape[1:])
    networks = [copy.deepcopy(n).to(dtype) for n in networks]
    for start in itertools.product(*starts):
        box = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
        tile = torch.from_numpy(np.ascontiguousarray(padded[(slice(None), *box)]))
        tile = tile[None].to(dtype)
        logits = 0
        with torch.inference_mode():
            for network in networks:
                for axes in flips:
                    dims = [a + 2 for a in axes]
                    logits = logits + network(tile.flip(dims)).flip(dims).double()
        logits = logits[0].numpy() / (len(flips) * len(networks))
        total[(slice(None), *box)] += logits * weight
        norm[box] += weight
        if collect is not None:
            collect.append(start)
    total /= norm
    inside = tuple(
        slice(w[0], w[0] + s) for w, s in zip(widths[1:], shape, strict=True)
    )
    return total[(slice(None), *inside)]


def reference_segmentation(
    model, volume, *, step=0.5, mirror=True, dtype=torch.float64, with_logits=False
):
    """Labels on the volume's grid, and probabilities of the cropped output."""
    plan, folder = model.folder.plan, model.folder
    array = volume.array.astype(np.float32)
    spacing = list(volume.grid.spacing)
    order, flips = [0, 1, 2], [False] * 3
    if folder.reorient_to_ras:
        array, spacing, order, flips = _to_ras(array, volume.grid.matrix, spacing)
    forward = plan.transpose_forward
    array = array.transpose(0, *(a + 1 for a in forward))
    spacing = [spacing[a] for a in forward]
    full_shape = array.shape[1:]
    mask = ndimage.binary_fill_holes((array != 0).any(axis=0))
    places = np.argwhere(mask)
    box = tuple(slice(0, n) for n in full_shape)
    if len(places):
        box = tuple(
            slice(a, b + 1)
            for a, b in zip(places.min(axis=0), places.max(axis=0), strict=True)
        )
    array = array[(slice(None), *box)]
    mask = mask[box]
    old = array.shape[1:]
    new = [round(s / t * n) for s, t, n in zip(spacing, plan.spacing, old, strict=True)]
    data = np.stack(
        [
            _normalise(c, scheme, mask if use else None, properties)
            for c, scheme, use, properties in zip(
                array,
                plan.normalization_schemes,
                plan.use_mask_for_norm,
                plan.intensity_properties,
                strict=True,
            )
        ]
    )
    data = _resample(data, new, spacing, plan.spacing, plan.resampling_data)
    logits = reference_logits(
        model.networks,
        data.astype(np.float32),
        plan,
        step=step,
        mirror_axes=folder.mirror_axes if mirror else (),
        heads=folder.num_heads,
        dtype=dtype,
    )
    logits = _resample(
        logits, old, plan.spacing, spacing, plan.resampling_probabilities
    )
    if folder.regions:
        labels = np.zeros(old, dtype=np.int64)
        for head, value in zip(logits, folder.region_class_order, strict=True):
            labels[head > 0] = value
        margin = np.abs(logits).min(axis=0)
    else:
        labels = logits.argmax(axis=0)
        best = np.sort(logits, axis=0)
        margin = best[-1] - best[-2]

    def back(cropped, outside, dtype):
        full = np.full(full_shape, outside, dtype=dtype)
        full[box] = cropped
        full = full.transpose([list(forward).index(a) for a in range(3)])
        full = full[tuple(slice(None, None, -1 if f else 1) for f in flips)]
        return full.transpose([order.index(a) for a in range(3)])

    result = back(labels, 0, np.int64), back(margin, np.inf, np.float64)
    if with_logits:
        return (*result, np.stack([back(h, np.nan, np.float64) for h in logits]))
    return result
