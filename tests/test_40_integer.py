"""Integer networks: the same integers in any precision, order, batch and thread count."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sarcodec.model import integer
from sarcodec.model.hyper import CONTEXT_MAX, EntropyNetworks, Shape
from sarcodec.model.integer import ACTIVATION_MAX, SHIFT, WEIGHT_MAX, IntConv2d, round_half_up
from sarcodec.model.levels import FRACTION, STEPS, integer_row, interpolate, power_table, times_power
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import threads_kept

FLOAT32_EXACT = 2**24


def conv(
    rng: np.random.Generator, inputs: int, outputs: int, kernel: int, most: int, **options: Any
) -> IntConv2d:
    """A convolution of random integer weights up to `most`, in double precision."""
    made = IntConv2d(inputs, outputs, kernel, **options).double()
    weights = rng.integers(-most, most + 1, (outputs, inputs, kernel, kernel))
    made.weight.data = torch.from_numpy(weights / 2**SHIFT)
    made.bias.data = torch.from_numpy(rng.integers(-5000, 5001, outputs) / 2 ** (SHIFT + 4))
    return made


def by_hand(made: IntConv2d, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same in int64, from the definition: floor((sum + bias + half) / 2^shift), then the clamp."""
    weight, bias = (t.detach().numpy().astype(np.int64) for t in made.integers())
    pad, k = made.padding, weight.shape[2]
    wide = np.pad(x.astype(np.int64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    view: Any = np.lib.stride_tricks.sliding_window_view  # NumPy 1 has no types for two axes
    windows = view(wide, (k, k), axis=(2, 3))
    total = np.einsum("bihwkl,oikl->bohw", windows, weight) + bias[:, None, None]
    shifted: npt.NDArray[Any] = (total + (1 << (made.shift - 1))) >> made.shift
    return np.clip(shifted, 0, ACTIVATION_MAX) if made.relu else shifted


@pytest.mark.parametrize(
    ("kernel", "options"), [(1, {}), (3, {}), (3, {"relu": False, "gain_bits": 1}), (1, {"relu": False})]
)
@torch.no_grad()
def test_a_convolution_is_its_integer_definition(kernel: int, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(kernel)
    made = conv(rng, 12, 7, kernel, WEIGHT_MAX, **options)
    x = rng.integers(-127, 128, (2, 12, 9, 6))
    assert np.array_equal(made(torch.from_numpy(x).double()).numpy(), by_hand(made, x))


@given(
    seed=st.integers(0, 10**6),
    inputs=st.integers(1, 20),
    kernel=st.sampled_from([1, 3]),
    most=st.sampled_from([1, 40, 300, WEIGHT_MAX]),
    batch=st.integers(1, 4),
)
@settings(max_examples=40)
@torch.no_grad()
def test_single_precision_gives_the_same_integers_where_sums_fit(
    seed: int, inputs: int, kernel: int, most: int, batch: int
) -> None:
    rng = np.random.default_rng(seed)
    made = conv(rng, inputs, 5, kernel, most)
    x = torch.from_numpy(rng.integers(0, ACTIVATION_MAX + 1, (batch, inputs, 8, 5)))
    wide = made(x.double())
    if made.worst_sum(ACTIVATION_MAX) < FLOAT32_EXACT:
        assert torch.equal(made(x.float()).double(), wide)
    for one in range(batch):
        assert torch.equal(made(x[one : one + 1].double())[0], wide[one])


@given(
    seed=st.integers(0, 10**6),
    inputs=st.integers(1, 12),
    kernel=st.sampled_from([1, 3]),
    most=st.integers(1, WEIGHT_MAX),
    input_max=st.integers(1, 255),
)
@settings(max_examples=60)
def test_no_sum_exceeds_the_worst_and_one_comes_within_its_rounding(
    seed: int, inputs: int, kernel: int, most: int, input_max: int
) -> None:
    rng = np.random.default_rng(seed)
    made = conv(rng, inputs, 3, kernel, most)
    worst = made.worst_sum(input_max)
    weight, bias = (t.detach().numpy().astype(np.int64) for t in made.integers())
    x = rng.integers(-input_max, input_max + 1, weight.shape)
    terms = (weight * x).reshape(3, -1)
    assert int(np.abs(np.cumsum(terms, axis=1) + bias[:, None]).max()) + (1 << SHIFT >> 1) <= worst
    # Inputs at their limit, with the signs that make all terms add up.
    signs = np.where(weight * np.where(bias < 0, -1, 1)[:, None, None, None] < 0, -1, 1)
    extreme = np.abs((weight * signs * input_max).sum((1, 2, 3)) + bias)
    assert int(extreme.max()) == worst - (1 << SHIFT)


def networks_of(toy: Model) -> EntropyNetworks:
    return toy.entropy.networks


def hyper_latents(shape: Shape, batch: int = 3) -> Tensor:
    rng = np.random.default_rng(5)
    z = rng.integers(-CONTEXT_MAX, CONTEXT_MAX + 1, (batch, shape.hyper, 3, 2))
    return torch.from_numpy(z).double()


@torch.no_grad()
def everything(networks: EntropyNetworks, shape: Shape, z: Tensor) -> list[Tensor]:
    """Features, means and log-scales of all heads, the context made of the means."""
    features = networks.h_s(z)
    out, context = [features], features
    for head in networks.heads:
        mean, log_scale = head(context)
        out += [mean, log_scale]
        context = torch.cat((context, mean.clamp(-CONTEXT_MAX, CONTEXT_MAX)), dim=1)
    assert out[-1].shape[1] == shape.groups[-1]
    return out


def test_the_hyper_synthesis_gives_integers_that_differ_from_place_to_place(toy: Model) -> None:
    for tensor in everything(networks_of(toy), toy.shape, hyper_latents(toy.shape)):
        assert torch.equal(tensor, tensor.round())
        assert np.unique(tensor.numpy()).size > 3


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("threads", [1, 2])
def test_networks_give_the_same_integers_for_any_layout_and_threads(
    toy: Model, layout: torch.memory_format, threads: int
) -> None:
    z = hyper_latents(toy.shape)
    expected = everything(networks_of(toy), toy.shape, z)
    with threads_kept():
        torch.set_num_threads(threads)
        got = everything(networks_of(toy), toy.shape, z.contiguous(memory_format=layout))
    assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))


def test_networks_give_the_same_integers_one_by_one(toy: Model) -> None:
    z = hyper_latents(toy.shape)
    whole = everything(networks_of(toy), toy.shape, z)
    for k in range(len(z)):
        single = everything(networks_of(toy), toy.shape, z[k : k + 1])
        assert all(torch.equal(a[k : k + 1], b) for a, b in zip(whole, single, strict=True))


def test_networks_give_the_same_integers_in_single_precision(toy: Model) -> None:
    for module in networks_of(toy).modules():
        if isinstance(module, IntConv2d):
            assert module.worst_sum(ACTIVATION_MAX) < FLOAT32_EXACT
    z = hyper_latents(toy.shape)
    wide = everything(networks_of(toy), toy.shape, z)
    # `forward` casts the integer weights to the type of its input.
    narrow = everything(networks_of(toy), toy.shape, z.float())
    assert all(
        n.dtype == torch.float32 and torch.equal(w, n.double()) for w, n in zip(wide, narrow, strict=True)
    )


def test_rounding_takes_halves_upward_and_passes_gradients_through() -> None:
    x = torch.tensor([-1.5, -0.5, -0.49, 0.5, 1.49, 2.5], requires_grad=True)
    y = round_half_up(x)
    assert y.tolist() == [-1, 0, 0, 1, 1, 3]
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [1] * 6


def test_training_rounds_to_the_very_integers_that_are_exported() -> None:
    torch.manual_seed(0)
    made = IntConv2d(6, 5, 3)
    weight, bias = made.integers()
    assert torch.equal(weight, weight.round()) and torch.equal(bias, bias.round())
    exported = IntConv2d(6, 5, 3).double()
    exported.weight.data, exported.bias.data = (
        weight.detach().double() / 2**SHIFT,
        bias.detach().double() / 2 ** (SHIFT + 4),
    )
    x = torch.randint(0, 256, (1, 6, 7, 7))
    assert torch.equal(made(x.float()).double(), exported(x.double()))


@given(
    value=st.integers(-(2**31), 2**31),
    log2=st.integers(-15 * STEPS, 15 * STEPS - 1),
)
@settings(max_examples=200)
def test_scaling_by_a_power_rounds_the_exact_product_halves_upward(value: int, log2: int) -> None:
    powers = power_table()
    got = times_power(torch.full((1, 1, 1, 1), value), np.array([log2]), powers)
    exact = Fraction(value) * int(powers[log2 % STEPS]) * Fraction(2) ** (log2 // STEPS - FRACTION)
    assert int(got) == (exact + Fraction(1, 2)).__floor__()


def test_the_table_of_powers_is_that_of_the_format() -> None:
    assert power_table().tolist() == [round(2 ** (16 + i / 256)) for i in range(256)]


@given(
    st.lists(st.lists(st.integers(-3000, 3000), min_size=3, max_size=3), min_size=2, max_size=6), st.data()
)
@settings(max_examples=60)
def test_levels_interpolate_between_anchors_and_hit_them(rows: list[list[int]], data: st.DataObject) -> None:
    table = np.array(rows, dtype=np.int16)
    for anchor in range(len(rows)):
        assert integer_row(table, STEPS * anchor).tolist() == rows[anchor]
    level = data.draw(st.integers(0, STEPS * (len(rows) - 1)))
    smooth = interpolate(torch.from_numpy(table).double(), torch.tensor([level / STEPS], dtype=torch.float64))
    assert np.abs(integer_row(table, level) - smooth[0].numpy()).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("exact", [True, False])
def test_a_frozen_layer_gives_the_same_integers_in_either_precision(
    monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    torch.manual_seed(4)
    layer = IntConv2d(24, 16, 3)
    x = torch.randint(0, ACTIVATION_MAX + 1, (1, 24, 9, 7)).double()
    expected = layer(x)
    monkeypatch.setattr(integer, "float32_is_exact", lambda: exact)
    layer.freeze(ACTIVATION_MAX)
    assert layer.fixed is not None and layer.fixed[0].dtype == (torch.float32 if exact else torch.float64)
    assert torch.equal(layer(x.float()).double(), expected)


@pytest.mark.parametrize(
    ("library", "function"), [(torch.nn.functional, "conv2d"), (torch, "mkldnn_convolution")]
)
def test_a_library_that_multiplies_roughly_is_found_out(
    library: Any, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert integer.float32_is_exact()
    convolve = getattr(library, function)

    def rough(x: Tensor, weight: Tensor, *more: Any) -> Any:
        kind = x.dtype
        if kind == torch.float32:
            x, weight = (t.bfloat16().float() for t in (x, weight))
        return convolve(x, weight, *more)

    integer._tried.cache_clear()
    monkeypatch.setattr(library, function, rough)
    assert not integer.float32_is_exact()
    integer._tried.cache_clear()


def test_settings_that_torch_will_not_be_asked_about_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses to name its precision where newer and older settings were both used."""

    def refuse() -> str:
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", refuse)
    assert integer.float32_is_exact()
