"""The body of a layer of latents: digest, weights, stream."""

from __future__ import annotations

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarcodec.bitstream.layer_body import (
    MOST_WEIGHTS,
    LayerBody,
    latents_digest,
    pack_weights,
    unpack_weights,
)
from sarcodec.errors import FormatError

DIGEST = b"\x01\x02\x03\x04"


def trimmed(weights: list[int]) -> list[int]:
    """Without zeros at the end."""
    return weights[: max((n for n, weight in enumerate(weights, start=1) if weight), default=0)]


WEIGHTS = st.lists(st.integers(0, 15), max_size=MOST_WEIGHTS).map(trimmed)


def test_digest_is_that_of_hyper_latents_as_int16_and_latents_as_int32_in_c_order() -> None:
    hyper, latents = np.array([[[1, -2], [300, 0]]]), np.array([[[70000], [-1]]])
    tail = "70110100ffffffff"
    assert latents_digest(latents) == google_crc32c.value(bytes.fromhex(tail)).to_bytes(4, "little")
    for turned, head in ((hyper, "0100feff2c010000"), (hyper.transpose(0, 2, 1), "01002c01feff0000")):
        wanted = google_crc32c.value(bytes.fromhex(head + tail)).to_bytes(4, "little")
        assert latents_digest(latents, turned) == wanted


def test_a_body_without_weights_is_digest_and_stream() -> None:
    body = LayerBody(DIGEST, b"8 bytes.")
    assert body.to_bytes() == DIGEST + b"8 bytes."
    assert LayerBody.from_bytes(body.to_bytes()) == body


@given(WEIGHTS, st.binary(max_size=20))
def test_a_body_with_weights_comes_back(weights: list[int], stream: bytes) -> None:
    data = LayerBody(DIGEST, stream, np.array(weights, np.int64)).to_bytes()
    found = LayerBody.from_bytes(data, MOST_WEIGHTS)
    assert found.weights is not None
    assert (found.digest, found.weights.tolist(), found.stream) == (DIGEST, weights, stream)


@given(st.binary(max_size=40))
def test_any_bytes_are_written_again_as_they_were_read(data: bytes) -> None:
    assert LayerBody.from_bytes(data).to_bytes() == data
    try:
        found = LayerBody.from_bytes(data, 9)
    except FormatError:
        return
    assert found.to_bytes() == data


@given(WEIGHTS, st.binary(max_size=9))
def test_weights_come_back_with_the_bytes_behind_them(weights: list[int], rest: bytes) -> None:
    found, left = unpack_weights(pack_weights(np.array(weights, np.int64)) + rest, MOST_WEIGHTS)
    assert (found.tolist(), left) == (weights, rest)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x10", b"\x02\x0f", b"\x09" + b"\x11" * 5])
def test_bytes_that_no_weights_have_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        unpack_weights(data, 8)
    with pytest.raises(FormatError):
        LayerBody.from_bytes(DIGEST + data, 8)


def test_weights_of_the_specifications_example() -> None:
    weights, rest = unpack_weights(bytes.fromhex("030f02"), 256)
    assert (weights.tolist(), rest) == ([15, 0, 2], b"")
