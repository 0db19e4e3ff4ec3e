"""The latents of a scene: in a temporary file if they are looked at more than once, else made on demand."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from sarcodec.encoding.analysis import Analysed, analyse
from sarcodec.encoding.survey import Scene
from sarcodec.errors import WriteError
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import ordered_map
from sarcodec.progress import Steps, Tick
from sarcodec.types import Place


class Spool:
    """The latents of all bands and tiles; a context manager that removes its temporary file.

    Parameters
    ----------
    keep : bool
        Whether to keep them, after :meth:`fill`; 4 bytes a latent, 2 bytes a pixel.
    folder : Path, optional
        Where the temporary file goes: beside the output, where a scene's worth of space can be expected.
    """

    def __init__(self, scene: Scene, model: Model, *, keep: bool, folder: Path | None = None) -> None:
        self.scene, self.model, self.folder, self.keep = scene, model, folder, keep
        self._file = tempfile.TemporaryFile(dir=folder) if keep else None  # noqa: SIM115  (see __exit__)
        self._slots: dict[Place, tuple[int, tuple[int, ...], bytes]] = {}

    def fill(self, jobs: int, tick: Tick) -> None:
        """Analyse the whole scene, so that levels can be tried without the transform.

        Raises
        ------
        WriteError
            The disk is full, for example.
        """
        places = self.scene.places
        step = Steps(tick, "analyse", len(places))
        with closing(ordered_map(self.make, places, jobs, one_thread)) as made:  # no thread outlives the file
            for place, tile in zip(places, made, strict=True):
                self._store(place, tile)
                step()

    def make(self, place: Place) -> Analysed:
        """Analyse a band of a tile."""
        return analyse(self.scene, self.model, place)

    def _store(self, place: Place, tile: Analysed) -> None:
        assert self._file is not None
        try:
            start = self._file.seek(0, 2)
            self._file.write(tile.y.tobytes())
            self._file.flush()
        except OSError as error:
            where = self.folder or tempfile.gettempdir()
            raise WriteError(
                f"the temporary file of latents in {where} could not be written: {error.strerror or error}",
                hint="It takes 2 bytes a pixel and band. Free some space, or use -q, which needs none.",
            ) from error
        self._slots[place] = (start, tile.y.shape, tile.mask)

    def fetch(self, place: Place) -> Analysed:
        """A stored tile, or a freshly analysed one if nothing is kept."""
        if self._file is None:
            return self.make(place)
        start, shape, packed = self._slots[place]
        if 0 in shape:
            return Analysed(np.empty(shape, np.float32), packed)
        y: npt.NDArray[np.float32] = np.memmap(self._file, np.float32, "r", start, shape)
        return Analysed(np.array(y), packed)

    def mask(self, place: Place) -> bytes:
        """The packed class map of a stored tile."""
        return self._slots[place][2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()
