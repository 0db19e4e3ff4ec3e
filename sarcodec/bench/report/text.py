"""What the terminal shows of a benchmark: aligned tables of at most 110 columns."""

from __future__ import annotations

from collections.abc import Sequence

from sarcodec.bench.report import words
from sarcodec.bench.results import OURS, BdRow, Results

_SCENE, _CODEC = 26, 11
_POINTS = (
    ("rmse_db", "RMSE dB"), ("psnr_db", "PSNR dB"), ("ssim", "SSIM"), ("enl_ratio", "ENL ratio"),
    ("epi_correlation", "EPI cor"), ("epi_ratio", "EPI rat"), ("bias_db", "bias dB"),
)  # fmt: skip


def summary(results: Results) -> str:
    """Points, BD-rates with their reservations, paired tests, speed and warnings; no line feed at the end.

    Lines are at most 110 characters wide but for warnings, which are not cut.
    """
    parts = [
        _codecs(results),
        _points(results),
        _bd_rows(results),
        _bd_means(results),
        _paired(results),
        _speed(results),
        [f"note: {words.clean(warning)}" for warning in results.warnings],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Columns as wide as they must be, the first `left` ones to the left."""
    lines = [head, *rows]
    wide = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return [
        "  ".join(
            f"{cell:<{size}}" if column < left else f"{cell:>{size}}"
            for column, (cell, size) in enumerate(zip(line, wide, strict=True))
        ).rstrip()
        for line in lines
    ]


def _plain(value: float | None, digits: int, *, signed: bool = False) -> str:
    return words.number(value, digits, signed=signed).replace(words.MINUS, "-").replace(words.DASH, "-")


def _significant(value: float | None, digits: int) -> str:
    return words.significant(value, digits).replace(words.DASH, "-")


def _codecs(results: Results) -> list[str]:
    """Which version of which library stood behind each codec."""
    rows = [[codec.name, words.clean(codec.title), words.clean(codec.library)] for codec in results.codecs]
    return _aligned(["codec", "", "library"], rows, 3) if rows else []


def _points(results: Results) -> list[str]:
    head = ["scene", "codec", "bpp", *(title for _, title in _POINTS)]
    rows, before = [], None
    for point in results.points:
        scene = "" if point.scene == before else words.shortened(point.scene, _SCENE)
        before = point.scene
        figures = [words.figure(name, point.measures.get(name)) for name, _ in _POINTS]
        plain = [text.replace(words.MINUS, "-").replace(words.DASH, "-") for text in figures]
        rows.append([scene, words.shortened(point.codec, _CODEC), f"{point.bpp:.3f}", *plain])
    return _aligned(head, rows, 2) if rows else ["no points"]


def _bd_rows(results: Results) -> list[str]:
    if not results.bd_rate:
        return []
    head = ["BD-rate", "of", "against", "percent", "common RMSE dB", "overlap", "!"]
    rows = []
    for row in results.bd_rate:
        names = [words.shortened(name, _CODEC) for name in (row.test, row.reference)]
        common = "-" if row.low_db is None else f"{row.low_db:.3f}..{_plain(row.high_db, 3)}"
        overlap = "-" if row.overlap is None else f"{100 * row.overlap:.0f} %"
        figures = [_plain(row.percent, 1, signed=True), common, overlap, "!" if row.warning else ""]
        rows.append([words.shortened(row.scene, _SCENE), *names, *figures])
    return [*_aligned(head, rows, 3), *_reasons(results.bd_rate)]


def _reasons(rows: Sequence[BdRow]) -> list[str]:
    """Each warning once, with the number of comparisons it is about."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.warning:
            counts[row.warning] = counts.get(row.warning, 0) + 1
    return [
        f"! {words.shortened(text, 90)} ({words.counted(count, 'row')})" for text, count in counts.items()
    ]


def _bd_means(results: Results) -> list[str]:
    if not results.bd_summary:
        return []
    head = ["BD-rate, mean", "of", "against", "percent", "95 % interval", "worst", "scenes", "left out"]
    rows = []
    for row in results.bd_summary:
        bounds = f"{_plain(row.low_percent, 1, signed=True)}..{_plain(row.high_percent, 1, signed=True)}"
        rows.append(
            [
                words.shortened(row.kind, 24) or "all",
                words.shortened(row.test, _CODEC),
                words.shortened(row.reference, _CODEC),
                _plain(row.mean_percent, 1, signed=True),
                "-" if row.low_percent is None else bounds,
                _plain(row.worst_percent, 1, signed=True),
                str(row.scenes),
                str(row.warnings),
            ]
        )
    return _aligned(head, rows, 3)


def _paired(results: Results) -> list[str]:
    if not results.paired:
        return []
    head = [f"PSNR of {OURS} above", "at bpp", "by dB", "95 % interval", "better on", "of", "p"]
    rows = []
    for row in results.paired:
        bounds = f"{_plain(row.low_db, 2, signed=True)}..{_plain(row.high_db, 2, signed=True)}"
        rows.append(
            [
                words.shortened(row.peer, _CODEC),
                f"{row.bpp:g}",
                _plain(row.mean_db, 2, signed=True),
                "-" if row.low_db is None else bounds,
                f"{100 * row.better:.0f} %",
                words.counted(row.count, row.unit),
                "-"
                if row.p_value is None
                else words.probability(row.p_value).removeprefix("p ").lstrip("= "),
            ]
        )
    return _aligned(head, rows, 1)


def _speed(results: Results) -> list[str]:
    if not results.speed:
        return []
    head = ["speed (spread)", "threads", "bpp", "encode Mpx/s", "x JPEG 2000", "MB"]
    head += ["decode Mpx/s", "x JPEG 2000", "MB"]
    rows = [
        [
            words.shortened(row.codec, _CODEC),
            str(row.threads),
            f"{row.bpp:.3f}",
            f"{row.encode_mpix_s:.3g} ({100 * row.encode_spread:.0f} %)",
            _significant(row.encode_ratio, 2),
            _plain(row.encode_mb, 0),
            f"{row.decode_mpix_s:.3g} ({100 * row.decode_spread:.0f} %)",
            _significant(row.decode_ratio, 2),
            _plain(row.decode_mb, 0),
        ]
        for row in results.speed
    ]
    return _aligned(head, rows, 1)
