"""The lapped transform, one dimension after the other: that of two dimensions, and its own inverse."""

from __future__ import annotations

import pytest
import torch

from sarcodec.model.lapped import separable
from sarcodec.model.lapped.basis import frequencies
from sarcodec.model.lapped.networks import AnalysisTransform
from sarcodec.model.transforms import STRIDE


def image(rows: int, cols: int) -> torch.Tensor:
    return torch.randn(STRIDE * rows, STRIDE * cols, generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (3, 5), (8, 2)])
def test_coefficients_are_those_of_the_transform_that_training_starts_from(rows: int, cols: int) -> None:
    x = image(rows, cols)
    expected = AnalysisTransform(256, 0, 0, 0, 0)(x[None, None])[0]
    u, v = frequencies(256)
    torch.testing.assert_close(separable.forward(x)[:, u, :, v], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (3, 5), (8, 2)])
def test_the_inverse_gives_the_image_back(rows: int, cols: int) -> None:
    x = image(rows, cols)
    torch.testing.assert_close(separable.inverse(separable.forward(x)), x, atol=1e-5, rtol=0)


def test_channels_stand_at_their_frequencies() -> None:
    grid = separable.by_frequency(torch.arange(3.0))
    assert grid[0, 0] == 0
    assert {float(grid[0, 1]), float(grid[1, 0])} == {1, 2}
    assert grid.isinf().sum() == STRIDE**2 - 3
