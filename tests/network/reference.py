"""An independent, slow MedNeXt: plain torch modules, one line a step of the paper.

Channels-first memory, nn.GroupNorm, real transposed convolutions, GRN as written. It
shares names of parameters with the network under test and nothing else.
"""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it


def grn(v, gamma, beta, form, eps=1e-6):
    norms = v.pow(2).sum((2, 3, 4), keepdim=True).sqrt()
    total = norms.sum(1, keepdim=True) if form == "sum" else norms.mean(1, keepdim=True)
    return gamma * (v * (norms / (total + eps))) + beta + v


class ReferenceNetwork:
    """Runs a state dict of official names."""

    def __init__(self, weights, *, form="mean"):
        self.w = weights
        self.form = form

    def conv(self, x, name, *, transposed=False, **kwargs):
        op = F.conv_transpose3d if transposed else F.conv3d
        return op(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"], **kwargs)

    def expand(self, x, p):
        norm = nn.GroupNorm(x.shape[1], x.shape[1], dtype=x.dtype)
        norm.weight.data = self.w[f"{p}.norm.weight"]
        norm.bias.data = self.w[f"{p}.norm.bias"]
        v = F.gelu(self.conv(norm(x), f"{p}.conv2"))
        if self.form != "none":
            v = grn(v, self.w[f"{p}.grn_gamma"], self.w[f"{p}.grn_beta"], self.form)
        return self.conv(v, f"{p}.conv3")

    def pad(self, p):
        return self.w[f"{p}.conv1.weight"].shape[-1] // 2

    def block(self, x, p):
        y = self.conv(x, f"{p}.conv1", padding=self.pad(p), groups=x.shape[1])
        return self.expand(y, p) + x

    def down(self, x, p):
        y = self.conv(x, f"{p}.conv1", padding=self.pad(p), stride=2, groups=x.shape[1])
        return self.expand(y, p) + self.conv(x, f"{p}.res_conv", stride=2)

    def up(self, x, p):
        kwargs = {"stride": 2, "transposed": True}
        pad, groups = self.pad(p), x.shape[1]
        y = self.conv(x, f"{p}.conv1", padding=pad, groups=groups, **kwargs)
        y = F.pad(self.expand(y, p), (1, 0) * 3)
        return y + F.pad(self.conv(x, f"{p}.res_conv", **kwargs), (1, 0) * 3)

    def stage(self, x, p):
        index = 0
        while f"{p}.{index}.conv1.weight" in self.w:
            x = self.block(x, f"{p}.{index}")
            index += 1
        return x

    @torch.no_grad()
    def outputs(self, x):
        x = self.conv(x, "stem")
        skips = []
        for i in range(4):
            x = self.stage(x, f"enc_block_{i}")
            skips.append(x)
            x = self.down(x, f"down_{i}")
        x = self.stage(x, "bottleneck")
        outputs = [self.conv(x, "out_4.conv_out", transposed=True)]
        for i in (3, 2, 1, 0):
            x = self.stage(self.up(x, f"up_{i}") + skips[i], f"dec_block_{i}")
            outputs.append(self.conv(x, f"out_{i}.conv_out", transposed=True))
        return outputs[::-1]
