"""Transforms, integer entropy networks, quantiser, tables. Torch lives here and in `train` alone."""

from sarcodec.interrupts import held_back

with held_back():
    import torch  # noqa: F401
