"""Pruning, quantisation, packing, sensitivity and files: exact sizes, exact round trips, damaged files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2
from torch import nn

from models.compress.file import read_compressed, write_compressed
from models.compress.packing import Packed, from_bits, pack, raw, to_bits
from models.compress.pipeline import Restore, Settings, TiedLevels, compress
from models.compress.prune import block_of, keep_mask, matrix
from models.compress.quantise import kmeans, levels
from models.compress.sensitivity import lower_hull, share
from models.compress.sizes import account
from sim.errors import ConfigError, InputError
from sim.settings import validate_config


def draw(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.filterwarnings("ignore:One of the clusters is empty")
@pytest.mark.parametrize("count", [2, 16, 40])
def test_kmeans_is_scipys_from_the_same_start(count: int) -> None:
    values = draw(600).astype(np.float64)
    start = np.linspace(values.min(), values.max(), count)
    ours = kmeans(values, count)
    theirs, labels = kmeans2(values[:, None], start[:, None], iter=50, minit="matrix")
    assert np.allclose(ours, theirs.ravel()[np.unique(labels)], atol=1e-6)
    errors = [np.abs(values[:, None] - book).min(1) for book in (ours, start)]
    assert (errors[0] ** 2).mean() < (errors[1] ** 2).mean()


@pytest.mark.parametrize("method", ["kmeans", "linear"])
@pytest.mark.parametrize("bits", [4, 8])
def test_codes_are_the_closest_level(method: str, bits: int) -> None:
    values = draw(30, 20)
    book, codes = levels(values, bits, method, zero=False)
    assert len(book) <= 2**bits
    error = np.abs(values - book[codes])
    assert (error <= np.abs(values[..., None] - book).min(-1) + 1e-6).all()
    if method == "linear":
        assert error.max() <= (values.max() - values.min()) / (2**bits - 1) / 2 + 1e-6


def test_zeros_stay_zeros() -> None:
    values = draw(30, 20)
    values[values < 0.3] = 0
    for method in ("kmeans", "linear"):
        book, codes = levels(values, 4, method, zero=True)
        assert len(book) <= 16
        assert book[0] == 0
        assert ((book[codes] == 0) == (values == 0)).all()
    book, codes = levels(np.zeros((2, 2), np.float32), 4, "kmeans", zero=True)
    assert (book[codes] == 0).all()


@pytest.mark.parametrize(("bits", "method", "message"), [(9, "kmeans", "nearest: 8"), (8, "kmean", "nearest: kmeans")])
def test_quantisation_that_is_none(bits: int, method: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        levels(draw(3), bits, method, zero=False)


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 99))
def test_the_largest_weights_stay(rows: int, columns: int, keep: float, seed: int) -> None:
    values = draw(rows, columns, seed=seed)
    mask = keep_mask(values, keep)
    assert mask.sum() == round(keep * values.size)
    if 0 < mask.sum() < values.size:
        assert np.abs(values[mask]).min() >= np.abs(values[~mask]).max()


def test_rows_and_blocks_stay_or_go_as_a_whole() -> None:
    values = draw(10, 6, 1)
    mask = matrix(keep_mask(values, 0.5, block_of(values.shape, "row", (4, 4))))
    assert set(mask.sum(1).tolist()) == {0, 6}
    assert mask.sum() == 30
    norms = np.linalg.norm(matrix(values), axis=1)
    assert norms[mask[:, 0]].min() >= norms[~mask[:, 0]].max()
    blocks = keep_mask(values[..., 0], 0.5, (4, 4))
    assert {blocks[a : a + 4, b : b + 4].mean() for a in (0, 4, 8) for b in (0, 4)} == {0.0, 1.0}


@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=40))
def test_bits_come_back(bits: int, values: list[int]) -> None:
    numbers = (np.array(values, np.int64) % 2**bits).astype(np.uint8)
    packed = to_bits(numbers, bits)
    assert packed.nbytes == -(-len(values) * bits // 8)
    assert (from_bits(packed, bits, len(values)) == numbers).all()


@given(
    st.integers(1, 20), st.integers(1, 20), st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]), st.sampled_from([4, 8]),
    st.sampled_from([(1, 1), (1, 0), (4, 4)]), st.integers(0, 99),
)  # fmt: skip
def test_every_form_comes_back(
    rows: int, columns: int, keep: float, bits: int, group: tuple[int, int], seed: int
) -> None:
    group = (1, columns) if group == (1, 0) else group
    values = draw(rows, columns, seed=seed)
    values *= keep_mask(values, keep, group)
    book, codes = levels(values, bits, "linear", zero=True)
    packed = pack(codes, book, bits, pruned=True, group=group)
    assert (packed.unpack() == book[codes]).all()
    assert packed.bytes == packed.value_bytes + packed.index_bytes + packed.codebook_bytes
    assert packed.bytes <= -(-values.size * bits // 8) + book.nbytes


def test_sizes_of_each_form_by_hand() -> None:
    codes = np.zeros((8, 8), np.uint8)
    codes[0, 3] = codes[5, 1] = 1
    book = np.array([0, 1], np.float32)
    packed = pack(codes, book, 8, pruned=True)
    assert (packed.form, packed.gap_bits) == ("gaps", 6)  # gaps of 3 and 37: no filler with 6 bits
    assert (packed.value_bytes, packed.index_bytes, packed.codebook_bytes) == (2, 2, 8)
    codes = np.arange(64, dtype=np.uint8).reshape(8, 8) % 2
    packed = pack(codes, book, 8, pruned=True)
    assert (packed.form, packed.value_bytes, packed.index_bytes) == ("bitmap", 32, 8)
    assert pack(codes, book, 8, pruned=False).form == "dense"
    rows = np.zeros((8, 8), np.uint8)
    rows[2] = 1
    packed = pack(rows, book, 8, pruned=True, group=(1, 8))
    assert (packed.form, packed.value_bytes, packed.index_bytes) == ("bitmap", 8, 1)


def test_the_hull_leaves_out_what_is_above() -> None:
    assert lower_hull([(0, 0), (1, 5), (2, 2), (3, 9)]) == [(0, 0), (2, 2), (3, 9)]


def test_savings_are_taken_where_they_are_cheap() -> None:
    curves = {"a": [(0.0, 0.0), (5.0, 0.1), (10.0, 9.0)], "b": [(0.0, 0.0), (5.0, 1.0), (10.0, 2.0)]}
    assert share(curves, 5) == {"a": 5, "b": 0}
    assert share(curves, 12) == {"a": 5, "b": 7}
    assert share(curves, 12, whole=True) == {"a": 5, "b": 10}
    assert share(curves, 20) == {"a": 10, "b": 10}


class Net(nn.Module):
    """Two layers, of which the second matters more."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(10, 8)
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(0.01 * torch.relu(self.first(self.table(x)))) + 3 * self.second.weight.mean()
        return found


def loss_of(net: Net) -> Any:
    places = torch.arange(10)
    with torch.no_grad():
        wanted = net(places).clone()
    return lambda: float((net(places) - wanted).square().mean().detach())


def test_what_matters_is_pruned_less() -> None:
    net = Net()
    made = compress(net, Settings(keep=0.5), loss_of(net), embeddings=["table.weight"])
    assert made.keeps["second.weight"] > 0.5 > made.keeps["first.weight"]
    kept = sum(int((net.get_parameter(name) != 0).sum()) for name in made.keeps)
    assert kept == pytest.approx(128, abs=2)
    assert int((net.table.weight == 0).sum()) == 0


@pytest.mark.parametrize("granularity", ["weight", "row", "block"])
@pytest.mark.parametrize("bits", [8, 6, 4])
@pytest.mark.parametrize("method", ["kmeans", "linear"])
def test_a_file_loads_back_to_the_same_outputs(tmp_path: Path, granularity: str, bits: float, method: str) -> None:
    net = Net()
    settings = {"keep": 0.6, "granularity": granularity, "mean_bits": float(bits), "method": method}
    made = compress(net, validate_config(Settings, settings), loss_of(net), embeddings=["table.weight"])
    write_compressed(tmp_path / "c", made.tensors, {"name": "net"})
    tensors, about = read_compressed(tmp_path / "c")
    assert about == {"name": "net"}
    other = Net()
    other.load_state_dict({name: torch.from_numpy(one.unpack().copy()) for name, one in tensors.items()})
    assert torch.equal(other(torch.arange(10)), net(torch.arange(10)))
    sizes = account(tensors, ["table.weight"])
    assert sizes["whole"]["bytes"] == sum(one.bytes for one in made.tensors.values())
    assert sizes["whole"]["bytes"] - sizes["without_embeddings"]["bytes"] == made.tensors["table.weight"].bytes
    assert sum(one.nbytes for two in tensors.values() for one in two.arrays.values()) == sizes["whole"]["bytes"]
    assert (tmp_path / "c").stat().st_size > sizes["whole"]["bytes"]  # the header comes on top
    if bits == 6:
        counts = {name: int((net.get_parameter(name) != 0).sum()) for name in made.bits}
        assert sum(made.bits[name] * count for name, count in counts.items()) <= 6 * sum(counts.values())
        assert set(made.bits.values()) <= {4, 8}


def test_fine_tuning_can_neither_bring_weights_back_nor_part_those_of_one_code() -> None:
    net, seen = Net(), []

    def tune(restore: Restore) -> None:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.arange(parameter.numel()).view_as(parameter) * 1e-3 + 1.0)
        restore(net)
        seen.append({name: one.detach().clone() for name, one in net.named_parameters()})

    made = compress(net, Settings(keep=0.5, mean_bits=4.0), fine_tune=tune)
    pruned, tied = seen
    for name in ("table.weight", "first.weight", "second.weight"):
        stored = torch.from_numpy(made.tensors[name].unpack())
        assert torch.equal(stored != 0, pruned[name] != 0)
        assert torch.equal(stored, tied[name])
        assert len(torch.unique(stored)) <= 16 < len(torch.unique(pruned[name]))
    assert made.tensors["first.bias"].unpack().mean() > 1.9, "what is not compressed is trained both times"


def test_a_level_is_the_mean_of_its_weights() -> None:
    net = Net()
    tied = TiedLevels(net, {"first.weight": 4}, {}, "kmeans")
    codes = tied.codes["first.weight"]
    moved = np.random.default_rng(3).normal(size=codes.shape).astype(np.float32)
    with torch.no_grad():
        net.first.weight.copy_(torch.from_numpy(moved))
    tied.restore(net)
    for code in np.unique(codes):
        mean = moved[codes == code].astype(np.float64).mean()
        assert np.allclose(net.first.weight.detach().numpy()[codes == code], mean, atol=1e-6)


def test_linear_levels_are_not_tuned() -> None:
    calls: list[Restore] = []
    compress(Net(), Settings(method="linear"), fine_tune=calls.append)
    assert not calls


def test_nothing_pruned_is_dense() -> None:
    made = compress(Net(), Settings(mean_bits=8.0))
    assert {one.form for one in made.tensors.values()} == {"dense", "raw"}


@pytest.mark.parametrize("place", [10, 200, -3])
def test_a_damaged_file(tmp_path: Path, place: int) -> None:
    made = compress(Net(), Settings(keep=0.5))
    path = tmp_path / "c"
    write_compressed(path, made.tensors, {})
    data = bytearray(path.read_bytes())
    data[place] ^= 0x55
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged") as found:
        read_compressed(path)
    assert "\n" not in str(found.value)
    path.write_bytes(bytes(data[: len(data) // 2]))
    with pytest.raises(InputError, match="damaged"):
        read_compressed(path)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*nearest: one that 'hwloop compress' wrote"):
        read_compressed(tmp_path / "none")


def test_raw_values_are_exact() -> None:
    values = draw(3, 4)
    assert (raw(values).unpack() == values).all()
    assert raw(values).bytes == 48


def test_arrays_that_do_not_fit() -> None:
    codes = {"codes": np.array([7], np.uint8), "codebook": np.zeros(2, np.float32)}
    with pytest.raises(ValueError, match="beyond the codebook"):
        Packed((1,), "dense", 8, 1, arrays=codes).unpack()


@pytest.mark.parametrize("settings", [{"keep": 0.0}, {"mean_bits": 3.0}, {"granularity": "column"}, {"kep": 1}])
def test_settings_that_are_none(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        validate_config(Settings, settings)
