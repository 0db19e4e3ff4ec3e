"""Kernels in every form of the processor that runs here, against their twins in NumPy and plain Python."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sarcodec.limits import DEFAULT
from sarcodec.native import kernels, library
from sarcodec.native.reference import order, rans, trellis
from sarcodec.native.streams import ENDED, FINE, LOWEST, TOO_LARGE, CodingTables, Sink, Source
from sarcodec.native.trellis_code import MEAN_STEPS, SCALES, STATES, onward, paired

Array = npt.NDArray[Any]
SHRINK = np.array([[2, 1, 0], [-2, 0, 16]], np.int32)

every_form = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""The form stays what it is for all examples of a test."""


@pytest.fixture
def native(form: str) -> str:
    """Forms in C; their twin needs no test against itself."""
    if form == library.NUMPY:
        pytest.skip("the twin itself")
    return form


def tables_of(rng: np.random.Generator, rows: int, longest: int = 40) -> CodingTables:
    """Random tables, some of two intervals, some with intervals of one count, none too wide to be valid."""
    cdf, size = np.zeros((rows, longest), np.int32), rng.integers(3, longest + 1, rows)
    size[0], size[-1] = 3, longest
    for row, used in enumerate(size):
        narrow = int(rng.integers(used, 65536)) if rng.random() < 0.5 else used
        cdf[row, 1 : used - 1] = np.sort(rng.choice(np.arange(1, narrow), used - 2, replace=False))
        cdf[row, used - 1] = 65536
    return CodingTables(cdf, size, rng.integers(-30, 30, rows))


def written(tables: CodingTables, symbols: Array, rows: Array) -> bytes:
    sink = Sink(2 * len(symbols))
    rans.rans_write(sink, tables, symbols, rows)
    return sink.to_bytes()


def drawn(rng: np.random.Generator, tables: CodingTables, n: int) -> tuple[Array, Array]:
    """Symbols within tables, about their ends, and as far away as the format allows."""
    rows = rng.integers(0, len(tables.size), n).astype(np.uint16)
    near = tables.offset[rows] + rng.integers(-3, 45, n)
    far = rng.choice([-DEFAULT.symbol, DEFAULT.symbol, -300, 5000, 0], n)
    return np.where(rng.random(n) < 0.2, far, near).astype(np.int32), rows


@given(seed=st.integers(0, 10**6), n=st.integers(0, 300), rows=st.sampled_from([1, 7, 300]))
@every_form
def test_streams_are_the_same_and_come_back(native: str, seed: int, n: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    tables = tables_of(rng, rows)
    symbols, indexes = drawn(rng, tables, n)
    sink = Sink(2 * n)
    for part in reversed(np.array_split(np.arange(n), 3)):  # from the end, in pieces
        kernels.rans_write(sink, tables, symbols[part], indexes[part])
    stream = written(tables, symbols, indexes)
    assert sink.to_bytes() == stream
    source = Source(stream)
    assert np.array_equal(kernels.rans_read(source, tables, indexes), symbols)
    assert place(source) == (LOWEST, len(stream) // 4, FINE)


@given(seed=st.integers(0, 10**6), spoil=st.sampled_from(["cut", "bits", "noise", "ones"]))
@every_form
def test_damaged_streams_are_read_alike(native: str, seed: int, spoil: str) -> None:
    """To the same symbol, the same word and the same verdict."""
    rng = np.random.default_rng(seed)
    tables = tables_of(rng, 2 * SCALES)
    symbols, indexes = drawn(rng, tables, int(rng.integers(1, 120)))
    stream = bytearray(written(tables, symbols, indexes))
    if spoil == "cut":
        del stream[4 * int(rng.integers(2, len(stream) // 4 + 1)) :]
    elif spoil == "bits":
        stream[int(rng.integers(len(stream)))] ^= 1 << int(rng.integers(8))
    else:
        stream[:] = rng.bytes(len(stream)) if spoil == "noise" else b"\xff" * len(stream)
    scale = (indexes % SCALES).astype(np.uint8)
    ours, twins = Source(bytes(stream)), Source(bytes(stream))
    read = kernels.rans_read(ours, tables, indexes)
    assert np.array_equal(read, rans.rans_read(twins, tables, indexes))
    assert place(ours) == place(twins)
    ours, twins = Source(bytes(stream)), Source(bytes(stream))
    read = kernels.trellis_read(ours, tables, scale, SHRINK)
    assert np.array_equal(read, trellis.trellis_read(twins, tables, scale, SHRINK))
    assert place(ours) == place(twins)


def place(source: Source) -> tuple[int, int, int]:
    """State, number of the next word, status."""
    return source.struct.state, source.struct.at, source.struct.status


def test_a_stream_that_ends_early_or_escapes_too_far_is_called_so(form: str) -> None:
    tables = CodingTables(np.array([[0, 1, 65536]]), np.array([3]), np.array([0]))  # nearly all is an escape
    rows = np.zeros(50, np.uint16)
    for stream, status in ((bytes(4) + b"\1" + bytes(3), ENDED), (b"\xff" * 400, TOO_LARGE)):
        source = Source(stream)
        symbols = kernels.rans_read(source, tables, rows)
        assert source.status == status
        assert not symbols[-1]


def prices_of(rng: np.random.Generator, widest: int) -> Array:
    prices: Array = np.sort(rng.random((2 * SCALES, widest + 1)), axis=1).astype(np.float32) * 3
    return paired(prices)


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 90),
    spread=st.sampled_from([0.1, 2.0, 300.0, 1e9]),
    widest=st.sampled_from([1, 2, 121]),
    piece=st.sampled_from([1, 16, 33, 4096]),
)
@every_form
def test_the_search_finds_the_twins_path(
    native: str, seed: int, n: int, spread: float, widest: int, piece: int
) -> None:
    rng = np.random.default_rng(seed)
    residual = (rng.standard_normal(n) * spread).astype(np.float32)
    residual[rng.random(n) < 0.3] = rng.choice([0, -0.0, 0.5, -0.5, 1, 2, 2.5, -1.5])
    scale, prices = rng.integers(0, SCALES, n).astype(np.uint8), prices_of(rng, widest)
    ours = kernels.trellis_search(residual, scale, SHRINK, prices, piece=piece, ahead=8)
    twins = trellis.trellis_search(residual, scale, SHRINK, prices, piece, 8)
    for mine, theirs in zip(ours, twins, strict=True):
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)


def test_a_long_path_is_the_twins(native: str) -> None:
    """Of more than one piece, and sums that have grown."""
    rng = np.random.default_rng(8)
    scale = rng.integers(0, 40, 9001).astype(np.uint8)
    residual = (rng.standard_normal(9001) * 2.0 ** ((scale - 16.0) / 5) * 2).astype(np.float32)
    prices = prices_of(rng, 121)
    ours = kernels.trellis_search(residual, scale, SHRINK, prices)
    twins = trellis.trellis_search(residual, scale, SHRINK, prices, 4096, 256)
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(ours, twins, strict=True))


def test_rows_and_values_are_those_of_the_machine(form: str) -> None:
    """From the states of the format, one symbol after the other."""
    rng = np.random.default_rng(3)
    residual, scale = rng.normal(0, 3, 500).astype(np.float32), rng.integers(0, SCALES, 500).astype(np.uint8)
    symbols, rows, values = kernels.trellis_search(residual, scale, SHRINK, prices_of(rng, 121))
    state = 0
    for symbol, own, row, value in zip(
        symbols.tolist(), scale.tolist(), rows.tolist(), values.tolist(), strict=True
    ):
        quantiser, size = state % 2, abs(symbol)
        away = MEAN_STEPS * (2 * size - quantiser) - int(SHRINK[quantiser, min(size, 3) - 1]) if size else 0
        assert (row, value) == (own + SCALES * quantiser, away if symbol > 0 else -away)
        state = onward(state, symbol)
        assert 0 <= state < STATES


@given(
    seed=st.integers(0, 10**6),
    channels=st.one_of(st.integers(1, 20), st.sampled_from([255, 256, 257, 600])),
    positions=st.integers(0, 40),
    part=st.sampled_from([0.0, 0.3, 1.0]),
)
@every_form
def test_latents_are_put_in_order_and_back(
    native: str, seed: int, channels: int, positions: int, part: float
) -> None:
    rng = np.random.default_rng(seed)
    coded = rng.random((channels, positions)) < part
    scale = rng.integers(0, SCALES, coded.shape).astype(np.uint8)
    values = rng.standard_normal(coded.shape).astype(np.float32)
    in_order, own = kernels.gather(scale, coded, values)
    assert np.array_equal(in_order, order.gather(scale, coded))
    assert own is not None and np.array_equal(own, order.gather(values, coded))
    assert np.array_equal(kernels.gather(scale, coded)[0], in_order)
    numbers = np.arange(1, len(in_order) + 1, dtype=np.int32)
    assert np.array_equal(kernels.scatter(numbers, coded), order.scatter(numbers, coded))


def test_what_does_not_fit_is_refused(form: str) -> None:
    rng = np.random.default_rng(0)
    tables, ones = tables_of(rng, 2 * SCALES), np.ones(9, np.int32)
    rows, scale = np.zeros(9, np.uint16), np.zeros(9, np.uint8)
    beyond, wide = np.full(9, 2 * SCALES, np.uint16), np.full(9, SCALES, np.uint8)
    narrow = tables_of(rng, 2)
    coded = np.ones((3, 3), bool)
    refused: list[Callable[[], object]] = [
        lambda: kernels.rans_write(Sink(1), tables, 30000 * ones, rows),
        lambda: kernels.rans_write(Sink(90), tables, ones, beyond),
        lambda: kernels.rans_read(Source(bytes(80)), tables, beyond),
        lambda: kernels.trellis_read(Source(bytes(80)), tables, wide, SHRINK),
        lambda: kernels.trellis_read(Source(bytes(80)), narrow, scale, SHRINK),
        lambda: kernels.trellis_read(Source(bytes(80)), tables, scale, SHRINK + (1 << 30)),
        lambda: kernels.trellis_search(ones.astype(np.float32), wide, SHRINK, prices_of(rng, 9)),
        lambda: kernels.scatter(ones[:8], coded),
        lambda: kernels.scatter(ones[:0], coded),
        lambda: kernels.scatter(np.ones(10, np.int32), coded),
        lambda: kernels.scatter(ones, ~coded),
    ]
    for number, call in enumerate(refused):
        with pytest.raises(
            ValueError, match=r"refused|there is no table|tables are not|values are not|longer|no point"
        ):
            call()
            pytest.fail(f"number {number} was not refused")


def test_copies_of_tables_read_their_own_arrays(form: str) -> None:
    rng = np.random.default_rng(2)
    tables = tables_of(rng, 5)
    symbols, rows = drawn(rng, tables, 40)
    stream = written(tables, symbols, rows)
    for copied in (copy.deepcopy(tables), pickle.loads(pickle.dumps(tables))):
        assert not any(
            np.shares_memory(getattr(copied, name), getattr(tables, name))
            for name in ("cdf", "size", "first")
        )
        assert np.array_equal(kernels.rans_read(Source(stream), copied, rows), symbols)


@pytest.mark.parametrize(
    ("size", "offset"),
    [
        *((41, 0), (2, 0), (-(2**31), 0), (2**31 - 1, 0), (40, 2**31 - 1), (40, -(2**31))),
        *((40, 32767 - 36), (40, -32768)),  # an interval would stand for too large a symbol
    ],
)
def test_tables_that_lead_out_of_their_arrays_are_refused(native: str, size: int, offset: int) -> None:
    """As if the checks of the model file had let them pass."""
    tables = tables_of(np.random.default_rng(1), 2 * SCALES)
    tables.size.flags.writeable = tables.offset.flags.writeable = True
    tables.size[70], tables.offset[70] = size, offset
    rows, scale = np.full(5, 70, np.uint16), np.zeros(5, np.uint8)
    calls: list[Callable[[], object]] = [
        lambda: kernels.rans_write(Sink(90), tables, np.zeros(5, np.int32), rows),
        lambda: kernels.rans_read(Source(bytes(80)), tables, rows),
        lambda: kernels.trellis_read(Source(bytes(80)), tables, scale, SHRINK),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="no such table"):
            call()


@pytest.mark.parametrize(
    "spoil",
    [lambda a: a.astype(np.int64), lambda a: a[::2], lambda a: a[:-1], lambda a: a[None]],
    ids=["dtype", "order", "length", "dimensions"],
)
def test_an_array_of_another_kind_never_reaches_c(native: str, spoil: Any) -> None:
    residual, scale = np.zeros(8, np.float32), np.zeros(8, np.uint8)
    with pytest.raises((TypeError, ValueError)):
        kernels.trellis_search(residual, spoil(scale), SHRINK, prices_of(np.random.default_rng(0), 9))


@pytest.mark.parametrize("shape", [(6,), (2, 3, 1), ()])
def test_latents_of_one_or_three_dimensions_never_reach_c(form: str, shape: tuple[int, ...]) -> None:
    """C is told two numbers."""
    scale, coded = np.zeros(shape, np.uint8), np.ones(shape, bool)
    with pytest.raises(ValueError, match="unpack"):
        kernels.gather(scale, coded)
    with pytest.raises(ValueError, match="unpack"):
        kernels.scatter(np.zeros(6, np.int32), coded)


def test_a_table_may_be_of_256_entries_and_no_more(form: str) -> None:
    rng = np.random.default_rng(5)
    with pytest.raises(ValueError, match="257 entries"):
        CodingTables(np.append(np.arange(256), 65536)[None], np.array([257]), np.array([0]))
    tables = CodingTables(np.append(np.arange(255), 65536)[None], np.array([256]), np.array([32767 - 253]))
    symbols, rows = rng.integers(32767 - 253, 32768, 200).astype(np.int32), np.zeros(200, np.uint16)
    sink = Sink(400)
    kernels.rans_write(sink, tables, symbols, rows)
    assert np.array_equal(kernels.rans_read(Source(sink.to_bytes()), tables, rows), symbols)


@given(
    seed=st.integers(0, 10**6),
    size=st.sampled_from([1e-38, 1e-3, 1.0, 1e7, 3e38]),
    price=st.sampled_from([1e-30, 1.0, 1e30]),
    shrink=st.sampled_from([0, 16, 1 << 16, -(1 << 16)]),
)
@every_form
def test_the_search_finds_the_twins_path_at_the_ends_of_what_floats_hold(
    native: str, seed: int, size: float, price: float, shrink: int
) -> None:
    rng = np.random.default_rng(seed)
    residual = (rng.standard_normal(60) * size).clip(-3e38, 3e38).astype(np.float32)
    residual[rng.random(60) < 0.1] = rng.choice([np.inf, -np.inf, 1e-45, -1e-45, 8388608, -8388609])
    scale, prices = rng.integers(0, SCALES, 60).astype(np.uint8), prices_of(rng, 9) * np.float32(price)
    ours = kernels.trellis_search(residual, scale, SHRINK * 0 + shrink, prices)
    twins = trellis.trellis_search(residual, scale, SHRINK * 0 + shrink, prices, 4096, 256)
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(ours, twins, strict=True))
