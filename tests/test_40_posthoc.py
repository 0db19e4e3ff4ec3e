"""Networks that were trained without a rate term: what their pixels feel, their tables, their files."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from sarcodec.api import encode_array
from sarcodec.cli import main
from sarcodec.model import modelfile
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.families import REGISTRY, networks_of
from sarcodec.model.hyper import Shape
from sarcodec.model.lapped import LappedShape
from sarcodec.model.tables import scale_deviations
from sarcodec.packing import to_codes
from sarcodec.types import Window
from testing.files import UTM, tiff
from testing.needed import needed
from testing.scenes import db, decode_bytes, dn, open_bytes, rmse

needed("compressai")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # CompressAI's own
    from sarcodec.train.calibrate import Census, calibrate
    from sarcodec.train.data import UNIT_DB, PackedScenes
    from sarcodec.train.export import gaussian_pmf
    from sarcodec.train.network import SarNet
    from sarcodec.train.posthoc import posthoc, silent_net
    from sarcodec.train.sensitivity import pixel_sensitivity

Array = npt.NDArray[Any]
FAMILIES = ("plain", "residual")
CROPS = 12
"""Crops that tables are fitted to."""


def shape_of(family: str, groups: tuple[int, ...] = (4, 3)) -> Shape:
    return Shape(transform=REGISTRY[family].shape(base=2), groups=groups, anchors=3, hyper=2, hidden=4)


def crops(count: int = 4, side: int = 96) -> Tensor:
    """Speckle on a slow trend, in network units."""
    made = [db(dn((side, side), seed)) for seed in range(count)]
    return torch.tensor(np.stack([x - x.mean() for x in made])[:, None] / UNIT_DB, dtype=torch.float32)


def trained(shape: Shape) -> tuple[nn.Module, nn.Module]:
    """Transforms after a few steps without a rate, enough for their latents to matter."""
    torch.manual_seed(3)
    g_a, g_s = networks_of(shape)
    parameters = [*g_a.parameters(), *g_s.parameters()]
    optimiser, x = torch.optim.AdamW(parameters, lr=1e-2), crops(4, 64)
    for _ in range(80):
        optimiser.zero_grad()
        ((g_s(g_a(x), None) - x) ** 2).mean().backward()
        optimiser.step()
    return g_a, g_s


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> PackedScenes:
    """Two made-up scenes."""
    path = tmp_path_factory.mktemp("data") / "packed.npy"
    scenes = [db(dn((160, 160), seed)) for seed in (1, 2)]
    codes = np.concatenate([to_codes(scene.astype(np.float32)).ravel() for scene in scenes])
    np.save(path, codes)
    rows = [
        {"name": f"{n}.tif", "band": 1, "cls": "grd", "offset": n * 160**2, "height": 160, "width": 160}
        for n in range(2)
    ]
    path.with_suffix(".json").write_text(json.dumps(rows))
    return PackedScenes(path, 128)


@pytest.fixture(scope="module", params=FAMILIES)
def written(
    request: pytest.FixtureRequest, packed: PackedScenes, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model file of an autoencoder that was trained without a rate."""
    shape = shape_of(request.param)
    path = tmp_path_factory.mktemp("model") / f"{request.param}.safetensors"
    posthoc(*trained(shape), shape, packed, path, id=request.param, crops=CROPS, rounds=2)
    return path


def test_an_orthonormal_transform_has_sensitivity_1_and_a_louder_one_more() -> None:
    _, g_s = networks_of(Shape(transform=LappedShape(wide=0), groups=(6,)))
    y = torch.randn(8, 6, 12, 12, generator=torch.Generator().manual_seed(1))
    deviation = torch.tensor([1.0, 2, 0.1, 1, 5, 1])
    measured = pixel_sensitivity(g_s, y, deviation)
    assert measured.numpy() == pytest.approx(np.ones(6), abs=0.12)
    louder = g_s.get_parameter("lapped.weight")
    louder.data[:, 2] *= 3
    assert float(pixel_sensitivity(g_s, y, deviation)[2] / measured[2]) == pytest.approx(9, rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_are_finer_where_pixels_feel_more(family: str) -> None:
    torch.manual_seed(6)
    (g_a, g_s), x = networks_of(shape_of(family)), crops(2, 64)
    net = silent_net(g_a, g_s, shape_of(family), x)
    first, last = next(iter(g_s.parameters())), list(g_a.parameters())[-2:]
    # A latent channel 8 times as large, that the synthesis takes 8 times less of, is the same channel.
    with torch.no_grad():
        last[0][1] *= 8
        last[1][1] *= 8
        (first[1] if family == "plain" else first[:, 1]).div_(8)
    other = silent_net(g_a, g_s, shape_of(family), x)
    change = (other.gain_log2 - net.gain_log2).detach().numpy()
    expected = np.zeros_like(change)
    expected[:, 1] = -3
    assert change == pytest.approx(expected, abs=0.02)
    assert (other.gain_log2 + other.deviation_log2).detach().numpy() == pytest.approx(
        (net.gain_log2 + net.deviation_log2).detach().numpy(), abs=0.02
    )


def test_means_and_tables_are_constants_of_a_channel(written: Path) -> None:
    model = modelfile.load(written)
    assert not model.entropy.z_coded.any() and model.first_coded == 0
    y = model.analyse(crops(1)[0, 0].numpy())
    level = model.top_level
    seen: list[Array] = []
    coder = LatentCoder(model, level)
    coded = coder.encode(
        np.tile(y.mean((1, 2))[:, None, None], (1, 9, 9)), observe=lambda t, *_: seen.append(t)
    )
    tables = np.concatenate([t.reshape(-1, 81) for t in seen])
    assert (tables == tables[:, :1]).all() and len(tables) == model.shape.channels
    # Without any symbol every latent is its channel's mean, wherever it is.
    silent = coder.decode((b"",) * len(model.layers), (3, 3))
    assert (silent == silent[:, :1, :1]).all() and silent.any()
    assert coded.y_hat.shape == (model.shape.channels, 9, 9)


def test_fitted_tables_cost_what_the_symbols_hold_and_files_what_the_tables_say(
    written: Path, packed: PackedScenes
) -> None:
    model = modelfile.load(written)
    census, bits = Census(model), 0.0
    x, _ = packed.batch(CROPS, np.random.default_rng(7), augment=False, level="scene")
    for crop in x[:, 0].numpy():
        y = model.analyse(crop)
        for level in np.linspace(0, model.top_level, 11).astype(int).tolist():
            bits += census.add(y, level)
    coded = LatentCoder(model, model.top_level).encode(np.tile(y, (1, 6, 6)))
    size = 8 * sum(map(len, coded.layers))
    assert coded.bits < size < 1.01 * coded.bits + 8 * len(model.layers) * 16
    counts = census.counts + census.counts[:, ::-1]  # tables are symmetric
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    least = -(counts * np.log2(np.where(shares > 0, shares, 1))).sum() / 2
    unfitted = 0.0
    for row, deviation in zip(counts, scale_deviations(), strict=True):
        mass = gaussian_pmf(deviation)
        beyond = (row.size - mass.size) // 2
        mass = np.pad(mass, max(beyond, 0), constant_values=0)
        mass = mass[max(-beyond, 0) : mass.size - max(-beyond, 0)]
        unfitted -= (row * np.log2(np.maximum(mass, 2.0**-16))).sum() / 2
    assert least <= bits < least + 0.7 * (unfitted - least)


def test_finer_levels_cost_more_and_err_less(written: Path) -> None:
    model = modelfile.load(written)
    costs, errors = [], []
    for level in range(0, model.top_level + 1, 128):
        cost = error = 0.0
        for x in crops(4, 64)[:, 0].numpy():  # what it was trained on: it has learnt nothing else
            coded = LatentCoder(model, level).encode(model.analyse(x), dry=True)
            cost += coded.bits
            error += rmse(model.synthesise(coded.y_hat, level), x)
        costs.append(cost)
        errors.append(error)
    assert costs == sorted(costs) and costs[0] < 0.5 * costs[-1]
    assert errors[-1] < errors[0]


def test_files_do_not_depend_on_threads_and_windows_are_parts_of_the_whole(written: Path) -> None:
    scene = dn((1060, 1100), 5)
    scene[500:520, 1000:1060] = 0
    options: dict[str, Any] = {"model": str(written), "quality": 80, "nodata": 0}
    data = encode_array(scene, jobs=1, **options)
    assert encode_array(scene, jobs=2, **options) == data
    whole = decode_bytes(data, str(written))[0]
    assert np.array_equal(whole == 0, scene == 0)
    with open_bytes(data, str(written)) as coded:
        part = coded.read(window=Window(1000, 990, 90, 70))[0]
    assert np.abs(part.astype(int) - whole[990:1060, 1000:1090].astype(int)).max() <= 1


def test_the_command_line_takes_the_model(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, coded, back = tmp_path / "a.tif", tmp_path / "a.sarc", tmp_path / "b.tif"
    tiff(source, dn((200, 180), 6), **UTM)
    for goal in (["-q", "60"], ["--bpp", "0.1"], ["--rmse-db", "3.5"]):
        arguments = ["encode", str(source), "-o", str(coded), *goal, "--model", str(written), "--overwrite"]
        assert main(arguments) == 0, capsys.readouterr().err
    for command in (
        ["info", str(coded)],
        ["test", str(coded), "--model", str(written)],
        ["decode", str(coded), "-o", str(back), "--model", str(written)],
    ):
        assert main(command) == 0, capsys.readouterr().err


def test_a_lapped_net_keeps_the_steps_it_starts_with() -> None:
    torch.manual_seed(4)
    net = SarNet(Shape(transform=LappedShape(wide=0), groups=(4,), hyper=2, hidden=4, anchors=3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.fit_deviation(crops())
    after = net.state_dict()
    assert [name for name in before if not torch.equal(before[name], after[name])] == ["deviation_log2"]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_untrained_autoencoder_starts_with_latents_above_the_quantisers_noise(family: str) -> None:
    torch.manual_seed(4)
    net, x = SarNet(shape_of(family)), crops()
    net.fit_deviation(x)
    unit = (net.gain_log2 + net.deviation_log2).detach()
    assert float(unit[-1].max()) > 0  # a deviation is more than a step at the highest rate
    assert torch.equal(net.inverse_log2, -net.gain_log2)


def test_a_residual_net_trained_at_a_rate_becomes_a_model_that_codes(
    packed: PackedScenes, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    net, x = SarNet(shape_of("residual")), crops()
    net.fit_deviation(x)
    net.entropy_bottleneck.quantiles.requires_grad_(requires_grad=False)
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-3)
    for step in range(3):
        optimiser.zero_grad()
        out = net(x, torch.tensor([0.2, 0.9, 1.4, 1.9]), autocast=False, hard=step == 2)
        loss = (out.y_bits + out.z_bits).mean() / x[0].numel() + ((out.x_hat - x) ** 2).mean()
        loss.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
        optimiser.step()
    path = tmp_path / "residual.safetensors"
    calibrate(net, packed, path, id="residual", crops=2, rounds=1)
    scene = dn((100, 90), 9)
    back = decode_bytes(encode_array(scene, model=str(path), quality=70, jobs=1), str(path))
    assert back.shape == (1, 100, 90)
    assert rmse(db(back[0]), db(scene)) < 2 * db(scene).std()
