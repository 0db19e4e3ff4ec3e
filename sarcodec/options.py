"""What is asked of an encode and of a decode: checked once, kept as plain values, to and from JSON.

Nothing heavy is imported here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import Any, Self, cast

from sarcodec import arguments
from sarcodec.arguments import choice, flag, maybe, number, whole
from sarcodec.corrections.registry import CORRECTIONS, UseFields, WishFields
from sarcodec.errors import UsageError
from sarcodec.limits import DEFAULT, Limits, limits_of
from sarcodec.parallel import workers
from sarcodec.types import DEVICES, Quantity, Scale
from sarcodec.wanted import Target

DEFAULT_QUALITY = 50.0
"""Quality if neither that nor a size nor an error is asked for."""

RATES = ("quality", "bpp", "rmse_db")
"""Options of which one at most is given."""

NameLike = str | PathLike[str]
ScaleLike = Scale | str | Sequence[Scale | str | None] | None
LimitsLike = Limits | Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class _Common:
    """Options that both directions have, as JSON and as they were made plain."""

    model: NameLike | None = None
    device: str = "auto"
    jobs: int | None = None
    limits: LimitsLike = DEFAULT

    @property
    def model_name(self) -> str | None:
        """Id or path of the model that is asked for."""
        return cast("str | None", self.model)

    @property
    def threads(self) -> int:
        """Threads to work with."""
        return workers(self.jobs)

    @property
    def largest(self) -> Limits:
        """Largest sizes to accept."""
        return cast("Limits", self.limits)

    def to_json(self) -> str:
        """One JSON object of what is not as usual; equal options give equal texts."""
        return json.dumps(self.to_dict(), sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """What :meth:`to_json` writes, as a dict."""
        usual = type(self)()
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: _plain(v) for name, v in found.items() if v != getattr(usual, name)}

    @classmethod
    def of(cls, options: Self | None, keywords: Mapping[str, Any]) -> Self:
        """`options`, or the usual ones, with `keywords` in place of what they say; raises as the class."""
        unknown = keywords.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise TypeError(f"got an unexpected keyword argument {min(unknown)!r}")
        if options is None:
            return cls(**keywords)
        if not isinstance(options, cls):
            raise UsageError(
                f"options={arguments.shown(options)} are no {cls.__name__}",
                hint=f"Give sarcodec.{cls.__name__}(...).",
            )
        return replace(options, **keywords)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The options in a text that :meth:`to_json` made, or that somebody wrote by hand.

        Raises
        ------
        UsageError
            It is no JSON object, or a name or a value is none of an option.
        """
        try:
            given = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise UsageError(f"the options are not JSON: {error}", hint='Give {"bpp": 0.2}, say.') from error
        return cls.from_dict(given)

    @classmethod
    def from_dict(cls, given: object) -> Self:
        """The options in a mapping; raises as :meth:`from_json`."""
        if not isinstance(given, Mapping):
            raise UsageError(
                f"options={arguments.shown(given)} are not a mapping of names", hint='Give {"bpp": 0.2}, say.'
            )
        plain = arguments.options("options", given)
        names = [f.name for f in fields(cls)]
        for name in plain:
            if name not in names:
                raise UsageError(f"{name} is not an option", hint=f"Options are: {', '.join(sorted(names))}.")
        return cls(**plain)


@dataclass(frozen=True, kw_only=True)
class EncodeOptions(WishFields, _Common):
    """What is asked of an encode; :func:`sarcodec.encode` says what the fields mean.

    Raises
    ------
    UsageError
        One is of a kind that it cannot be, they contradict each other, or are out of range.
    """

    quality: float | None = None
    bpp: float | None = None
    rmse_db: float | None = None
    scale: ScaleLike = None
    """One scale for all bands, or one for each; None for one that is to be found out."""
    quantity: Quantity | str = Quantity.UNKNOWN
    bands: Sequence[int] | None = None
    """Numbers of bands, from 1; None for all."""

    def __post_init__(self) -> None:
        _settle(
            self,
            {
                **{name: maybe(number, name, getattr(self, name)) for name in RATES},
                **{c.wish: c.check_wish(c.wish, getattr(self, c.wish)) for c in CORRECTIONS},
                "scale": _scales(self.scale),
                "quantity": Quantity.named(self.quantity),
                "bands": maybe(_numbers, "bands", self.bands),
                **_common(self),
            },
        )
        _ = self.target  # before anything is opened

    @classmethod
    def of(cls, options: Self | None, keywords: Mapping[str, Any]) -> Self:
        """As of all options; a rate takes the place of any other rate."""
        if options is not None and any(keywords.get(rate) is not None for rate in RATES):
            keywords = dict.fromkeys(RATES) | dict(keywords)
        return super().of(options, keywords)

    @property
    def target(self) -> Target:
        """The rate; raises `UsageError` if more than one is asked for, or one that cannot be."""
        unsaid = self.quality is self.bpp is self.rmse_db is None
        return Target(DEFAULT_QUALITY if unsaid else self.quality, self.bpp, self.rmse_db)

    @property
    def scales(self) -> tuple[Scale | None, ...]:
        """`scale` as it was made plain."""
        return cast("tuple[Scale | None, ...]", self.scale)

    @property
    def corrects(self) -> bool:
        """Whether corrections are asked for, which are measured on decoded pixels."""
        return any(getattr(self, c.wish) is not False for c in CORRECTIONS)

    @property
    def exactly(self) -> bool:
        """Whether a number of decibels is promised or measured, so that the scale must be known."""
        return self.rmse_db is not None or self.corrects


@dataclass(frozen=True, kw_only=True)
class DecodeOptions(UseFields, _Common):
    """How a file is decoded; :func:`sarcodec.decode` says what the fields mean.

    Raises
    ------
    UsageError
        One is of a kind that it cannot be, or out of range.
    """

    base_only: bool = False
    allow_partial: bool = False

    def __post_init__(self) -> None:
        _settle(
            self,
            {
                **{name: flag(name, getattr(self, name)) for name in ("base_only", "allow_partial")},
                **{c.use: c.check_use(c.use, getattr(self, c.use)) for c in CORRECTIONS},
                **_common(self),
            },
        )


def _settle(options: object, plain: Mapping[str, Any]) -> None:
    for name, value in plain.items():
        object.__setattr__(options, name, value)


def _common(options: Any) -> dict[str, Any]:
    """What both kinds of options have."""
    jobs = maybe(whole, "jobs", options.jobs)
    workers(jobs)
    return {
        "model": maybe(arguments.text, "model", options.model),
        "device": choice("device", options.device, DEVICES),
        "jobs": jobs,
        "limits": limits_of(options.limits),
    }


def _scales(given: Any) -> tuple[Scale | None, ...]:
    """One scale for all bands, one for each, or none; None for one that is to be found out."""
    each: list[Any] = [given]
    if given is not None and not isinstance(given, Scale):
        each = given.split(",") if isinstance(given, str) else arguments.several("scale", given)
    return tuple(None if _is_auto(scale) else Scale.named(scale) for scale in each)


def _numbers(name: str, given: object) -> tuple[int, ...]:
    return tuple(whole(name, part) for part in arguments.several(name, given))


def _is_auto(scale: object) -> bool:
    """Whether the scale is to be found out."""
    return scale is None or (isinstance(scale, str) and scale.strip().lower() == "auto")


def _plain(value: Any) -> Any:
    """A field as JSON holds it."""
    if isinstance(value, Limits):
        return {n: v for n, v in vars(value).items() if v != getattr(DEFAULT, n)}
    return list(value) if isinstance(value, tuple) else value
