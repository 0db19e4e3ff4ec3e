"""BD-rate against JPEG 2000 on the chips of `test/grd` that are at least 512x512.

    SARCODEC_DATA=/path/to/data python benchmarks/rd_test_chips.py -o results/

Every band is an image of its own, written as a single-band GeoTIFF that keeps CRS, transform and nodata
and carries no tags. Rates are those of whole files over all pixels of the raster; errors are RMSE in dB
of power over the valid ones. JPEG 2000 gets the same dB image and no georeferencing at all.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from sarcodec.bench import jpeg2000, report
from sarcodec.bench.images import images, sarcodec_files
from sarcodec.bench.rd import EncodeDecode, RdPoint, compare, measure

RATES = (0.05, 0.1, 0.2, 0.4)
SIDE = 512


def main() -> None:
    """Run the protocol and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, help="folder for rd.csv, rd.json and rd.png")
    parser.add_argument("--split", default="test", help="folder of the data (default: test)")
    parser.add_argument("--class", dest="kind", default="grd", help="folder below it (default: grd)")
    parser.add_argument("--model", help="id or path of a model")
    options = parser.parse_args()
    data = os.environ.get("SARCODEC_DATA")
    if not data:
        parser.error("SARCODEC_DATA names no folder of data")

    points: list[RdPoint] = []
    with tempfile.TemporaryDirectory(prefix="sarcodec-") as scratch:
        for path in sorted((Path(data) / options.split / options.kind).glob("*.tif")):
            for image in images(path):
                if min(image.values.shape) < SIDE:
                    continue
                codecs: dict[str, EncodeDecode] = {
                    "jpeg2000": jpeg2000.encode_decode,
                    "sarcodec": sarcodec_files(image, Path(scratch), model=options.model),
                }
                points += measure(image.name, image.db, image.valid, RATES, codecs)

    comparisons = compare(points, reference="jpeg2000", test="sarcodec")
    print(f"OpenJPEG {jpeg2000.openjpeg_version()}")
    print(report.table(points, comparisons))
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        about = {"openjpeg": jpeg2000.openjpeg_version(), "class": options.kind}
        report.write_json(points, comparisons, options.output / "rd.json", about=about)
        report.write_csv(points, options.output / "rd.csv")
        report.plot(points, options.output / "rd.png")


if __name__ == "__main__":
    main()
