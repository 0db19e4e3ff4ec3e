"""One band's latents predicted from another's: weights and what they give."""

from __future__ import annotations

import numpy as np

from sarcodec.model import between
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model


def test_the_example_of_the_specification() -> None:
    weights = np.array([15, 0, 2])
    beside = np.array([100, -100, -7])[:, None, None]
    assert between.predicted(weights, beside).ravel().tolist() == [94, 0, -1]


def test_weights_take_away_what_two_bands_share() -> None:
    rng = np.random.default_rng(3)
    shared = 9 * rng.standard_normal((6, 12, 12))
    beside = np.rint(16 * (shared + rng.standard_normal(shared.shape))).astype(np.int64)
    parts = np.array([0.9, 0.5, 0.0, -0.6, 0.25, 0.0])[:, None, None]
    wanted = (parts * shared + rng.standard_normal(shared.shape)).astype(np.float32)
    weights = between.choose(wanted, beside)
    assert np.abs(weights / 16 - parts[:5, 0, 0].clip(0)).max() < 0.05
    left = wanted[:5] - between.predicted(weights, beside) / 16
    assert (left[[0, 1, 4]] ** 2).mean() < 2.2


def test_nothing_is_predicted_from_nothing() -> None:
    wanted = np.random.default_rng(0).standard_normal((4, 5, 5)).astype(np.float32)
    assert between.choose(wanted, np.zeros((4, 5, 5), np.int64)).size == 0


def test_a_predicted_band_decodes_to_what_its_encoder_had(toy: Model) -> None:
    """And costs less than by itself; the other band matters if there are weights, and only then."""
    rng = np.random.default_rng(5)
    coder = LatentCoder(toy, 300)
    spread = 30 / coder.steps[:, None, None]
    shared = rng.standard_normal((toy.shape.channels, 8, 8)) * spread
    first, second = (
        (shared + 0.1 * spread * rng.standard_normal(shared.shape)).astype(np.float32) for _ in range(2)
    )
    base, alone = coder.encode(first), coder.encode(second)
    coded = coder.encode(second, beside=base.y_hat)
    assert sum(map(len, coded.layers)) < 0.8 * sum(map(len, alone.layers))
    assert coder.is_predicted(coded.layers)
    assert np.array_equal(coder.decode(coded.layers, (8, 8), base.y_hat, predicted=True), coded.y_hat)
    unrelated = coder.encode(second, beside=np.zeros_like(base.y_hat))
    assert not coder.is_predicted(unrelated.layers)
    assert np.array_equal(coder.decode(unrelated.layers, (8, 8), predicted=True), alone.y_hat)
