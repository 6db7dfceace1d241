"""`simulate` as Python users get it: names, paths, recipes and matrices in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import hwloop
from benchmarks.suitesparse import runner
from benchmarks.suitesparse.matrix import load_matrix
from sim.errors import ConfigError, InputError

RECIPE = "uniform:n=40,density=0.1,seed=2"


def test_is_the_function_of_the_package() -> None:
    assert hwloop.simulate is runner.simulate
    with pytest.raises(AttributeError, match="simulat"):
        _ = hwloop.simulat


def test_recipe() -> None:
    result = runner.simulate(RECIPE)
    assert result.matrix.name == RECIPE
    assert result.matrix.sha256 == load_matrix(RECIPE).sha256
    assert result.wall_s.load > 0
    assert result.verified is True


def test_path_matrix_and_array_give_the_same(tmp_path: Path) -> None:
    matrix = load_matrix(RECIPE)
    path = tmp_path / "m.npz"
    hwloop.write_matrix(matrix.csr, path)
    results = [runner.simulate(one) for one in (path, str(path), matrix, matrix.csr, matrix.csr.toarray())]
    assert {one.cycles for one in results} == {results[0].cycles}
    assert [one.matrix.name for one in results] == ["m", "m", RECIPE, "matrix", "matrix"]
    assert [one.matrix.sha256 is None for one in results] == [False, False, False, True, True]


def test_second_operand() -> None:
    same = runner.simulate(RECIPE, RECIPE)
    assert same.matrix.b is None
    other = runner.simulate(RECIPE, "banded:n=40,width=3,seed=1")
    assert other.matrix.b is not None
    assert other.matrix.b.name == "banded:n=40,width=3,seed=1"
    assert other.matrix.b.sha256 is not None
    a, b = load_matrix(RECIPE).csr, sp.eye_array(40).tocsr()
    assert runner.simulate(a, b).matrix.b is not None


def test_settings_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text("[merge_tree]\nways = 8\nwidth = 4\n")
    config = runner.simulate(RECIPE, config_file=file, settings={"merge_tree.ways": 2}).config
    assert (config["merge_tree"]["ways"], config["merge_tree"]["width"]) == (2, 4)


def test_seed() -> None:
    recipe = "uniform:n=40,density=0.1"
    first, second = (runner.simulate(recipe, seed=seed) for seed in (1, 2))
    assert (first.seed, second.seed) == (1, 2)
    assert first.matrix.sha256 != second.matrix.sha256
    random = {"schedule.policy": "random"}
    assert runner.simulate(RECIPE, seed=5, settings=random).config["schedule"]["seed"] == 5
    own = {**random, "schedule.seed": 9}
    assert runner.simulate(RECIPE, seed=5, settings=own).config["schedule"]["seed"] == 9
    assert runner.simulate(RECIPE, seed=5).config["schedule"]["seed"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"accelerator": "sparc"}, "unknown accelerator 'sparc'.*nearest: sparch"),
        ({"accelerator": "outerspace", "model": "cycle"}, "has no model 'cycle'; nearest: event"),
        ({"accelerator": "outerspace", "settings": {"pes.tile": 2}}, "unknown setting.*nearest: pes.tiles"),
        ({"model": "cycles"}, "unknown model.*nearest: cycle"),
        ({"settings": {"merge_tree.way": 2}}, "unknown setting.*nearest: merge_tree.ways"),
        ({"settings": {"merge_tree.ways": 256}}, "merge_tree.ways = 256"),
        ({"config_file": "absent.toml"}, "cannot read configuration"),
    ],
)
def test_settings_are_refused_before_anything_is_loaded(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        runner.simulate("a matrix that there is not", **options)  # type: ignore[arg-type]


def test_unknown_matrix() -> None:
    with pytest.raises(InputError, match="nearest: wiki-Vote"):
        runner.simulate("wiki-vote")


def test_does_not_change_its_input() -> None:
    a = np.eye(3)
    runner.simulate(a)
    assert (a == np.eye(3)).all()


def test_outerspace() -> None:
    results = [runner.simulate(RECIPE, accelerator=name, seed=3, trace=True) for name in ("sparch", "outerspace")]
    assert [one.accelerator for one in results] == ["sparch", "outerspace"]
    assert results[0].matrix == results[1].matrix
    assert results[0].output_nnz == results[1].output_nnz
    assert results[1].config["pes"]["tiles"] == 16
    assert results[1].verified is True
    assert results[1].trace is not None
    assert runner.simulate(RECIPE, accelerator="outerspace", settings={"pes.tiles": 2}).config["pes"]["tiles"] == 2
