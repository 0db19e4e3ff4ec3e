"""The benchmark's page in a browser: it loads from itself alone, fits small screens, and its buttons work."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sarcodec.bench.report.page import render
from testing import benchmarks

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium")

WIDTHS = (360, 1280)

PROBE = """
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const seen = {};
for (const each of all("details")) each.open = true;
seen.images = all("img").length;
seen.broken = all("img").filter((each) => !(each.complete && each.naturalWidth > 0)).length;
seen.plots = all("svg.plot").length;
seen.flat = all("svg.plot").filter((each) => !(each.getBoundingClientRect().width > 20
  && each.getBoundingClientRect().height > 10)).map((each) => each.outerHTML.slice(0, 99));
seen.outside = performance.getEntriesByType("resource").map((each) => each.name)
  .filter((name) => !name.startsWith("data:"));
seen.overflow = [document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth];
const ids = all("[id]").map((each) => each.id);
seen.twice = ids.filter((id, place) => ids.indexOf(id) !== place);
const column = (place) => all("#bd-means tbody tr").map((row) => row.cells[place].textContent);
const sort = (place) => {
  const head = document.querySelector("#bd-means thead tr").cells[place];
  head.querySelector("button").click();
  return [head.getAttribute("aria-sort"), column(place)];
};
seen.sorted = [sort(3), sort(3), sort(0)];
seen.missing = sort(4)[1];
const press = (group, value) => document
  .querySelector(`[data-switch=${group}] button[value="${value}"]`).click();
const visible = () => all(".window:not([hidden]) .shot[data-codec]:not([hidden]) img:not(.over)")
  .filter((each) => each.getClientRects().length).map((each) => each.dataset.view);
seen.views = { first: visible() };
for (const view of ["difference", "ratio", "image"]) { press("view", view); seen.views[view] = visible(); }
const codecs = all("[data-switch=codec] button");
seen.codecs = codecs.map((each) => each.getAttribute("aria-pressed"));
for (const each of codecs) each.click();
seen.others = visible().length;
for (const each of codecs.slice(0, 2)) each.click();
seen.every = visible().length;
for (const each of codecs.slice(2)) each.click();
seen.scales = all(".window:not([hidden]) [data-scale]:not([hidden])").map((each) => each.dataset.scale);
const picture = document.querySelector(".shot[data-codec] img");
seen.zoom = [picture.getBoundingClientRect().width];
press("zoom", "3");
seen.zoom.push(picture.getBoundingClientRect().width);
seen.pixelated = getComputedStyle(picture).imageRendering;
const shot = document.querySelector(".window:not([hidden]) .shot[data-codec]");
const state = () => [".over", "img:not(.over)"]
  .map((part) => getComputedStyle(shot.querySelector(part)).visibility);
const same = shot.querySelector(".over").src === document.querySelector(".shot[data-original] img").src;
seen.flicker = [same, state()];
for (const event of ["pointerdown", "pointerup"]) {
  shot.querySelector(".flick").dispatchEvent(new PointerEvent(event));
  seen.flicker.push(state());
}
document.querySelector("#blink").click();
seen.flicker.push(state());
document.querySelector("#blink").click();
seen.flicker.push(state());
const choice = document.querySelector("#window");
choice.selectedIndex = 1;
choice.dispatchEvent(new Event("change"));
seen.windows = all(".window").map((each) => each.hidden);
const mark = document.querySelector(".legend button");
const drawn = (each) => each.getClientRects().length > 0;
const lines = () => all("#rate svg .codec-" + mark.dataset.codec).filter(drawn).length;
seen.lines = [lines()];
for (let turn = 0; turn < 2; turn += 1) {
  mark.click();
  seen.lines.push(lines(), mark.getAttribute("aria-pressed"));
}
parent.postMessage(seen, "*");
"""

FRAMES = """<!DOCTYPE html><title>frames</title><pre id="seen"></pre><script>
const seen = {};
addEventListener("message", (event) => {
  seen[event.data.overflow[2]] = event.data;
  document.getElementById("seen").textContent = JSON.stringify(seen);
});
</script>"""


def open_page(path: Path, scratch: Path, *options: str) -> tuple[str, list[str]]:
    """The page's elements once its scripts ran, and what it told the console."""
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", f"--user-data-dir={scratch}", "--enable-logging=stderr",
        "--virtual-time-budget=4000", "--dump-dom", *options, path.as_uri(),
    ]  # fmt: skip
    env = {"HOME": str(scratch), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, re.findall(r"^.*:CONSOLE[:(].*$", done.stderr, re.MULTILINE)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    results = benchmarks.with_crops(benchmarks.results(), folder, side=48)
    path = folder / "report.html"
    path.write_text(render(results, folder), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def probed(page: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, Any], list[str]]:
    """What a script in the page saw in frames of both widths; the page's own policy holds, and allows it."""
    folder = tmp_path_factory.mktemp("probed")
    probe = f"(() => {{{PROBE}}})();"
    digest = base64.b64encode(hashlib.sha256(probe.encode()).digest()).decode()
    text = page.read_text(encoding="utf-8")
    text = text.replace("script-src", f"script-src &#39;sha256-{digest}&#39;", 1)
    (folder / "copy.html").write_text(text.replace("</body>", f"<script>{probe}</script></body>"))
    frames = "".join(
        f'<iframe src="copy.html" width="{w}" height="800" style="border:0"></iframe>' for w in WIDTHS
    )
    (folder / "frames.html").write_text(FRAMES + frames)
    elements, console = open_page(folder / "frames.html", folder / "profile", "--window-size=1700,900")
    found = re.search(r'<pre id="seen">(.*?)</pre>', elements, re.DOTALL)
    assert found is not None
    assert found[1], console
    seen = json.loads(html.unescape(found[1]))
    return {int(width): each for width, each in seen.items()}, console


def test_the_page_tells_the_console_nothing(
    page: Path, probed: tuple[dict[int, Any], list[str]], tmp_path: Path
) -> None:
    elements, console = open_page(page, tmp_path / "profile")
    assert console == probed[1] == []
    assert "What is kept" in elements


@pytest.mark.parametrize("width", WIDTHS)
def test_every_picture_is_there_and_nothing_comes_from_outside(
    probed: tuple[dict[int, Any], list[str]], width: int
) -> None:
    seen = probed[0][width]
    assert seen["images"] == 3 * (
        1 + 4 * 3 + 4
    )  # original, four codecs in three views, the original over each
    assert seen["broken"] == 0
    assert seen["plots"] > 30
    assert seen["flat"] == []
    assert seen["outside"] == []
    assert seen["twice"] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(probed: tuple[dict[int, Any], list[str]], width: int) -> None:
    whole, body, inner = probed[0][width]["overflow"]
    assert inner == width
    assert whole <= inner
    assert body <= inner


@pytest.mark.parametrize("width", WIDTHS)
def test_a_click_on_a_head_sorts_up_then_down(probed: tuple[dict[int, Any], list[str]], width: int) -> None:
    seen = probed[0][width]
    (up, rising), (down, falling), (words, codecs) = seen["sorted"]
    numbers = [float(text.replace("\u2212", "-")) for text in rising]
    assert (up, down, words) == ("ascending", "descending", "ascending")
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 5
    assert falling == rising[::-1]
    assert codecs == sorted(codecs)
    assert seen["missing"].index("\u2013") > 2  # what is missing comes last


@pytest.mark.parametrize("width", WIDTHS)
def test_pictures_switch_zoom_and_flicker(probed: tuple[dict[int, Any], list[str]], width: int) -> None:
    seen = probed[0][width]
    views = seen["views"]
    assert views.pop("first") == ["image", "image"]
    assert views == {view: [view, view] for view in ("difference", "ratio", "image")}
    assert seen["codecs"] == ["true", "true", "false", "false"]  # ours and JPEG 2000, then the others
    assert (seen["others"], seen["every"]) == (2, 4)
    assert seen["scales"] == ["image"]
    assert seen["zoom"] == [48, 144]
    assert seen["pixelated"] == "pixelated"
    plain, swapped = ["hidden", "visible"], ["visible", "hidden"]
    assert seen["flicker"] == [True, plain, swapped, plain, swapped, plain]
    assert seen["windows"] == [True, False, True]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_legend_hides_a_codec_and_brings_it_back(
    probed: tuple[dict[int, Any], list[str]], width: int
) -> None:
    before, hidden, off, after, on = probed[0][width]["lines"]
    assert (hidden, off, on) == (0, "false", "true")
    assert before == after > 5
