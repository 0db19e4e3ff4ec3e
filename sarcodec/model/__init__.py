"""Transforms, integer entropy networks, quantiser, tables. Torch lives here and in `train` alone."""

from sarcodec import memory
from sarcodec.interrupts import held_back


def _load() -> None:
    import torch  # noqa: F401

    from sarcodec.native import library

    library.chosen()  # before any pixel is read: an environment that asks for what is not there is told so


def _load_all() -> None:
    """Whatever native code is loaded before pixels are."""
    _load()
    from sarcodec import zoo
    from sarcodec.model import modelfile

    modelfile.load(zoo.find(None))


memory.rehearsed(_load_all, "loading torch and a model")
with held_back(), memory.told():
    _load()
