"""Compiled loops where nothing can be kept on the disk."""

from __future__ import annotations

from typing import Any

import numba
import pytest

from sarcodec.model.compiled import compiled


def test_functions_compile_where_no_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = numba.njit

    def njit(
        *function: Any, cache: bool = False, **options: Any
    ) -> Any:  # the compiler's own parts use it too
        if cache:
            raise RuntimeError("cannot cache function 'twice': no locator available")
        return whole(*function, **options)

    monkeypatch.setattr(numba, "njit", njit)

    def twice(x: int) -> int:
        return 2 * x

    made: Any = compiled(twice)
    assert made(21) == 42
    assert made.signatures  # compiled, and not the function itself
