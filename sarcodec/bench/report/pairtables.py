"""The tables that compare two codecs: BD-rate and paired tests."""

from __future__ import annotations

from sarcodec.bench.report import aggregate, words
from sarcodec.bench.report.cells import Cell, Column, Table, bounds, name, value
from sarcodec.bench.results import OURS, BdRow, Results

NO_BD = "the two curves share no error"
_NO_MEAN = "no image has a BD-rate without a warning"
_NO_INTERVAL = "fewer than three groups of images: no interval"


def bd_means(results: Results) -> Table:
    """Mean BD-rate per pair of codecs and kind, over the scenes whose BD-rate carries no warning."""
    title = words.titles(results)
    rows = [
        (
            Cell(title[row.test]), Cell(title[row.reference]), name(row.kind or "all"),
            value(row.mean_percent, 1, _NO_MEAN, signed=True),
            bounds(row.low_percent, row.high_percent, 1, _NO_INTERVAL, signed=True),
            value(row.worst_percent, 1, _NO_MEAN, signed=True), value(row.scenes, 0, ""),
            value(row.warnings, 0, ""),
        )
        for row in results.bd_summary
    ]  # fmt: skip
    columns = (
        Column("codec", numeric=False), Column("against", numeric=False), Column("kind", numeric=False),
        Column("mean", "%", text="Mean BD-rate: difference of file size at equal RMSE; negative is smaller"),
        Column("95 % interval", "%", text="Bootstrap of the mean, groups of images resampled"),
        Column("worst image", "%"), Column("images", text="Images in the mean"),
        Column("left out", text="Images that are not in the mean because their BD-rate carries a warning"),
    )  # fmt: skip
    return Table("bd-means", "BD-rate, means over images without a warning", columns, tuple(rows))


def bd_scenes(results: Results) -> Table:
    """BD-rate per scene, a column per pair; the foremost pair with its common interval."""
    title, pairs = words.titles(results), aggregate.pairs(results)
    found = {(row.scene, row.test, row.reference): row for row in results.bd_rate}
    columns = [Column("image", numeric=False), Column("kind", numeric=False)]
    for place, (test, reference) in enumerate(pairs):
        columns.append(Column(f"{title[test]} against {title[reference]}", "%"))
        if place == 0:
            columns += [
                Column("common RMSE", "dB", text="Interval of RMSE that both curves of the first pair cover"),
                Column("overlap", "%", text="That interval over the longer of the two curves' own"),
            ]
    rows = []
    for scene in results.scenes if pairs else ():
        cells = [name(scene.name), name(scene.kind)]
        for place, pair in enumerate(pairs):
            cells += _bd_cells(found.get((scene.name, *pair)), whole=place == 0)
        rows.append(tuple(cells))
    caption = "BD-rate per image; \u2020 carries a warning and is in no mean"
    return Table("bd-scenes", caption, tuple(columns), tuple(rows))


def _bd_cells(row: BdRow | None, *, whole: bool) -> list[Cell]:
    if row is None:
        return [Cell(words.DASH, "", "not compared")] * (3 if whole else 1)
    common = words.interval(row.low_db, row.high_db, 3)
    overlap = None if row.overlap is None else 100 * row.overlap
    note = row.warning
    if not whole and common:
        note = note and f"{note} (common RMSE {common} dB, overlap {words.number(overlap, 0)} %)"
    cells = [value(row.percent, 1, row.warning or NO_BD, signed=True, note=note)]
    if whole:
        cells += [bounds(row.low_db, row.high_db, 3, NO_BD), value(overlap, 0, NO_BD)]
    return cells


def bd_every(results: Results) -> Table:
    """Every comparison of every scene with its interval, overlap and warning."""
    title = words.titles(results)
    columns = (
        Column("image", numeric=False), Column("codec", numeric=False), Column("against", numeric=False),
        Column("BD-rate", "%"), Column("common RMSE", "dB"), Column("overlap", "%"),
        Column("warning", numeric=False),
    )  # fmt: skip
    rows = [
        (name(row.scene), Cell(title[row.test]), Cell(title[row.reference]), *_bd_cells(row, whole=True),
         Cell(words.clean(row.warning)))
        for row in results.bd_rate
    ]  # fmt: skip
    return Table("bd-every", "Every comparison", columns, tuple(rows))


def paired(results: Results) -> Table:
    """Every paired test."""
    title = words.titles(results)
    columns = (
        Column("against", numeric=False), Column("rate", "bpp"), Column("unit", numeric=False),
        Column("units"), Column("mean gain of PSNR", "dB"),
        Column("95 % interval", "dB", text="Bootstrap, groups of images resampled"),
        Column("better on", "%"), Column("p", text="Wilcoxon signed-rank test, two-sided"),
    )  # fmt: skip
    rows = [
        (
            Cell(title[row.peer]), value(row.bpp, 3, ""), Cell(row.unit), value(row.count, 0, ""),
            value(row.mean_db, 2, "", signed=True),
            bounds(row.low_db, row.high_db, 2, _NO_INTERVAL, signed=True),
            value(100 * row.better, 1, ""),
            Cell(words.DASH, "", "fewer than six units") if row.p_value is None
            else Cell(words.probability(row.p_value).removeprefix("p ").removeprefix("= "),
                      repr(row.p_value)),
        )
        for row in results.paired
    ]  # fmt: skip
    return Table("paired", f"PSNR of {OURS} above each codec's at equal rate", columns, tuple(rows))
