"""Damage as disks, networks and people do it, each case from a number alone."""

from __future__ import annotations

import zlib

import numpy as np

from torture.subjects import Subject, sibling

OWN = 18
"""Bytes that make a file what it is: the prologue, with the checksum of the header."""
RUNS = (1, 2, 3, 4, 7, 16, 33, 64, 100, 512, 1000, 4096)


def generator(kind: str, subject: Subject, number: int) -> np.random.Generator:
    """Random numbers of a case."""
    return np.random.default_rng([zlib.crc32(kind.encode()), zlib.crc32(subject.name.encode()), number])


def cut(subject: Subject, number: int) -> bytes:
    """The first `number` bytes."""
    return subject.data[:number]


def flip(subject: Subject, number: int) -> bytes:
    """Bit `number` turned over."""
    data = bytearray(subject.data)
    data[number // 8] ^= 1 << number % 8
    return bytes(data)


def tile_of_bit(subject: Subject, number: int) -> int:
    """The tile whose record has the bit, -1 where none has."""
    at = number // 8
    return next((tile for tile, (start, end) in enumerate(subject.spans) if start <= at < end), -1)


def _overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    size = min(len(data), int(rng.choice(RUNS)))
    at = int(rng.integers(len(data) - size + 1))
    return data[:at] + rng.bytes(size) + data[at + size :]


def _fill(data: bytes, rng: np.random.Generator) -> bytes:
    size = min(len(data), int(rng.choice(RUNS)))
    at = int(rng.integers(len(data) - size + 1))
    return data[:at] + bytes([int(rng.choice([0, 255]))]) * size + data[at + size :]


def _sector(data: bytes, rng: np.random.Generator) -> bytes:
    size = int(rng.choice([512, 4096]))
    at = size * int(rng.integers(-(-len(data) // size)))
    rest = data[at + size :]
    return data[:at] + bytes(min(size, len(data) - at)) + rest


def _insert(data: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(data) + 1))
    return data[:at] + rng.bytes(int(rng.choice(RUNS))) + data[at:]


def _delete(data: bytes, rng: np.random.Generator) -> bytes:
    size = min(len(data), int(rng.choice(RUNS)))
    at = int(rng.integers(len(data) - size + 1))
    return data[:at] + data[at + size :]


def _tail(data: bytes, rng: np.random.Generator) -> bytes:
    return data + rng.bytes(int(rng.choice(RUNS)))


def _doubled(data: bytes, rng: np.random.Generator) -> bytes:
    return data + (data if rng.random() < 0.5 else sibling())


def _text_mode(data: bytes, rng: np.random.Generator) -> bytes:
    """What a transfer as text does."""
    return data.replace(*((b"\n", b"\r\n"), (b"\r\n", b"\n"), (b"\r", b""))[int(rng.integers(3))])


def _shuffle(data: bytes, rng: np.random.Generator) -> bytes:
    size = int(rng.choice([8, 64, 512]))
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    first, second = rng.integers(len(blocks), size=2)
    blocks[first], blocks[second] = blocks[second], blocks[first]
    return b"".join(blocks)


BYTEWISE = {
    "overwritten": _overwrite,
    "filled": _fill,
    "bad sector": _sector,
    "inserted": _insert,
    "deleted": _delete,
    "garbage behind": _tail,
    "two files in one": _doubled,
    "sent as text": _text_mode,
    "blocks swapped": _shuffle,
}


def _records(subject: Subject, rng: np.random.Generator) -> bytes:
    """Tile records swapped, doubled or dropped."""
    data, spans = subject.data, subject.spans
    parts = [data[start:end] for start, end in spans]
    first, second = rng.integers(len(parts), size=2)
    how = int(rng.integers(4))
    if how == 0:
        parts[first], parts[second] = parts[second], parts[first]
    elif how == 1:
        parts.insert(int(second), parts[first])
    elif how == 2:
        del parts[first]
    else:
        parts[first] = parts[second]
    return data[: spans[0][0]] + b"".join(parts) + data[spans[-1][1] :]


def _splice(subject: Subject, rng: np.random.Generator) -> bytes:
    """Bytes or whole records of another file with the same grid."""
    data, other = subject.data, sibling()
    if rng.random() < 0.5:
        size = min(len(data), int(rng.choice(RUNS)))
        most = min(len(data), len(other)) - size
        at = int(rng.integers(OWN, max(OWN, most) + 1))  # a file with another header is another file
        return data[:at] + other[at : at + size] + data[at + size :]
    start, end = subject.spans[int(rng.integers(len(subject.spans)))]
    return data[:start] + other[start:end] + data[end:]


def several(subject: Subject, number: int) -> bytes:
    """Damage of many bytes, of one kind or of two."""
    rng = generator("several", subject, number)
    whole = {"records moved": _records, "blocks of another file": _splice}
    kinds = [*BYTEWISE, *whole]
    kind = kinds[number % len(kinds)]
    data = whole[kind](subject, rng) if kind in whole else BYTEWISE[kind](subject.data, rng)
    if rng.random() < 0.2:
        data = BYTEWISE[list(BYTEWISE)[int(rng.integers(4))]](data, rng) if data else data
    return data
