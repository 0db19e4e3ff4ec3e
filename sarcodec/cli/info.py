"""``sarcodec info``: what a `.sarc` file holds, without decoding anything. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sarcodec.cli import console, streams
from sarcodec.cli.options import JsonOption, LimitOption, epilog
from sarcodec.cli.told import naming
from sarcodec.corrections.registry import CORRECTIONS

if TYPE_CHECKING:
    from sarcodec.bitstream.header import Header
    from sarcodec.bitstream.reader import Reader
    from sarcodec.limits import Limits
    from sarcodec.metadata import RasterMeta

EPILOG = epilog(
    "sarcodec info scene.sarc",
    "sarcodec info scene.sarc --json",
    codes=(2, 3, 4, 5, 6, 7),
)


def info(
    source: Annotated[str, typer.Argument(metavar="FILE", help="A .sarc file; - is standard input.")],
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show header, georeferencing, bands, layers, tiles, model and sizes. Decodes nothing, loads no model."""
    from sarcodec.bitstream.reader import Reader
    from sarcodec.limits import limits_from
    from sarcodec.places import open_here

    limits = limits_from(limit or [])
    with streams.read_from(source) as path, naming(source, path), open_here(path) as file:
        facts = describe(Reader(file, limits=limits), source, limits)
    if as_json:
        console.say_json(facts)
    else:
        console.say("\n".join(_lines(facts)))


def describe(reader: Reader, name: str, limits: Limits) -> dict[str, Any]:
    """Everything ``info`` knows of an open file, as ``--json`` prints it."""
    from sarcodec import zoo
    from sarcodec.cli.masks import masked
    from sarcodec.metadata import from_chunks

    header = reader.header
    size = (header.width, header.height, len(header.bands), header.dtype)
    meta = from_chunks(*size, header.geo, header.text, limits=limits)
    sizes = _sizes(reader, limits)
    return {
        "file": name,
        "format": ".".join(map(str, reader.version)),
        "bytes": reader.size,
        "bpp": 8 * reader.size / (header.width * header.height * len(header.bands)),
        "width": header.width,
        "height": header.height,
        "dtype": header.dtype,
        "nodata": meta.nodata,
        "scale": _scales(header),
        "scale_from": _bases(header),
        "mask_band": header.has_mask and all(band.colorinterp != "alpha" for band in meta.bands),
        "quantity": header.quantity.value,
        "meaning": header.meaning.value,
        **{c.wish: header.side_layer(c.kind) is not None for c in CORRECTIONS},
        "georeferencing": _georeferencing(meta),
        "tags": meta.tags,
        "bands": [
            {**band, "masked": areas}
            for band, areas in zip(_bands(header, meta), masked(reader, meta), strict=True)
        ],
        "tiles": {"side": header.tile_side, "rows": reader.grid.rows, "columns": reader.grid.cols},
        "model": {
            "id": header.model.id,
            "entropy_digest": header.model.entropy.hex(),
            "synthesis_digest": header.model.synthesis.hex(),
            "installed": any(card.id == header.model.id for card in zoo.cards()),
        },
        "layers": _layers(header, sizes["layers"]),
        "sizes": {key: value for key, value in sizes.items() if key != "layers"},
        "overhead_percent": 100 * sizes["overhead"] / reader.size,
    }


def _sizes(reader: Reader, limits: Limits) -> dict[str, Any]:
    """Bytes by what they are for; checksums and digests are overhead, not layers or masks."""
    from sarcodec.bitstream.layout import CRC, LAYER_HEAD

    header, masks, layers = reader.header, 0, [0] * len(reader.header.layers)
    measured = {correction.kind for correction in CORRECTIONS}
    heads = [CRC.size + LAYER_HEAD.size * (layer.kind not in measured) for layer in header.layers]
    for row in range(reader.grid.rows):
        for col in range(reader.grid.cols):
            for band, (mask, *rest) in enumerate(reader.record(row, col).segments):
                if mask.size and mask.band == band:  # else it is that of a band before
                    masks += mask.size - CRC.size
                for number, segment in enumerate(rest):
                    layers[number] += max(segment.size - heads[number], 0)
    records = sum(
        reader.tile_size(row, col) for row in range(reader.grid.rows) for col in range(reader.grid.cols)
    )
    return {
        "layers": layers,
        "masks": masks,
        "header": len(header.to_bytes(limits=limits)),
        "of_which_tags": len(header.text),
        "records": records,
        "overhead": reader.size - masks - sum(layers),
    }


def _georeferencing(meta: RasterMeta) -> dict[str, Any]:
    bounds = None
    if meta.transform is not None:
        a, b, c, d, e, f = meta.transform
        corners = [(x, y) for x in (0, meta.width) for y in (0, meta.height)]
        xs = [a * x + b * y + c for x, y in corners]
        ys = [d * x + e * y + f for x, y in corners]
        bounds = [min(xs), min(ys), max(xs), max(ys)]
    return {
        "crs": meta.crs,
        "transform": meta.transform,
        "bounds": bounds,
        "gcps": len(meta.gcps),
        "gcp_crs": meta.gcp_crs,
        "rpcs": meta.rpcs is not None,
    }


def _bands(header: Header, meta: RasterMeta) -> list[dict[str, Any]]:
    import numpy as np

    native = np.dtype(header.dtype)
    return [
        {
            "description": described.description,
            "unit": described.unit,
            "scale": described.scale,
            "offset": described.offset,
            "tags": described.tags,
            "alpha": described.colorinterp == "alpha",
            "values": header.pixel_scale(number).scale.value,
            "values_from": header.scale_basis(number).value,
            "offset_db": band.offset,
            "unit_db": band.unit,
            "level": band.level,
            "predicted_from": None if header.first_of(number) == number else header.first_of(number) + 1,
            "valid_min": band.vmin,
            "valid_max": band.vmax,
            "invalid_values": np.array(band.palette[: band.unmasked], f"u{native.itemsize}")
            .view(native)
            .tolist(),
        }
        for number, (band, described) in enumerate(zip(header.bands, meta.bands, strict=True))
    ]


def _scales(header: Header) -> str:
    """The scale of all bands, or that of each."""
    found = [header.pixel_scale(number).scale.value for number in range(len(header.bands))]
    return found[0] if len(set(found)) == 1 else ",".join(found)


def _bases(header: Header) -> str:
    """How the scales of all bands are known, or that of each."""
    found = [header.scale_basis(number).value for number in range(len(header.bands))]
    return found[0] if len(set(found)) == 1 else ",".join(found)


def _values(facts: dict[str, Any]) -> str:
    """What the values are, and how that is known."""
    known = facts["scale_from"]
    scale = f"scale {facts['scale']} ({known if known in ('given', 'assumed') else f'from {known}'})"
    nodata = "no nodata" if facts["nodata"] is None else f"nodata {facts['nodata']}"
    return f"{scale}, quantity {facts['quantity']}, {nodata}"


def _layers(header: Header, sizes: list[int]) -> list[dict[str, Any]]:
    from sarcodec.bitstream.layout import LayerKind

    names = {int(kind): kind.name.lower().replace("_", "-") for kind in LayerKind}
    return [
        {
            "kind": names.get(layer.kind, f"unknown {layer.kind}"),
            "channels": layer.channels,
            "bytes": size,
            "bpp": 8 * size / (header.width * header.height * len(header.bands)),
        }
        for layer, size in zip(header.layers, sizes, strict=True)
    ]


def _lines(facts: dict[str, Any]) -> list[str]:
    """The same for the eye."""
    text, model, tiles, geo = console.size_text, facts["model"], facts["tiles"], facts["georeferencing"]
    rows = [
        ("file", f"{facts['file']}, {text(facts['bytes'])}, format {facts['format']}"),
        (
            "raster",
            f"{facts['width']} x {facts['height']}, {len(facts['bands'])} band(s) of {facts['dtype']}",
        ),
        ("values", _values(facts)),
        *([("mask", "a mask band, kept exactly")] if facts["mask_band"] else []),
        ("pixels", _meaning(facts)),
        ("rate", f"{facts['bpp']:.4g} bits per pixel and band"),
        ("place", _place(geo)),
        ("tags", _count_tags(facts["tags"])),
        ("model", f"{model['id']}, {'installed' if model['installed'] else 'not installed here'}"),
        ("", f"entropy {model['entropy_digest']}, synthesis {model['synthesis_digest']}"),
        ("tiles", f"{tiles['rows']} x {tiles['columns']} of {tiles['side']} pixels a side"),
    ]
    for number, band in enumerate(facts["bands"], 1):
        invalid = ", ".join(f"{value:g}" for value in band["invalid_values"]) or "none"
        name = f"{band['description']}, " if band["description"] else ""
        span = f"{band['valid_min']:g} to {band['valid_max']:g}, mean {band['offset_db']:.2f} dB"
        origin = f", predicted from band {band['predicted_from']}" if band["predicted_from"] else ""
        value = (
            f"{name}{span}, rate level {band['level']} (0 is the coarsest){origin}, invalid values: {invalid}"
        )
        rows.append((f"band {number}", value))
        rows += [("", _masked(area)) for area in band["masked"]]
    for number, layer in enumerate(facts["layers"]):
        share = 100 * layer["bytes"] / facts["bytes"]
        kind = layer["kind"] + (f", {layer['channels']} channels" if layer["channels"] else "")
        rows.append(
            (f"layer {number}", f"{kind}, {text(layer['bytes'])} ({share:.1f} %, {layer['bpp']:.2g} bpp)")
        )
    sizes = facts["sizes"]
    rows.append(("masks", text(sizes["masks"])))
    overhead = f"{text(sizes['overhead'])} ({facts['overhead_percent']:.2f} %)"
    rows.append(("overhead", f"{overhead}, of which header {text(sizes['header'])}"))
    return [f"{name:<9} {console.printable(value)}" for name, value in rows]


_MEANINGS = {
    "log-mean": "decoded values estimate the mean of decibels",
    "unbiased": "decoded values estimate mean power",
    "textured": "decoded values have noise in place of speckle",
}


def _meaning(facts: dict[str, Any]) -> str:
    """What decoding returns."""
    told = _MEANINGS.get(facts["meaning"], f"decoded values are {facts['meaning']}")
    if facts["texture"]:
        told += "; decode --texture speckle adds noise like the speckle that was lost"
    if facts["radiometry"]:
        return told + "; decode --unbiased brings mean power back"
    return told + "; encode --radiometry would allow decode --unbiased"


def _masked(area: dict[str, Any]) -> str:
    """What is said of an invalid value that was not declared."""
    share = "an unknown part" if area["share"] is None else f"{100 * area['share']:.1f} %"
    what = "constant areas of value" if area["constant"] else "undeclared invalid value"
    return f"{what} {area['value']:g}, {share} of the pixels, kept exactly"


def _place(geo: dict[str, Any]) -> str:
    parts = []
    if geo["transform"]:
        a, _, c, _, e, f = geo["transform"]
        parts.append(f"{_crs(geo['crs'])}, pixel {a:g} x {e:g}, origin {c:.10g} {f:.10g}")
    if geo["gcps"]:
        parts.append(f"{geo['gcps']} ground control points in {_crs(geo['gcp_crs'])}")
    if geo["rpcs"]:
        parts.append("RPCs")
    return "; ".join(parts) or "not georeferenced"


def _crs(text: str | None) -> str:
    """A name of a CRS: the EPSG code, or what WKT has in its first quotes."""
    if text is None:
        return "no CRS"
    return text if text.startswith("EPSG:") or '"' not in text else text.split('"')[1]


def _count_tags(tags: dict[str, dict[str, str]]) -> str:
    names = [
        f"{len(items)} {f'in {namespace}' if namespace else ''}".strip() for namespace, items in tags.items()
    ]
    return ", ".join(names) or "none"
