"""The tables of figures of single codecs, of the images and of the run."""

from __future__ import annotations

from collections.abc import Sequence

from sarcodec.bench.measures import BY_NAME, MEASURES
from sarcodec.bench.report import aggregate, reading, words
from sarcodec.bench.report.cells import Cell, Column, Table, name, significant, value
from sarcodec.bench.results import REFERENCE, Results


def means(results: Results) -> list[tuple[float, Table]]:
    """A table per wanted rate: every measure that any scene has, a column per codec."""
    title = words.titles(results)
    found = {measure.name: aggregate.means(results, measure.name) for measure in MEASURES}
    tables = []
    for number, rate in enumerate(results.rates):
        here = {
            key: {mean.codec: mean for mean in values if mean.bpp == rate} for key, values in found.items()
        }
        codecs = [codec for codec in title if any(codec in by_codec for by_codec in here.values())]
        rows = []
        for key, by_codec in here.items():
            if not by_codec:
                continue
            measure = BY_NAME[key]
            figures = {codec: by_codec[codec].value for codec in codecs if codec in by_codec}
            winners = aggregate.best(key, figures)
            scenes = next(iter(by_codec.values())).scenes
            good = words.better(key)
            cells = [Cell(measure.title, "", measure.text), Cell(measure.unit)]
            cells.append(Cell(good) if good else Cell(words.DASH, "", "it describes and does not judge"))
            cells += [_mean_cell(key, figures.get(codec), strong=codec in winners) for codec in codecs]
            rows.append((*cells, value(scenes, 0, "")))
        columns = [
            Column("measure", numeric=False),
            Column("unit", numeric=False),
            Column("good", numeric=False),
        ]
        columns += [Column(title[codec]) for codec in codecs]
        columns.append(Column("images", text="Images that have this figure; every mean is over all of them"))
        if rows:
            caption = f"Means over images, read off at exactly {rate:g} bpp; the best of each row is bold"
            tables.append((rate, Table(f"means-{number}", caption, tuple(columns), tuple(rows))))
    return tables


def _mean_cell(key: str, figure: float | None, *, strong: bool) -> Cell:
    if figure is None:
        return Cell(words.DASH, "", f"{words.NO_FIGURE} on one or more of the images")
    return Cell(words.figure(key, figure), repr(figure), "", strong)


def points(results: Results) -> Table:
    """Every point with the measures of most use."""
    shown = ["rmse_db", "psnr_db", "bound_gap_db", "ssim", "enl_ratio", "epi_correlation", "epi_ratio",
             "bias_db", "ks_speckle"]  # fmt: skip
    title = words.titles(results)
    columns = [Column("image", numeric=False), Column("codec", numeric=False), Column("wanted", "bpp")]
    columns += [
        Column("file", "bpp"),
        Column("file", "bytes"),
        Column("setting", text="What carried the rate"),
    ]
    columns += [Column(BY_NAME[key].title, BY_NAME[key].unit, text=BY_NAME[key].text) for key in shown]
    rows = []
    for point in results.points:
        cells = [name(point.scene), Cell(title[point.codec]), value(point.wanted_bpp, 3, "lossless")]
        setting = Cell(f"{point.setting:.4g}", repr(float(point.setting)))
        cells += [value(point.bpp, 4, ""), value(point.bytes, 0, ""), setting]
        for key in shown:
            figure = reading.value(point, key)
            text = words.figure(key, figure)
            cells.append(
                Cell(words.DASH, "", words.why_missing(key)) if figure is None else Cell(text, repr(figure))
            )
        rows.append(tuple(cells))
    return Table("points", "Every point; points.csv holds all measures", tuple(columns), tuple(rows))


def speed(results: Results) -> Table:
    """Every timing."""
    title, alone = words.titles(results), words.unthreaded(results)
    columns = [Column("codec", numeric=False), Column("threads"), Column("file", "bpp")]
    for what in ("encode", "decode"):
        columns += [
            Column(what, "Mpx/s"),
            Column(
                f"times {title.get(REFERENCE, 'JPEG 2000')}",
                text="Speed over that of JPEG 2000 in the same run",
            ),
            Column("spread", "%", text="(slowest - fastest) / median of the repeats"),
            Column("memory", "MB", text="Peak resident set of a process of its own, imports included"),
        ]
    columns += [Column("image", "Mpx"), Column("repeats"), Column("timed on", numeric=False)]
    rows = []
    for row in results.speed:
        note = "uses one thread only" if row.codec in alone else ""
        cells = [Cell(title[row.codec]), value(row.threads, 0, "", note=note), value(row.bpp, 3, "")]
        for speed_, ratio, spread, memory in (
            (row.encode_mpix_s, row.encode_ratio, row.encode_spread, row.encode_mb),
            (row.decode_mpix_s, row.decode_ratio, row.decode_spread, row.decode_mb),
        ):
            cells += [significant(speed_, 3, ""), significant(ratio, 2, "JPEG 2000 was not timed")]
            cells += [value(100 * spread, 0, ""), value(memory, 0, "not measured")]
        cells += [value(row.megapixels, 2, ""), value(row.repeats, 0, ""), name(row.scene)]
        rows.append(tuple(cells))
    caption = "Speed and memory, process warm, medians"
    caption += "; \u2020 uses one thread only" if any(row.codec in alone for row in results.speed) else ""
    return Table("speed-table", caption, tuple(columns), tuple(rows))


def scenes(results: Results) -> Table:
    """What the images are."""
    columns = (
        Column("image", numeric=False), Column("file", numeric=False),
        Column("group", numeric=False, text="Images of one group belong together in every resampling"),
        Column("band", numeric=False), Column("kind", numeric=False), Column("size", "px", numeric=False),
        Column("valid", "%"),
        Column("scale", numeric=False), Column("pixel", "m"), Column("deviation", "dB"), Column("ENL"),
        Column("blocks", text="Homogeneous blocks found"), Column("lag-1"), Column("targets"),
        Column("below Otsu's threshold", "%"),
    )  # fmt: skip
    rows = [
        (
            name(scene.name), name(scene.file), name(scene.group), name(scene.band), name(scene.kind),
            Cell(f"{scene.width} x {scene.height}", str(scene.width * scene.height)),
            value(100 * scene.valid_pixels / max(1, scene.width * scene.height), 1, ""), name(scene.scale),
            value(scene.pixel_m, 1, "the raster does not say"), value(scene.sd_db, 2, "no valid pixels"),
            value(scene.enl, 2, "no homogeneous blocks"), value(scene.blocks, 0, ""),
            value(scene.lag1, 3, "no homogeneous blocks"), value(scene.targets, 0, ""),
            value(None if scene.water_share is None else 100 * scene.water_share, 1, "no two modes"),
        )
        for scene in results.scenes
    ]  # fmt: skip
    return Table("scenes", "The images", columns, tuple(rows))


def codecs(results: Results) -> Table:
    """The codecs as they were run."""
    heads = ("codec", "library", "settings", "kind", "threads")
    columns = tuple(Column(title, numeric=False) for title in heads)
    rows = [
        (Cell(words.clean(codec.title)), Cell(words.clean(codec.library)), Cell(words.clean(codec.settings)),
         Cell("lossless" if codec.lossless else "lossy"), Cell("as given" if codec.threaded else "one"))
        for codec in results.codecs
    ]  # fmt: skip
    return Table("codecs", "Codecs, versions and settings", columns, tuple(rows))


def about(results: Results) -> Sequence[tuple[str, str]]:
    """What the run was, the command apart."""
    names = {"model_sha256": "SHA-256 of the model", "seconds": "seconds it took", "os": "system",
             "cores": "processor cores", "memory_gb": "memory, GB", "python": "Python",
             "numpy": "NumPy"}  # fmt: skip
    return [
        (names.get(key, words.clean(key)), _about(item))
        for key, item in results.about.items()
        if key not in {"command", "quick"}
    ]


def _about(item: object) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    return f"{item:.6g}" if isinstance(item, float) else words.clean(str(item))
