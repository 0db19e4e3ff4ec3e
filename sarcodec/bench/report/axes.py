"""What every plot over bits per pixel draws: rates, a line per codec, marks of lossless ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sarcodec.bench.report import words
from sarcodec.bench.report.style import INK, PAPER, styles
from sarcodec.bench.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = tuple[str, Sequence[float], Sequence[float]]
"""Codec, bits per pixel, values."""


def exact_marks(axes: Axes, results: Results, exact: dict[str, float], high: float) -> None:
    """Lossless codecs lie right of the rates: an arrow on the axis, and how far."""
    title, look = words.titles(results), styles(words.codec_names(results))
    for place, (codec, bpp) in enumerate(sorted(exact.items(), key=lambda item: item[1])):
        gid, colour = f"codec-{look[codec].number}", look[codec].light
        text = f"{title[codec]}, lossless: {bpp:.1f} bpp"
        outside = bpp > high
        across = axes.get_xaxis_transform()
        axes.plot(high if outside else bpp, 0, marker=">" if outside else "^", ms=6, color=colour,
                  transform=across, clip_on=False, zorder=7, gid=gid)  # fmt: skip
        axes.annotate(text, (0.985, 1), (0, -10 * place), xycoords="axes fraction", ha="right", va="top",
                      textcoords="offset points", fontsize=7.5, color=INK, gid=gid)  # fmt: skip


def rate_axis(axes: Axes, results: Results, lines: Sequence[Line]) -> tuple[float, float]:
    """Logarithmic rates with ticks at those asked for; returns the ends of the axis."""
    rates = list(results.rates) or sorted({rate for _, bpps, _ in lines for rate in bpps})
    seen = [*rates, *(rate for _, bpps, _ in lines for rate in bpps)]
    low, high = min(seen) / 1.15, max(seen) * 1.15
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    shown: list[float] = []
    for rate in rates:  # labels nearer than a seventh of a decade would touch
        if not shown or rate / shown[-1] > (high / low) ** 0.07:
            shown.append(rate)
    axes.set_xticks(shown, [f"{rate:g}" for rate in shown])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("file size, bits per pixel")
    return low, high


def curves(axes: Axes, results: Results, lines: Sequence[Line]) -> None:
    """A line per codec."""
    look = styles(words.codec_names(results))
    for codec, rates, values in lines:
        style = look[codec]
        axes.plot(
            rates, values, color=style.light, marker=style.marker, lw=style.width, ms=style.size,
            mec=PAPER, mew=0.5, zorder=style.order, gid=f"codec-{style.number}",
        )  # fmt: skip
