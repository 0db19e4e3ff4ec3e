"""BD-rate against JPEG 2000 on the chips of `test/grd` that are at least 512x512.

    SARCODEC_DATA=/path/to/data python benchmarks/rd_test_chips.py -o results/

Every band is an image of its own, written as a single-band GeoTIFF that keeps CRS, transform and nodata
and carries no tags. Rates are those of whole files over all pixels of the raster; errors are RMSE in dB
of power over the valid ones. JPEG 2000 gets the same dB image and no georeferencing at all.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

from sarcodec.bench import jpeg2000, report
from sarcodec.bench.rd import EncodeDecode, Raster, RdPoint, compare, measure
from sarcodec.radiometry import detect_scale, to_db, valid_mask
from sarcodec.types import Scale

RATES = (0.05, 0.1, 0.2, 0.4)
SIDE = 512


@dataclass(frozen=True)
class Image:
    """One band of a chip."""

    chip: str
    band: str
    values: npt.NDArray[Any]
    scale: Scale
    profile: dict[str, Any]

    @property
    def name(self) -> str:
        """Chip and band."""
        return f"{self.chip} {self.band}"

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """True where the pixel is data."""
        return valid_mask(self.values, self.scale, self.profile["nodata"])

    def write(self, path: Path) -> None:
        """Write a GeoTIFF without tags."""
        with rasterio.open(path, "w", **self.profile) as sink:
            sink.write(self.values, 1)


def images(folder: Path) -> Iterator[Image]:
    """Every band of every GeoTIFF in `folder` of at least 512x512."""
    for path in sorted(folder.glob("*.tif")):
        with rasterio.open(path) as source:
            if min(source.shape) < SIDE:
                continue
            for band in source.indexes:
                values = source.read(band)
                profile = {
                    "driver": "GTiff",
                    "width": source.width,
                    "height": source.height,
                    "count": 1,
                    "dtype": values.dtype.name,
                    "nodata": source.nodata,
                    "crs": source.crs,
                    "transform": source.transform,
                    "compress": "deflate",
                }
                scale = detect_scale(values.dtype, source.tags(), values, nodata=source.nodata)
                yield Image(path.stem, source.descriptions[band - 1] or f"b{band}", values, scale, profile)


def sarcodec_files(image: Image, folder: Path) -> EncodeDecode:
    """Encode and decode `image` through GeoTIFF files, as a user does."""
    import sarcodec

    source, coded, back = (folder / name for name in ("in.tif", "coded.sarc", "back.tif"))
    image.write(source)

    def encode_decode(_db: Raster, _valid: npt.NDArray[np.bool_], bpp: float) -> tuple[int, Raster]:
        sarcodec.encode(source, coded, bpp=bpp, overwrite=True)
        sarcodec.decode(coded, back, overwrite=True)
        with rasterio.open(back) as decoded:
            return coded.stat().st_size, to_db(decoded.read(1), image.scale)

    return encode_decode


def main() -> None:
    """Run the protocol and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, help="folder for rd.csv, rd.json and rd.png")
    parser.add_argument("--class", dest="kind", default="grd", help="folder below test/ (default: grd)")
    parser.add_argument("--jpeg2000-only", action="store_true", help="measure the reference alone")
    options = parser.parse_args()
    data = os.environ.get("SARCODEC_DATA")
    if not data:
        parser.error("SARCODEC_DATA names no folder of data")

    points: list[RdPoint] = []
    with tempfile.TemporaryDirectory(prefix="sarcodec-") as scratch:
        for image in images(Path(data) / "test" / options.kind):
            codecs: dict[str, EncodeDecode] = {"jpeg2000": jpeg2000.encode_decode}
            if not options.jpeg2000_only:
                codecs["sarcodec"] = sarcodec_files(image, Path(scratch))
            db = to_db(image.values, image.scale)
            points += measure(image.name, db, image.valid, RATES, codecs)

    comparisons = [] if options.jpeg2000_only else compare(points, reference="jpeg2000", test="sarcodec")
    print(f"OpenJPEG {jpeg2000.openjpeg_version()}")
    print(report.table(points, comparisons))
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        about = {"openjpeg": jpeg2000.openjpeg_version(), "class": options.kind}
        report.write_json(points, comparisons, options.output / "rd.json", about=about)
        report.write_csv(points, options.output / "rd.csv")
        report.plot(points, options.output / "rd.png")
        print(json.dumps({"written": str(options.output)}))


if __name__ == "__main__":
    main()
