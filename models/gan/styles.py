"""Two editions of the same emoji, drawn by other hands: Noto (Google) and Twemoji (Twitter). Unpaired.

File names are code points in both packages, so a test can look at partners; training never does. Base drawings only:
no skin tones, no flags, and only what both editions have. Row i of the targets is the partner of row i of the inputs;
as the set is unpaired, batches draw the two apart.
"""

from __future__ import annotations

import io
import re

import numpy as np

from models.gan.images import Array, Images, divide
from models.gan.packages import NOTO, TWEMOJI, Package, members
from sim.cache import fingerprint
from sim.files import atomic_path, cache_root

NAME = "emoji-style"
SIDE = 64
_LEFT_OUT = re.compile(r"1f3f[b-f]|1f1(e[6-9a-f]|f[0-9a-f])")
_VERSION = 1


def load(side: int = SIDE) -> Images:
    """Noto as input, Twemoji as target. Raises InputError where a package cannot be fetched."""
    noto, twemoji = _edition(NOTO, "google", side), _edition(TWEMOJI, "twitter", side)
    names = sorted(noto.keys() & twemoji.keys())
    pairs = (np.stack([edition[name] for name in names]) for edition in (noto, twemoji))
    parts = divide(names, [name.split("-")[0] for name in names], *pairs)
    origin = f"{NOTO.name} {NOTO.version}, {NOTO.licence}; {TWEMOJI.name} {TWEMOJI.version}, {TWEMOJI.licence}"
    return Images.of(NAME, parts, aligned=False, origin=origin)


def _edition(package: Package, maker: str, side: int) -> dict[str, Array]:
    """Drawings by name, from the cache or read now."""
    key = fingerprint("styles", _VERSION, side, package.sha256)
    kept = cache_root() / "images" / f"{maker}-{side}-{key[:16]}.npz"
    try:
        with np.load(kept, allow_pickle=False) as arrays:
            names, images = arrays["names"].tolist(), arrays["images"]
    except (OSError, ValueError, KeyError):
        names, images = _read(package, maker, side)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(kept) as fresh:
            np.savez_compressed(fresh, names=np.array(names), images=images)
    return dict(zip(names, images, strict=True))


def _read(package: Package, maker: str, side: int) -> tuple[list[str], Array]:
    folder = f"img/{maker}/64/"
    names, images = [], []
    for name, content in members(package, lambda name: name.startswith(folder) and name.endswith(".png")):
        stem = name.removeprefix(folder).removesuffix(".png")
        if not _LEFT_OUT.search(stem):
            names.append(stem)
            images.append(on_white(content, side))
    order = sorted(range(len(names)), key=lambda row: names[row])
    return [names[row] for row in order], np.stack([images[row] for row in order])


def on_white(png: bytes, side: int) -> Array:
    """A picture with transparency on white: bytes (side, side, 3)."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        drawn = image.convert("RGBA")
        white = Image.new("RGBA", drawn.size, "white")
        white.alpha_composite(drawn)
        return np.asarray(white.convert("RGB").resize((side, side), Image.Resampling.BICUBIC), np.uint8)
