"""Images to translate, by the name of their source or the folder that they are in.

`openmoji` (line to colour, paired), `openmoji-labels` (label map to colour), `emoji-style` (Noto to Twemoji, unpaired),
a folder with ``input`` and ``target`` in it, or `generated`, `generated-labels`, `generated-unpaired`: stand-ins that
are made here from a seed, for tests and where nothing can be fetched.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.gan import openmoji, styles
from models.gan.images import PARTS, Images, Part, divide, read_folder
from sim.errors import InputError, nearest

GENERATED, GENERATED_LABELS, GENERATED_UNPAIRED = "generated", "generated-labels", "generated-unpaired"
NAMES = (openmoji.NAME, openmoji.LABELS_NAME, styles.NAME, GENERATED, GENERATED_LABELS, GENERATED_UNPAIRED)


def open_images(source: str, side: int = 64, *, aligned: bool = True, labels: int = 16, count: int = 200) -> Images:
    """The images of a source of `NAMES` or of a folder.

    aligned: whether those of a folder come in pairs. labels: of a map. count: of generated ones. Raises InputError.
    """
    if source == openmoji.NAME:
        return openmoji.load(side)
    if source == openmoji.LABELS_NAME:
        return openmoji.load_labels(side, labels)
    if source == styles.NAME:
        return styles.load(side)
    if source in (GENERATED, GENERATED_LABELS):
        return generate(count, side, labels=labels if source == GENERATED_LABELS else 0)
    if source == GENERATED_UNPAIRED:
        lines, colours = generate(count, side), generate(count, side, seed=1)
        parts = {one: Part(getattr(lines, one).inputs, getattr(colours, one).targets, ()) for one in PARTS}
        return Images.of(GENERATED_UNPAIRED, parts, aligned=False, origin="generated")
    if not Path(source).expanduser().is_dir():
        raise InputError(f"no image set and no folder {source!r}{nearest(source, NAMES)}")
    return read_folder(source, side, aligned=aligned)


def generate(count: int = 200, side: int = 64, *, labels: int = 0, seed: int = 0) -> Images:
    """Outlined shapes and their coloured form, in which the kind of a shape decides its colour. Stand-in data."""
    from PIL import Image, ImageDraw

    colours = ((234, 90, 71), (97, 178, 228), (241, 179, 28), (92, 158, 49))
    rng = np.random.default_rng(seed)
    lines, filled = [], []
    for _ in range(count):
        pair = [Image.new("RGB", (side, side), "white") for _ in range(2)]
        for kind in rng.integers(0, 4, 3):
            corner, size = rng.random(2) * 0.6 * side, (0.15 + 0.3 * rng.random(2)) * side
            box = [*corner.tolist(), *(corner + size).tolist()]
            for image, fill in zip(pair, ("white", colours[kind]), strict=True):
                _shape(ImageDraw.Draw(image), int(kind), box, fill)
        lines.append(np.asarray(pair[0], np.uint8))
        filled.append(np.asarray(pair[1], np.uint8))
    names = [f"{place:05d}" for place in range(count)]
    inputs, targets = np.stack(lines), np.stack(filled)
    if labels:
        palette = np.array([(0, 0, 0), *colours, (255, 255, 255)], np.uint8)[-labels:]
        inputs = openmoji.label_map(targets, palette)
    name = GENERATED_LABELS if labels else GENERATED
    return Images.of(name, divide(names, names, inputs, targets), labels=labels, origin=f"generated, seed {seed}")


def _shape(draw: object, kind: int, box: list[float], fill: object) -> None:
    from PIL import ImageDraw

    assert isinstance(draw, ImageDraw.ImageDraw)
    left, top, right, bottom = box
    style: dict[str, object] = {"fill": fill, "outline": "black"}
    if kind == 0:
        draw.ellipse(box, **style)  # type: ignore[arg-type]
    elif kind == 1:
        draw.rectangle(box, **style)  # type: ignore[arg-type]
    elif kind == 2:
        draw.polygon([(left, bottom), ((left + right) / 2, top), (right, bottom)], **style)  # type: ignore[arg-type]
    else:
        middle = ((left + right) / 2, (top + bottom) / 2)
        draw.polygon([(middle[0], top), (right, middle[1]), (middle[0], bottom), (left, middle[1])], **style)  # type: ignore[arg-type]
