"""What a training run is made of: settings, and the TOML files that hold them."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sarcodec.errors import InputError, UsageError
from sarcodec.model import families
from sarcodec.model.hyper import QUANTISERS, Shape
from sarcodec.model.lapped import LappedShape
from sarcodec.model.schema import TransformShape

RECIPES = ("rate-distortion", "notes")
SCHEDULES = ("cosine", "constant")
CROP_STEP = 64
"""Pixels under one hyper-latent."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides the weights a run ends with, but for the machine it runs on."""

    recipe: str = "rate-distortion"
    """``rate-distortion``: bits and error at every rate. ``notes``: an autoencoder without a rate."""
    steps: int = 20000
    batch: int = 8
    crop: int = 256
    lr: float = 6e-4
    warmup: int = 200
    schedule: str = "cosine"
    """After the warm-up: half a cosine down to a hundredth, or constant."""
    weight_decay: float = 0.01
    """Of AdamW; the rate-distortion recipe has Adam and none."""
    clip: float = 1.0
    """Largest norm of the gradient; infinity for no bound."""
    hard_from: float = 0.75
    """Part of the run after which symbols are those of the real encoder, and only the decoder learns."""
    prefix_share: float = 0.0
    """Part of the crops of which only the first groups are kept, so that files can be cut to fewer layers."""
    byte_networks: bool = False
    """Train networks whose weights and activations are bytes, see :mod:`sarcodec.train.whole`."""
    start_from: str = ""
    """Checkpoint that a new run starts from; of one of another recipe, g_a and g_s alone."""
    subset: float = 1.0
    """Part of the training pixels to use, whole scenes."""
    holdout: float = 0.0
    """Part of the pixels to keep for validation, whole scenes, where no file is named for it."""
    augment: bool = True
    respeckle: float = 0.0
    """Chance that a crop without speckle gets simulated speckle."""
    seed: int = 1
    device: str = "cpu"
    bf16: bool = False
    compile: bool = False
    validation: str = ""
    """Packed scenes to validate on."""
    validate_every: int = 500
    patience: int = 0
    """Validations without a better loss before the run ends; 0 for never."""
    skips_in_a_row: int = 20
    skips_share: float = 0.05
    """Batches that are not finite that end a run: more in a row, or a greater share from step 200 on."""
    save_minutes: float = 2.0
    shape: Shape = field(default_factory=lambda: Shape(transform=LappedShape()))
    id: str = ""
    """Of the model file to export."""


COMMON = ("groups", "hyper", "hidden", "anchors", "quantiser")
"""Keys of a shape in every family."""
SECTIONS: dict[str, tuple[str, ...]] = {
    "model": ("id", "family", *COMMON),
    "recipe": (
        "name",
        "lr",
        "warmup",
        "schedule",
        "weight_decay",
        "clip",
        "hard_from",
        "prefix_share",
        "byte_networks",
        "start_from",
    ),
    "data": ("crop", "batch", "subset", "holdout", "augment", "respeckle", "validation"),
    "run": (
        "steps",
        "seed",
        "bf16",
        "compile",
        "validate_every",
        "patience",
        "skips_in_a_row",
        "skips_share",
        "save_minutes",
    ),
}
"""Keys of a configuration file by section; all but those of the shape are fields of `Settings`.

The section ``model`` has the settings of its family as well.
"""

RANGES = {
    **dict.fromkeys(("batch", "validate_every"), (1, math.inf)),
    **dict.fromkeys(("hard_from", "prefix_share", "subset", "holdout", "respeckle", "skips_share"), (0, 1)),
    **dict.fromkeys(("steps", "seed", "warmup", "weight_decay", "patience"), (0, math.inf)),
    **dict.fromkeys(("skips_in_a_row", "save_minutes"), (0, math.inf)),
    "crop": (CROP_STEP, math.inf),
}
"""Least and greatest value of a setting."""


FLAGSHIP = Shape(
    transform=LappedShape(deep_blocks=1), groups=(16, 16, 32, 64, 128), anchors=7, quantiser="trellis"
)
"""Sizes of the default model."""


def default() -> Settings:
    """What trains the default model; `configs/lapped16.toml` says the same."""
    return Settings(lr=5e-4, hard_from=0.65, prefix_share=0.15, respeckle=0.3, bf16=True, shape=FLAGSHIP)


def load(path: Path, **overrides: object) -> Settings:
    """Settings from a configuration file.

    Parameters
    ----------
    path : Path
        A TOML file with some of the sections and keys of `SECTIONS`.
    overrides
        Fields of `Settings` that count in place of the file's.

    Raises
    ------
    InputError
        The file cannot be read.
    UsageError
        It is not TOML, or has an unknown key or a value of a wrong type or out of range.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", hint="Name a .toml file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}", hint="See docs/training.md.") from error
    values: dict[str, Any] = {}
    shape = Settings().shape
    for section, table in document.items():
        if section not in SECTIONS or not isinstance(table, dict):
            raise _unknown(path, f"section [{section}]", tuple(SECTIONS))
        if section == "model":
            shape = _shape(path, table)
        known = SECTIONS[section] + (shape.transform.names() if section == "model" else ())
        for key, value in table.items():
            if key not in known:
                raise _unknown(path, f"key {key} in [{section}]", known)
            if section != "model" or key == "id":
                name = "recipe" if key == "name" else key
                values[name] = _typed(path, section, key, value, getattr(Settings(), name))
    return checked(replace(Settings(), **(values | overrides), shape=shape), str(path))


def _shape(path: Path, table: dict[str, Any]) -> Shape:
    """The shape that a section ``model`` describes; unknown keys are left to the caller."""
    family = _typed(path, "model", "family", table.get("family", families.DEFAULT), "")
    if family not in families.REGISTRY:
        known = ", ".join(families.REGISTRY)
        raise UsageError(f"{path}: family = {family!r} is unknown", hint=f"Known: {known}.")
    kind: type[TransformShape] = families.REGISTRY[str(family)].shape
    like = Settings().shape
    common = {
        key: _typed(path, "model", key, table[key], getattr(like, key)) for key in COMMON if key in table
    }
    own = {key: _typed(path, "model", key, table[key], 0) for key in kind.names() if key in table}
    try:
        return Shape(transform=kind(**own), **common)  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(f"{path}: {error}", hint="See docs/training.md.") from error


def checked(settings: Settings, where: str) -> Settings:
    """`settings` as they are, if every value is within its range.

    Raises
    ------
    UsageError
        One is not; `where` is named in the message.
    """
    shape = settings.shape
    one_of = {
        "name": (settings.recipe, RECIPES),
        "schedule": (settings.schedule, SCHEDULES),
        "quantiser": (shape.quantiser, QUANTISERS),
    }
    for key, (value, known) in one_of.items():
        if value not in known:
            raise UsageError(f"{where}: {key} = {value!r} is unknown", hint=f"Known: {', '.join(known)}.")
    if settings.crop % CROP_STEP:
        raise UsageError(
            f"{where}: crop = {settings.crop} is not a multiple of {CROP_STEP}",
            hint="For example: crop = 256",
        )
    for key, (low, high) in RANGES.items():
        value = getattr(settings, key)
        if not low <= value <= high:
            between = f"below {low:g}" if high == math.inf else f"not within {low:g} .. {high:g}"
            raise UsageError(f"{where}: {key} = {value} is {between}")
    if not 0 < settings.lr < math.inf or not settings.clip > 0 or not settings.subset > 0:
        named = f"lr = {settings.lr}, clip = {settings.clip}, subset = {settings.subset}"
        raise UsageError(f"{where}: {named} must be positive")
    if settings.recipe == "notes" and families.training_of(shape).orthonormal:
        raise UsageError(
            f"{where}: the notes' recipe trains no {shape.family} transform",
            hint='Use another family, such as "plain", or the recipe "rate-distortion".',
        )
    if settings.byte_networks and (settings.recipe, shape.family, settings.hard_from) != (
        *("rate-distortion", "lapped"),
        1.0,
    ):
        raise UsageError(
            f"{where}: byte_networks needs the lapped family, the recipe rate-distortion and hard_from = 1",
            hint="No model file holds such networks yet: the encoder's own choices are not known.",
        )
    if min(*shape.groups, shape.hyper, shape.hidden, shape.anchors - 1) < 1:
        raise UsageError(
            f"{where}: groups, hyper and hidden must be positive and anchors at least 2",
            hint="For example: groups = [16]",
        )
    return settings


def _typed(path: Path, section: str, key: str, value: object, like: object) -> object:
    """`value` as the type that `like` has."""
    if isinstance(like, tuple):
        if isinstance(value, list) and value and all(type(item) is int for item in value):
            return tuple(value)
        kind = "a list of whole numbers"
    elif isinstance(like, bool) or not isinstance(like, int | float):
        if type(value) is type(like):
            return value
        kind = "true or false" if isinstance(like, bool) else "a text in quotes"
    elif type(value) is int and abs(value) < 2**53:
        return type(like)(value)
    elif isinstance(like, float) and isinstance(value, float):
        return value
    else:
        kind = "a number" if isinstance(like, float) else "a whole number"
    raise UsageError(f"{path}: {key} in [{section}] is {value!r}, not {kind}", hint="See docs/training.md.")


def _unknown(path: Path, what: str, known: tuple[str, ...]) -> UsageError:
    return UsageError(f"{path}: unknown {what}", hint=f"Known: {', '.join(known)}.")
