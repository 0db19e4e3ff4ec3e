"""Latents of a raster with invalid pixels: its family of transforms may choose what those hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model.modelfile import Model


def analyse_seen(x: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], model: Model) -> npt.NDArray[Any]:
    """See :meth:`sarcodec.model.transforms.Transform.analyse_seen`."""
    return model.transform.analyse_seen(x, valid)
