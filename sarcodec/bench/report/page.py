"""``report.html``: one file that needs no other, and the whole folder around it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sarcodec.atomic import replacing
from sarcodec.bench.measures import BY_NAME, MEASURES
from sarcodec.bench.report import comparisons, pairtables, plots, prose, speeds, tables, words
from sarcodec.bench.report.cells import Table
from sarcodec.bench.report.document import write_csv, write_json
from sarcodec.bench.report.drawing import Panel, svg, swatch, themed, write_png
from sarcodec.bench.report.overview import write_overview
from sarcodec.bench.report.style import Style, styles, variables
from sarcodec.bench.report.viewer import switches, views
from sarcodec.bench.results import OURS, REFERENCE, Results

if TYPE_CHECKING:
    from jinja2 import Environment

PLOTS = (
    "overview.png",
    "rd.png",
    "scenes.png",
    "bound.png",
    "measures.png",
    "bd.png",
    "tiles.png",
    "speed.png",
)
"""Plots that every report writes; what was not measured says so in its picture."""


@dataclass(frozen=True)
class _Panels:
    rd: list[Panel]
    scenes: list[Panel]
    bound: list[Panel]
    measures: list[Panel]
    bd: list[Panel]
    tiles: list[Panel]
    speed: list[Panel]


@dataclass(frozen=True)
class _Plot:
    """A panel as the template takes it."""

    svg: str
    caption: str
    title: str


def write_report(results: Results, folder: str | Path) -> None:
    """Write what a benchmark leaves behind into `folder`; files of the same names are replaced.

    ``report.html``, ``bench.json``, ``points.csv``, and the plots ``rd.png`` (mean RMSE at the rates),
    ``scenes.png`` (the same per scene), ``bound.png`` (distance to the Gaussian bound), ``measures.png``
    (every other measure), ``bd.png`` (BD-rate per scene), ``tiles.png`` (gain per tile) and ``speed.png``.
    The page is written last.

    Parameters
    ----------
    results : Results
    folder : path
        Exists, and holds the pictures that `results.shown` names (:func:`..crops.write_crops`).

    Raises
    ------
    InputError
        A picture is missing.
    WriteError
        A file could not be written.
    """
    folder = Path(folder)
    panels = _panels(results)
    text = _rendered(results, panels, folder)
    legend = plots.legend(results)
    write_json(results, folder / "bench.json")
    write_csv(results, folder / "points.csv")
    write_overview(results, folder, folder / "overview.png")
    write_png(panels.rd, folder / "rd.png", legend)
    write_png(panels.scenes, folder / "scenes.png", legend)
    write_png(panels.bound, folder / "bound.png", legend)
    write_png(panels.measures, folder / "measures.png", legend)
    write_png(panels.bd, folder / "bd.png")
    write_png(panels.tiles, folder / "tiles.png")
    write_png(panels.speed, folder / "speed.png", columns=2)
    with replacing(folder / "report.html", overwrite=True) as partial:
        partial.write_text(text, encoding="utf-8")


def render(results: Results, folder: str | Path) -> str:
    """The page as text; the same results and pictures give the same text.

    Raises
    ------
    InputError
        A picture that `results.shown` names is missing in `folder`.
    """
    return _rendered(results, _panels(results), Path(folder))


def _panels(results: Results) -> _Panels:
    return _Panels(
        plots.rd_panels(results),
        plots.scene_panels(results),
        plots.bound_panels(results),
        plots.measure_panels(results),
        comparisons.bd_panels(results),
        comparisons.tile_panels(results),
        speeds.speed_panels(results),
    )


def _rendered(results: Results, panels: _Panels, folder: Path) -> str:
    look = styles(words.codec_names(results))
    style, script = _style(look), _resource("page.js")
    title = words.titles(results)
    shown = words.shown_rate(results)
    seen = views(results, folder)
    values = {
        "title": _title(results),
        "csp": _policy(style, script),
        "style": style,
        "script": script,
        "headlines": prose.headlines(results),
        "warnings": prose.warnings(results),
        "legend": [(name, entry.number, swatch(entry)) for name, entry in plots.legend(results)],
        "rd": _plots(panels.rd, look),
        "scenes": _plots(panels.scenes, look),
        "bound": _plots(panels.bound, look),
        "bd": _plots(panels.bd, look),
        "tiles": _plots(panels.tiles, look),
        "speed": _plots(panels.speed, look),
        "measures": _grouped(panels.measures, look),
        "views": seen,
        "switches": switches(seen),
        "unseen": prose.unseen(results, seen),
        "images": len(results.scenes),
        "paired": prose.paired(results),
        "tables": _tables(results),
        "means": [(rate, table, rate == shown) for rate, table in tables.means(results)],
        "command": words.clean(str(results.about.get("command", ""))),
        "about": tables.about(results),
        "definitions": [measure for measure in MEASURES if _measured(results, measure.name)],
        "better": words.better,
        "date": words.clean(str(results.about.get("date", ""))),
        "version": words.clean(str(results.about.get("sarcodec", ""))),
        "ours": title.get(OURS, OURS),
        "reference": title.get(REFERENCE, "JPEG 2000"),
        "has_reference": REFERENCE in title,
        "bounded": any(scene.bound for scene in results.scenes),
        "exact": words.joined(words.clean(codec.title) for codec in words.lossless(results)),
    }
    return _environment().from_string(_resource("template.html.j2")).render(values)


def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _title(results: Results) -> str:
    title = words.titles(results)
    others = [name for codec, name in title.items() if codec not in {OURS, REFERENCE}]
    parts = [title[REFERENCE]] if REFERENCE in title else []
    if others:
        parts.append(words.counted(len(others), "other codec") if len(others) > 1 or parts else others[0])
    against = f" against {words.joined(parts)}" if parts else ""
    return f"{title.get(OURS, OURS)}{against} on {words.counted(len(results.scenes), 'image')}"


def _plots(panels: Sequence[Panel], look: dict[str, Style]) -> list[_Plot]:
    return [_Plot(themed(svg(panel), look.values()), panel.caption, panel.title) for panel in panels]


def _grouped(panels: Sequence[Panel], look: dict[str, Style]) -> dict[str, list[_Plot]]:
    groups: dict[str, list[_Plot]] = {}
    for panel, plot in zip(panels, _plots(panels, look), strict=True):
        name = panel.name.removeprefix("measure-").replace("-", "_")
        groups.setdefault(BY_NAME[name].group, []).append(plot)
    return groups


def _tables(results: Results) -> dict[str, Table | None]:
    made = {
        "bd_means": pairtables.bd_means(results),
        "bd_scenes": pairtables.bd_scenes(results),
        "bd_every": pairtables.bd_every(results),
        "paired": pairtables.paired(results),
        "speed": tables.speed(results),
        "points": tables.points(results),
        "scenes": tables.scenes(results),
        "codecs": tables.codecs(results),
    }
    return {name: table if table.rows else None for name, table in made.items()}


def _measured(results: Results, name: str) -> bool:
    return any(point.measures.get(name) is not None for point in results.points)


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _style(look: dict[str, Style]) -> str:
    light, dark = variables(look, dark=False), variables(look, dark=True)
    dark = f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return f"{_resource('page.css')}:root{{{light}}}\n{dark}\n"


def _policy(style: str, script: str) -> str:
    """Content-Security-Policy under which the page may use itself and nothing else."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")

    rules: dict[str, Any] = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{digest(style)}'",
        "style-src-attr": "'unsafe-inline'",
        "script-src": f"'sha256-{digest(script)}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())
