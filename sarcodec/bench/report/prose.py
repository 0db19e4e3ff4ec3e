"""The sentences of the page that depend on figures: headline, reservations, paired tests."""

from __future__ import annotations

from dataclasses import dataclass

from sarcodec.bench.report import aggregate, words
from sarcodec.bench.report.comparisons import speed_rows
from sarcodec.bench.results import OURS, REFERENCE, BdSummary, PairedTest, Results


@dataclass(frozen=True)
class Headline:
    """One large figure."""

    label: str
    figure: str
    text: str


def headlines(results: Results) -> list[Headline]:
    """The figures on top; one that was not measured is left out, one that speaks against us is not."""
    title = words.titles(results)
    found = []
    against = aggregate.summary_of(results, OURS, REFERENCE)
    if against is not None:
        found.append(_bd_headline(against, f"File size at equal error, against {title[REFERENCE]}"))
    peer = aggregate.strongest_peer(results)
    if peer is not None:
        label = f"Against {title[peer.reference]}, the strongest of the other codecs"
        found.append(_bd_headline(peer, label))
    found += _speed_headline(results) + _bias_headline(results)
    files = len({scene.file for scene in results.scenes})
    kinds = aggregate.kinds(results)
    text = f"bands of {words.counted(files, 'file')}"
    if kinds:
        text += f"; {words.joined(f'{words.clean(kind)} {len(scenes)}' for kind, scenes in kinds.items())}"
    found.append(Headline("Images compared", str(len(results.scenes)), text))
    return found


def _bd_headline(row: BdSummary, label: str) -> Headline:
    bounds = words.interval(row.low_percent, row.high_percent, 1, signed=True)
    mean = row.mean_percent or 0.0
    text = "BD-rate, " + ("smaller" if mean < 0 else "larger" if mean > 0 else "equal") + " files; "
    text += f"95 % interval {bounds} %" if bounds else "too few files for an interval"
    text += f"; {words.counted(row.scenes, 'image')}"
    if row.worst_percent is not None and row.scenes > 1:
        text += f", worst {words.number(row.worst_percent, 1, signed=True)} %"
    return Headline(label, f"{words.number(mean, 1, signed=True)} %", text)


def _speed_headline(results: Results) -> list[Headline]:
    rows = [row for row in speed_rows(results) if row.codec == OURS]
    row = next((row for row in rows if row.encode_ratio is not None and row.decode_ratio is not None), None)
    if row is None or row.encode_ratio is None or row.decode_ratio is None:
        return []
    figure = f"{row.encode_ratio:.2g}\u00d7 / {row.decode_ratio:.2g}\u00d7"
    text = (
        f"to encode / to decode, {row.encode_mpix_s:.1f} and {row.decode_mpix_s:.1f} Mpx/s "
        f"at {row.bpp:.2f} bpp, {words.counted(row.threads, 'thread')}; below 1 is slower"
    )
    return [Headline(f"Speed over {words.titles(results).get(REFERENCE, REFERENCE)}'s", figure, text)]


def _bias_headline(results: Results) -> list[Headline]:
    rate = words.middle_rate(results)
    mean = next(
        (
            found
            for found in aggregate.means(results, "bias_db")
            if (found.codec, found.wanted_bpp) == (OURS, rate)
        ),
        None,
    )
    if mean is None:
        return []
    each = [
        aggregate.value(point, "bias_db")
        for point in results.points
        if (point.codec, point.wanted_bpp) == (OURS, rate)
    ]
    worst = max((figure for figure in each if figure is not None), key=abs, default=mean.value)
    text = f"mean of images at {rate:g} bpp; furthest from zero {words.figure('bias_db', worst)} dB"
    return [Headline("Bias of mean power", f"{words.figure('bias_db', mean.value)} dB", text)]


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
    far = sorted(
        {
            title[point.codec]
            for point in results.points
            if point.wanted_bpp is not None and not aggregate.reached(point)
        }
    )
    if far:
        out.append(
            f"{words.joined(far)} missed a wanted rate by more than 10 % on some images; "
            "such points are in the curves of single images and in BD-rate, not in means."
        )
    return out


def paired(results: Results) -> list[str]:
    """A sentence for each test against JPEG 2000, or against every codec where it is missing."""
    rows = [row for row in results.paired if row.peer == REFERENCE] or list(results.paired)
    return [_sentence(row, words.titles(results)) for row in rows]


def _sentence(row: PairedTest, title: dict[str, str]) -> str:
    bounds = words.interval(row.low_db, row.high_db, 2, signed=True)
    amount = words.number(abs(row.mean_db), 2)
    side = "better" if row.mean_db > 0 else "worse"
    unit = "tiles of 128x128 pixels" if row.unit == "tile" else "images"
    return (
        f"At {row.bpp:g} bpp {title.get(OURS, OURS)} is {amount} dB {side} than {title[row.peer]} in PSNR, "
        f"mean of {row.count} {unit}"
        + (
            f" (95 % interval of the difference {bounds} dB)"
            if bounds
            else " (too few files for an interval)"
        )
        + f"; it has the smaller error on {100 * row.better:.0f} % of them; {words.probability(row.p_value)}."
    )
