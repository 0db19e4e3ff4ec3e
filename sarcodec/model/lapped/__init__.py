"""The lapped family: a modulated lapped transform and a convolutional branch beside it.

The default model is of this family. What other families have in one file is a folder here: the branch runs
in 8 bits, overviews run half of it, and invalid pixels are filled with what costs few bits.
"""

from sarcodec.model.family import Family, Training
from sarcodec.model.lapped.fit_bytes import fit_bytes
from sarcodec.model.lapped.fit_overviews import fit_overviews
from sarcodec.model.lapped.grow import SAME, grow
from sarcodec.model.lapped.shape import LappedShape, schema
from sarcodec.model.lapped.transform import LappedTransform, build, networks

__all__ = ["FAMILY", "LappedShape", "LappedTransform"]

FAMILY = Family(
    LappedShape,
    schema,
    build,
    Training(
        networks,
        orthonormal=True,
        slow=(".lapped.weight",),
        fit_before=fit_bytes,
        fit_after=fit_overviews,
        same=SAME,
        grow=grow,
    ),
    name_in_digest=False,
    also_written={"base": 0},
)
