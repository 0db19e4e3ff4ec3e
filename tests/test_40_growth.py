"""A network that begins with a model file, and one whose synthesis learns from the real encoder."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sarcodec.errors import UsageError
from sarcodec.model.hyper import Shape
from sarcodec.packing import to_codes
from sarcodec.train.config import Settings
from testing.needed import needed

needed("compressai")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # CompressAI's own
    from golden import make_toy
    from sarcodec.train import coded, export, loop
    from sarcodec.train.grow import grow
    from sarcodec.train.network import SarNet
    from sarcodec.train.recipes import prefixes

TOY = Path(make_toy.__file__).parent / "toy1.safetensors"
LARGER = replace(make_toy.SHAPE, groups=(8, 8, 8, 40), anchors=4, quantiser="trellis")


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """One packed scene of correlated noise."""
    rng = np.random.default_rng(3)
    db = rng.normal(-12, 3, (160, 160)) + rng.normal(0, 3, (20, 20)).repeat(8, 0).repeat(8, 1)
    path = tmp_path / "scenes.npy"
    np.save(path, to_codes(db.astype(np.float32)).ravel())
    entry = '{"name":"a","band":1,"cls":"grd","offset":0,"height":160,"width":160}'
    path.with_suffix(".json").write_text(f"[{entry}]")
    return path


def test_a_grown_network_codes_as_the_small_one_did() -> None:
    x = make_toy.made_up_crops()[:2]
    small, large = SarNet(make_toy.SHAPE), SarNet(LARGER)
    for net in (small, large):
        net.fit_deviation(x)
        grow(TOY, net, x)
    with torch.no_grad():
        y, wide = small.g_a(x), large.g_a(x)
        assert torch.allclose(wide[:, :24], y, atol=1e-4)
        position = torch.ones(2)
        of_small = small(x, position, autocast=False, hard=True)
        of_large = large(x, position, autocast=False, hard=True, prefix=torch.tensor([3, 3]))
    # The hidden layers of heads are shared out anew, so contexts differ a little, pixels hardly.
    assert float((of_small.x_hat - of_large.x_hat).abs().mean()) < 0.1 * float(x.std())


@pytest.mark.parametrize("quantiser", ["scalar", "trellis"])
def test_a_model_file_gives_its_levels_back(tmp_path: Path, quantiser: str) -> None:
    """Steps are those of the training, whatever quantiser the file is for."""
    shape = replace(make_toy.SHAPE, quantiser=quantiser)
    wanted = make_toy.toy_net(shape=shape)
    export.write(tmp_path / "it.safetensors", export.tensors_of(wanted), wanted, id="it")
    net, x = SarNet(shape), make_toy.made_up_crops()[:2]
    net.fit_deviation(x)
    grow(tmp_path / "it.safetensors", net, x)
    for name in ("gain_log2", "inverse_log2", "scale_log2", "hyper_gain_log2"):
        found, of = (getattr(n, name).detach().numpy() for n in (net, wanted))
        assert found == pytest.approx(of, abs=0.05), name


def test_a_smaller_network_cannot_be_grown() -> None:
    x = make_toy.made_up_crops()[:1]
    with pytest.raises(UsageError, match="groups, anchors or family"):
        grow(TOY, SarNet(replace(make_toy.SHAPE, groups=(16,))), x)
    with pytest.raises(UsageError, match="hidden"):
        grow(TOY, SarNet(replace(make_toy.SHAPE, hidden=9)), x)


def test_prefixes_are_all_groups_or_fewer() -> None:
    drawn = prefixes(4000, 5, 0.25, np.random.default_rng(0)).numpy()
    assert set(drawn) == {1, 2, 3, 4, 5}
    assert np.mean(drawn < 5) == pytest.approx(0.25, abs=0.03)
    assert set(prefixes(10, 1, 1.0, np.random.default_rng(0)).tolist()) == {1}


def test_groups_that_are_left_out_cost_nothing_and_decode_to_zero() -> None:
    x = make_toy.made_up_crops()[:2]
    net = make_toy.toy_net().eval()
    position = torch.full((2,), 1.5)
    with torch.no_grad():
        whole = net(x, position, autocast=False, hard=True)
        base = net(x, position, autocast=False, hard=True, prefix=torch.tensor([1, 2]))
    assert float(base.y_bits[0]) < float(whole.y_bits[0])
    assert float(base.y_bits[1]) == pytest.approx(float(whole.y_bits[1]))
    assert torch.allclose(base.x_hat[1], whole.x_hat[1], atol=1e-5)
    assert not torch.allclose(base.x_hat[0], whole.x_hat[0], atol=1e-2)


def test_late_in_a_run_the_synthesis_alone_learns(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coded, "CROPS", 2)
    monkeypatch.setattr(coded, "ROUNDS", 1)
    shape = Shape(**{**vars(make_toy.SHAPE), "quantiser": "trellis"})
    settings = Settings(steps=6, batch=2, crop=64, hard_from=0.5, prefix_share=0.5, warmup=1, shape=shape)
    trainer = loop.Trainer(packed, tmp_path / "run", settings)
    trainer.run(0, None)
    kinds: list[set[str]] = []
    for _ in range(6):
        before = {name: value.clone() for name, value in trainer.recipe.net.state_dict().items()}
        trainer._step()
        trainer.step += 1
        after = trainer.recipe.net.state_dict()
        kinds.append({name.split(".")[0] for name in before if not torch.equal(before[name], after[name])})
    assert {"g_a", "g_s", "entropy"} <= kinds[1]
    assert all(kind <= {"g_s", "inverse_log2"} and kind for kind in kinds[3:])
