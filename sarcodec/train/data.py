"""Random crops from a packed file of scenes.

A packed file is a flat ``.npy`` of uint16 codes, dB = code * 0.008 - 100 in the low 15 bits, the top bit set
where a pixel is not data (it then holds a harmless fill value), beside a ``.json`` that lists the scenes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sarcodec.errors import InputError
from sarcodec.packing import from_codes
from sarcodec.simulate.speckle import LowPass, look_weights, multilook

UNIT_DB = 4.0
"""Decibels that one unit at the networks' input stands for."""
CLASS_WEIGHTS = {"grd": 4.0, "multilook": 4.0, "rtc": 0.5, "slc": 0.5, "clean": 0.5, "u8": 0.3}
"""How often a pixel of a class is drawn; 1 for classes not named here."""
SPECKLE_FREE = ("clean", "averaged")
"""Classes whose scenes show no speckle, or hardly any."""
SERIES_WEIGHT = 0.4
"""Extra factor for scenes that show one place on many dates."""


@dataclass(frozen=True)
class Scene:
    """One band of one raster inside the packed file."""

    name: str
    band: int
    cls: str
    offset: int
    height: int
    width: int

    @property
    def weight(self) -> float:
        """Relative chance to be drawn, all its pixels together."""
        series = SERIES_WEIGHT if "reservoir" in self.name else 1.0
        return self.height * self.width * CLASS_WEIGHTS.get(self.cls, 1.0) * series


class PackedScenes:
    """Crops from a packed file.

    Parameters
    ----------
    path : Path
        The ``.npy``; the list of scenes lies beside it with the suffix ``.json``.
    crop : int
        Side of a crop in pixels; smaller scenes are left out.
    keep : callable, optional
        Chooses from the list of scenes; see :mod:`sarcodec.train.split`.
    respeckle : float
        Chance that a crop of a scene without speckle gets simulated speckle where `augment` is set.

    Raises
    ------
    InputError
        A file is missing or damaged, or no scene is large enough.
    """

    def __init__(
        self,
        path: Path,
        crop: int,
        *,
        keep: Callable[[list[Scene]], list[Scene]] | None = None,
        respeckle: float = 0.0,
    ) -> None:
        self.codes, scenes = _load(path)
        self.scenes = [s for s in scenes if min(s.height, s.width) >= crop]
        if keep is not None:
            self.scenes = keep(self.scenes)
        if not self.scenes:
            raise InputError(
                f"no scene of at least {crop}x{crop} pixels in {path}", hint="Use a smaller crop."
            )
        weights = np.array([s.weight for s in self.scenes])
        self.chances = weights / weights.sum()
        self.crop = crop
        self.respeckle = respeckle
        self._means: dict[int, float] = {}

    def batch(
        self, size: int, rng: np.random.Generator, *, augment: bool, level: str = "crop"
    ) -> tuple[Tensor, Tensor]:
        """Draw crops.

        Parameters
        ----------
        augment : bool
            Turn and mirror crops; those about their own mean change in contrast and level as well.
        level : str
            ``crop``: dB about the crop's mean. ``scene``: about the mean of the scene it is from.

        Returns
        -------
        x : Tensor, shape (size, 1, crop, crop), float32
            dB about that mean, in units of UNIT_DB.
        valid : Tensor, same shape, float32
            1 where a pixel is data.
        """
        xs: list[npt.NDArray[Any]] = []
        valids: list[npt.NDArray[Any]] = []
        tries = 0
        while len(xs) < size:
            tries += 1
            if tries > 1000 * size:
                raise InputError("the packed scenes hold hardly any data", hint="Use a smaller crop.")
            scene = self.scenes[rng.choice(len(self.scenes), p=self.chances)]
            db, valid = self._crop(scene, rng)
            if valid.mean() < 0.5:
                continue
            if augment and self.respeckle and scene.cls in SPECKLE_FREE and rng.random() < self.respeckle:
                db = respeckled(db, rng)
            x = db - (db[valid].mean() if level == "crop" else self._mean(scene))
            if augment:
                turn = int(rng.integers(8))
                x, valid = _turn(x, turn), _turn(valid, turn)
                if level == "crop":
                    x = x * rng.uniform(0.85, 1.2) + rng.normal(0, 2.5)
            xs.append(x / UNIT_DB)
            valids.append(valid)
        return _stack(xs), _stack(valids)

    def _mean(self, scene: Scene) -> float:
        """Mean of a scene's valid pixels, dB."""
        if scene.offset not in self._means:
            flat = self.codes[scene.offset : scene.offset + scene.height * scene.width]
            db, valid = from_codes(flat)
            self._means[scene.offset] = float(db[valid].mean(dtype=np.float64))
        return self._means[scene.offset]

    def _crop(self, scene: Scene, rng: np.random.Generator) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        top = int(rng.integers(scene.height - self.crop + 1))
        left = int(rng.integers(scene.width - self.crop + 1))
        flat = self.codes[scene.offset : scene.offset + scene.height * scene.width]
        codes = flat.reshape(scene.height, scene.width)[top : top + self.crop, left : left + self.crop]
        return from_codes(codes)


def respeckled(db: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A crop under simulated speckle of 1 to 6 looks, white to as correlated as Sentinel-1 GRD.

    Parameters
    ----------
    db : ndarray, shape (n, m), float
        dB of power without speckle.

    Returns
    -------
    ndarray, shape (n, m), float32
        dB of speckled power, of the same mean power.
    """
    psf = LowPass(float(rng.uniform(0.6, 1.5)))
    weights = look_weights(float(np.exp(rng.uniform(0, np.log(6)))))
    power = np.pad(10 ** (db / 10), psf.reach, mode="symmetric").astype(np.float32)
    rows = range(power.shape[0])
    speckled = multilook(power, None, rows, seed=int(rng.integers(2**62)), band=0, weights=weights, psf=psf)
    faintest = np.float32(np.finfo(np.float32).tiny)
    return np.asarray(10 * np.log10(np.maximum(speckled, faintest)), np.float32)


def _load(path: Path) -> tuple[npt.NDArray[np.uint16], list[Scene]]:
    """The codes of a packed file, and its scenes, which fill it one behind the other."""
    try:
        open_memmap: Callable[..., Any] = np.lib.format.open_memmap  # NumPy 1 has no types for it
        codes = open_memmap(path, mode="r")
        scenes = [Scene(**row) for row in json.loads(path.with_suffix(".json").read_text())]
        whole = codes.dtype == np.uint16 and codes.ndim == 1
        end = 0
        for scene in scenes:
            whole &= all(isinstance(n, int) for n in (scene.band, scene.offset, scene.height, scene.width))
            whole &= scene.offset == end and min(scene.height, scene.width) > 0
            end += scene.height * scene.width
        whole &= end == codes.size and all(isinstance(scene.name, str) for scene in scenes)
    except OSError as error:
        raise InputError(f"cannot read packed scenes {path}: {error}", hint="Pack a folder first.") from error
    except (ValueError, TypeError, AttributeError, EOFError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not whole:
        raise _damaged(path, "the list beside it is of another file")
    return codes, scenes


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} does not hold packed scenes: {' '.join(reason.split())}",
        hint="Remove it and the .json beside it, and pack the folder again.",
    )


def _turn(x: npt.NDArray[Any], which: int) -> npt.NDArray[Any]:
    """One of the eight symmetries of the square."""
    x = np.rot90(x, which & 3)
    return x[:, ::-1] if which & 4 else x


def _stack(arrays: list[npt.NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays)[:, None].astype(np.float32))
