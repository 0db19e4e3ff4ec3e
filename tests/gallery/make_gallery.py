"""Make the bad files of the gallery out of golden ones; the same bytes every time.

``python tests/gallery/make_gallery.py`` writes those that are missing or differ. What the command line is to
say of each stands in ``gallery.tsv``, which is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from gallery import headers, outer, records, side_data

HERE = Path(__file__).parent

FAULTS: dict[str, Callable[[], bytes]] = {
    **outer.FAULTS,
    **headers.FAULTS,
    **side_data.FAULTS,
    **records.FAULTS,
}
"""Name of each file and what makes it."""


def main() -> None:
    for name, make in FAULTS.items():
        path, data = HERE / f"{name}.sarc", make()
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)
            sys.stdout.write(f"{path.name}: {len(data)} bytes\n")


if __name__ == "__main__":
    main()
