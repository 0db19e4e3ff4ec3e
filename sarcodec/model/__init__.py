"""Transforms, integer entropy networks, quantiser, tables. Torch lives here and in `train` alone."""
