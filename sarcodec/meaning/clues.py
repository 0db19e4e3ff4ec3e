"""What units, names and tags say about the values of a band. Pixels are not looked at here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sarcodec.types import SCALE_NAMES, Basis, Scale


@dataclass(frozen=True)
class Clue:
    """One piece of evidence."""

    scale: Scale | None
    """None: the band is no backscatter."""
    basis: Basis
    words: str
    """The evidence as a message quotes it, such as ``unit 'dB'``."""
    weak: bool = False
    """Whether it names a quantity (``Sigma0_VV``), which is power by convention, but no scale."""
    factor: bool = False
    """Whether it tells of a factor, such as ``dB*100``, that GDAL's scale should declare."""
    picture: bool = False
    """Whether it says that all bands together are a picture."""


_UNITS = {
    **{name: scale for name, scale in SCALE_NAMES.items() if name != "linear"},  # of what, it does not say
    "intensity_db": Scale.DB,
    "amplitude_db": Scale.DB,
    "m2/m2": Scale.POWER,
    "m^2/m^2": Scale.POWER,
    "m2 m-2": Scale.POWER,
    "m**2 m**-2": Scale.POWER,
}
_NO_UNITS = {
    *("deg", "degree", "degrees", "\N{DEGREE SIGN}", "rad", "radian", "radians", "m", "metre", "metres"),
    *("meter", "meters", "km", "hz", "s", "k", "kelvin", "%", "percent", "m/s", "m s-1", "class"),
}

_WORD = re.compile(
    r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|\N{GREEK SMALL LETTER SIGMA}|\N{GREEK SMALL LETTER GAMMA}"
)
_NEVER = {
    *("angle", "incidence", "lia", "theta", "coherence", "coh", "phase", "ratio", "ifg", "unw", "anf"),
    *("latitude", "longitude", "landcover", "ndvi", "rvi"),
}
"""Words of bands that are no backscatter, whatever else is said."""
_ELSE = {
    *("dem", "elevation", "height", "slope", "aspect", "layover", "shadow", "mask", "classification"),
    *("class", "classes", "label", "labels", "flag", "flags", "entropy", "alpha", "anisotropy", "looks"),
}
"""Words of bands that are no backscatter, unless the band begins with a polarisation or a quantity."""
_NO_BACKSCATTER_FILE = {"incidence", "coherence", "layover", "elevation", "landcover"}
_DB = {"db", "dbs", "dbm", "dbsm", "decibel", "decibels", "log", "log10", "logarithmic"}
_AMPLITUDE = {"amplitude", "amp", "magnitude", "mag"}
_POWER = {"intensity", "power", "pwr"}
_QUANTITY = re.compile(
    r"(?<![a-z])(sigma|gamma|beta)[ _-]?(0|zero|nought|naught|not)|(?<![a-z0-9])(s0|g0|b0)(?![a-z0-9])"
)
_RADAR = re.compile(r"(?<![A-Za-z])(VV|VH|HH|HV)(?![A-Za-z])|sigma|gamma|beta", re.IGNORECASE)
"""What the name of a file with backscatter has; words of other names are not about the scale."""
_COMPONENT = re.compile(r"(?<![a-z])[iq]_(hh|hv|vh|vv)\b", re.IGNORECASE)
_BEGINS = re.compile(
    r"\W*((vv|vh|hh|hv)(?![a-z])|(sigma|gamma|beta)[ _-]?(0|nought|naught)|amplitude|intensity)",
    re.IGNORECASE,
)

_EXPRESSION = re.compile(r"EXPRESSION|RADIOMETRIC_SCALE|BACKSCATTER_SCALE|OUTPUT_SCALE")
"""Keys of tags that tell a scale in words, such as OPERA's OUTPUT_BACKSCATTER_EXPRESSION_CONVENTION."""

_PHRASE = {
    *("linear", "logarithmic", "backscatter", "intensity", "amplitude", "power", "expressed", "in", "db"),
    *("decibel", "decibels", "scale", "units"),
}
"""All words that such a tag may have: a formula tells of two scales."""

_FILES: tuple[tuple[re.Pattern[str], Scale | None, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), scale, what)
    for pattern, scale, what in (
        (r"_RTC\d\d_[A-Z]_\w+_(inc_map\w*|ls_map|dem|area|rgb)$", None, "HyP3 RTC"),
        (r"_RTC\d\d_[A-Z]_[gs]p", Scale.POWER, "HyP3 RTC, power"),
        (r"_RTC\d\d_[A-Z]_[gs]a", Scale.AMPLITUDE, "HyP3 RTC, amplitude"),
        (r"_RTC\d\d_[A-Z]_[gs]d", Scale.DB, "HyP3 RTC, dB"),
        (r"^OPERA_L2_RTC-S1.*_(VV|VH|HH|HV)$", Scale.POWER, "OPERA RTC-S1"),
        (r"^OPERA_L2_RTC-S1.*_\w*(mask|angle|anf)\w*$", None, "OPERA RTC-S1"),
        (r"-[gsb]-lin$", Scale.POWER, "CEOS-ARD NRB, linear"),
        (r"-[gsb]-log$", Scale.DB, "CEOS-ARD NRB, logarithmic"),
        (r"^(iw|ew|s\d)-(vv|vh|hh|hv)\.rtc$", Scale.POWER, "Sentinel-1 RTC of the Planetary Computer"),
        (r"^s1[a-d]-(iw|ew|s\d|wv)\d?-grd-", Scale.DN, "Sentinel-1 GRD"),
        (r"^(iw|ew|s\d)-(vv|vh|hh|hv)$", Scale.DN, "Sentinel-1 GRD"),
        (r"^[NS]\d\d[EW]\d{3}_\d\d_sl_(HH|HV)", Scale.DN, "PALSAR mosaic"),
        (r"^[NS]\d\d[EW]\d{3}_\d\d_(mask|linci|date)", None, "PALSAR mosaic"),
        (r"^ICEYE_.*_(GRD|AMP)", Scale.DN, "ICEYE GRD"),
        (r"^CAPELLA_C\d+_.*_(GEO|GEC)_", Scale.DN, "Capella GEO"),
        (r"_UMBRA-?\d*_(GEC|GRD|MM)", Scale.DN, "Umbra GEC"),
    )
)
_IMAGES = (
    (re.compile(r"Sentinel-1[A-D]? .*GRD", re.IGNORECASE), Scale.DN, "Sentinel-1 GRD"),
    (re.compile(r"\"?(capella|CAPELLA)", re.IGNORECASE), Scale.DN, "Capella"),
    (re.compile(r"ICEYE|UMBRA", re.IGNORECASE), Scale.DN, "amplitude product"),
)
"""What TIFFTAG_IMAGEDESCRIPTION and TIFFTAG_SOFTWARE of products say."""


def of_tags(dataset: Mapping[str, str], band: Mapping[str, str]) -> Clue | None:
    """The clue of tags of the default namespace; those of the band count first."""
    for tags in (band, dataset):
        for key, text in tags.items():
            scale = SCALE_NAMES.get(_plain(text)) if key.upper() == "SCALE" else None
            if scale is None and _EXPRESSION.search(key.upper()) and set(_plain(text).split()) <= _PHRASE:
                found = _of_words(text)
                scale = found.scale if found and not found.weak else None
            if scale is not None:
                return Clue(scale, Basis.TAG, f"tag {key}={text.strip()[:60]}")
    return None


def of_unit(unit: str | None, *tags: Mapping[str, str]) -> Clue | None:
    """The clue of a band's unit, or of a tag UNIT or UNITS of band or raster."""
    tagged = [text for group in tags for key, text in group.items() if key.upper() in ("UNIT", "UNITS")]
    for text in [unit, *tagged]:
        plain, words = _plain(text or ""), f"unit {(text or '').strip()[:40]!r}"
        if plain in _UNITS:
            return Clue(_UNITS[plain], Basis.UNIT, words)
        if re.search(r"\bdb\b", plain):
            return Clue(Scale.DB, Basis.UNIT, words, factor=True)
        if plain in _NO_UNITS and text is unit:  # a tag may tell the unit of the map
            return Clue(None, Basis.UNIT, words)
    return None


def of_description(description: str | None) -> Clue | None:
    """The clue of a band's description, such as ``Sigma0_VV_db`` or ``localIncidenceAngle``."""
    return None if not description else _of_words(description, what="name")


def of_file(stem: str, tags: Mapping[str, str]) -> list[Clue]:
    """Clues of a file's name without its ending, and of the product that tags name."""
    found = [
        Clue(scale, Basis.NAME, f"file name of {what}")
        for pattern, scale, what in _FILES
        if pattern.search(stem)
    ][:1]
    for key in ("TIFFTAG_IMAGEDESCRIPTION", "TIFFTAG_SOFTWARE"):
        found += [
            Clue(scale, Basis.NAME, f"{key} of {what}")
            for pattern, scale, what in _IMAGES
            if pattern.search(tags.get(key, ""))
        ][:1]
    if _RADAR.search(stem):  # not "power plant", "amplitude of tides"
        words = _of_words(stem, what="file name", file=True)
        found += [words] if words else []
    return found


def of_picture(colors: tuple[str, ...]) -> Clue | None:
    """The clue of colour interpretations: a picture has red, green and blue."""
    if {"red", "green", "blue"} <= set(colors):
        return Clue(None, Basis.NAME, "colours red, green and blue", picture=True)
    return None


def _of_words(text: str, *, what: str = "name", file: bool = False) -> Clue | None:
    plain = re.sub(r"(?<=[A-Za-z0-9_ (])dB|^dB", " db ", text.replace("_", " "))
    words = {word.lower() for word in _WORD.findall(plain)}
    said, lower = f"{what} {text.strip()[:80]!r}", text.lower()
    begins = bool(_BEGINS.match(text))
    never = _NO_BACKSCATTER_FILE if file else _NEVER if not begins else _NEVER - {"angle", "incidence"}
    angle = begins and not re.search(r"\buse\b", lower.replace("_", " ")) and {"angle", "incidence"} & words
    if (
        never & words
        or (angle and not file)
        or (not begins and not file and _ELSE & words)
        or _COMPONENT.search(text)
    ):
        return Clue(None, Basis.NAME, said)
    if _DB & words:
        return Clue(Scale.DB, Basis.NAME, said)
    if _AMPLITUDE & words:
        return Clue(Scale.AMPLITUDE, Basis.NAME, said)
    if _POWER & words:
        return Clue(Scale.POWER, Basis.NAME, said)
    if _QUANTITY.search(lower):
        return Clue(Scale.POWER, Basis.NAME, said, weak=True)
    return None


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("[", "").replace("]", "").split())
