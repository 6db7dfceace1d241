"""Data sets: read whole, refused with one line, and batches that follow from their seed."""

from __future__ import annotations

import gzip
import lzma
import stat
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.data import fashion_mnist, folder  # noqa: E402
from models.data.augment import Augmentation, plain_batch, training_batch  # noqa: E402
from models.data.idx import read_idx  # noqa: E402
from models.data.images import GREY_MEAN, hold_out, memory_images  # noqa: E402
from models.data.sources import open_data  # noqa: E402
from sim.errors import InputError  # noqa: E402

ALL = Augmentation(shift=2, flip=True, erase=0.5, brightness=0.1, saturation=0.5)


@pytest.fixture(scope="module")
def small() -> object:
    return fashion_mnist.load_small()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No folder holds Fashion-MNIST, and there is no apt-get."""
    monkeypatch.setenv("HWLOOP_DATA", "")
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fashion_mnist, "SYSTEM", tmp_path / "absent")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def write_image(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def write_idx(folder: Path, stem: str, array: np.ndarray) -> None:
    header = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes()
    (folder / f"{stem}.gz").write_bytes(gzip.compress(header + array.tobytes()))


def test_the_shipped_subset_is_balanced_and_is_fashion_mnist() -> None:
    pair = fashion_mnist.load_small()
    for part, rows in ((pair.train, 2000), (pair.test, 1000)):
        assert part.images.shape == (rows, 1, 28, 28)
        assert np.bincount(part.labels.numpy()).tolist() == [rows // 10] * 10
    assert float(pair.train.images.float().mean()) / 255 == pytest.approx(GREY_MEAN, abs=0.005)
    assert pair.train.sha256 != pair.test.sha256
    assert pair.sha256 == fashion_mnist.load_small().sha256


def test_the_shipped_subset_is_small_and_carries_its_licence() -> None:
    place = Path(fashion_mnist.__file__).parent / "fashion_mnist_small"
    assert sum(path.stat().st_size for path in place.iterdir()) < 1_200_000
    assert "Zalando" in (place / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.skipif(fashion_mnist.locate() is None, reason="the complete Fashion-MNIST is not on this machine")
def test_the_complete_set_holds_the_subset() -> None:
    full, small = fashion_mnist.load(fetch=False), fashion_mnist.load_small()
    assert (len(full.train), len(full.test)) == (60_000, 10_000)
    whole = {image.numpy().tobytes() for image in full.train.images}
    assert all(image.numpy().tobytes() in whole for image in small.train.images)


def test_without_apt_the_absent_set_is_one_line(nowhere: Path) -> None:
    with pytest.raises(InputError, match=r"no Fashion-MNIST here, and no apt-get .* use --data fashion-mnist-small"):
        open_data("fashion-mnist")


def test_offline_apt_is_one_line(nowhere: Path) -> None:
    for name in ("apt-get", "dpkg-deb"):
        script = nowhere / "bin" / name
        script.write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n", encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(
        InputError, match=r"apt-get download dataset-fashion-mnist' failed: E: Unable to locate"
    ) as info:
        open_data("fashion-mnist")
    assert "\n" not in str(info.value)
    assert not list((nowhere / "cache" / "data").glob("*"))


def test_a_fetched_package_is_kept(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], scratch: str) -> None:
        if command[0] == "apt-get":
            (Path(scratch) / "x.deb").write_bytes(b"")
            return
        place = Path(scratch) / "out" / fashion_mnist.SYSTEM.relative_to("/")
        place.mkdir(parents=True)
        for stem in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
            (place / f"{stem}-ubyte.gz").write_bytes(b"")

    monkeypatch.setattr(fashion_mnist, "_run", run)
    monkeypatch.setattr(fashion_mnist.shutil, "which", lambda name: name)
    found = fashion_mnist.fetch_package()
    assert found == nowhere / "cache" / "data" / "fashion-mnist"
    assert fashion_mnist.locate() == found


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "no IDX file"),
        (b"\0\0\x0d\x01\0\0\0\x01\0", "no IDX file"),
        (b"\0\0\x08\x01\0\0\0\x05abc", "cut short"),
        (b"\0\0\x08\x03\0\0", "no IDX"),
    ],
)
def test_damaged_idx_files_are_one_line(raw: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=message):
        read_idx(path)


def test_a_cut_gz_is_one_line(tmp_path: Path) -> None:
    whole = gzip.compress(b"\0\0\x08\x01\0\0\0\x05abcde")
    for name, raw in (("a.gz", whole[:-9]), ("a.xz", lzma.compress(b"abc")[:-4])):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(InputError, match="cannot read"):
            read_idx(tmp_path / name)


def test_a_folder_of_idx_files_is_read(tmp_path: Path) -> None:
    for part in ("train", "t10k"):
        write_idx(tmp_path, f"{part}-images-idx3-ubyte", np.zeros((4, 28, 28), np.uint8))
        write_idx(tmp_path, f"{part}-labels-idx1-ubyte", np.array([0, 1, 2, 9], np.uint8))
    assert len(open_data(str(tmp_path)).train) == 4
    write_idx(tmp_path, "t10k-labels-idx1-ubyte", np.array([0, 1], np.uint8))
    with pytest.raises(InputError, match="do not fit"):
        open_data(str(tmp_path))


def test_cifar_is_read_and_its_pickled_version_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        records = rng.integers(0, 256, (4, 3073), np.uint8)
        records[:, 0] %= 10
        (tmp_path / f"{name}.bin").write_bytes(records.tobytes())
    pair = open_data(str(tmp_path))
    assert (len(pair.train), len(pair.test), pair.train.channels) == (20, 4, 3)
    assert pair.test.images[0].numpy().tobytes() == records[0, 1:].tobytes()
    (tmp_path / "test_batch.bin").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match=r"test_batch\.bin' is no file of CIFAR-10: 100 bytes"):
        open_data(str(tmp_path))
    for path in tmp_path.glob("*.bin"):
        path.unlink()
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x04")
    with pytest.raises(InputError, match=r"pickled version, which is not read .* nearest: the binary version"):
        open_data(str(tmp_path))


def test_an_image_folder_is_split_by_class(tmp_path: Path) -> None:
    for name, colour in (("cat", (255, 0, 0)), ("dog", (0, 0, 255))):
        for number in range(12):
            write_image(tmp_path / name / f"{number:02d}.png", colour)
    pair = open_data(str(tmp_path), side=16)
    assert pair.train.classes == ("cat", "dog")
    assert (len(pair.train), len(pair.test)) == (22, 2)
    images = pair.train.pixels(torch.tensor([0, 21]), torch.Generator().manual_seed(0))
    assert images.shape == (2, 3, 16, 16)
    assert images.dtype == torch.uint8
    assert images[0, 0].min() == 255
    assert images[1, 2].min() == 255
    assert pair.train.labels[[0, 21]].tolist() == [0, 1]


def test_an_image_folder_may_name_its_parts(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("val", 2)):
        for name in ("a", "b"):
            for number in range(count):
                write_image(tmp_path / part / name / f"{number}.jpg", (9, 9, 9))
    pair = open_data(str(tmp_path), side=8)
    assert (len(pair.train), len(pair.test)) == (6, 4)
    write_image(tmp_path / "val" / "c" / "0.jpg", (9, 9, 9))
    write_image(tmp_path / "val" / "c" / "1.jpg", (9, 9, 9))
    with pytest.raises(InputError, match="other classes: 'c' is in one of them only"):
        open_data(str(tmp_path), side=8)


def test_folders_that_are_no_data_set_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no classes"):
        open_data(str(tmp_path))
    for number in range(3):
        write_image(tmp_path / "only" / f"{number}.png", (1, 2, 3))
    with pytest.raises(InputError, match="one class only, 'only'"):
        open_data(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"class 'empty' .* has 0 images"):
        open_data(str(tmp_path))
    with pytest.raises(InputError, match="nearest: fashion-mnist"):
        open_data("fashion-mnsit")


def test_an_unreadable_image_is_one_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(2):
            write_image(tmp_path / name / f"{number}.png", (1, 2, 3))
    (tmp_path / "a" / "0.png").write_bytes(b"not a picture")
    pair = folder.load(tmp_path, 8)
    with pytest.raises(InputError, match=r"cannot read the image .*0\.png': not an image"):
        pair.train.pixels(torch.arange(2))


def test_held_out_rows_are_balanced_and_follow_from_the_seed(small: fashion_mnist.DataPair) -> None:
    kept, held = hold_out(small.train.labels, 400, 3)
    assert np.bincount(small.train.labels[held].numpy()).tolist() == [40] * 10
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(2000))
    again, other = hold_out(small.train.labels, 400, 3)[1], hold_out(small.train.labels, 400, 4)[1]
    assert torch.equal(held, again)
    assert not torch.equal(held, other)


def test_a_batch_follows_from_its_seed(small: fashion_mnist.DataPair) -> None:
    rows = torch.arange(16)
    one, two, three = (
        training_batch(small.train, rows, 24, ALL, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert one.shape == (16, 1, 24, 24)
    assert one.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(one, two)
    assert not torch.equal(one, three)


def test_a_shift_moves_pixels_and_brings_in_zeros() -> None:
    images = np.full((64, 1, 8, 8), 255, np.uint8)
    data = memory_images(images, np.zeros(64, np.uint8), ("a", "b"), (0.0, 1.0))
    moved = training_batch(data, torch.arange(64), 8, Augmentation(shift=2), torch.Generator().manual_seed(0))
    kept = {int(one.sum()) for one in moved}
    assert kept <= {(8 - a) * (8 - b) for a in range(3) for b in range(3)}
    assert len(kept) > 3


def test_erasing_leaves_the_mean_in_some_images() -> None:
    data = memory_images(np.full((200, 1, 16, 16), 255, np.uint8), np.zeros(200, np.uint8), ("a", "b"), (0.5, 1.0))
    how = Augmentation(erase=0.25)
    erased = training_batch(data, torch.arange(200), 16, how, torch.Generator().manual_seed(0))
    share = float((erased == 0).flatten(1).any(1).float().mean())
    assert share == pytest.approx(0.25, abs=0.1)


def test_a_plain_batch_is_normalised(small: fashion_mnist.DataPair) -> None:
    batch = plain_batch(small.train, torch.arange(2000), 28)
    assert float(batch.mean()) == pytest.approx(0, abs=0.02)
    assert float(batch.std()) == pytest.approx(1, abs=0.02)
    assert plain_batch(small.train, torch.arange(3), 20).shape == (3, 1, 20, 20)
