"""Options as keywords of functions: for type checkers, and for who looks at a signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sarcodec.corrections.registry import Uses, Wishes
from sarcodec.options import LimitsLike, NameLike, ScaleLike
from sarcodec.types import Quantity

F = TypeVar("F", bound=Callable[..., Any])


class EncodeKeywords(Wishes, total=False):
    """Keywords of :func:`sarcodec.encode_array`: fields of `EncodeOptions`."""

    quality: float | None
    bpp: float | None
    rmse_db: float | None
    scale: ScaleLike
    quantity: Quantity | str
    model: NameLike | None
    device: str
    jobs: int | None
    limits: LimitsLike


class FileKeywords(EncodeKeywords, total=False):
    """Keywords of :func:`sarcodec.encode`."""

    bands: Sequence[int] | None


class DecodeKeywords(Uses, total=False):
    """Keywords of :func:`sarcodec.open`: fields of `DecodeOptions`."""

    base_only: bool
    allow_partial: bool
    model: NameLike | None
    device: str
    jobs: int | None
    limits: LimitsLike


def with_keywords(options: type[Any], *left_out: str) -> Callable[[F], F]:
    """Show the fields of `options` in the signature of a function that takes them as ``**keywords``."""

    def shown_in(function: F) -> F:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        listed = sorted(fields(options), key=lambda f: f.name not in options.__annotations__)
        more = [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
            for f in listed
            if f.name not in left_out
        ]
        function.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        return function

    return shown_in
