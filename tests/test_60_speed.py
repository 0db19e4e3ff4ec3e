"""Speed and memory of codecs side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import TOY
from sarcodec.bench import simulated, speed
from sarcodec.bench.codecs.jpeg2000 import Jpeg2000
from sarcodec.bench.codecs.sarc import Sarc
from sarcodec.bench.codecs.zstd_cog import ZstdCog
from sarcodec.bench.results import SpeedRow


@pytest.fixture(scope="module")
def rows() -> tuple[SpeedRow, ...]:
    return speed.measure(
        simulated.landscape(128, seed=1, date=0),
        {"sarcodec": Sarc(TOY), "jpeg2000": Jpeg2000(), "zstd-cog": ZstdCog()},
        (0.4, 1.0),
        threads=2,
        repeats=2,
        memory_at=1.0,
        model=TOY,
        device="cpu",
        tick=lambda *_: None,
    )


def test_every_codec_is_timed_at_every_rate_and_a_lossless_one_once(rows: tuple[SpeedRow, ...]) -> None:
    assert [row.codec for row in rows] == ["sarcodec", "jpeg2000", "sarcodec", "jpeg2000", "zstd-cog"]
    assert all(row.repeats == 2 and row.megapixels == 128 * 128 / 1e6 for row in rows)


def test_ratios_are_those_to_jpeg_2000_in_the_same_run(rows: tuple[SpeedRow, ...]) -> None:
    ours, peer = rows[:2]
    assert ours.encode_ratio == pytest.approx(ours.encode_mpix_s / peer.encode_mpix_s)
    assert ours.decode_ratio == pytest.approx(ours.decode_mpix_s / peer.decode_mpix_s)
    assert (peer.encode_ratio, peer.decode_ratio) == (1, 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell peak memory")
def test_memory_of_others_is_without_what_only_ours_needs(rows: tuple[SpeedRow, ...]) -> None:
    memory = {row.codec: row.encode_mb for row in rows if row.encode_mb is not None}
    assert set(memory) == {"sarcodec", "jpeg2000", "zstd-cog"}
    assert memory["jpeg2000"] < 0.6 * memory["sarcodec"]  # torch
    assert all(row.encode_mb is None for row in rows[:2])
