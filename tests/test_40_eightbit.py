"""Branches in bytes: the same numbers whoever computes them, near those of floats, in parts as in whole."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from conftest import TOY
from sarcodec import zoo
from sarcodec.errors import UnsupportedError
from sarcodec.model import eightbit, modelfile
from sarcodec.model.eightbit import Bytes, Convolution, steps_of
from sarcodec.model.lapped import LappedTransform, branch
from sarcodec.model.lapped.branch import Join, Residuals
from sarcodec.model.lapped.fit_bytes import fit_bytes
from sarcodec.model.lapped.networks import Residual
from sarcodec.model.modelfile import Model
from sarcodec.model.products import exact
from testing.needed import needed

integers = pytest.mark.skipif(not exact(), reason="this processor has no exact products of bytes")
WAYS = [pytest.param(True, marks=integers), False]


def image(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    x = scale * torch.randn(shape, generator=made)
    return x.contiguous(memory_format=torch.channels_last)


def values(bytes_: Bytes, x: Tensor) -> Tensor:
    """What bytes stand for."""
    if x.dtype == torch.uint8:
        x = x.float() - bytes_.zero
    return x * bytes_.step


def nets_of(model: Model) -> list[Any]:
    """g_a and g_s of a lapped model."""
    assert isinstance(model.transform, LappedTransform)
    return [model.transform.g_a, model.transform.g_s]


@pytest.fixture(scope="module")
def default() -> Model:
    return modelfile.load(zoo.find())


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("signed", [True, False])
def test_a_byte_stands_for_the_nearest_value_in_its_range(whole: bool, signed: bool) -> None:
    bytes_ = Bytes(2.0**-5, signed=signed)
    low, high = (-4.0, 127 / 32) if signed else (0.0, 255 / 32)
    x = image(1, 4, 9, 8, scale=5)
    back = values(bytes_, bytes_.pack(x, whole=whole))
    assert torch.allclose(back, x.clamp(low, high), atol=2.0**-6 + 1e-6, rtol=0)
    assert float(x.abs().max()) > 2 * high > float(back.max())


@settings(max_examples=40)
@given(
    st.integers(0, 2**30),
    st.sampled_from([1, 3]),
    st.sampled_from([-7, -4, 0]),
    st.booleans(),
    st.floats(-3, 1),
)
@integers
@torch.inference_mode()
def test_integers_and_floats_make_the_same_bytes_and_sums(
    seed: int, kernel: int, power: int, signed: bool, log_scale: float
) -> None:
    weight, bias = (
        image(12, 20, kernel, kernel, seed=seed, scale=10**log_scale),
        image(1, 12, 1, 1)[0, :, 0, 0],
    )
    given_ = Bytes(2.0**power, signed=signed)
    x = image(1, 20, 11, 7, seed=seed + 1, scale=3 * 2.0 ** (power + 6))
    for made in (None, Bytes(2.0 ** (power + 2), signed=False)):
        whole, other = (
            Convolution(weight, bias, given_, made, whole=way)(given_.pack(x, whole=way))
            for way in (True, False)
        )
        assert torch.equal(whole.float(), other)


@pytest.mark.parametrize("given_step", [2.0**-14, 2.0**-5, 1.0])
def test_steps_of_weights_are_powers_of_two_that_keep_sums_exact(given_step: float) -> None:
    weight = torch.cat(
        (image(5, 128, 3, 3, scale=0.1), torch.full((1, 128, 3, 3), 0.7), torch.zeros(1, 128, 3, 3))
    )
    steps = steps_of(weight, given_step)
    assert torch.equal(steps.log2(), steps.log2().round())
    whole = torch.round(weight / steps[:, None, None, None])
    assert float(whole.abs().max()) <= 127
    assert float(whole.abs().sum((1, 2, 3)).max()) * 255 < 2**24
    assert float(steps.min()) * given_step >= eightbit.UNIT
    assert float(whole[:5].abs().amax((1, 2, 3)).min()) > 63 or given_step < 2.0**-10


@pytest.mark.parametrize("whole", WAYS)
@torch.inference_mode()
def test_rows_of_blocks_are_near_those_of_floats_and_the_same_in_strips(
    whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    blocks = nn.Sequential(*(Residual(16) for _ in range(3)))
    h = image(1, 16, 40, 24)
    expected = blocks(h)
    bytes_ = Residuals(blocks, iter([2.0**-5, 2.0**-7] * 3), whole=whole)
    found = bytes_(h.clone(memory_format=torch.preserve_format))
    assert float((found - expected).std()) < 0.02 * float((expected - h).std())
    monkeypatch.setattr(branch, "STRIP", 24 * 16 * 7)
    assert torch.equal(bytes_(h.clone(memory_format=torch.preserve_format)), found)


@pytest.mark.parametrize("whole", WAYS)
@torch.inference_mode()
def test_latents_are_joined_in_sixteen_bits(whole: bool) -> None:
    torch.manual_seed(4)
    conv = nn.Conv2d(100, 24, 1)
    modulation = torch.cat((image(1, 24, 1, 1, seed=1, scale=0.3), image(1, 24, 1, 1, seed=2)), 1)[..., 0, 0]
    y = image(1, 100, 9, 13, seed=5, scale=20)
    y[:, 64:] = 0
    expected = conv(y) * (1 + modulation[:, :24, None, None]) + modulation[:, 24:, None, None]
    join = Join(conv, modulation, whole=whole)
    assert float((join(y) - expected).std()) < 0.01 * float(expected.std())
    assert torch.equal(join(y[:, :64]), join(y))
    assert torch.equal(join(y[:, :, 2:7, 3:]), join(y)[:, :, 2:7, 3:])


@torch.inference_mode()
def test_a_window_of_the_features_is_a_crop_of_the_whole(default: Model) -> None:
    transform = default.transform
    assert isinstance(transform, LappedTransform)
    g_s = transform.g_s
    assert g_s.in_bytes is not None
    y_hat = np.random.default_rng(1).integers(-40, 40, (256, 20, 17))
    y, position = transform.dequantised(y_hat, 700)
    modulation = g_s.modulation(position)
    whole = g_s.features(y, modulation)
    part = g_s.features(y[:, :, 4:18, 3:], modulation)
    reach = default.shape.reach
    inner = (slice(2 * reach, -2 * reach), slice(2 * reach, None))
    assert torch.equal(part[(..., *inner)], whole[..., 8:36, 6:][(..., *inner)])


def test_bytes_and_floats_make_nearly_the_same_of_the_default_model(default: Model) -> None:
    """Network units of several decibels: what 8 bits cost is nothing beside what any rate does."""
    rng = np.random.default_rng(3)
    x = rng.normal(0, 0.6, (192, 160)).astype(np.float32) + np.linspace(-1, 1, 160, dtype=np.float32)
    y = default.analyse(x)
    y_hat = np.rint(16 * y * default.steps(900)[:, None, None]).astype(np.int64)
    back = default.synthesise(y_hat, 900)
    nets = nets_of(default)
    kept = [net.in_bytes for net in nets]
    try:
        for net in nets:
            net.in_bytes = None
        assert np.abs(default.analyse(x) - y).std() < 0.005 * y.std()
        assert np.abs(default.synthesise(y_hat, 900) - back).std() * default.unit_db < 0.04
    finally:
        for net, bytes_ in zip(nets, kept, strict=True):
            net.in_bytes = bytes_


CPU = Path("/proc/cpuinfo")


@pytest.mark.skipif(
    not CPU.is_file() or "avx512_vnni" not in CPU.read_text("utf-8"), reason="no such products"
)
def test_a_processor_with_products_of_bytes_uses_them() -> None:
    assert exact()


@integers
def test_a_library_that_saturates_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    multiply = torch.ops.onednn.qconv2d_pointwise

    def saturating(x: Tensor, *more: Any) -> Tensor:
        found: Tensor = multiply(x, *more)
        return found.clamp(-1e6, 1e6)

    exact.cache_clear()
    monkeypatch.setattr(torch.ops.onednn, "qconv2d_pointwise", saturating)
    assert not exact()
    monkeypatch.undo()
    exact.cache_clear()
    assert exact()


def test_a_library_without_products_of_bytes_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> Tensor:
        raise RuntimeError("could not find an implementation")

    exact.cache_clear()
    monkeypatch.setattr(torch.ops.onednn, "qconv_prepack", missing)
    assert not exact()
    exact.cache_clear()


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model, Path]:
    """The toy model, and with steps fitted to noise; where that lies."""
    needed("compressai")
    from sarcodec.train.calibrate import measured

    toy = modelfile.load(Path(TOY))
    crops = [np.random.default_rng(k).normal(0, 1, (96, 96)).astype(np.float32) for k in range(4)]
    tensors = load_file(TOY) | measured(fit_bytes, toy, crops, [100, 500])
    path = tmp_path_factory.mktemp("model") / "bytes.safetensors"
    write(path, tensors, toy)
    return toy, modelfile.load(path), path


def write(path: Path, tensors: dict[str, Tensor], like: Model) -> None:
    settings_ = {"layers": like.layers, "unit_db": like.unit_db, "first_coded": like.first_coded}
    modelfile.write(path, tensors, id=like.id, shape=like.shape, **settings_)  # type: ignore[arg-type]


def test_fitted_steps_keep_what_a_model_does(toys: tuple[Model, Model, Path]) -> None:
    toy, fitted, _ = toys
    assert fitted.entropy_digest == toy.entropy_digest
    assert fitted.synthesis_digest != toy.synthesis_digest
    x = np.random.default_rng(9).normal(0, 1, (96, 96)).astype(np.float32)
    y = toy.analyse(x)
    assert np.abs(fitted.analyse(x) - y).std() < 0.01 * y.std()
    y_hat = np.rint(16 * y * toy.steps(300)[:, None, None]).astype(np.int64)
    expected = toy.synthesise(y_hat, 300)
    assert np.abs(fitted.synthesise(y_hat, 300) - expected).std() < 0.01 * expected.std()


def test_scaled_channels_change_nothing_in_floats(toys: tuple[Model, Model, Path]) -> None:
    toy, fitted, _ = toys
    g_a, g_s = nets_of(toy)
    nets = [copy.copy(net) for net in nets_of(fitted)]
    for net in nets:
        net.in_bytes = None
    x = image(1, 1, 64, 64)
    with torch.inference_mode():
        y, first = g_a(x), torch.zeros(1)
        assert torch.allclose(nets[0](x), y, atol=0.01 * float(y.std()))
        expected = g_s(y, first)
        assert torch.allclose(nets[1](y, first), expected, atol=0.01 * float(expected.std()))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"synthesis/steps_log2": None}, "synthesis/steps_log2 is missing"),
        ({"analysis/steps_log2": None}, "analysis/steps_log2 is missing"),
        ({"synthesis/steps_log2": 1}, "synthesis/steps_log2 reaches"),
        ({"analysis/steps_log2": -15}, "analysis/steps_log2 reaches"),
        ({"synthesis/steps_log2": math.nan}, "synthesis/steps_log2 is torch.float32"),
    ],
)
def test_steps_that_no_sound_model_has_are_refused(
    toys: tuple[Model, Model, Path], tmp_path: Path, change: dict[str, float | None], reason: str
) -> None:
    tensors = load_file(toys[2])
    for name, value in change.items():
        old = tensors.pop(name)
        if value is not None:
            kind = torch.float32 if math.isnan(value) else torch.int16
            tensors[name] = torch.full_like(old, value, dtype=kind)
    write(tmp_path / "m.safetensors", tensors, toys[0])
    with pytest.raises(UnsupportedError, match=reason):
        modelfile.load(tmp_path / "m.safetensors")
