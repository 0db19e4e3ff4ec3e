"""Integer networks in products of bytes: the same integers as their definition, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcodec import zoo
from sarcodec.model import modelfile, products
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.hyper import CONTEXT_MAX
from sarcodec.model.integer import ACTIVATION_MAX, SHIFT, WEIGHT_MAX, IntConv2d
from sarcodec.model.integer_bytes import HIGHEST, ByteConv2d, NotBytesError, powers_of, rounded
from sarcodec.model.modelfile import Model
from sarcodec.model.products import LARGEST

here = pytest.mark.skipif(not products.exact(), reason="this processor does not multiply bytes exactly")


def layer_of(
    weight: npt.NDArray[Any], bias: npt.NDArray[Any], *, relu: bool = True, gain_bits: int = 0
) -> IntConv2d:
    """A convolution of given integers."""
    outputs, inputs, kernel, _ = weight.shape
    made = IntConv2d(inputs, outputs, kernel, relu=relu, gain_bits=gain_bits).double()
    made.weight.data = torch.from_numpy(weight / 2**SHIFT)
    made.bias.data = torch.from_numpy(bias / 2 ** (SHIFT + 4))
    return made


@given(
    seed=st.integers(0, 10**6),
    kept=st.sampled_from([0, 3, 16]),
    signed=st.sampled_from([0, 5, 16]),
    kernel=st.sampled_from([1, 3]),
    relu=st.booleans(),
    most=st.sampled_from([1, 20, LARGEST]),
)
@settings(max_examples=60, deadline=None)
@torch.no_grad()
@here
def test_a_convolution_in_bytes_is_its_integer_definition(
    seed: int, kept: int, signed: int, kernel: int, relu: bool, most: int
) -> None:
    rng, inputs = np.random.default_rng(seed), max(kept + signed, 1)
    signed = inputs - kept
    weight = rng.integers(-most, most + 1, (7, inputs, kernel, kernel))
    weight *= rng.random(weight.shape) < 0.2  # so that all sums fit
    weight <<= rng.integers(0, 4, (7, 1, 1, 1))
    # Sums on either side of what bytes hold, and many that end in exactly one half.
    bias = rng.integers(-200, 200, 7) * 2 ** (SHIFT - 1)
    layer = layer_of(weight, bias, relu=relu, gain_bits=0 if relu else 1)
    x = rng.integers(0, ACTIVATION_MAX + 1, (1, kept, 9, 6))
    seen = rng.integers(-CONTEXT_MAX, CONTEXT_MAX + 1, (1, signed, 9, 6))
    expected = layer(torch.from_numpy(np.concatenate((x, seen), axis=1)).double())
    whole = ByteConv2d(layer, signed)
    found = whole(
        torch.from_numpy(x).to(torch.uint8) if kept else None,
        torch.from_numpy(seen).float() if signed else None,
    )
    assert torch.equal(found.double(), expected)


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        (np.full((4, 8, 3, 3), 2 * LARGEST + 1), 0),  # odd, and no byte
        (np.full((4, 300, 3, 3), 8 * LARGEST), 0),  # bytes, but sums of more than 24 bits
        (np.full((4, 8, 3, 3), 1), -(2**23)),  # and half a unit that a bias cannot hold
    ],
)
@here
def test_what_bytes_cannot_hold_is_refused(weight: npt.NDArray[Any], bias: int) -> None:
    with pytest.raises(NotBytesError):
        ByteConv2d(layer_of(weight, np.full(4, bias)))


@given(seed=st.integers(0, 10**6), spread=st.sampled_from([1, 50, 400, 5000]))
@settings(max_examples=40)
def test_rounded_weights_are_bytes_times_a_power_and_as_near_as_any(seed: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    wide = np.clip(np.rint(rng.normal(0, spread, (5, 4, 3, 3))), -WEIGHT_MAX, WEIGHT_MAX)
    weight = torch.from_numpy(wide)
    found = rounded(weight)
    unit = 2.0 ** powers_of(found)[:, None, None, None]
    assert torch.equal(found / unit, (found / unit).round()) and float((found / unit).abs().max()) <= LARGEST
    off = ((found - weight) ** 2).sum((1, 2, 3))
    for power in range(HIGHEST + 1):
        other = (weight / 2**power).round().clamp(-LARGEST, LARGEST) * 2**power
        assert bool((off <= ((other - weight) ** 2).sum((1, 2, 3))).all())
    assert torch.equal(rounded(found), found)


@pytest.fixture(scope="module")
def lapped() -> Model:
    return modelfile.load(zoo.find("lapped16"))


@here
def test_the_model_that_ships_codes_the_same_latents_either_way(lapped: Model) -> None:
    assert lapped.entropy.in_bytes is not None
    plain = replace(lapped, entropy=replace(lapped.entropy, in_bytes=None))
    rng = np.random.default_rng(3)
    deviation = 2.0 ** lapped.deviation_log2.numpy()[:, None, None]
    y = (rng.laplace(0, 1, (lapped.shape.channels, 13, 10)) * deviation).astype(np.float32)
    for level in (0, 500, lapped.top_level):
        coded, other = (LatentCoder(model, level).encode(y) for model in (lapped, plain))
        assert coded.layers == other.layers
        size = (y.shape[1], y.shape[2])
        assert np.array_equal(LatentCoder(plain, level).decode(coded.layers, size), coded.y_hat)
        assert np.array_equal(LatentCoder(lapped, level).decode(other.layers, size), coded.y_hat)


@here
def test_hyper_latents_in_bytes_are_near_those_in_floats(lapped: Model) -> None:
    h_a = lapped.entropy.networks.h_a
    start, v = h_a.start, 2 * torch.randn(1, lapped.shape.channels, 16, 16)
    assert start is not None
    with torch.inference_mode():
        exact = h_a.net[0](torch.cat((v, v.abs()), dim=1))
        assert float((start(v) - exact).std() / exact.std()) < 0.03
        far = torch.full_like(v, -1e4)  # the lowest byte has a magnitude too
        assert torch.equal(start(far), start(far.clamp(-127 / 8, 127 / 8)))
