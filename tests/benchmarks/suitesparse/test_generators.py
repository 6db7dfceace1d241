"""Recipes: the same bytes for the same seed, the promised structure, and refusals that name the nearest key."""

from __future__ import annotations

import time

import numpy as np
import pytest

from benchmarks.suitesparse import generators, load_matrix, memory
from benchmarks.suitesparse.matrix import max_row_nnz, multiplications
from sim.errors import ConfigError, InputError

RECIPES = [
    "rmat:n=1000,edges=8",
    "poisson3d:n=6",
    "banded:n=50,width=5",
    "uniform:n=60,density=0.1",
    "uniform:n=60,density=0.9",
    "uniform:n=60,m=7,density=0.3",
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_sound_and_repeatable(recipe: str) -> None:
    first, second = load_matrix(recipe, seed=3), load_matrix(recipe, seed=3)
    assert first.sha256 == second.sha256
    assert first.csr.has_canonical_format
    assert first.csr.has_sorted_indices
    assert (first.csr.data.dtype, first.csr.indices.dtype, first.csr.indptr.dtype) == (np.float64, np.int32, np.int32)
    assert first.source == "generator"
    assert load_matrix(first.name).sha256 == first.sha256
    first.csr.check_format(full_check=True)


@pytest.mark.parametrize("recipe", [one for one in RECIPES if not one.startswith("poisson3d")])
def test_seed_in_the_recipe_wins(recipe: str) -> None:
    named = load_matrix(f"{recipe},seed=5")
    assert load_matrix(f"{recipe},seed=5", seed=9).sha256 == named.sha256
    assert load_matrix(recipe, seed=5).sha256 == named.sha256
    assert load_matrix(recipe, seed=6).sha256 != named.sha256
    assert load_matrix(recipe).sha256 == load_matrix(recipe, seed=0).sha256
    data = named.csr.data
    assert data.min() > 0
    assert data.max() <= 1


@pytest.mark.parametrize(
    ("n", "edges", "nnz", "products"), [(16384, 8, 120_019, 17_047_694), (16384, 16, 228_315, 52_969_444)]
)
def test_rmat_of_graph500_probabilities(n: int, edges: int, nnz: int, products: int) -> None:
    graph = load_matrix(f"rmat:n={n},edges={edges},seed=1")
    assert (graph.nnz, multiplications(graph.csr, graph.csr)) == (nnz, products)


def test_rmat_quadrants_have_the_probabilities() -> None:
    rows, cols = generators._rmat_samples(np.random.default_rng(0), 1, 200_000)
    share = np.bincount(2 * rows + cols, minlength=4) / 200_000
    np.testing.assert_allclose(share, generators.RMAT_PROBABILITIES, atol=0.005)


def test_rmat_between_powers_of_two() -> None:
    start = time.perf_counter()
    graph = load_matrix("rmat:n=50000,edges=8,seed=1")
    assert time.perf_counter() - start < 1
    assert graph.csr.shape == (50_000, 50_000)
    assert 0.9 * 400_000 < graph.nnz <= 400_000
    assert graph.csr.indices.max() > 49_000
    assert load_matrix("rmat:n=1,edges=5").csr.toarray().shape == (1, 1)
    assert load_matrix("rmat:n=5,edges=0").nnz == 0


def test_rmat_in_many_pieces_draws_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generators, "_SAMPLES_AT_ONCE", 100)
    assert 0.5 * 8000 < load_matrix("rmat:n=1000,edges=8").nnz <= 8000


def test_poisson3d_is_the_seven_point_laplacian() -> None:
    n = 4
    line = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    one = np.eye(n)
    dense = np.kron(np.kron(line, one), one) + np.kron(np.kron(one, line), one) + np.kron(np.kron(one, one), line)
    mesh = load_matrix(f"poisson3d:n={n}")
    np.testing.assert_array_equal(mesh.csr.toarray(), dense)
    assert mesh.nnz == 7 * n**3 - 6 * n**2
    assert load_matrix("poisson3d:n=1").csr.toarray().tolist() == [[6.0]]


@pytest.mark.parametrize(("n", "width"), [(6, 1), (6, 3), (6, 4), (3, 9), (1, 1), (5, 10**12)])
def test_banded_fills_its_diagonals(n: int, width: int) -> None:
    offset = np.subtract.outer(np.arange(n), np.arange(n))
    expected = (offset <= width // 2) & (-offset <= (width - 1) // 2)
    np.testing.assert_array_equal(load_matrix(f"banded:n={n},width={width}").csr.toarray() != 0, expected)


@pytest.mark.parametrize("density", [0, 0.001, 0.5, 0.501, 0.999, 1])
def test_uniform_has_exactly_its_density(density: float) -> None:
    noise = load_matrix(f"uniform:n=70,m=90,density={density}")
    assert noise.csr.shape == (70, 90)
    assert noise.nnz == round(70 * 90 * density)


def test_uniform_is_even() -> None:
    noise = load_matrix("uniform:n=400,density=0.25,seed=1").csr
    assert max_row_nnz(noise) < 150
    assert np.bincount(noise.indices, minlength=400).min() > 60


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("rmat:n=10,edge=3", "rmat: unknown key 'edge'; nearest: edges; keys: n, edges, seed"),
        ("rmat:n=10", "rmat: 'edges' is missing"),
        ("rmat:", "rmat: 'n' is missing"),
        ("rmat:n=10,edges", "'edges' has no value"),
        ("rmat:n=10,edges=", "edges is '', not a whole number"),
        ("rmat:n=1.5,edges=2", "n is '1.5', not a whole number"),
        ("rmat:n=0,edges=2", "n is 0, outside 1.."),
        ("rmat:n=10,edges=-2", "edges is -2, outside 0.."),
        ("rmat:n=10,n=10,edges=2", "'n' is given twice"),
        ("rmat:n=10,edges=2,seed=-1", "seed is -1, outside 0.."),
        ("poisson3d:n=4,seed=1", "unknown key 'seed'"),
        ("uniform:n=4,density=1.5", "density is '1.5', not a number from 0 to 1"),
        ("uniform:n=4,density=nan", "not a number from 0 to 1"),
        ("uniform:n=4,density=x", "not a number from 0 to 1"),
        ("uniform:n=9999999999,m=9999999999,density=0", "more cells than a 64-bit integer"),
    ],
)
def test_bad_recipes(recipe: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_matrix(recipe)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_negative_seed_argument() -> None:
    with pytest.raises(ConfigError, match="seed is -1"):
        load_matrix("rmat:n=10,edges=2", seed=-1)


def test_unknown_generator() -> None:
    with pytest.raises(InputError, match="no generator called 'rmatt'; nearest: rmat; there are rmat, poisson3d"):
        load_matrix("rmatt:n=3")


@pytest.mark.parametrize(
    "recipe",
    [
        "rmat:n=99999999999,edges=9999",
        "poisson3d:n=99999",
        "banded:n=999999999999,width=9",
        "uniform:n=9999999,density=1",
    ],
)
def test_more_than_memory_holds(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 10**10)
    with pytest.raises(InputError, match="of memory; 10 GB is available"):
        load_matrix(recipe)
