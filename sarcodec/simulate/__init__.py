"""Sentinel-1 GRD-like scenes of any size, made row block by row block from a seed.

A scene is ``reflectivity x speckle``: `reflectivity` is ground truth that depends on the seed and the
absolute row and column only, `speckle` is detected, multilooked, band-limited circular Gaussian noise,
and `scene` joins them, adds the border and turns power into stored values.
"""

from __future__ import annotations

from sarcodec.simulate.scene import Scene, SceneBlock, SceneSpec
from sarcodec.simulate.speckle import LowPass, look_weights

__all__ = ["LowPass", "Scene", "SceneBlock", "SceneSpec", "look_weights"]
