"""Trellis-coded quantisation: the cheapest path, the same symbols back, less error than rounding."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcodec.model import trellis
from sarcodec.model.quantise import Scalar
from sarcodec.model.rans import StreamDecoder, StreamEncoder
from sarcodec.model.tables import SCALE_STEPS, SCALE_ZERO, WIDEST, Tables
from sarcodec.native import kernels
from sarcodec.native.trellis_code import (
    MEAN_STEPS,
    REGISTER_PARITY,
    REGISTER_QUANTISER,
    SCALES,
    STATES,
    onward,
    paired,
)
from testing.needed import needed

Array = npt.NDArray[Any]
SHRINK = np.array([[2, 1, 0], [-2, 0, 0]])


def tables_of(quantiser: str) -> Tables:
    needed("compressai")
    from sarcodec.train.export import latent_pmfs, quantised_tables

    cdf, size, offset = quantised_tables(latent_pmfs(quantiser))
    return Tables(cdf.numpy(), size.numpy(), offset.numpy())


@pytest.fixture(scope="module")
def tables() -> Tables:
    return tables_of("trellis")


def cost_of(path: Array, residual: Array, index: Array, tables: Tables) -> float:
    """Squared error + RATE_WEIGHT * bits of a path's symbols, straight from the definition."""
    state, total = 0, 0.0
    for symbol, value, scale in zip(path.tolist(), residual.tolist(), index.tolist(), strict=True):
        quantiser, size = state % 2, abs(symbol)
        point = np.sign(symbol) * (
            2 * size - quantiser - SHRINK[quantiser, min(max(size, 1), 3) - 1] / MEAN_STEPS
        )
        bits = float(tables.cost(np.array([symbol]), np.array([scale + SCALES * quantiser]))[0])
        total += (value - point) ** 2 + trellis.RATE_WEIGHT * bits
        state = onward(state, symbol)
    return total


@given(
    values=st.lists(st.floats(-4.5, 4.5, width=32), min_size=1, max_size=4),
    scale=st.integers(10, 26),
)
@settings(max_examples=25, deadline=None)
def test_no_path_is_cheaper(tables: Tables, values: list[float], scale: int) -> None:
    residual = np.array(values, np.float32)[:, None]
    index = np.full(residual.shape, scale)
    chosen, _, _ = trellis.Trellis(tables, SHRINK).choose(residual, index, np.ones(residual.shape, bool))
    every = product(range(-3, 4), repeat=len(values))
    least = min(cost_of(np.array(path), residual[:, 0], index[:, 0], tables) for path in every)
    assert cost_of(chosen, residual[:, 0], index[:, 0], tables) <= least + 1e-4


@given(seed=st.integers(0, 10**6), channels=st.integers(1, 9), positions=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_symbols_come_back_from_a_stream(tables: Tables, seed: int, channels: int, positions: int) -> None:
    rng = np.random.default_rng(seed)
    rule = trellis.Trellis(tables, SHRINK)
    index = rng.integers(0, SCALES, (channels, positions))
    coded = rng.random(index.shape) < 0.7
    spread = 2.0 ** ((index - SCALE_ZERO) / SCALE_STEPS)
    residual = (rng.standard_normal(index.shape) * np.minimum(spread, 3000)).astype(np.float32)
    symbols, rows, values = rule.choose(residual, index, coded)
    assert not values[~coded].any()
    stream = StreamEncoder()
    stream.put(symbols, rows, tables)
    decoder = StreamDecoder(stream.finish(tables))
    assert np.array_equal(rule.read(decoder, index, coded), values)
    error = rule.in_order(np.abs(values / MEAN_STEPS - residual), coded)
    if error.size:  # within half the spacing of one parity, or dropped to save bits
        assert np.all(
            (error <= 2) | (np.abs(symbols) <= 3) | (error <= 0.02 * np.abs(rule.in_order(residual, coded)))
        )


@given(channels=st.integers(1, 5), positions=st.integers(1, 70), seed=st.integers(0, 99))
def test_a_stream_has_position_after_position(
    tables: Tables, channels: int, positions: int, seed: int
) -> None:
    """In an order that the format's text says, one latent at a time."""
    values = np.arange(channels * positions).reshape(channels, positions)
    coded = np.random.default_rng(seed).random(values.shape) < 0.7
    order = [
        values[channel, position]
        for position in range(positions)
        for channel in range(channels)
        if coded[channel, position]
    ]
    assert trellis.Trellis(tables, SHRINK).in_order(values, coded).tolist() == order


def test_a_path_found_in_pieces_is_as_good(tables: Tables) -> None:
    """With pieces far shorter than in earnest."""
    rng = np.random.default_rng(4)
    index = rng.integers(8, 24, 1500)
    residual = (rng.standard_normal(1500) * 2.0 ** ((index - SCALE_ZERO) / SCALE_STEPS)).astype(np.float32)
    shrink = SHRINK.astype(np.int32)
    prices = paired(np.float32(trellis.RATE_WEIGHT) * tables.bits[:, WIDEST + 1 :])
    costs = {}
    for piece in (150, 4096):
        chosen, _, _ = kernels.trellis_search(residual, index.astype(np.uint8), shrink, prices, piece=piece)
        costs[piece] = cost_of(chosen, residual, index, tables)
    assert costs[150] == pytest.approx(costs[4096], rel=1e-6)


def test_states_are_a_code() -> None:
    """Either parity leads somewhere else, and every state is reached twice."""
    states = [(onward(state, odd), odd, state) for state in range(STATES) for odd in (0, 1)]
    assert len({(after, state) for after, _, state in states}) == 2 * STATES
    assert np.array_equal(np.bincount([after for after, _, _ in states]), np.full(STATES, 2))


@given(st.lists(st.integers(0, 1), max_size=60))
def test_the_search_goes_through_the_same_machine_by_other_numbers(parities: list[int]) -> None:
    """Of a path of even and odd symbols, the quantisers of the register are those of the format's states."""
    state, register = 0, 0
    for odd in parities:
        assert REGISTER_QUANTISER[register] == state % 2
        above = odd ^ int(REGISTER_PARITY[register])
        state, register = onward(state, odd), register // 2 + STATES // 2 * above


def fitted(quantiser: str, noise: Array, scales: list[int]) -> dict[int, tuple[float, float]]:
    """Bits and squared error in dB of noise at some scales, tables counted as those of a model are."""
    needed("compressai")
    from sarcodec.train.export import latent_pmfs, quantised_tables

    pmfs, out = latent_pmfs(quantiser), {}
    everywhere = np.ones(noise.shape, bool)
    for _ in range(4):
        cdf, size, offset = quantised_tables(pmfs)
        tables = Tables(cdf.numpy(), size.numpy(), offset.numpy())
        rule = Scalar(tables) if quantiser == "scalar" else trellis.Trellis(tables, np.zeros((2, 3)))
        for scale in scales:
            deviation = np.float32(2.0 ** ((scale - SCALE_ZERO) / SCALE_STEPS))
            index = np.full(noise.shape, scale)
            symbols, rows, values = rule.choose(noise * deviation, index, everywhere)
            decoded = values / MEAN_STEPS
            gain = (decoded * noise).sum() / (decoded**2).sum()  # what any synthesis learns
            error = 10 * np.log10(np.mean((gain * decoded - noise) ** 2))
            out[scale] = float(tables.cost(symbols, rows).mean()), float(error)
            for row in np.unique(rows):
                counts = np.array([np.sum(np.abs(symbols[rows == row]) == n) for n in range(20)])
                half = (counts[1:] + 0.02) / 2
                pmfs[row] = np.concatenate((half[::-1], counts[:1] + 0.02, half)) / (counts.sum() + 0.4)
    return out


def test_it_beats_rounding_on_gaussian_noise() -> None:
    """By about half of what rounding loses to the bound, from a bit on; both choose symbols by cost."""
    noise = np.random.default_rng(0).standard_normal((64, 300)).astype(np.float32)
    rounded = fitted("scalar", noise, [8, 9, 10, 11, 12, 13])
    fine = fitted("trellis", noise, [13, 14, 15, 16, 17])
    for bits, least in ((0.8, 0.2), (1.0, 0.35), (1.3, 0.5)):
        scalar_db, trellis_db = (
            float(np.interp(bits, *np.array(sorted(points.values())).T)) for points in (rounded, fine)
        )
        assert scalar_db - trellis_db > least, bits
