"""Work that is the same for thousands of cases, done once: loading models, decoding whole tiles.

Threads are left out as well: starting one takes longer than what it does for a small file.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from sarcodec.decoding import pipeline, verify
from sarcodec.errors import SarcError
from sarcodec.model import modelfile
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.tables import Tables
from sarcodec.parallel import Pool, Task

KEPT = 400

Array = npt.NDArray[Any]


class _Kept:
    """The last results of a pure function."""

    def __init__(self) -> None:
        self._results: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The result for `key`, made where it is not there; an exception is not kept."""
        if key not in self._results:
            self._results[key] = make()
            if len(self._results) > KEPT:
                self._results.popitem(last=False)
        return self._results[key]


def _result(work: Callable[[], Array]) -> Array | SarcError:
    """What `work` returns, or the error that it raises."""
    try:
        return work()
    except SarcError as error:
        return error.with_traceback(None)


def _in_turn(
    work: Callable[[Any], Any], items: Iterable[Any], jobs: int, start: Callable[[], object] | None = None
) -> Generator[Any, None, None]:
    del jobs, start
    yield from map(work, items)


class _InTurn(Pool):
    """Makes each call at once, in the thread that asks for it."""

    def __init__(self, jobs: int, start: Callable[[], object] | None = None) -> None:
        del jobs, start

    def call(self, work: Callable[..., Any], *arguments: object) -> Task[Any]:
        task = Task(work, *arguments)
        task.make()
        return task

    def __exit__(self, *error: object) -> None:
        pass


@contextmanager
def shortcuts() -> Iterator[None]:
    """Keep models, decoded latents and synthesised tiles: each is a function of its arguments alone."""
    models, latents, tiles, tables = _Kept(), _Kept(), _Kept(), _Kept()
    load, decode, synthesise = modelfile.load, LatentCoder.decode, Model.synthesise
    hyper_tables = Model.hyper_tables

    def loaded(path: Any, device: str = "cpu") -> Model:
        found: Model = models.get((str(path), device), lambda: load(path, device))
        return found

    def decoded(
        self: LatentCoder,
        layers: tuple[bytes, ...],
        size: tuple[int, int],
        beside: Any = None,
        *,
        predicted: bool = False,
    ) -> Array:
        if predicted:
            return decode(self, layers, size, beside, predicted=True)
        key = (id(self.model), self.level, layers, size)
        found: Array | SarcError = latents.get(key, lambda: _result(lambda: decode(self, layers, size)))
        if isinstance(found, SarcError):
            raise type(found)(found.message, hint=found.hint)
        return found.copy()

    def synthesised(self: Model, y_hat: Array, level: int) -> Array:
        key = (id(self), level, y_hat.shape, np.ascontiguousarray(y_hat).tobytes())
        found: Array = tiles.get(key, lambda: synthesise(self, y_hat, level))
        return found.copy()

    def tabled(self: Model, anchor: int) -> Tables:
        found: Tables = tables.get((id(self), anchor), lambda: hyper_tables(self, anchor))
        return found

    logging.getLogger("sarcodec").addHandler(logging.NullHandler())  # what is logged has no other place to go
    with (
        mock.patch.object(pipeline, "Pool", _InTurn),
        mock.patch.object(verify, "ordered_map", _in_turn),
        mock.patch.object(modelfile, "load", loaded),
        mock.patch.object(Model, "hyper_tables", tabled),
        mock.patch.object(LatentCoder, "decode", decoded),
        mock.patch.object(Model, "synthesise", synthesised),
    ):
        yield
