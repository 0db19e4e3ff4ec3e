"""Statistics of speckle that the encoder needs: homogeneous blocks, and the looks and the correlation within.

Images are dB of power with a mask of valid pixels; invalid pixels never count, whatever their value. All
statistics are of linear power on homogeneous blocks, which are found in the original once and then used for
every decoded image.
"""

from __future__ import annotations

from sarcodec.speckle.correlation import autocorrelation
from sarcodec.speckle.enl import enl
from sarcodec.speckle.homogeneous import homogeneous_blocks

__all__ = ["autocorrelation", "enl", "homogeneous_blocks"]
