"""Every error a user can cause, with the process exit code it maps to.

::

    SarcError                     1
    ├── UsageError                2   contradictory or impossible options
    ├── InputError                3   the raster cannot be read or cannot be coded
    ├── FormatError               4   not a .sarc file, truncated, or its structure is damaged
    │   └── ChecksumError         5   a CRC-32C or a latent digest does not match
    ├── UnsupportedError          6   newer format version, unknown or differing model
    ├── LimitError                7   larger than a limit of `sarcodec.limits`
    │   └── OutOfMemoryError      7   this process may not take as much memory as the work needs
    ├── OutputExistsError         8   the output is there and ``overwrite`` was not given
    ├── WriteError                9   the output could not be written
    └── VerifyError              10   the decoded result is not what the encoder promised
"""

from __future__ import annotations


class SarcError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message : str
        What is wrong and where, with the numbers.
    hint : str, optional
        What to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(SarcError):
    """Options contradict each other or are out of range."""

    exit_code = 2


class InputError(SarcError):
    """The input raster cannot be read, or holds what this codec does not code."""

    exit_code = 3


class FormatError(SarcError):
    """The file is not a `.sarc` file, is truncated, or its structure is damaged."""

    exit_code = 4


class ChecksumError(FormatError):
    """Stored and computed checksum or latent digest differ."""

    exit_code = 5


class UnsupportedError(SarcError):
    """The format version, a critical chunk, or the model is not supported here."""

    exit_code = 6


class LimitError(SarcError):
    """A size is above a limit in :mod:`sarcodec.limits`."""

    exit_code = 7


class OutOfMemoryError(LimitError, MemoryError):
    """The work needs more memory than the system, or a limit on this process, gives."""


class OutputExistsError(SarcError):
    """The output exists and may not be replaced."""

    exit_code = 8


class WriteError(SarcError):
    """The output could not be written completely."""

    exit_code = 9


class VerifyError(SarcError):
    """The decoded result differs from what was promised."""

    exit_code = 10
