"""The benchmark's document, table, plots, pictures and page, all but what needs a browser."""

from __future__ import annotations

import csv
import dataclasses
import html.parser
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sarcodec.bench import report
from sarcodec.bench import results as values
from sarcodec.bench.measures import MEASURES, Better
from sarcodec.bench.report import aggregate, prose, reading, speeds, tables, viewer, words
from sarcodec.bench.report.crops import telling_window
from sarcodec.bench.report.page import render
from sarcodec.bench.results import BdSummary, Point, Results
from sarcodec.errors import InputError
from testing import benchmarks

Array = npt.NDArray[Any]

SCHEMA = json.loads((Path(__file__).parents[1] / "docs/schema/bench.schema.json").read_text())
HOSTILE = "<script>alert(1)</script>\"'&$x^$ {{7*7}} \x1b[31m \udcff"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole report."""
    path = tmp_path_factory.mktemp("report")
    report.write_report(small(benchmarks.with_crops(benchmarks.results(), path, side=48)), path)
    return path


def small(found: Results, keep: tuple[str, ...] = ("rmse_db", "bias_db")) -> Results:
    """`found` with few measures: each costs a plot, and a plot costs time."""
    return replace(
        found,
        points=tuple(
            replace(p, measures={name: v if name in keep else None for name, v in p.measures.items()})
            for p in found.points
        ),
    )


def bare(found: Results) -> Results:
    """`found` without points and times: a page without plots."""
    return replace(found, points=(), speed=(), bd_rate=())


# --- the document


def test_a_document_comes_back_as_it_was(tmp_path: Path) -> None:
    found = benchmarks.with_crops(benchmarks.results(), tmp_path, side=32)
    report.write_json(found, tmp_path / "bench.json")
    assert report.read_json(tmp_path / "bench.json") == found


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    found = benchmarks.results()
    measures = {**found.points[0].measures, "psnr_db": math.nan}
    broken = replace(found.points[0], setting=math.inf, measures=measures)
    report.write_json(replace(found, points=(broken,)), tmp_path / "bench.json")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    text = (tmp_path / "bench.json").read_text()
    point = json.loads(text, parse_constant=refuse)["points"][0]
    assert (point["setting"], point["measures"]["psnr_db"]) == (None, None)
    back = report.read_json(tmp_path / "bench.json").points[0]
    assert math.isnan(back.setting)
    assert back.measures["psnr_db"] is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "no JSON",
        lambda text: text.replace("sarcodec-bench/1", "sarcodec-bench/2"),
        lambda text: text.replace('"bytes": ', '"bytes": 0.5, "more": ', 1),
        lambda text: text.replace('"lossless": false', '"lossless": "no"', 1),
        lambda text: text.replace('"rates": [', '"rates": ["a", ', 1),
        lambda text: "[]",
        lambda text: "[" * 100_000,
    ],
)
def test_another_document_is_refused(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    path = tmp_path / "bench.json"
    path.write_text(spoil(report.to_json(benchmarks.results())))
    with pytest.raises(InputError):
        report.read_json(path)


def test_documents_are_valid_by_the_schema(folder: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    full = json.loads((folder / "bench.json").read_text())
    assert [error.message for error in validator.iter_errors(full)] == []
    for where in (full, full["points"][0], full["points"][0]["measures"], full["about"], full["speed"][0]):
        where["unknown"] = 1
        assert not validator.is_valid(full)
        del where["unknown"]
    del full["points"][0]["measures"]["ssim"]
    assert not validator.is_valid(full)


def test_the_schema_names_every_measure_and_every_field_in_words() -> None:
    definitions = SCHEMA["$defs"]
    assert list(definitions["measures"]["properties"]) == [measure.name for measure in MEASURES]
    for measure in MEASURES:
        text = definitions["measures"]["properties"][measure.name]["description"]
        assert measure.text in text
        assert f", {measure.unit or 'no unit'}." in text
    kinds = {
        "codec": values.CodecInfo, "scene": values.SceneInfo, "point": values.Point, "bd_row": values.BdRow,
        "bd_summary": values.BdSummary, "paired": values.PairedTest, "speed": values.SpeedRow,
        "shown": values.Shown,
    }  # fmt: skip
    for part, kind in [*((definitions[name], kind) for name, kind in kinds.items()), (SCHEMA, Results)]:
        names = [field.name for field in dataclasses.fields(kind)]
        assert list(part["properties"]) == part["required"] == names
        assert part["additionalProperties"] is False
        assert all(field.get("description") or "$ref" in field for field in part["properties"].values())


def test_csv_has_a_line_per_point_and_a_column_per_measure(folder: Path) -> None:
    with (folder / "points.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = report.read_json(folder / "bench.json")
    assert list(rows[0])[-len(MEASURES) :] == [measure.name for measure in MEASURES]
    assert [(r["scene"], r["kind"], int(r["bytes"]), float(r["rmse_db"])) for r in rows] == [
        (p.scene, {s.name: s.kind for s in found.scenes}[p.scene], p.bytes, p.measures["rmse_db"])
        for p in found.points
    ]
    assert [row["wanted_bpp"] for row in rows if row["codec"] == "lerc"] == ["", "", ""]


# --- words


def test_the_terminal_shows_every_table_in_110_columns() -> None:
    found = benchmarks.results()
    long = "a scene of a name without any end, alas, bands VV and VH of a mosaic"
    renamed = [replace(p, scene=long) if p.scene == "mekong VH" else p for p in found.points]
    text = report.summary(replace(found, points=tuple(renamed)))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 110
    assert next(line.split()[-8:-5] for line in lines if line.startswith("bolivia VV")) == [
        "0.050",
        "1.395",
        "26.65",
    ]
    assert ".. of a mosaic" in text
    assert all(codec.library in text for codec in found.codecs)
    assert "-16.6   -19.7..-13.5  -13.5" in text
    assert re.search(r"mekong VH +sarcodec +avif +-30\.0 +1\.150\.\.1\.620 +31 % +!", text)
    assert "! the curves share less than half of their errors (1 row)" in text
    assert re.search(r"jpeg2000 +0\.2 +\+0\.27 +\+0\.19\.\.\+0\.37 +97 % +48 tiles +0\.0021", text)
    assert text.isascii()


def test_the_terminal_never_sees_a_control_character() -> None:
    found = benchmarks.results()
    points = tuple(replace(point, scene=HOSTILE) for point in found.points)
    rows = tuple(replace(row, scene=HOSTILE, warning="\x1b]0;title\x07") for row in found.bd_rate)
    text = report.summary(replace(found, points=points, bd_rate=rows, warnings=("\x9b31m",)))
    assert all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.0004, "0.000"), (1.25, "+1.250"), (-1.25, "\u22121.250"), (None, "\u2013"), (math.inf, "\u2013")],
)
def test_numbers_have_true_minus_signs_and_no_negative_zero(value: float | None, text: str) -> None:
    assert words.number(value, 3, signed=True) == text


# --- means


def test_means_are_over_the_same_scenes_or_not_at_all() -> None:
    found = aggregate.means(benchmarks.results(), "rmse_db")
    assert {(m.codec, m.bpp) for m in found if m.codec == "avif"} == {("avif", r) for r in (0.1, 0.2, 0.4)}
    assert {m.scenes for m in found} == {3}
    [ours] = [m for m in found if (m.codec, m.bpp) == ("sarcodec", 0.05)]
    at_files = [0.62 + 0.105 * math.log2(1 + 0.003 * place) for place in range(3)]
    wanted = [sd * part for sd, part in zip((2.25, 2.6, 2.05), at_files, strict=True)]
    assert ours.value == pytest.approx(sum(wanted) / 3)
    assert {m.scenes for m in aggregate.means(benchmarks.results(), "water_iou")} == {2}


def test_the_mean_bound_ends_where_a_scene_has_none() -> None:
    first, second = (
        replace(benchmarks.results().scenes[0], bound=bound)
        for bound in (((0.1, 2.0), (0.4, 1.0)), ((0.05, 3.0), (0.2, 2.0)))
    )
    found = aggregate.mean_bound([first, second], [0.05, 0.1, 0.2, 0.4])
    assert found == pytest.approx([math.nan, 2.25, 1.75, math.nan], nan_ok=True)
    assert aggregate.mean_bound([first, replace(second, bound=())], [0.1]) is None


def point(
    scene: str,
    codec: str,
    bpp: float,
    measures: dict[str, float | None],
    tiles: tuple[float | None, ...] = (),
) -> Point:
    """One file, whatever rate was wanted."""
    return Point(scene, codec, 1.0, 0.0, 100, bpp, measures, tiles)


def results_of(*points: Point, rates: tuple[float, ...] = (0.2,)) -> Results:
    return Results({}, rates, (), (), points, (), (), (), ())


def test_a_mean_is_read_off_each_curve_at_exactly_the_rate() -> None:
    found = results_of(
        point("s", "a", 0.1, {"rmse_db": 3.0}),
        point("s", "a", 0.15, {"rmse_db": None}),
        point("s", "a", 0.4, {"rmse_db": 1.0}),  # 0.2 is halfway between 0.1 and 0.4 in logarithms
        point("t", "a", 0.8, {"rmse_db": 0.5}),
        point("t", "a", 0.2, {"rmse_db": 2.4}),
        rates=(0.4, 0.2, 0.05),
    )
    lower, upper = aggregate.means(found, "rmse_db")
    assert (lower.codec, lower.bpp, lower.scenes) == ("a", 0.2, 2)
    assert (upper.codec, upper.bpp, upper.scenes) == ("a", 0.4, 2)
    assert (lower.low, lower.value, lower.high) == pytest.approx((2.1, 2.2, 2.3))
    assert (upper.low, upper.value, upper.high) == pytest.approx((1.1125, 1.225, 1.3375))
    assert [mean.value for mean in aggregate.means(found, "rmse_db", ["t"])] == [2.4, pytest.approx(1.45)]


@pytest.mark.parametrize(
    ("rate", "value"), [(0.097, None), (0.1, 0.5), (0.4, 0.9), (0.408, 0.9057), (0.41, None)]
)
def test_a_curve_ends_two_percent_beyond_its_files(rate: float, value: float | None) -> None:
    curve = {0.1: 0.5, 0.4: 0.9}  # 0.4 an octave pair: 0.2 an octave, and 1.02 is 0.02857 octaves
    assert reading.read_off(curve, rate, "ssim") == pytest.approx(value, abs=1e-4)


def test_a_drawn_out_share_stays_one() -> None:
    assert reading.read_off({0.1: 0.2, 0.2: 0.0}, 0.203, "targets_added") == 0
    assert reading.read_off({0.1: 0.2, 0.2: 0.9999}, 0.203, "targets_kept") == 1
    assert reading.read_off({0.2: 0.7}, 0.203, "targets_kept") == 0.7
    assert reading.read_off({0.199: 0.5, 0.2: 0.7}, 0.203, "targets_kept") == 0.7  # too near for a slope


def test_gains_of_tiles_are_those_of_curves_read_off_at_the_rate() -> None:
    found = results_of(
        point("s", "sarcodec", 0.1, {}, (8.0, 1.0, 1.0, None)),
        point("s", "sarcodec", 0.4, {}, (2.0, 1.0, None, 1.0)),
        point("s", "jpeg2000", 0.1, {}, (16.0, 1.0, 1.0, 1.0)),
        point("s", "jpeg2000", 0.4, {}, (4.0, 0.25, 1.0, 1.0)),
        point("t", "sarcodec", 0.2, {}, (1.0,)),
    )  # halfway in logarithms: 4 and 1 against 8 and 1/2
    gains = reading.tile_gains(found, "jpeg2000", 0.2)
    assert gains == pytest.approx([10 * math.log10(2), -10 * math.log10(2)])
    assert reading.tile_gains(found, "jpeg2000", 0.42) == []


def test_what_only_describes_is_never_best_and_never_good() -> None:
    names = [measure.name for measure in MEASURES if measure.better is Better.NEITHER]
    assert "ks_ratio" in names
    for name in names:
        assert aggregate.best(name, {"a": 0.0, "b": 0.5}) == set()
        assert words.better(name) == ""
        assert (
            re.search(r"better|ideal", SCHEMA["$defs"]["measures"]["properties"][name]["description"]) is None
        )
    titles = {measure.title for measure in MEASURES if measure.name in names}
    rows = [row for _, table in tables.means(benchmarks.results()) for row in table.rows]
    assert titles <= {row[0].text for row in rows}
    for row in rows:
        assert any(cell.strong for cell in row) <= (row[0].text not in titles)
        assert (row[2].text == words.DASH) == (row[0].text in titles)
    assert any(cell.strong for row in rows for cell in row)


def test_the_strongest_peer_is_not_one_of_few_images() -> None:
    rows = [
        BdSummary("sarcodec", "jpeg2000", "", 30, -1.0, None, None, 0.0, 0),
        BdSummary("sarcodec", "jpegxl", "", 20, -20.0, None, None, 0.0, 0),
        BdSummary("sarcodec", "avif", "", 10, -10.0, None, None, 0.0, 10),
        BdSummary("sarcodec", "zfp", "", 9, -5.0, None, None, 0.0, 11),
        BdSummary("sarcodec", "webp", "", 0, None, None, None, None, 20),
    ]
    peer = aggregate.strongest_peer(replace(results_of(), bd_summary=tuple(rows)))
    assert peer is not None
    assert peer.reference == "avif"  # half of the twenty images is enough


@pytest.mark.parametrize(("rates", "shown"), [((0.05, 0.1, 0.25, 0.4), 0.25), ((0.8, 1.6), 0.8), ((), None)])
def test_the_rate_of_the_headline_is_the_one_nearest_a_fifth_of_a_bit(
    rates: tuple[float, ...], shown: float | None
) -> None:
    assert words.shown_rate(results_of(rates=rates)) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01567, "0.016"),
        (0.2, "0.20"),
        (1.04, "1.0"),
        (9.96, "10"),
        (123.4, "123"),
        (0, "0"),
        (None, "\u2013"),
    ],
)
def test_ratios_have_two_significant_digits(value: float | None, text: str) -> None:
    assert words.significant(value, 2) == text


@pytest.mark.parametrize("ratios", [(0.016, 1.0, 3.0), (1.0, 1.0), (0.9,), (40.0, 200.0), (0.0004, 0.5)])
def test_bars_of_speed_leave_room_for_their_figures(ratios: tuple[float, ...]) -> None:
    low, high = map(math.log, speeds.ends(ratios))
    shortest, longest = math.log(min(1, *ratios, 1)), math.log(max(1, *ratios, 1))
    assert (shortest - low) / (high - low) > 0.2
    assert (high - longest) / (high - low) > 0.15


# --- pictures


def read(path: Path) -> Array:
    image = pytest.importorskip("PIL.Image")
    with image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"))


def test_plots_are_pngs_with_something_in_them(folder: Path) -> None:
    for name in report.PLOTS:
        pixels = read(folder / name)
        assert pixels.shape[1] > 500
        assert len(np.unique(pixels[..., 0])) > 20, name


def test_crops_hold_the_pixels_themselves(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    original = rng.uniform(-20, 0, (32, 40)).astype(np.float32)
    valid = np.ones(original.shape, bool)
    valid[3, 7] = False
    decoded = original + np.where(np.arange(40) < 20, 1, -1).astype(np.float32)
    made = {"jpeg2000": (decoded, "half"), "a/b c": (original, "whole")}
    shown = report.write_crops(tmp_path, 4, "s", original, made, valid, 0.2, side=64)
    assert sorted(shown.pictures.values()) == sorted(path.name for path in tmp_path.iterdir())
    assert shown.pictures["a/b c ratio"] == "crop-4-a_b_c-ratio.png"
    assert shown.labels["jpeg2000"] == "half"
    assert shown.labels["difference"] == "-3.0 dB (blue) to +3.0 dB (red)"
    grey = read(tmp_path / "crop-4-original.png")
    assert grey.shape == (32, 40, 4)
    assert (grey[..., 3] > 0).tolist() == valid.tolist()
    span = shown.high_db - shown.low_db
    expected = 1 + 254 * np.clip((original - shown.low_db) / span, 0, 1)
    assert np.abs(grey[..., 0][valid] - expected[valid]).max() <= 0.5 + 1e-4
    red, blue = (
        read(tmp_path / "crop-4-jpeg2000-difference.png")[..., place].astype(int) for place in (0, 2)
    )
    assert ((red > blue) == (np.arange(40) < 20))[valid].all()
    ratio = read(tmp_path / "crop-4-a_b_c-ratio.png")
    assert len(np.unique(ratio[..., 0][valid])) == 1


def test_the_window_is_where_the_edges_are_and_not_where_data_is_missing() -> None:
    db = np.full((256, 256), -15, np.float32)
    db[160:224, 96:160] = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((8, 8))) * 5 - 15
    valid = np.ones(db.shape, bool)
    window = telling_window(db, valid, 64)
    assert abs(window.row - 160) <= 8
    assert abs(window.col - 96) <= 8
    valid[150:] = False
    assert telling_window(db, valid, 64).bottom <= 160
    assert telling_window(db, valid, 999) == telling_window(db[:, :], valid, 256)
    assert telling_window(db[:5, :3], valid[:5, :3], 64).width == 3


def test_a_scene_without_valid_pixels_has_pictures_too(tmp_path: Path) -> None:
    db = np.full((20, 20), np.nan, np.float32)
    shown = report.write_crops(tmp_path, 1, "s", db, {"c": (db, "")}, ~np.isnan(db), 0.1)
    assert (read(tmp_path / shown.pictures["c"])[..., 3] == 0).all()


# --- the page


class Page(html.parser.HTMLParser):
    """Elements, links and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_needs_nothing_but_itself(folder: Path) -> None:
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    for _, attributes in page.found:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
        assert not [name for name in attributes if name.startswith("on")]
    [policy] = [a["content"] for _, a in page.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert [tag for tag, _ in page.found].count("script") == 1
    assert [tag for tag, _ in page.found].count("style") == 1
    headings = [int(tag[1]) for tag, _ in page.found if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))
    images = [attributes for tag, attributes in page.found if tag == "img"]
    assert len(images) == 3 * 13
    assert all(attributes["alt"] for attributes in images)


def test_the_page_says_the_figures_that_matter(folder: Path) -> None:
    text = " ".join(" ".join(Page((folder / "report.html").read_text(encoding="utf-8")).words).split())
    for said in (
        "sarcodec against JPEG 2000 9/7 and 3 other codecs on 3 images",
        "\u221216.6 %",
        "BD-rate, 0.05 to 0.4 bpp, smaller files; 95 % interval \u221219.7 to \u221213.5 %; 3 images;",
        "3 images; worst \u221213.5 %",
        "bands of 3 files in 3 groups; grd 2 and simulated 1; 0.05 to 0.4 bpp",
        "to encode / to decode, 7.4 and 6.1 Mpx/s at 0.20 bpp, 4 threads",
        "mean of images at 0.2 bpp; furthest from zero",
        "Against JPEG XL, the strongest of the other codecs",
        "1.2\u00d7 / 0.62\u00d7",
        "The model was trained on Sentinel-1 alone; one image is simulated.",
        "BD-rate of sarcodec against AVIF, 1 image: the curves share less than half of their errors",
        "as each codec returned it from a file of about 0.2 bpp; the words above a picture say",
        "\u2020 uses one thread only; the others were given 4.",
        "both p values, of images and of tiles, are smaller than they should be",
        "At 0.2 bpp sarcodec is 0.27 dB better than JPEG 2000 9/7 in PSNR, mean of 48 tiles of",
        "(95 % interval of the difference +0.19 to +0.37 dB); it has the smaller error on 97 % of them;",
        "them; p = 0.0021.",
        "sarcodec bench bolivia.tif mekong.tif --bpp 0.05,0.1,0.2,0.4 -o report",
        "OpenJPEG 2.5.3 through glymur 0.14.8",
    ):
        assert said in text


def test_a_loss_is_told_as_a_gain_is(tmp_path: Path) -> None:
    found = benchmarks.results()
    worse = replace(
        bare(found),
        bd_summary=(replace(found.bd_summary[0], mean_percent=12.5, low_percent=3.0, high_percent=20.0),),
        paired=(replace(found.paired[0], mean_db=-0.3, low_db=-0.4, high_db=-0.2, better=0.0),),
    )
    text = " ".join(Page(render(worse, tmp_path)).words)
    assert "+12.5 %" in text
    assert "larger files; 95 % interval +3.0 to +20.0 %" in text
    assert "sarcodec is 0.30 dB worse than JPEG 2000 9/7" in text


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (0.004, "as good as"),
        (-0.004, "as good as"),
        (0.006, "0.01 dB better than"),
        (-0.006, "0.01 dB worse than"),
    ],
)
def test_a_gain_that_rounds_to_nothing_is_none(gain: float, said: str) -> None:
    found = replace(benchmarks.results(), paired=(replace(benchmarks.results().paired[0], mean_db=gain),))
    [sentence] = prose.paired(found)
    assert f"sarcodec is {said} JPEG 2000 9/7 in PSNR, mean of 3 images" in sentence


def test_a_headline_says_how_many_images_a_warning_left_out() -> None:
    row = replace(benchmarks.results().bd_summary[0], scenes=31, warnings=2)
    lines = prose.headlines(replace(benchmarks.results(), bd_summary=(row,)))
    assert "31 images, 2 left out for a warning; worst" in lines[0].text
    assert all(re.search(r"\d bpp", line.text) for line in lines)


def test_pictures_of_all_codecs_can_be_switched_and_those_left_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = benchmarks.with_crops(bare(benchmarks.results()), tmp_path, side=32)
    first, second, _ = found.shown
    pictures = {key: file for key, file in first.pictures.items() if not key.startswith("avif")}
    some = replace(found, shown=(replace(first, pictures=pictures), second))
    seen = viewer.views(some, tmp_path)
    assert [len(view.slots) for view in seen] == [3, 4]
    assert [(slot.title, slot.open) for slot in viewer.switches(seen)] == [
        ("sarcodec", True), ("JPEG 2000 9/7", True), ("JPEG XL", False), ("AVIF", False),
    ]  # fmt: skip
    text = " ".join(Page(render(some, tmp_path)).words)
    assert "A window of each of the first 2 images of 3, pixel for pixel" in text
    monkeypatch.setattr(viewer, "BUDGET", 100)
    text = " ".join(Page(render(some, tmp_path)).words)
    assert "To keep this page small, the pictures of AVIF lie beside it." in text


def test_strange_names_stay_text(tmp_path: Path) -> None:
    found = small(benchmarks.with_crops(benchmarks.results(), tmp_path, side=32), ("rmse_db",))
    scene: dict[str, Any] = dict.fromkeys(("name", "file", "band", "kind", "scale"), HOSTILE)
    codec: dict[str, Any] = dict.fromkeys(("title", "library", "settings"), HOSTILE)
    hostile = replace(
        found,
        about={**found.about, "command": HOSTILE, "processor": HOSTILE},
        scenes=(replace(found.scenes[0], **scene),),
        codecs=tuple(replace(each, **codec) for each in found.codecs),
        points=tuple(replace(point, scene=HOSTILE, tiles_mse=()) for point in found.points[:12]),
        bd_rate=(replace(found.bd_rate[0], scene=HOSTILE, warning=HOSTILE),),
        bd_summary=(replace(found.bd_summary[0], kind=HOSTILE),),
        shown=(replace(found.shown[0], scene=HOSTILE, labels=dict.fromkeys(found.shown[0].labels, HOSTILE)),),
        warnings=(HOSTILE,),
        speed=(),
    )
    text = render(hostile, tmp_path)
    text.encode("utf-8")
    page = Page(text)
    assert [tag for tag, _ in page.found].count("script") == 1
    assert "<script>alert" not in text
    assert "49" not in [word.strip() for word in page.words]
    assert sum("<script>alert(1)</script>" in word and "{{7*7}}" in word for word in page.words) > 5
    report.write_json(hostile, tmp_path / "bench.json")
    report.write_csv(hostile, tmp_path / "points.csv")
    assert report.read_json(tmp_path / "bench.json") == hostile


@pytest.mark.parametrize(
    "name", ["../bench.json", "/etc/passwd", "gone.png", "text.png", "link.png", "", "a\0b"]
)
def test_only_pictures_beside_the_page_are_shown(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (tmp_path / "bench.json").write_text("{}")
    (folder / "text.png").write_text("a secret that is as long as a picture")
    (folder / "link.png").symlink_to("/etc/passwd")
    shown = values.Shown("s", 0.2, -20, 0, {"original": name}, {})
    with pytest.raises(InputError, match=r"picture|PNG"):
        render(Results({}, (), (), (), (), (), (), (), (), (shown,)), folder)


def without(codec: str, found: Results) -> Results:
    return replace(
        found,
        codecs=tuple(c for c in found.codecs if c.name != codec),
        points=tuple(p for p in found.points if p.codec != codec),
        bd_rate=tuple(row for row in found.bd_rate if codec not in {row.test, row.reference}),
        bd_summary=tuple(row for row in found.bd_summary if codec not in {row.test, row.reference}),
        paired=tuple(row for row in found.paired if row.peer != codec),
        speed=tuple(
            replace(r, encode_ratio=None, decode_ratio=None) for r in found.speed if r.codec != codec
        ),
    )


def single(found: Results) -> Results:
    name = found.scenes[-1].name
    return replace(
        found,
        rates=(0.2,),
        scenes=found.scenes[-1:],
        points=tuple(p for p in found.points if p.scene == name and p.wanted_bpp in {0.2, None}),
        bd_rate=(),
        bd_summary=(),
        paired=(),
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda found: without("jpeg2000", found),
        lambda found: replace(found, speed=(), paired=(), bd_summary=()),
        single,
        benchmarks.unmeasured,
        lambda found: replace(bare(found), codecs=found.codecs[:1], points=found.points[:4], paired=()),
        lambda found: Results({}, (), (), (), (), (), (), (), ()),
    ],
    ids=["no JPEG 2000", "no speed", "one scene, one rate", "nothing measured", "ours alone", "nothing"],
)  # fmt: skip
def test_whatever_is_missing_there_is_a_report(tmp_path: Path, change: Callable[[Results], Results]) -> None:
    found = small(benchmarks.results(), ("rmse_db",))
    points = [replace(point, tiles_mse=()) for point in found.points if point.scene != "bolivia VV"]
    found = change(replace(found, points=tuple(points), scenes=found.scenes[1:]))
    text = render(found, tmp_path)
    assert text.endswith("</html>")
    assert not re.search(r"\b(None|nan|inf)\b", " ".join(Page(text).words[10:]).split('"use strict"')[0])
    assert report.summary(found)
    report.write_json(found, tmp_path / "bench.json")
    assert report.read_json(tmp_path / "bench.json") == found


def test_plots_of_nothing_say_so(tmp_path: Path) -> None:
    report.write_report(Results({}, (), (), (), (), (), (), (), ()), tmp_path)
    for name in report.PLOTS:
        assert len(np.unique(read(tmp_path / name)[..., 0])) > 20


def test_the_same_results_give_the_same_page_and_document(folder: Path) -> None:
    found = report.read_json(folder / "bench.json")
    assert report.to_json(found) == (folder / "bench.json").read_text()
    assert render(single(found), folder) == render(single(found), folder)
