"""The tables of `docs/models.md`, from the figures that `benchmarks/models.py` measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sarcodec.errors import InputError

Figures = Mapping[str, Any]

ABSENT = "-"
LOW_RATE = 0.1
"""Wanted bits per pixel of the files in the table of systems."""
RECIPE_RATES = (LOW_RATE, 0.2)
"""Wanted bits per pixel at which recipes are compared."""
CEILING_RATE = 0.44
"""Bits per pixel at which the notes lost to JPEG 2000."""


@dataclass(frozen=True)
class System:
    """A row of the founding notes' table."""

    name: str
    family: str
    base: int
    channels: int
    parameters: str
    quality: str
    """PSNR in dB and SSIM of what the networks gave back, nothing quantised."""
    against_jpeg2000: str
    """PSNR of the notes' files against JPEG 2000 at 0.44 bpp, dB."""


SYSTEMS = (
    System("Baseline 16x", "plain", 64, 16, "2.3 M", "20.47, 0.646", "-3.1 or worse"),
    System("ResNet-Lite 16x", "residual", 32, 16, "5.6 M", "21.24, 0.725 (v1); 21.20, 0.726 (v2)", "-1.33"),
    System("ResNet-Lite 8x", "residual", 32, 32, ABSENT, ABSENT, "-1.42"),
    System("ResNet-Lite 4x", "residual", 32, 64, ABSENT, ABSENT, "-3.22"),
    System("full ResNet 16x", "residual", 64, 16, "22 M", ABSENT, ABSENT),
)


def filled(page: str, tables: Mapping[str, str]) -> str:
    """`page` with everything between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->`` made anew.

    Raises
    ------
    InputError
        A pair of markers is missing.
    """
    for name, table in tables.items():
        start, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, found, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise InputError(f"the page has no place for {name}", hint=f"Put back {start} and {end}.")
        page = f"{before}{start}\n\n{table}\n\n{end}{after}"
    return page


def sections(document: Figures, leak: Figures | None) -> dict[str, str]:
    """Every table of the page by the name of its markers.

    Parameters
    ----------
    document : mapping
        What `benchmarks/models.py` writes.
    leak : mapping or None
        What `benchmarks/leak_test.py` writes, where it has run.
    """
    return {
        "convention": convention(document),
        "systems": systems(document, leak),
        "rates": rates(document),
        "recipes": recipes(document),
        "ceilings": ceilings(document),
        "gaps": gaps(document),
        "leak": leak_table(leak),
    }


def convention(document: Figures) -> str:
    """The range of the notes' convention and what was measured."""
    about = document["about"]
    return (
        f"Range: {about['low_db']:+.2f} to {about['high_db']:+.2f} dB about the scene's mean, of power. "
        f"JPEG 2000: OpenJPEG {about['openjpeg']}. Means over {len(about['scenes'])} bands: "
        f"{', '.join(about['scenes'])}."
    )


def systems(document: Figures, leak: Figures | None) -> str:
    """The notes' table beside ours: a row for each model, and for each system that has none."""
    head = (
        "system",
        "model",
        "parameters: notes",
        "ours",
        "kMAC/px, both sides",
        "steps",
        "Mpx seen",
        "PSNR, SSIM: notes",
        "ours, not quantised",
        f"ours, files for {LOW_RATE:g} bpp",
        "dB against JPEG 2000: notes",
        "BD-rate: ours",
    )
    rows: list[Sequence[str]] = []
    placed: set[str] = set()
    for system in SYSTEMS:
        size = (system.family, system.base, system.channels)
        models = [m for m in document["models"] if (m["family"], m["base"], m["channels"]) == size]
        rows += [_system_row(system, model) for model in models]
        placed |= {model["id"] for model in models}
        if not models:
            known = _size(document["sizes"][system.name])
            none = (ABSENT,) * 2
            ends = (*none, system.against_jpeg2000, ABSENT)
            rows.append((system.name, "not shipped", system.parameters, *known, *none, system.quality, *ends))
    rows.append(_unet_row(leak))
    others = [model for model in document["models"] if model["id"] not in placed]
    unknown = System("not in the notes", "", 0, 0, ABSENT, ABSENT, ABSENT)
    rows += [_system_row(unknown, model) for model in others]
    return _table(head, rows)


def _system_row(system: System, model: Figures) -> Sequence[str]:
    training = model["training"]
    free = _means(model["unquantised"], "notes_psnr", "notes_ssim")
    near = [p for p in model["points"] if p["wanted_bpp"] == LOW_RATE]
    bpp, psnr, ssim = _means(near, "bpp", "notes_psnr", "notes_ssim")
    return (
        system.name,
        f"`{model['id']}`",
        system.parameters,
        *_size(model),
        f"{training['steps']:,}" if training["steps"] else ABSENT,
        f"{training['pixels'] / 1e6:,.0f}" if training["pixels"] else ABSENT,
        system.quality,
        f"{free[0]:.2f}, {free[1]:.3f}",
        f"{psnr:.2f}, {ssim:.3f} at {bpp:.3f} bpp",
        system.against_jpeg2000,
        _bd(model),
    )


def _size(known: Figures) -> tuple[str, str]:
    return _millions(known["parameters"]), f"{sum(known['kmacs_per_pixel'].values()):.1f}"


def _unet_row(leak: Figures | None) -> Sequence[str]:
    theirs = "30 with skips, 11 without"
    ours, counts = ABSENT, (ABSENT,) * 4
    if leak is not None:
        whole, bare = leak["scores"]["with skips"], leak["scores"]["skips zeroed"]
        ours = f"{whole['psnr']:.2f} with skips, {bare['psnr']:.2f} without"
        steps, pixels = f"{leak['steps']:,}", f"{leak['pixels'] / 1e6:,.0f}"
        counts = (_millions(leak["parameters"]), ABSENT, steps, pixels)
    return ("U-Net", "no codec", ABSENT, *counts, theirs, ours, ABSENT, ABSENT, ABSENT)


def _bd(model: Figures) -> str:
    found = [band for band in model["bd_rate"] if band["percent"] is not None]
    if not found:
        return "no common error"
    percent, low, high = _means(found, "percent", "low_db", "high_db")
    return f"{percent:+.1f} % ({len(found)} bands, {low:.2f} to {high:.2f} dB)"


def rates(document: Figures) -> str:
    """Every model at every wanted rate, and JPEG 2000 at the same bytes."""
    head = (
        "model",
        "wanted bpp",
        "bpp of the files",
        "RMSE, dB",
        "PSNR, 30 dB range",
        "JPEG 2000 there",
        "notes: PSNR",
        "SSIM",
        "JPEG 2000 there",
    )
    rows = []
    for model in document["models"]:
        for wanted in document["about"]["rates"]:
            points = [p for p in model["points"] if p["wanted_bpp"] == wanted]
            own = _means(points, "bpp", "rmse_db", "psnr_db", "notes_psnr", "notes_ssim")
            peer = [_at_size(document["jpeg2000"], p["scene"], p["bpp"]) for p in points]
            psnr, notes_psnr, notes_ssim = (
                _mean([None if p is None else p[name] for p in peer])
                for name in ("psnr_db", "notes_psnr", "notes_ssim")
            )
            rows.append(
                (
                    f"`{model['id']}`",
                    f"{wanted:g}",
                    f"{own[0]:.4f}",
                    f"{own[1]:.3f}",
                    f"{own[2]:.2f}",
                    _number(psnr, 2),
                    f"{own[3]:.2f}",
                    f"{own[4]:.3f}",
                    f"{_number(notes_psnr, 2)} / {_number(notes_ssim, 3)}",
                )
            )
    return _table(head, rows)


def recipes(document: Figures) -> str:
    """Networks of one size trained with and without a rate, at equal bytes."""
    rows: list[Sequence[str]] = []
    for old in document["models"]:
        for new in document["models"]:
            same = all(old[key] == new[key] for key in ("family", "base", "channels"))
            if not same or not _without_rate(old) or _without_rate(new):
                continue
            for wanted in RECIPE_RATES:
                points = [p for p in old["points"] if p["wanted_bpp"] == wanted]
                if not points:
                    continue
                there = [_at_size(new["points"], p["scene"], p["bpp"]) for p in points]
                pairs = list(zip(points, there, strict=True))
                gain, notes_gain = (
                    _mean([None if q is None else q[name] - p[name] for p, q in pairs])
                    for name in ("psnr_db", "notes_psnr")
                )
                bpp, psnr, notes_psnr = _means(points, "bpp", "psnr_db", "notes_psnr")
                names = (f"`{old['id']}`", f"`{new['id']}`", f"{bpp:.4f}")
                free = _means(new["unquantised"], "psnr_db")[0] - _means(old["unquantised"], "psnr_db")[0]
                ours = (f"{psnr:.2f}", _number(gain, 2, sign=True), f"{free:+.2f}")
                theirs = (f"{notes_psnr:.2f}", _number(notes_gain, 2, sign=True))
                rows.append((*names, *ours, *theirs))
    if not rows:
        return "No network is shipped with both recipes."
    head = (
        "coded post hoc",
        "rate-distortion",
        "bpp",
        "PSNR post hoc, 30 dB range",
        "rate-distortion at the same bytes, dB",
        "before anything is rounded, dB",
        "notes: PSNR post hoc",
        "rate-distortion at the same bytes, dB",
    )
    return _table(head, rows)


def _without_rate(model: Figures) -> bool:
    return "notes" in f"{model['id']} {model['training']['recipe']}" or "posthoc" in model["id"]


def ceilings(document: Figures) -> str:
    """JPEG 2000 at 0.44 bpp, and what transforms keep that spend no bits at all on being coarse."""
    columns: dict[str, list[Figures]] = {
        f"{count} lapped": rows for count, rows in document["linear"].items()
    }
    columns |= {f"`{m['id']}`, {m['channels']}": m["unquantised"] for m in document["models"]}
    peer = [p for p in document["jpeg2000"] if p["wanted_bpp"] == CEILING_RATE]
    if not peer:
        raise InputError(f"JPEG 2000 was not measured at {CEILING_RATE} bpp")
    head = ("band", "JPEG 2000: bpp", "PSNR", *(f"{name}" for name in columns))
    rows: list[Sequence[str]] = []
    for k, point in enumerate(peer):
        own = [f"{column[k]['psnr_db'] - point['psnr_db']:+.2f}" for column in columns.values()]
        rows.append((point["scene"], f"{point['bpp']:.3f}", f"{point['psnr_db']:.2f}", *own))
    for label, key in (("mean", "psnr_db"), ("mean, notes' convention", "notes_psnr")):
        bpp, psnr = _means(peer, "bpp", key)
        own = [f"{_means(column, key)[0] - psnr:+.2f}" for column in columns.values()]
        rows.append((f"**{label}**", f"{bpp:.3f}", f"{psnr:.2f}", *own))
    return _table(head, rows)


def gaps(document: Figures) -> str:
    """How far models are from JPEG 2000 at 0.44 bpp before anything is rounded, and as files."""
    peer = {p["scene"]: p for p in document["jpeg2000"] if p["wanted_bpp"] == CEILING_RATE}
    rows: list[Sequence[str]] = []
    for model in document["models"]:
        files = [p for p in model["points"] if p["wanted_bpp"] == CEILING_RATE]
        row = [f"`{model['id']}`", str(model["channels"])]
        for key in ("psnr_db", "notes_psnr"):
            there = _means([peer[p["scene"]] for p in files], key)[0]
            whole, coded = _means(model["unquantised"], key)[0], _means(files, key)[0]
            row += [f"{d:+.2f}" for d in (whole - there, coded - whole, coded - there)]
        rows.append((*row, f"{_means(files, 'bpp')[0]:.3f}"))
    steps = ("not rounded", "by coding", "file")
    head = ("model", "latents", *steps, *(f"notes: {step}" for step in steps), "bpp of the files")
    return _table(head, rows)


def leak_table(leak: Figures | None) -> str:
    """The U-Net with and without its skips, and their cost."""
    if leak is None:
        return "Not measured."
    rows = [(name, f"{s['psnr']:.2f}", f"{s['ssim']:.3f}") for name, s in leak["scores"].items()]
    parts = [
        ("code" if name == "code" else "skip", part["stride"], part["channels"], f"{part['bpp']:.3f}")
        for name in ("code", "skips")
        for part in leak[name]["parts"]
    ]
    total = leak["skips"]
    trained = (
        f"{leak['steps']:,} steps, {leak['pixels'] / 1e6:,.0f} megapixels; {_millions(leak['parameters'])} "
        "parameters."
    )
    cost = (
        f"All skips: {total['bpp_table_a_channel']:.2f} bpp with a table for each channel, "
        f"{total['bpp_one_table']:.2f} bpp with one for all; rounding them costs {total['psnr_drop_db']:.2f} "
        f"dB, rounding the code {leak['code']['psnr_drop_db']:.2f} dB."
    )
    costs = _table(("", "stride", "channels", "bpp"), [tuple(map(str, part)) for part in parts])
    return "\n\n".join((trained, _table(("decoder sees", "PSNR", "SSIM"), rows), costs, cost))


def _at_size(points: Iterable[Figures], scene: str, bpp: float) -> dict[str, float] | None:
    """A codec on a scene at a size between two of its files: linear in the logarithm of the size."""
    curve = sorted((p for p in points if p["scene"] == scene), key=lambda p: float(p["bpp"]))
    for below, above in pairwise(curve):
        low, high = below["bpp"], above["bpp"]
        if low <= bpp <= high and low < high:
            part = math.log(bpp / low) / math.log(high / low)
            names = ("psnr_db", "notes_psnr", "notes_ssim")
            return {name: below[name] + part * (above[name] - below[name]) for name in names}
    return None


def _means(points: Sequence[Figures], *names: str) -> list[float]:
    return [sum(p[name] for p in points) / len(points) for name in names]


def _mean(found: Sequence[float | None]) -> float | None:
    """Mean, or None where a value is missing: a mean over fewer scenes is another figure."""
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known and len(known) == len(found) else None


def _number(value: float | None, digits: int, *, sign: bool = False) -> str:
    return ABSENT if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
