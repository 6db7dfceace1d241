"""The page in headless Chromium: nothing on the console, every figure to be seen, no sideways scrolling, both schemes.

The page is shown in a frame as wide as a screen, from a harness that measures it and writes what it found into its own
document. The harness drops the page's content policy, which would forbid the script that measures.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "figures"))

from made_records import study_record, suite_record

from analysis.report import write_report

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")
QUIET = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
QUIET += "--disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr --log-level=0"
SCHEMES = {"dark": "0", "light": "1"}
MEASURE = """
<pre id="found"></pre><script>
function look() {
  const inside = document.querySelector('iframe').contentDocument, page = inside.documentElement;
  const box = one => { const r = one.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const paint = one => getComputedStyle(one);
  const wide = [...inside.querySelectorAll('body *')].filter(one => !one.closest('svg, .scroll, pre'));
  document.getElementById('found').textContent = JSON.stringify({
    width: page.clientWidth, scroll: page.scrollWidth,
    sticking: wide.filter(one => box(one)[2] > page.clientWidth + 0.5).map(one => one.tagName + '.' + one.className),
    background: paint(inside.body).backgroundColor, color: paint(inside.body).color,
    figures: [...inside.querySelectorAll('svg.figure')].map(svg => ({
      box: box(svg), visible: svg.checkVisibility(),
      texts: [...svg.querySelectorAll('text')].map(one => ({box: box(one), fill: paint(one).fill,
        size: parseFloat(paint(one).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width})),
      paints: [...new Set([...svg.querySelectorAll('path, use')].flatMap(one => [paint(one).fill, paint(one).stroke]))],
    })),
  });
}
</script>
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    reason = "no Chromium on this machine to look at the page with"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of all records, with twenty matrices."""
    folder = tmp_path_factory.mktemp("report")
    records = {"bench": suite_record()} | {what: study_record(what) for what in ("ablation", "sweep", "grid", "rmat")}
    for name, record in records.items():
        (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    return write_report(folder)


def browse(chromium: str, target: Path, profile: Path, *options: str) -> tuple[str, list[str]]:
    """The document of `target` once it is loaded, and all lines of the console."""
    command = [chromium, *QUIET.split(), f"--user-data-dir={profile}", *options, "--dump-dom", target.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return ran.stdout, [line for line in ran.stderr.splitlines() if "CONSOLE" in line]


def measured(chromium: str, page: Path, folder: Path, width: int, scheme: str) -> dict[str, Any]:
    """What the harness found in a frame of `width` pixels."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    frame = f'<iframe style="border:0;width:{width}px;height:900px" onload="look()" srcdoc="{html.escape(text)}">'
    harness = folder / "harness.html"
    harness.write_text(f'<!doctype html><meta charset="utf-8">{MEASURE}{frame}</iframe>', encoding="utf-8")
    option = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    document, console = browse(chromium, harness, folder / "profile", "--window-size=1400,1000", option)
    assert console == []
    answer = re.search(r'<pre id="found">(.*?)</pre>', document, re.DOTALL)
    assert answer is not None
    found: dict[str, Any] = json.loads(html.unescape(answer[1]))
    return found


def brightness(colour: str) -> float:
    """Of ``rgb(…)``, 0 to 1."""
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 765


def test_the_page_itself_says_nothing_on_the_console(chromium: str, page: Path, tmp_path: Path) -> None:
    document, console = browse(chromium, page, tmp_path)
    assert console == []
    assert document.count("<svg class=") == 10


def test_the_console_is_heard(chromium: str, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<!doctype html><script>console.error('heard'); nowhere()</script>")
    _, console = browse(chromium, tmp_path / "bad.html", tmp_path / "profile")
    assert any("heard" in line for line in console)
    assert any("nowhere is not defined" in line for line in console)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [360, 390, 1200])
def test_every_figure_is_seen_and_nothing_sticks_out(
    chromium: str, page: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    found = measured(chromium, page, tmp_path, width, scheme)
    assert found["width"] == width
    assert found["scroll"] <= width
    assert found["sticking"] == []
    assert len(found["figures"]) == 10
    for figure in found["figures"]:
        left, top, right, bottom = figure["box"]
        assert figure["visible"]
        assert right - left > 0.75 * min(width, 600)
        assert bottom - top > 200
        for text in figure["texts"]:
            x0, y0, x1, y1 = text["box"]
            assert x1 > x0
            assert left - 1 <= x0 <= x1 <= right + 1  # no letter is cut off
            assert top - 1 <= y0 <= y1 <= bottom + 1
            assert text["size"] > 6


@pytest.mark.parametrize("scheme", SCHEMES)
def test_letters_and_lines_stand_out_in_both_schemes(chromium: str, page: Path, tmp_path: Path, scheme: str) -> None:
    found = measured(chromium, page, tmp_path, 390, scheme)
    paper = brightness(found["background"])
    assert (paper < 0.2) == (scheme == "dark")
    assert abs(brightness(found["color"]) - paper) > 0.6
    for figure in found["figures"]:
        assert all(abs(brightness(text["fill"]) - paper) > 0.35 for text in figure["texts"])
        assert any(abs(brightness(colour) - paper) > 0.3 for colour in figure["paints"] if colour.startswith("rgb"))
