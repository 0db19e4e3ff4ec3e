"""Means from averaged kernels are the means of the pixels; layers that vanish in them are left out."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import TOY
from sarcodec import zoo
from sarcodec.model import modelfile
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.lapped import LappedTransform
from sarcodec.model.transforms import FACTORS

if TYPE_CHECKING:
    from sarcodec.model.modelfile import Model

TOY_MODEL = modelfile.load(Path(TOY))


def latents(model: Model, size: tuple[int, int], seed: int = 0) -> npt.NDArray[np.int32]:
    shape = (model.shape.channels, *size)
    return np.random.default_rng(seed).integers(-200, 200, shape).astype(np.int32)


def copied(transform: LappedTransform, **changes: object) -> LappedTransform:
    """Another transform that differs in some attributes."""
    other = copy.copy(transform)
    vars(other).update(changes)
    return other


def means(x: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    """Block by block, in float64."""
    found = np.empty((x.shape[0] // factor, x.shape[1] // factor))
    for i, j in np.ndindex(found.shape):
        block = x[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
        found[i, j] = block.astype(np.float64).mean()
    return found


@given(st.tuples(st.integers(1, 6), st.integers(1, 6)), st.sampled_from(FACTORS), st.integers(0, 512))
@settings(max_examples=40)
def test_reduced_synthesis_is_the_mean_of_whole_synthesis(
    size: tuple[int, int], factor: int, level: int
) -> None:
    y = latents(TOY_MODEL, size)
    reduced = TOY_MODEL.transform.overview(factor, 2)
    channels = sum(TOY_MODEL.layers[: reduced.layers])
    y[channels:] = 0
    found = reduced.synthesise(y[:channels], level)
    # Sums of float32: at the coarsest levels latents are large.
    np.testing.assert_allclose(found, means(TOY_MODEL.synthesise(y, level), factor), rtol=4e-6, atol=2e-5)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", [None, "baseline-16x-rd", "resnet-lite-16x-rd"])
def test_released_models_of_any_family_are_reduced(name: str | None, factor: int) -> None:
    model = modelfile.load(zoo.find(name))
    if isinstance(model.transform, LappedTransform):
        model = replace(model, transform=copied(model.transform, overviews={}))
    y = latents(model, (3, 4))
    reduced = model.transform.overview(factor, len(model.layers))
    channels = sum(model.layers[: reduced.layers])
    y[channels:] = 0
    whole = model.synthesise(y, 300)
    np.testing.assert_allclose(reduced.synthesise(y[:channels], 300), means(whole, factor), atol=1e-4)


def test_a_linear_model_is_reduced() -> None:
    model = modelfile.load(Path(TOY))
    assert isinstance(model.transform, LappedTransform)
    g_s = copy.copy(model.transform.g_s)
    g_s.branch = False
    model = replace(model, transform=copied(model.transform, g_s=g_s))
    y = latents(model, (3, 2))
    reduced = model.transform.overview(4, 2)
    channels = sum(model.layers[: reduced.layers])
    y[channels:] = 0
    np.testing.assert_allclose(
        reduced.synthesise(y[:channels], 9), means(model.synthesise(y, 9), 4), atol=2e-5
    )


def test_fewer_layers_are_needed_the_more_is_averaged() -> None:
    model = modelfile.load(zoo.find(None))
    assert isinstance(model.transform, LappedTransform)
    scales = replace(model.scales, layers=(16, 16, 16, 16, 64))
    cut = replace(model, transform=copied(model.transform, scales=scales))
    needed = [cut.transform.overview(factor, 5).layers for factor in FACTORS]
    assert needed == sorted(needed, reverse=True)
    assert needed[-2:] == [1, 1] and needed[1] <= 3 and needed[0] >= 4
    assert cut.transform.overview(2, 1).layers == 1


def test_the_first_layers_decode_alone_to_the_latents_they_have_among_all(toy: Model) -> None:
    y = np.random.default_rng(3).normal(0, 3, (24, 9, 7)).astype(np.float32)
    coder = LatentCoder(toy, 400)
    coded = coder.encode(y)
    base = coder.decode(coded.layers[:1], (9, 7))
    assert base.shape == (16, 9, 7)
    assert np.array_equal(base, coded.y_hat[:16])
