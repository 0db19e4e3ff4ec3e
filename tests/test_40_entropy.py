"""Latents to streams and back; what the coder must never do with streams that are not its own."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcodec.errors import ChecksumError, FormatError, InputError, UnsupportedError
from sarcodec.limits import DEFAULT
from sarcodec.model import compressai_coder
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.quantise import RATE_WEIGHT, choose
from sarcodec.model.rans import FEWEST, SHORTEST, StreamDecoder, StreamEncoder
from sarcodec.model.runtime import one_thread
from sarcodec.model.tables import PRECISION, WIDEST, Tables, scale_deviations
from sarcodec.native.streams import FINE, LOWEST
from sarcodec.native.trellis_code import MEAN_STEPS
from testing.forked import ends_well
from testing.needed import needed

Array = npt.NDArray[Any]


def latents(model: Model, h: int, w: int, seed: int, *, spread: float = 1.0, tails: bool = True) -> Array:
    """Random latents, as wide in each channel as the model expects, times `spread`."""
    rng = np.random.default_rng(seed)
    deviation = 2.0 ** model.deviation_log2.numpy()[:, None, None]
    size = (model.shape.channels, h, w)
    drawn: Array = (rng.standard_t(3, size) if tails else rng.standard_normal(size)) * deviation * spread
    return drawn.astype(np.float32)


@given(
    h=st.integers(1, 9),
    w=st.integers(1, 9),
    level=st.integers(0, 512),
    seed=st.integers(0, 10**6),
    spread=st.sampled_from([0.0, 0.01, 1.0, 30.0]),
)
@settings(max_examples=80)
def test_latents_come_back_as_the_encoder_knew_them(
    toy: Model, h: int, w: int, level: int, seed: int, spread: float
) -> None:
    coder = LatentCoder(toy, level)
    y = latents(toy, h, w, seed, spread=spread)
    coded = coder.encode(y)
    assert coded.y_hat.shape == y.shape
    assert np.array_equal(coder.decode(coded.layers, (h, w)), coded.y_hat)
    dry = coder.encode(y, dry=True)
    assert dry.bits == coded.bits
    assert np.array_equal(dry.y_hat, coded.y_hat)
    assert dry.layers == (b"", b"")


def test_coded_latents_are_near_the_true_ones(toy: Model) -> None:
    """By half a step, or by less than two where the coder saves bits."""
    y = latents(toy, 12, 12, 1)
    coder = LatentCoder(toy, toy.top_level)
    seen: list[Array] = []
    coded = coder.encode(y, observe=lambda _index, symbols, _residual: seen.append(symbols))
    error = np.abs(y * coder.steps[:, None, None] - coded.y_hat / MEAN_STEPS)
    assert sum(s.size for s in seen) > 0.9 * y.size
    assert np.mean(error <= 0.5 + 1e-3) > 0.85
    assert error.max() < 2


def test_the_estimate_is_within_one_percent_of_the_stream(toy: Model) -> None:
    for level in (100, 256, 512):
        coder = LatentCoder(toy, level)
        coded = coder.encode(latents(toy, 40, 37, level, tails=False))
        real = sum(len(layer) for layer in coded.layers)
        assert abs(real - coded.bits / 8) <= 0.01 * real + 16 * len(coded.layers)
        assert real > 2000


def test_the_base_layer_decodes_without_the_other(toy: Model) -> None:
    coder = LatentCoder(toy, 400)
    coded = coder.encode(latents(toy, 6, 7, 3))
    assert all(coded.layers)
    base = coder.decode((coded.layers[0], b""), (6, 7))
    assert np.array_equal(base[:16], coded.y_hat[:16])
    assert not np.array_equal(base[16:], coded.y_hat[16:])


def test_latents_at_zero_need_no_layer(toy: Model) -> None:
    for level in (0, 256):
        coder = LatentCoder(toy, level)
        silent = coder.decode((b"", b""), (5, 6))
        exact = silent / MEAN_STEPS / coder.steps[:, None, None]
        coded = coder.encode(exact.astype(np.float32))
        if not coder.hyper_symbols(exact.astype(np.float32)).any():
            assert coded.layers == (b"", b"")
        flat = LatentCoder(toy, 0).encode(np.zeros((24, 5, 6), np.float32))
        assert np.array_equal(LatentCoder(toy, 0).decode(flat.layers, (5, 6)), flat.y_hat)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_latents_that_are_not_finite_are_refused_at_once(toy: Model, bad: float) -> None:
    y = latents(toy, 20, 20, 0)
    y[3, 2, 1] = bad
    began = time.monotonic()
    with pytest.raises(InputError, match="not finite"):
        LatentCoder(toy, 512).encode(y)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("size", [1e4, -1e4, 1e5, -1e5, 1e9, 1e30, 3e38])
def test_huge_latents_are_coded_or_refused_but_never_hang(toy: Model, size: float) -> None:
    y = latents(toy, 4, 4, 0)
    y[0, 1, 1] = size

    def work() -> None:
        one_thread()
        coder = LatentCoder(toy, 512)
        try:
            coded = coder.encode(y)
        except InputError:
            assert abs(size) >= 1e4
            return
        assert abs(size) <= 1e4
        assert np.array_equal(coder.decode(coded.layers, (4, 4)), coded.y_hat)
        assert abs(coded.y_hat[0, 1, 1] / MEAN_STEPS / coder.steps[0] / size - 1) < 1e-3

    assert ends_well(work, seconds=10) == ""


def test_an_enormous_latent_is_refused_with_its_size(toy: Model) -> None:
    y = np.zeros((24, 4, 4), np.float32)
    y[20, 0, 0] = 1e5
    with pytest.raises(InputError, match=f"exceeds {DEFAULT.symbol}"):
        LatentCoder(toy, 512).encode(y)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 63),
            st.one_of(
                st.integers(-3, 3),
                st.integers(-WIDEST - 3, WIDEST + 3),
                st.integers(-DEFAULT.symbol, DEFAULT.symbol),
            ),
        ),
        max_size=40,
    )
)
@settings(max_examples=150)
def test_any_symbols_under_any_tables_come_back(toy: Model, drawn: list[tuple[int, int]]) -> None:
    """Escapes far beyond narrow tables, and streams of fewer symbols than the coder can take."""
    tables = toy.entropy.y_tables
    indexes, symbols = (np.array([d[k] for d in drawn], dtype=np.int64) for k in (0, 1))
    encoder = StreamEncoder()
    for half in (slice(None, len(drawn) // 2), slice(len(drawn) // 2, None)):
        encoder.put(symbols[half], indexes[half], tables)
    stream = encoder.finish(tables)
    assert len(stream) >= SHORTEST and len(stream) % 4 == 0
    assert StreamDecoder(stream).get(indexes, tables).tolist() == symbols.tolist()


@given(seed=st.integers(0, 10**6), count=st.integers(FEWEST, 400), spread=st.sampled_from([0.3, 3, 60, 9000]))
@settings(max_examples=80, deadline=None)
def test_compressais_decoder_reads_the_same(toy: Model, seed: int, count: int, spread: float) -> None:
    """Behind zeros, since it does not know where a stream ends."""
    needed("compressai")
    from compressai import ans

    tables = toy.entropy.y_tables
    rng = np.random.default_rng(seed)
    indexes = rng.integers(0, 64, count)
    symbols = np.clip(np.rint(rng.laplace(0, spread, count)), -DEFAULT.symbol, DEFAULT.symbol).astype(
        np.int64
    )
    encoder = StreamEncoder()
    encoder.put(symbols, indexes, tables)
    stream = encoder.finish(tables)
    theirs = ans.RansDecoder()
    theirs.set_stream(stream + bytes(1 << 16))
    read = theirs.decode_stream(indexes.tolist(), *compressai_coder.lists(tables))
    ours = StreamDecoder(stream)
    parts = [ours.get(part, tables) for part in np.array_split(indexes, 3)]
    assert np.concatenate(parts).tolist() == read == symbols.tolist()
    end = ours.source.struct  # all of it, and no more
    assert (end.state, end.at, end.status) == (LOWEST, len(stream) // 4, FINE)
    with pytest.raises(ChecksumError, match="ends before"):
        StreamDecoder(stream[: len(stream) // 8 * 4 + 4]).get(np.tile(indexes, 2), tables)


def test_short_streams_of_improbable_symbols_harm_nothing(toy: Model) -> None:
    tables = toy.entropy.y_tables

    def work() -> None:
        for count in range(FEWEST + 2):
            for index in (0, 5, 30, 63):
                for symbol in (0, 1, WIDEST, WIDEST + 1, DEFAULT.symbol, -DEFAULT.symbol):
                    for _ in range(20):
                        symbols, indexes = np.full(count, symbol), np.full(count, index)
                        encoder = StreamEncoder()
                        encoder.put(symbols, indexes, tables)
                        decoder = StreamDecoder(encoder.finish(tables))
                        assert decoder.get(indexes, tables).tolist() == symbols.tolist()

    assert ends_well(work, seconds=30) == ""


def test_a_symbol_above_the_limit_is_refused_by_the_encoder(toy: Model) -> None:
    with pytest.raises(InputError):
        StreamEncoder().put(np.array([DEFAULT.symbol + 1]), np.array([63]), toy.entropy.y_tables)


@pytest.mark.parametrize("index", [-1, 64, 100000])
def test_a_table_that_does_not_exist_is_refused(toy: Model, index: int) -> None:
    decoder = StreamDecoder(bytes(16))
    with pytest.raises(FormatError, match="table"):
        decoder.get(np.array([0, index]), toy.entropy.y_tables)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 7, 9, 10, 15, 17])
def test_streams_of_odd_or_too_few_bytes_are_refused(size: int) -> None:
    with pytest.raises(FormatError, match=f"{size} bytes"):
        StreamDecoder(bytes(size))


def test_ten_thousand_random_streams_never_crash_the_decoder(toy: Model) -> None:
    """Random bytes, constant bytes and cut streams; the coder behind the guard reads out of bounds."""
    tables = toy.entropy.y_tables
    rng = np.random.default_rng(0)
    indexes = rng.integers(0, 64, 300)
    encoder = StreamEncoder()
    encoder.put(rng.integers(-500, 500, 300), indexes, tables)
    whole = encoder.finish(tables)

    def streams() -> list[bytes]:
        out = [rng.bytes(4 * int(rng.integers(2, 30))) for _ in range(9000)]
        out += [bytes([value]) * size for value in range(256) for size in (8, 12, 64)]
        return (
            out + [whole[:size] for size in range(8, len(whole), 4)] + [whole[k:] for k in range(4, 200, 4)]
        )

    def work() -> None:
        for stream in streams():
            try:
                symbols = StreamDecoder(stream).get(indexes, tables)
            except FormatError:
                continue
            assert np.abs(symbols).max() <= DEFAULT.symbol

    assert ends_well(work, seconds=60) == ""


def test_damaged_layers_are_always_noticed(toy: Model) -> None:
    """Flipped bits, cut ends, swapped layers and noise, past any checksum of the file."""
    coder = LatentCoder(toy, 400)
    size = (4, 3)
    coded = coder.encode(latents(toy, *size, 11))
    other = coder.encode(latents(toy, *size, 12))
    rng = np.random.default_rng(1)

    def damaged(layer: bytes) -> bytes:
        kind = int(rng.integers(4))
        if kind == 0:
            at = int(rng.integers(8 * len(layer)))
            return layer[: at // 8] + bytes([layer[at // 8] ^ 1 << at % 8]) + layer[at // 8 + 1 :]
        if kind == 1:
            return layer[: int(rng.integers(len(layer)))]
        if kind == 2:
            return layer[:4] + rng.bytes(4 * int(rng.integers(0, 40)))
        return rng.bytes(int(rng.integers(1, 200)))

    def work() -> None:
        one_thread()
        noticed = 0
        for number in range(1200):
            layers = list(coded.layers)
            layers[number % 2] = damaged(layers[number % 2])
            try:
                y_hat = coder.decode(tuple(layers), size)
            except FormatError:
                noticed += 1
                continue
            same = np.array_equal(y_hat, coded.y_hat)
            assert same or not layers[number % 2], "wrong latents passed the digest"
        assert noticed > 1000

    assert ends_well(work, seconds=60) == ""
    with pytest.raises(ChecksumError):
        coder.decode((coded.layers[0], other.layers[1]), size)
    with pytest.raises(FormatError):
        coder.decode((coded.layers[1], coded.layers[0]), size)


def test_another_size_than_the_encoders_does_not_pass(toy: Model) -> None:
    coder = LatentCoder(toy, 400)
    coded = coder.encode(latents(toy, 4, 6, 11))
    for size in [(6, 4), (4, 5), (5, 6), (40, 60)]:
        with pytest.raises(FormatError):
            coder.decode(coded.layers, size)


def test_the_quantiser_takes_the_cheapest_of_its_candidates(toy: Model) -> None:
    tables = toy.entropy.y_tables
    rng = np.random.default_rng(2)
    indexes = rng.integers(5, 64, 4000)
    residual = (rng.standard_t(3, 4000) * scale_deviations()[indexes]).astype(np.float32)

    def cost(symbols: Array) -> Array:
        total: Array = (residual - symbols) ** 2 + RATE_WEIGHT * tables.cost(np.abs(symbols), indexes)
        return total

    chosen = choose(residual, indexes, tables)
    nearest = np.rint(residual).astype(np.int64)
    candidates = np.stack([cost(s) for s in (nearest, nearest - np.sign(nearest), np.zeros_like(nearest))])
    assert np.allclose(cost(chosen), candidates.min(0), rtol=1e-4, atol=1e-3)
    assert np.all(np.abs(chosen) <= np.abs(nearest))
    assert np.all(chosen * residual >= 0)
    assert np.mean(chosen != nearest) > 0.01


def small_tables(**changes: Any) -> Tables:
    fields: dict[str, Any] = {
        "cdf": np.array([[0, 100, 65000, 65535, 65536], [0, 30000, 65536, 0, 0]], np.int32),
        "size": np.array([5, 3], np.int32),
        "offset": np.array([-1, 0], np.int32),
    }
    return Tables(**{**fields, **changes})


def cdf(row: int, column: int, value: int) -> Array:
    changed = small_tables().cdf.copy()
    changed[row, column] = value
    return changed


@pytest.mark.parametrize(
    "changes",
    [
        {"cdf": cdf(0, 0, 1)},
        {"cdf": cdf(0, 2, 100)},
        {"cdf": cdf(0, 2, 99)},
        {"cdf": cdf(0, 4, 65535)},
        {"cdf": cdf(0, 4, 65537)},
        {"cdf": cdf(1, 2, 65535)},
        {"cdf": cdf(1, 1, -5)},
        {"cdf": np.zeros(5, np.int32)},
        {"size": np.array([6, 3], np.int32)},
        {"size": np.array([4, 3], np.int32)},
        {"size": np.array([5, 2], np.int32)},
        {"size": np.array([5, -1], np.int32)},
        {"size": np.array([5], np.int32)},
        {"offset": np.array([-1], np.int32)},
        {"offset": np.array([-32768, 0], np.int32)},
        {"offset": np.array([-1, 32768], np.int32)},
        {"offset": np.array([32766, 0], np.int32)},
        {"cdf": np.r_[np.arange(256), 65536][None].repeat(2, 0), "size": np.array([257, 257], np.int32)},
    ],
    ids=lambda c: next(iter(c)),
)
def test_damaged_tables_are_refused(changes: dict[str, Any]) -> None:
    small_tables()
    with pytest.raises(UnsupportedError, match="tables are damaged"):
        small_tables(**changes)


def test_costs_are_code_lengths_of_the_counts(toy: Model) -> None:
    for tables in (small_tables(), toy.entropy.y_tables, toy.entropy.z_tables):
        for row in range(0, len(tables.size), 7 if len(tables.size) > 7 else 1):
            counts = np.diff(tables.cdf[row, : tables.size[row]])
            symbols = tables.offset[row] + np.arange(counts.size - 1)
            got = tables.cost(symbols, np.full(symbols.shape, row))
            assert np.allclose(got, PRECISION - np.log2(counts[:-1]), atol=1e-4)
            beyond = np.array([symbols[0] - 1, symbols[-1] + 1, symbols[0] - 40, 10**6])
            escapes = tables.cost(beyond, np.full(4, row))
            assert np.all(escapes >= PRECISION - np.log2(counts[-1]) + 4)


def test_a_subset_holds_the_same_tables(toy: Model) -> None:
    tables = toy.entropy.z_tables
    part = tables.subset(slice(4, 8))
    symbols = np.arange(-20, 21)
    for row in range(4):
        at = np.full(symbols.shape, row)
        assert np.array_equal(part.cost(symbols, at), tables.cost(symbols, at + 4))
        assert np.array_equal(part.cdf[row], tables.cdf[row + 4])


def test_tables_of_latents_widen_from_one_to_the_next(toy: Model) -> None:
    bits_of_zero = toy.entropy.y_tables.cost(np.zeros(64, np.int64), np.arange(64))
    assert np.all(np.diff(bits_of_zero) > -1e-6)
    assert scale_deviations()[16] == 1
