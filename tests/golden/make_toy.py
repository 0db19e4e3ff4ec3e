"""Make the toy model: untrained, small, with every path of the networks in use. Writes only what is missing.

Run once: ``python tests/golden/make_toy.py``. Golden files depend on the very bytes of its output.
"""

from __future__ import annotations

from pathlib import Path

import torch

from sarcodec.model.hyper import GroupHead, Shape
from sarcodec.train.export import tensors_of, write
from sarcodec.train.network import SarNet

ID = "toy1"
PATH = Path(__file__).with_name(f"{ID}.safetensors")
SHAPE = Shape(groups=(16, 8), wide=4, deep=4, wide_blocks=1, deep_blocks=1, hyper=4, hidden=8, anchors=3)


def toy_net(seed: int = 20) -> SarNet:
    """The network of the toy model: lapped transform, branches of small random weights, random heads."""
    torch.manual_seed(seed)
    net = SarNet(SHAPE)
    with torch.no_grad():
        for out in (net.g_a.out, net.g_s.out):
            torch.nn.init.normal_(out.weight, std=0.02)
            assert out.bias is not None
            torch.nn.init.normal_(out.bias, std=0.005)
        net.g_s.modulate.normal_(std=0.2)
        net.inverse_log2.add_(torch.randn_like(net.inverse_log2) * 0.01)
        net.scale_log2.add_(torch.randn_like(net.scale_log2) * 0.2)
        for head in net.entropy.heads:
            assert isinstance(head, GroupHead)
            torch.nn.init.normal_(head.out.weight, std=0.03)
            torch.nn.init.normal_(head.out.bias, std=0.2)
        last = net.entropy.h_a.net[-1]
        assert isinstance(last, torch.nn.Conv2d)
        last.weight.mul_(12)
        # Latents of single-look noise over slow trends: white samples and a random walk of their means.
        noise = torch.rand(4, 1, 128, 128).clamp(min=1e-6).log()
        trend = torch.randn(4, 1, 128, 128).cumsum(2).cumsum(3) / 500
        net.fit_deviation(noise + trend)
    return net


if __name__ == "__main__":
    if PATH.exists():
        raise SystemExit(f"{PATH} is there already, and is kept")
    net = toy_net()
    write(PATH, tensors_of(net), net, id=ID)
