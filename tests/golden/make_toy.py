"""Make the toy models: untrained, small, with every path of the networks in use. Writes only what is missing.

Run once: ``python tests/golden/make_toy.py``. Golden files depend on the very bytes of its output.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sarcodec.model.families import networks_of
from sarcodec.model.hyper import GroupHead, Shape
from sarcodec.model.lapped import LappedShape
from sarcodec.model.plain import PlainShape
from sarcodec.model.residual import ResidualShape
from sarcodec.train.export import tensors_of, write
from sarcodec.train.network import SarNet
from sarcodec.train.posthoc import silent_net

ID, PLAIN_ID, RESIDUAL_ID, TRELLIS_ID = "toy1", "toy_plain", "toy_residual", "toy_trellis"
HERE = Path(__file__).parent
SHAPE = Shape(
    transform=LappedShape(wide=4, deep=4, wide_blocks=1, deep_blocks=1),
    groups=(16, 8),
    hyper=4,
    hidden=8,
    anchors=3,
)
PLAIN_SHAPE = Shape(transform=PlainShape(base=2), groups=(4, 3), anchors=3)
TRELLIS_SHAPE = replace(SHAPE, groups=(16, 56, 8), quantiser="trellis")
RESIDUAL_SHAPE = Shape(transform=ResidualShape(base=2), groups=(4, 3), hyper=3, hidden=6, anchors=3)


def toy_net(seed: int = 20, shape: Shape = SHAPE) -> SarNet:
    """The network of the toy model: lapped transform, branches of small random weights, random heads."""
    torch.manual_seed(seed)
    net = SarNet(shape)
    with torch.no_grad():
        for module in (net.g_a, net.g_s):
            out = module.get_submodule("out")
            assert isinstance(out, nn.Conv2d)
            torch.nn.init.normal_(out.weight, std=0.02)
            assert out.bias is not None
            torch.nn.init.normal_(out.bias, std=0.005)
        net.g_s.get_parameter("modulate").normal_(std=0.2)
        net.inverse_log2.add_(torch.randn_like(net.inverse_log2) * 0.01)
        net.scale_log2.add_(torch.randn_like(net.scale_log2) * 0.2)
        for head in net.entropy.heads:
            assert isinstance(head, GroupHead)
            torch.nn.init.normal_(head.out.weight, std=0.03)
            torch.nn.init.normal_(head.out.bias, std=0.2)
        last = net.entropy.h_a.net[-1]
        assert isinstance(last, torch.nn.Conv2d)
        last.weight.mul_(12)
        net.fit_deviation(made_up_crops())
    return net


def made_up_crops() -> Tensor:
    """Single-look noise over slow trends: white samples and a random walk of their means."""
    noise = torch.rand(4, 1, 128, 128).clamp(min=1e-6).log()
    trend = torch.randn(4, 1, 128, 128).cumsum(2).cumsum(3) / 500
    return noise + trend


@torch.no_grad()
def lively_transforms(shape: Shape, x: Tensor) -> tuple[nn.Module, nn.Module]:
    """Random transforms with every weight in use; what comes back of `x` has a deviation of 1."""
    g_a, g_s = networks_of(shape)
    for value in (*g_a.parameters(), *g_s.parameters()):
        if value.ndim == 4:
            nn.init.kaiming_normal_(value, nonlinearity="relu")
        else:
            nn.init.normal_(value, std=0.1)
    last = list(g_s.parameters())[-2]
    last.div_(g_s(g_a(x), None).std())
    return g_a, g_s


def plain_toy(path: Path, seed: int = 21) -> None:
    """A plain autoencoder with silent entropy networks, as it is coded after training without a rate."""
    torch.manual_seed(seed)
    x = made_up_crops()
    net = silent_net(*lively_transforms(PLAIN_SHAPE, x), PLAIN_SHAPE, x)
    tensors = tensors_of(net)
    tensors["entropy/z_coded"].zero_()
    write(path, tensors, net, id=PLAIN_ID, first_coded=0)


def residual_toy(path: Path, seed: int = 22) -> None:
    """A residual autoencoder with random heads."""
    torch.manual_seed(seed)
    net, x = SarNet(RESIDUAL_SHAPE), made_up_crops()
    g_a, g_s = lively_transforms(RESIDUAL_SHAPE, x)
    net.g_a.load_state_dict(g_a.state_dict())
    net.g_s.load_state_dict(g_s.state_dict())
    net.fit_deviation(x)
    with torch.no_grad():
        net.inverse_log2.add_(torch.randn_like(net.inverse_log2) * 0.01)
        net.scale_log2.add_(torch.randn_like(net.scale_log2) * 0.2)
        for head in net.entropy.heads:
            assert isinstance(head, GroupHead)
            torch.nn.init.normal_(head.out.weight, std=0.03)
            head.out.bias.add_(torch.randn_like(head.out.bias) * 0.2)
        last = net.entropy.h_a.net[-1]
        assert isinstance(last, nn.Conv2d)
        last.weight.mul_(12)
    write(path, tensors_of(net), net, id=RESIDUAL_ID)


def lapped_toy(path: Path) -> None:
    """The toy model of the default's family."""
    net = toy_net()
    write(path, tensors_of(net), net, id=ID)


def trellis_toy(path: Path) -> None:
    """The same with a trellis, and more channels than a group sees."""
    net = toy_net(23, TRELLIS_SHAPE)
    tensors = tensors_of(net)
    tensors["entropy/y_shrink"] = torch.tensor([[2, 1, 0], [-3, 0, 1]], dtype=torch.int16)
    write(path, tensors, net, id=TRELLIS_ID)


MAKERS = {ID: lapped_toy, PLAIN_ID: plain_toy, RESIDUAL_ID: residual_toy, TRELLIS_ID: trellis_toy}

if __name__ == "__main__":
    for name, make in MAKERS.items():
        there = HERE / f"{name}.safetensors"
        if not there.exists():
            make(there)
