"""Panels as PNG files and as SVG that stands inside the page."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sarcodec.atomic import replacing
from sarcodec.bench.report.style import GRID, INK, INKS, MUTED, PAPER, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_TITLE, _LEGEND = 0.3, 0.4  # inches


@dataclass(frozen=True)
class Panel:
    """One plot."""

    name: str
    """Of small letters, digits and hyphens; no other panel of the page has it."""
    title: str
    alt: str
    """What is to be seen, for who does not see it."""
    caption: str
    draw: Callable[[Axes], None]
    """Draws on empty axes. What belongs to a codec has the gid ``codec-NUMBER``."""
    size: tuple[float, float] = (4.4, 3.0)
    """Inches."""
    margins: tuple[float, float, float, float] = (0.74, 0.5, 0.12, 0.14)
    """Inches left, below, right and above the axes in the SVG."""


def write_png(
    panels: Sequence[Panel], path: str | Path, legend: Sequence[tuple[str, Style]] = (), columns: int = 3
) -> None:
    """One picture of all `panels`, `columns` side by side, with a legend below; words if there is none.

    Raises
    ------
    WriteError
        The file could not be written.
    """
    with _looks("png"):
        from matplotlib.figure import Figure

        columns = max(1, min(columns, len(panels)))
        rows = -(-max(1, len(panels)) // columns)
        cell_width = max([panel.size[0] for panel in panels], default=4.4)
        cell_height = max([panel.size[1] for panel in panels], default=1.2) + _TITLE
        width, height = cell_width * columns, cell_height * rows + _LEGEND
        figure = Figure(figsize=(width, height))
        for place, panel in enumerate(panels):
            left, bottom, right, top = panel.margins
            x, y = cell_width * (place % columns), height - cell_height * (place // columns + 1)
            box = (x + left, y + bottom, cell_width - left - right, cell_height - bottom - top - _TITLE)
            ends = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
            _draw(panel, figure.add_axes(ends, title=panel.title))
        if not panels:
            figure.text(0.5, 0.5, "not measured in this run", ha="center", va="center", color=MUTED)
        elif legend:
            _legend(figure, legend)
        with replacing(Path(path), overwrite=True) as partial:
            figure.savefig(partial, format="png", dpi=130)


def svg(panel: Panel) -> str:
    """`panel` as an ``svg`` element whose colours and fonts are the page's.

    Ids begin with the panel's name, so that several pictures share a page; the codecs' parts carry the
    classes ``codec codec-NUMBER``. The same panel gives the same text.
    """
    with _looks(panel.name):
        from matplotlib.figure import Figure

        figure = Figure(figsize=panel.size)
        left, bottom, right, top = panel.margins
        width, height = panel.size
        inner = ((width - left - right) / width, (height - bottom - top) / height)
        _draw(panel, figure.add_axes((left / width, bottom / height, *inner)))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), panel)


def swatch(style: Style) -> str:
    """A short line with the codec's mark, for the legend of the page."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1, 2], [0, 0, 0], color=style.light, lw=style.width)
        axes.plot(1, 0, color=style.light, marker=style.marker, ms=style.size + 1)
        axes.set_axis_off()

    panel = Panel(f"swatch-{style.number}", "", "", "", draw, (0.36, 0.16), (0, 0, 0, 0))
    return themed(svg(panel), [style])


def themed(text: str, look: Iterable[Style]) -> str:
    """SVG whose codecs' colours are the page's variables."""
    for style in look:
        text = text.replace(style.light, f"var(--codec-{style.number})")
    return text


def _draw(panel: Panel, axes: Axes) -> None:
    """Draw with axis labels at fixed distances: matplotlib's own search for room takes most of its time."""
    from matplotlib.ticker import AutoLocator

    panel.draw(axes)
    if isinstance(axes.yaxis.get_major_locator(), AutoLocator):
        axes.locator_params(axis="y", nbins=6)
    left, bottom, right, top = panel.margins
    axes.xaxis.set_label_coords(0.5, -0.26 / (panel.size[1] - bottom - top))
    axes.yaxis.set_label_coords(-(left - 0.17) / (panel.size[0] - left - right), 0.5)


def _legend(figure: Figure, legend: Sequence[tuple[str, Style]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=style.light, marker=style.marker, lw=style.width, ms=style.size, label=title)
        for title, style in legend
    ]
    figure.legend(handles=handles, loc="lower center", ncols=min(6, len(handles)), frameon=False)


@contextmanager
def _looks(salt: str) -> Iterator[None]:
    from matplotlib import rc_context

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "text.parse_math": False,  # names of files may hold dollars
        "font.size": 9,
        "font.family": "DejaVu Sans",
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titley": 1.0,
        "axes.labelsize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "axes.grid": True,
        "axes.grid.which": "major",
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "figure.facecolor": PAPER,
        "axes.facecolor": "none",
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.edgecolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
    }
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _inline(text: str, panel: Panel) -> str:
    """The bare element of a whole SVG document of matplotlib's."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<style type="text/css">.*?</style>', "", text, flags=re.DOTALL)
    text = re.sub(r'id="(codec-\d+)"', r'class="codec \1"', text)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(
        r' id="([^"]+)"', lambda found: f' id="{panel.name}-{found[1]}"' if found[1] in used else "", text
    )
    text = re.sub(r'(href="|url\()#', rf"\1#{panel.name}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", text)
    for name, colour in INKS.items():
        text = text.replace(colour, f"var(--{name})")
    view = re.search(r'viewBox="[^"]+"', text)
    assert view is not None
    head = f'<svg class="plot" role="img" aria-label="{html.escape(panel.alt)}" {view[0]}>'
    return re.sub(r"<svg[^>]*>", lambda _: head, text, count=1).strip()
