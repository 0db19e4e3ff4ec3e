"""The sentences of the page that depend on figures: headline, reservations, paired tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sarcodec.bench.report import aggregate, reading, words
from sarcodec.bench.report.speeds import speed_rows
from sarcodec.bench.report.style import styles
from sarcodec.bench.report.viewer import View
from sarcodec.bench.results import OURS, REFERENCE, BdSummary, PairedTest, Results


@dataclass(frozen=True)
class Headline:
    """One large figure."""

    label: str
    figure: str
    text: str


def headlines(results: Results) -> list[Headline]:
    """The figures on top, each with its rate; one not measured is left out, one against us is not."""
    title, rates = words.titles(results), _rates(results)
    found = []
    against = aggregate.summary_of(results, OURS, REFERENCE)
    if against is not None:
        found.append(_bd_headline(against, f"File size at equal error, against {title[REFERENCE]}", rates))
    peer = aggregate.strongest_peer(results)
    if peer is not None:
        label = f"Against {title[peer.reference]}, the strongest of the other codecs"
        found.append(_bd_headline(peer, label, rates))
    found += _speed_headline(results) + _bias_headline(results)
    files, groups = (len({getattr(scene, key) for scene in results.scenes}) for key in ("file", "group"))
    text = f"bands of {words.counted(files, 'file')} in {words.counted(groups, 'group')}"
    kinds = aggregate.kinds(results)
    if kinds:
        text += f"; {words.joined(f'{words.clean(kind)} {len(scenes)}' for kind, scenes in kinds.items())}"
    text += f"; {rates}" if rates else ""
    found.append(Headline("Images compared", str(len(results.scenes)), text))
    return found


def _rates(results: Results) -> str:
    """``0.05 to 0.8 bpp``, nothing without rates."""
    ends = sorted({min(results.rates), max(results.rates)}) if results.rates else []
    return " to ".join(f"{rate:g}" for rate in ends) + " bpp" if ends else ""


def _bd_headline(row: BdSummary, label: str, rates: str) -> Headline:
    bounds = words.interval(row.low_percent, row.high_percent, 1, signed=True)
    figure = words.number(row.mean_percent, 1, signed=True)
    side = {words.MINUS: "smaller", "+": "larger"}.get(figure[0], "equal")
    text = f"BD-rate{f', {rates}' if rates else ''}, {side} files; "
    text += f"95 % interval {bounds} %" if bounds else "too few groups of images for an interval"
    text += f"; {words.counted(row.scenes, 'image')}"
    if row.warnings:
        text += f", {row.warnings} left out for a warning"
    if row.worst_percent is not None and row.scenes > 1:
        text += f"; worst {words.number(row.worst_percent, 1, signed=True)} %"
    return Headline(label, f"{figure} %", text)


def _speed_headline(results: Results) -> list[Headline]:
    rows = [row for row in speed_rows(results) if row.codec == OURS]
    row = next((row for row in rows if row.encode_ratio is not None and row.decode_ratio is not None), None)
    if row is None or row.encode_ratio is None or row.decode_ratio is None:
        return []
    ratios = [words.significant(ratio, 2) for ratio in (row.encode_ratio, row.decode_ratio)]
    text = (
        f"to encode / to decode, {row.encode_mpix_s:.1f} and {row.decode_mpix_s:.1f} Mpx/s "
        f"at {row.bpp:.2f} bpp, {words.counted(row.threads, 'thread')}; below 1 is slower"
    )
    return [
        Headline(
            f"Speed over {words.titles(results).get(REFERENCE, REFERENCE)}'s",
            f"{ratios[0]}\u00d7 / {ratios[1]}\u00d7",
            text,
        )
    ]


def _bias_headline(results: Results) -> list[Headline]:
    name, rate = "bias_db", words.shown_rate(results)
    means = {(found.codec, found.bpp): found for found in aggregate.means(results, name)}
    mean = None if rate is None else means.get((OURS, rate))
    if mean is None or rate is None:
        return []
    curves = [curve for (codec, _), curve in reading.curves(results, name).items() if codec == OURS]
    each = [reading.read_off(curve, rate, name) for curve in curves]
    worst = max((figure for figure in each if figure is not None), key=abs)
    text = f"mean of images at {rate:g} bpp; furthest from zero {words.figure(name, worst)} dB"
    return [Headline("Bias of mean power", f"{words.figure(name, mean.value)} dB", text)]


def warnings(results: Results) -> list[str]:
    """What to know before believing the figures."""
    out = [words.clean(warning) for warning in results.warnings]
    counts: dict[tuple[str, str, str], int] = {}
    for row in results.bd_rate:
        if row.warning and OURS in {row.test, row.reference}:
            key = (row.test, row.reference, words.clean(row.warning))
            counts[key] = counts.get(key, 0) + 1
    title = words.titles(results)
    for (test, reference, text), count in counts.items():
        out.append(
            f"BD-rate of {title[test]} against {title[reference]}, {words.counted(count, 'image')}: {text}"
        )
    return out


def unseen(results: Results, views: Sequence[View]) -> str:
    """Which codecs' pictures lie beside the page and are not in it; nothing where all are."""
    look = styles(words.codec_names(results))
    numbers = {slot.number for view in views for slot in view.slots}
    names = [
        title
        for codec, title in words.titles(results).items()
        if look[codec].number not in numbers and any(codec in shown.pictures for shown in results.shown)
    ]
    return f"To keep this page small, the pictures of {words.joined(names)} lie beside it." if names else ""


def paired(results: Results) -> list[str]:
    """A sentence for each test against JPEG 2000, or against every codec where it is missing."""
    known = [row for row in results.paired if math.isfinite(row.mean_db)]
    rows = [row for row in known if row.peer == REFERENCE] or known
    return [_sentence(row, words.titles(results)) for row in rows]


def _sentence(row: PairedTest, title: dict[str, str]) -> str:
    bounds = words.interval(row.low_db, row.high_db, 2, signed=True)
    gain = words.number(row.mean_db, 2, signed=True)
    sides = {words.MINUS: f"{gain[1:]} dB worse than", "+": f"{gain[1:]} dB better than"}
    unit = "tiles of 128x128 pixels" if row.unit == "tile" else "images"
    return (
        f"At {row.bpp:g} bpp {title.get(OURS, OURS)} is {sides.get(gain[0], 'as good as')} {title[row.peer]} "
        f"in PSNR, mean of {row.count} {unit}"
        + (
            f" (95 % interval of the difference {bounds} dB)"
            if bounds
            else " (too few groups of images for an interval)"
        )
        + f"; it has the smaller error on {100 * row.better:.0f} % of them; {words.probability(row.p_value)}."
    )
