"""Transforms, integer entropy networks, quantiser, tables. Torch lives here and in `train` alone."""

from sarcodec import memory
from sarcodec.interrupts import held_back


def _load() -> None:
    import torch  # noqa: F401

    from sarcodec.model import compressai_coder
    from sarcodec.native import library

    # Before any pixel is read, and in one thread: an environment that asks for what is not there is told so.
    library.chosen()
    if compressai_coder.is_wanted():
        compressai_coder.coder()


def _load_all() -> None:
    """Whatever native code is loaded before pixels are."""
    _load()
    from sarcodec import zoo
    from sarcodec.model import modelfile

    modelfile.load(zoo.find(None))


memory.rehearsed(_load_all, "loading torch and a model")
with held_back(), memory.told():
    _load()
