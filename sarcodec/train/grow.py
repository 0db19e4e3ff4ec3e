"""Begin with the weights of a model file of fewer latents, blocks or rate anchors.

The first channels of a large network are those of a smaller one. What the smaller has not is set so that the
larger codes as the smaller did: inputs from new channels weigh nothing, new anchors go on from the last. Each
family does so for its transforms.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from sarcodec.errors import UsageError
from sarcodec.model import modelfile, trellis
from sarcodec.model.families import training_of
from sarcodec.model.hyper import FRACTION, GroupHead, Shape
from sarcodec.model.levels import STEPS
from sarcodec.model.modelfile import Model
from sarcodec.train.network import SarNet

DENSITY_STEPS = 300
"""Steps by which the density of hyper-latents is fitted: a model file holds tables of it alone."""
SAME = ("family", "hyper", "hidden")
"""Sizes that must agree, beside those that the family names."""


@torch.no_grad()
def grow(path: Path, net: SarNet, x: Tensor) -> None:
    """Give `net` what a model file holds.

    Parameters
    ----------
    path : Path
        A model file of the same family, which must be able to grow.
    net : SarNet
        Of at least as many channels and anchors, its deviations already taken from `x`.
    x : Tensor, shape (B, 1, H, W)
        Crops that the density of hyper-latents is fitted to.

    Raises
    ------
    UnsupportedError
        The file is no model file.
    UsageError
        Its sizes do not fit.
    """
    model = modelfile.load(path)
    _check(model, net.shape, path)
    _copy_transforms(model, net)
    _copy_levels(model, net)
    _copy_entropy(model, net)
    _fit_density(net, x)


def _check(model: Model, shape: Shape, path: Path) -> None:
    small, training = model.shape, training_of(shape)
    wrong = [name for name in SAME if getattr(small, name) != getattr(shape, name)]
    if not wrong:
        own = (small.transform, shape.transform)
        wrong = [name for name in training.same if len({getattr(part, name) for part in own}) > 1]
    if small.channels > shape.channels or small.anchors > shape.anchors or training.grow is None:
        wrong.append("groups, anchors or family")
    if wrong:
        raise UsageError(
            f"cannot start from {path}: {', '.join(wrong)} differ",
            hint="Name a model file that has the sizes of the run, or fewer channels and anchors.",
        )


def _copy_transforms(model: Model, net: SarNet) -> None:
    """g_a and g_s, as the family can."""
    copy = training_of(net.shape).grow
    assert copy is not None
    copy(model.transform, model.shape.transform, net.shape.transform, (net.g_a, net.g_s))


def _copy_levels(model: Model, net: SarNet) -> None:
    """Gains and deviations; new anchors keep the steps between them that the high-rate rule gave."""
    channels, anchors = model.shape.channels, model.shape.anchors
    entropy = model.entropy
    finer = trellis.finer(model.shape.quantiser)
    gain = torch.from_numpy(model.scales.gain_log2 / STEPS).float() - finer
    unit = torch.from_numpy(entropy.mean_log2 / STEPS).float()
    scale = torch.from_numpy(entropy.scale_offset / FRACTION).float() - unit
    hyper = torch.from_numpy(entropy.hyper_log2 / STEPS).float()
    pairs = (
        (net.gain_log2, gain),
        (net.inverse_log2, torch.from_numpy(model.scales.inverse_log2) + finer),
        (net.scale_log2, scale),
        (net.hyper_gain_log2, hyper),
    )
    for new, old in pairs:
        width = old.shape[1]
        rise = new[anchors:, :width] - new[anchors - 1, :width]
        new[:anchors, :width] = old
        new[anchors:, :width] = old[-1] + rise
    net.deviation_log2[:channels] = model.deviation_log2


def _copy_entropy(model: Model, net: SarNet) -> None:
    """h_a, h_s, and heads: each takes its hidden layer from the head that had most of its last channels."""
    small, large = model.entropy.networks, net.entropy
    old_channels, channels = model.shape.channels, net.shape.channels
    for name, new in large.h_a.state_dict().items():
        old = small.h_a.state_dict()[name]
        if name == "net.0.weight":  # latents, then their magnitudes
            new.zero_()
            new[:, :old_channels] = old[:, :old_channels]
            new[:, channels : channels + old_channels] = old[:, old_channels:]
        else:
            new.copy_(old)
    large.h_s.load_state_dict({k: v.float() for k, v in small.h_s.state_dict().items()})
    for group, head in enumerate(large.heads):
        assert isinstance(head, GroupHead)
        start, size = net.shape.starts[group], net.shape.groups[group]
        if start >= old_channels:
            continue
        last = min(start + size, old_channels) - 1
        source = max(g for g, first in enumerate(model.shape.starts) if first <= last)
        _copy_head(model, source, head, start, size)


def _copy_head(model: Model, source: int, head: GroupHead, start: int, size: int) -> None:
    """Rows of the channels that both heads have; context beyond what the old head saw weighs nothing."""
    old = model.entropy.networks.heads[source]
    assert isinstance(old, GroupHead)
    if old.mix.weight.shape[2] != head.mix.weight.shape[2]:
        return
    hidden, first, count = model.shape.hidden, model.shape.starts[source], model.shape.groups[source]
    context = range(model.shape.context(source).start, model.shape.context(source).stop)
    seen = range(max(0, start - (head.mix.weight.shape[1] - hidden)), start)
    head.mix.weight.zero_()
    head.mix.weight[:, :hidden] = old.mix.weight[:, :hidden].float()
    for channel in set(context) & set(seen):
        column = old.mix.weight[:, hidden + channel - context.start]
        head.mix.weight[:, hidden + channel - seen.start] = column.float()
    head.mix.bias.copy_(old.mix.bias)
    head.out.weight.zero_()
    head.out.bias.zero_()
    for channel in set(range(start, start + size)) & set(range(first, first + count)):
        for half in (0, 1):  # means, then scales
            to, of = half * size + channel - start, half * count + channel - first
            head.out.weight[to] = old.out.weight[of].float()
            head.out.bias[to] = old.out.bias[of]


def _fit_density(net: SarNet, x: Tensor) -> None:
    """Fit CompressAI's factorised density to the hyper-latents of `x` at all anchors."""
    y = net.g_a(x) * torch.exp2(-net.deviation_log2)[:, None, None]
    z = net.entropy.h_a(y)
    gains = torch.exp2(net.hyper_gain_log2)[:, None, :, None, None]
    batch = (z[None] * gains).flatten(0, 1)
    density = net.entropy_bottleneck
    learning = [p for name, p in density.named_parameters() if name != "quantiles"]
    optimiser = torch.optim.Adam(learning, lr=0.02)
    with torch.enable_grad():
        for _ in range(DENSITY_STEPS):
            optimiser.zero_grad()
            _, likelihood = density(batch)
            loss = -torch.log2(likelihood).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
