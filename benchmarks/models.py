"""Every figure of docs/models.md: the founding notes' systems, ours, and JPEG 2000 on the test chips.

    SARCODEC_DATA=... python benchmarks/models.py
    SARCODEC_DATA=... python benchmarks/models.py --model runs/mine/mine.safetensors --keep
    python benchmarks/models.py --percentiles train.npy

Rates are those of whole files, errors are over valid pixels, by the protocol of docs/benchmark.md;
"the notes' convention" is that of `sarcodec.bench.notes`. Figures go to benchmarks/models.json and from there
into the tables between the markers of docs/models.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from torch import Tensor, nn

from sarcodec import metrics, zoo
from sarcodec.atomic import replacing
from sarcodec.bench import modelpage, notes
from sarcodec.bench.codecs import jpeg2000
from sarcodec.bench.codecs.interface import Codec, Raster
from sarcodec.bench.codecs.sarc import Sarc
from sarcodec.bench.images import Image, Mask, images
from sarcodec.errors import InputError
from sarcodec.fill import fill_invalid
from sarcodec.model import modelfile
from sarcodec.model.families import REGISTRY, networks_of
from sarcodec.model.hyper import Shape
from sarcodec.model.lapped.networks import AnalysisTransform, SynthesisTransform
from sarcodec.model.levels import STEPS
from sarcodec.model.modelfile import Model
from sarcodec.model.transforms import STRIDE

HERE = Path(__file__).resolve().parent
RATES = (0.05, 0.1, 0.2, 0.44)
PEER_RATES = (0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.44, 0.6)
"""JPEG 2000 is measured on more rates, so that it can be read off at the size of any of our files."""
LINEAR = (16, 32, 64)
"""Lapped coefficients, of 256, that are kept without quantisation."""
MACS_SIDE = 4096


def points_of(image: Image, codec: Codec, rates: Sequence[float]) -> list[dict[str, Any]]:
    """One codec on one image at every rate, by the protocol and by the notes' convention."""
    db, valid, prepared = image.db, image.valid, codec.prepare(image)
    found: list[dict[str, Any]] = []
    for rate in rates:
        coded = codec.search(prepared, rate)
        decoded = codec.decode(prepared, coded.data)
        size = {"wanted_bpp": rate, "bytes": len(coded.data), "bpp": 8 * len(coded.data) / db.size}
        own = {"ssim": metrics.ssim(db, decoded, valid)}
        found.append({"codec": codec.info().name, **size, **likeness(image, decoded), **own})
    return found


def bd_rates(reference: list[dict[str, Any]], test: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """BD-rate of `test` against `reference` on every scene of both; None where they share no error."""
    found: list[dict[str, Any]] = []
    for scene in dict.fromkeys(point["scene"] for point in test):
        curves = []
        for points in (reference, test):
            curve = {p["rmse_db"]: p["bpp"] for p in points if p["scene"] == scene}
            curves += [list(curve.values()), list(curve)]
        try:
            found.append({"scene": scene, **asdict(metrics.bd_rate(*curves))})
        except InputError:
            found.append({"scene": scene, "percent": None})
    return found


def by_notes(db: Raster, decoded: Raster, valid: Mask) -> dict[str, float]:
    """PSNR and SSIM by the notes' convention."""
    score = notes.score(db, decoded, valid)
    return {"notes_psnr": score.psnr, "notes_ssim": score.ssim}


def likeness(image: Image, decoded: Raster) -> dict[str, Any]:
    """Figures of an image that no file stands for."""
    db, valid = image.db, image.valid
    own = {"rmse_db": metrics.rmse_db(db, decoded, valid), "psnr_db": metrics.psnr_db(db, decoded, valid)}
    return {"scene": image.name, **own, **by_notes(db, decoded, valid)}


def network_input(image: Image, unit_db: float) -> tuple[npt.NDArray[np.float32], float]:
    """The filled image about its mean in network units, padded to multiples of 16, and the mean."""
    db, valid = image.db, image.valid
    mean = notes.mean_db(db, valid)
    x = (fill_invalid(db, valid) - mean) / unit_db
    return np.pad(x, [(0, -size % STRIDE) for size in x.shape], mode="edge").astype(np.float32), mean


def unquantised(model: Model, image: Image) -> npt.NDArray[np.float32]:
    """What the synthesis makes of latents that were never rounded, at the finest level; dB, shape (h, w)."""
    x, mean = network_input(image, model.unit_db)
    y = model.analyse(x) * np.exp2(model.scales.gain_log2[-1, :, None, None] / STEPS + 4)  # in 1/16 of a step
    back = model.synthesise(y, model.top_level) * model.unit_db + mean
    return np.asarray(back[: image.db.shape[0], : image.db.shape[1]], np.float32)


@torch.inference_mode()
def lapped(channels: int, image: Image) -> npt.NDArray[np.float32]:
    """The lowest-frequency lapped coefficients alone, not rounded, put back together; dB, shape (h, w)."""
    x, mean = network_input(image, 1.0)
    analysis = AnalysisTransform(channels, 0, 0, 0, 0)
    synthesis = SynthesisTransform(channels, 0, 0, 0, 0, 1)
    back: npt.NDArray[np.float32] = synthesis(analysis(torch.from_numpy(x)[None, None]))[0, 0].numpy() + mean
    return np.asarray(back[: image.db.shape[0], : image.db.shape[1]], np.float32)


def macs_per_pixel(network: nn.Module, *inputs: Tensor) -> float:
    """Multiplications of all convolutions in a forward pass over MACS_SIDE^2 pixels, a pixel."""
    total = 0

    def count(module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        # A kernel is applied once a position of the smaller grid.
        positions = (given[0] if isinstance(module, nn.ConvTranspose2d) else result)[0, 0].numel()
        total += positions * module.weight.numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.inference_mode():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return total / MACS_SIDE**2


def kmacs_of(shape: Shape) -> dict[str, float]:
    """Thousands of multiplications a pixel in g_a and g_s on a large raster; nothing is computed."""
    g_a, g_s = (network.to("meta") for network in networks_of(shape))
    with torch.device("meta"):
        x = torch.zeros(1, 1, MACS_SIDE, MACS_SIDE)
        y = torch.zeros(1, shape.channels, MACS_SIDE // STRIDE, MACS_SIDE // STRIDE)
        parts = {"analysis": macs_per_pixel(g_a, x), "synthesis": macs_per_pixel(g_s, y, torch.zeros(1))}
    return {name: macs / 1e3 for name, macs in parts.items()}


def size_of(system: modelpage.System) -> dict[str, Any]:
    """Parameters and work of a system of the notes, whether it is trained or not."""
    transform = REGISTRY[system.family].shape(base=system.base)
    shape = Shape(transform=transform, groups=(system.channels,))
    return {
        "parameters": sum(value.numel() for net in networks_of(shape) for value in net.parameters()),
        "kmacs_per_pixel": kmacs_of(shape),
    }


def parameters_of(path: Path) -> int:
    """Numbers in the tensors of g_a and g_s in a model file."""
    with safe_open(path, "np") as file:
        names = [n for n in file.keys() if n.startswith(("analysis/g_a.", "synthesis/g_s."))]  # noqa: SIM118
        return sum(math.prod(file.get_slice(name).get_shape()) for name in names)


def training_of(path: Path) -> dict[str, Any]:
    """Recipe, steps and pixels seen, as far as the card or the checkpoint beside a model file says so."""
    card, run = path.with_name("card.json"), path.with_name("checkpoint.safetensors")
    known: dict[str, Any] = {}
    if card.exists():
        known = json.loads(card.read_text(encoding="utf-8")).get("training", {})
    elif run.exists():
        with safe_open(run, "np") as file:
            about = file.metadata()
        known = json.loads(about.get("settings", "{}")) | {"steps": int(about["step"])}
    steps, batch, crop = (known.get(name) for name in ("steps", "batch", "crop"))
    seen = steps * batch * crop**2 if steps and batch and crop else None
    return {"recipe": known.get("recipe"), "steps": steps, "pixels": known.get("pixels", seen)}


def described(path: Path, model: Model) -> dict[str, Any]:
    """What is known of a model without running it."""
    return {
        "id": model.id,
        "sha256": sha256(path),
        "family": model.shape.family,
        "base": asdict(model.shape.transform).get("base", 0),
        "channels": model.shape.channels,
        "parameters": parameters_of(path),
        "kmacs_per_pixel": kmacs_of(model.shape),
        "training": training_of(path),
    }


def measured(
    path: Path, model: Model, found: Sequence[Image], peer: list[dict[str, Any]], device: str
) -> dict[str, Any]:
    """What its files and its transforms alone do to the images."""
    points: list[dict[str, Any]] = []
    for image in found:
        points += points_of(image, Sarc(str(path), device), RATES)
        print(f"  {image.name}", flush=True)
    return {
        "points": points,
        "bd_rate": bd_rates(peer, points),
        "unquantised": [likeness(image, unquantised(model, image)) for image in found],
    }


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_files(named: Iterable[str], folder: Path) -> list[Path]:
    """The models asked for by id or path; else all that are installed, and those in `folder`."""
    if asked := [zoo.find(name) for name in named]:
        return asked
    inside = [p for p in sorted(folder.rglob("*.safetensors")) if _is_model(p)]
    return [*(card.path for card in zoo.cards()), *inside]


def _is_model(path: Path) -> bool:
    with safe_open(path, "np") as file:
        return (file.metadata() or {}).get("format") == modelfile.FORMAT


def figures(options: argparse.Namespace) -> dict[str, Any]:
    """The whole document; with `--keep`, what the old one holds of unchanged files is not measured again."""
    found = [
        image
        for path in sorted(options.images.glob("*.tif"))
        for image in images(path)
        if min(image.values.shape) >= options.side and image.valid.any()
    ]
    if not found:
        raise SystemExit(f"no raster of {options.side} pixels a side in {options.images}")
    about = {
        "openjpeg": jpeg2000.openjpeg_version(),
        "low_db": notes.LOW_DB,
        "high_db": notes.HIGH_DB,
        "scenes": [image.name for image in found],
        "rates": list(RATES),
    }
    old: dict[str, Any] = {}
    if options.keep and options.output.exists():
        old = json.loads(options.output.read_text(encoding="utf-8"))
        old = old if old.get("about") == about else {}
    peer, linear = old.get("jpeg2000", []), old.get("linear", {})
    if not old:
        print("JPEG 2000 and lapped coefficients", flush=True)
        peer = [point for image in found for point in points_of(image, jpeg2000.Jpeg2000(), PEER_RATES)]
        linear = {str(n): [likeness(image, lapped(n, image)) for image in found] for n in LINEAR}
    known = {model["sha256"]: model for model in old.get("models", [])}
    models = []
    for path in model_files(options.model, options.folder):
        print(path, flush=True)
        model = modelfile.load(path)
        about_it = described(path, model)
        old_one = known.get(about_it["sha256"])
        kept = {name: old_one[name] for name in ("points", "bd_rate", "unquantised")} if old_one else None
        models.append(about_it | (kept or measured(path, model, found, peer, options.device)))
    sizes = {system.name: size_of(system) for system in modelpage.SYSTEMS}
    return {"about": about, "sizes": sizes, "jpeg2000": peer, "linear": linear, "models": models}


def arguments() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", default=[], help="id or model file; repeat for several")
    parser.add_argument("--folder", type=Path, default=Path("runs/models"), help="where else models lie")
    parser.add_argument("--images", type=Path, help="folder of test chips (SARCODEC_DATA/test/grd)")
    parser.add_argument("--side", type=int, default=512, help="leave out smaller chips")
    parser.add_argument("--keep", action="store_true", help="do not measure again what has not changed")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "models.json")
    parser.add_argument("--leak", type=Path, default=HERE / "leak_test.json", help="of leak_test.py")
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs" / "models.md")
    parser.add_argument(
        "--percentiles", type=Path, metavar="DATA.npy", help="print the notes' range, no more"
    )
    options = parser.parse_args()
    if options.images is None and options.percentiles is None:
        if not os.environ.get("SARCODEC_DATA"):
            parser.error("SARCODEC_DATA names no folder of data, and --images none of chips")
        options.images = Path(os.environ["SARCODEC_DATA"]) / "test" / "grd"
    return options


def main() -> None:
    """Measure, write the JSON, fill the page."""
    options = arguments()
    if options.percentiles:
        low, high = notes.percentiles(options.percentiles)
        print(f"LOW_DB, HIGH_DB = {low}, {high}")
        return
    document = figures(options)
    leak = json.loads(options.leak.read_text(encoding="utf-8")) if options.leak.exists() else None
    with replacing(options.output, overwrite=True) as partial:
        partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    page = modelpage.filled(options.page.read_text(encoding="utf-8"), modelpage.sections(document, leak))
    with replacing(options.page, overwrite=True) as partial:
        partial.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
