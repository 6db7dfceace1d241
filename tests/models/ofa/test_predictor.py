"""The accuracy predictor: what it learns, its interval, files that come back bit for bit or are refused."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.ofa.predictor import (
    RELEASED_RESOLUTIONS,
    AccuracyPredictor,
    Origin,
    load,
    require_space,
)
from models.ofa.space import space
from sim.errors import ConfigError, InputError

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

MINI = space("mini")


@pytest.fixture(scope="module")
def trained() -> tuple[AccuracyPredictor, Any, Any]:
    """A predictor of a formula, and networks that it has not seen with what the formula says of them."""
    from models.ofa.placeholder import formula
    from models.ofa.predictor_training import Recipe, judged, train

    seen = MINI.sample(600, np.random.default_rng(0))
    unseen = MINI.sample(200, np.random.default_rng(1))
    noise = np.random.default_rng(2).normal(0, 0.001, 800)
    recipe = Recipe(members=3, hidden=64, steps=300)
    predictor = train(MINI, seen, formula(MINI, seen) + noise[:600], recipe, seed=4, label="placeholder")
    truth = formula(MINI, unseen) + noise[600:]
    return judged(predictor, unseen, truth), unseen, truth


def test_it_learns_and_says_how_well(trained: tuple[AccuracyPredictor, Any, Any]) -> None:
    from models.ofa.predictor_training import score

    predictor, unseen, truth = trained
    found = predictor.origin.unseen
    assert found == score(predictor, unseen, truth)
    assert found["n"] == 200
    assert found["ratio"] <= 0.4
    assert found["kendall_tau"] >= 0.7
    assert found["rmse"] == pytest.approx(float(np.sqrt(np.mean((predictor.predict(unseen) - truth) ** 2))))
    assert found["coverage"] >= 0.9


def test_the_ensemble_is_the_mean_of_its_members(trained: tuple[AccuracyPredictor, Any, Any]) -> None:
    predictor, unseen, _ = trained
    each = predictor.each(unseen)
    assert each.shape == (3, 200)
    assert not np.array_equal(each[0], each[1])
    assert np.array_equal(predictor.predict(unseen), each.mean(axis=0))
    low, high = predictor.interval(unseen)
    assert (low < predictor.predict(unseen)).all()
    assert (predictor.predict(unseen) < high).all()


def test_numpy_says_what_torch_says(trained: tuple[AccuracyPredictor, Any, Any]) -> None:
    predictor, unseen, _ = trained
    parts: list[Any] = []
    for weight, bias in predictor.members[0]:
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        parts += [layer, torch.nn.ReLU()]
    net = torch.nn.Sequential(*parts[:-1])
    with torch.no_grad():
        expected = net(torch.from_numpy(MINI.encode(unseen)))[:, 0].numpy()
    assert np.allclose(predictor.each(unseen)[0], expected, atol=1e-6)


def test_the_same_seed_and_data_give_the_same_bytes(tmp_path: Path) -> None:
    from models.ofa.placeholder import placeholder
    from models.ofa.predictor_training import Recipe

    recipe = Recipe(members=1, hidden=16, steps=20)
    for name in ("a", "b"):
        placeholder(MINI, samples=100, recipe=recipe).save(tmp_path / f"{name}.safetensors")
    placeholder(MINI, seed=1, samples=100, recipe=recipe).save(tmp_path / "c.safetensors")
    a, b, c = ((tmp_path / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def test_a_file_comes_back_bit_for_bit(trained: tuple[AccuracyPredictor, Any, Any], tmp_path: Path) -> None:
    predictor, unseen, _ = trained
    path = tmp_path / "p.safetensors"
    predictor.save(path)
    again = load(path)
    assert again.origin == predictor.origin
    assert again.fingerprint == predictor.fingerprint
    assert np.array_equal(again.predict(unseen), predictor.predict(unseen))


def released_layers() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    sizes = (128, 400, 400, 400, 1)
    layers = {}
    for place, (before, after) in enumerate(itertools.pairwise(sizes)):
        layers[f"{2 * place}.weight"] = rng.normal(0, 0.05, (after, before)).astype(np.float32)
        layers[f"{2 * place}.bias"] = rng.normal(0, 0.05, after).astype(np.float32)
    return layers


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_the_released_layout_loads(suffix: str, tmp_path: Path) -> None:
    layers, path = released_layers(), tmp_path / f"acc_predictor.{suffix}"
    if suffix == "pth":
        torch.save({name: torch.from_numpy(part) for name, part in layers.items()}, path)
    else:
        safetensors.save_file(layers, path)
    predictor = load(path)
    assert predictor.origin.label == "released"
    assert predictor.resolutions == tuple(range(112, 225, 16)) == RELEASED_RESOLUTIONS
    one = space("mbv3-w1.0")
    require_space(predictor, one)
    population = one.sample(3, np.random.default_rng(1), resolutions=(160, 224))
    x = np.zeros((3, 128))  # as published: kernels, expansions, (r - 112) // 16
    for row in range(3):
        active = one.active(population.select([row]))[0]
        for slot in np.flatnonzero(active):
            x[row, 3 * slot + (3, 5, 7).index(population.ks[row, slot])] = 1
            x[row, 60 + 3 * slot + (3, 4, 6).index(population.e[row, slot])] = 1
        x[row, 120 + (population.r[row] - 112) // 16] = 1
    for place in range(4):
        x = x @ layers[f"{2 * place}.weight"].T + layers[f"{2 * place}.bias"]
        x = np.maximum(x, 0) if place < 3 else x
    assert np.allclose(predictor.predict(population), x[:, 0], atol=1e-5)
    assert np.isnan(predictor.interval(population)[0]).all()


def test_a_predictor_of_another_space_is_refused(trained: tuple[AccuracyPredictor, Any, Any]) -> None:
    with pytest.raises(ConfigError, match=r"is of space 'mini', not 'mbv3-w1\.0'; nearest: --space mini"):
        require_space(trained[0], space("mbv3-w1.0"))


def test_files_that_are_no_predictor(tmp_path: Path, trained: tuple[AccuracyPredictor, Any, Any]) -> None:
    good = tmp_path / "good.safetensors"
    trained[0].save(good)
    for name, content in (("short", good.read_bytes()[:-100]), ("text", b"hello"), ("empty", b"")):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(InputError, match="is no predictor"):
            load(path)
    with pytest.raises(InputError, match=r"cannot read|is no predictor"):
        load(tmp_path / "absent.safetensors")
    safetensors.save_file({"0.weight": np.zeros((1, 7), np.float32), "0.bias": np.zeros(1, np.float32)}, good)
    with pytest.raises(InputError, match="takes 7 inputs and has no metadata; nearest: the released layout of 128"):
        load(good)
    torch.save({"0.weight": [1, 2]}, tmp_path / "list.pth")
    with pytest.raises(InputError, match="is no predictor"):
        load(tmp_path / "list.pth")


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "touched",))

    (tmp_path / "bomb.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="is no predictor"):
        load(tmp_path / "bomb.pth")
    assert not (tmp_path / "touched").exists()


def test_layers_must_fit_the_space() -> None:
    layers = ((np.zeros((1, 5), np.float32), np.zeros(1, np.float32)),)
    with pytest.raises(InputError, match=r"do not lead from .* inputs of mini to one"):
        AccuracyPredictor([layers], Origin("mini", MINI.resolutions, "trained"))


@pytest.mark.parametrize(("values", "words"), [(np.full(30, 75.0), "no fraction"), (np.full(3, 0.5), "at least 20")])
def test_accuracies_that_cannot_be_learned(values: Any, words: str) -> None:
    from models.ofa.predictor_training import train

    with pytest.raises(InputError, match=words):
        train(MINI, MINI.sample(len(values), np.random.default_rng(0)), values)


def test_resolutions_between_those_it_knows_are_interpolated(trained: tuple[AccuracyPredictor, Any, Any]) -> None:
    predictor, unseen, _ = trained
    between = replace(unseen, r=np.full(len(unseen), 22))
    ends = [predictor.predict(replace(unseen, r=np.full(len(unseen), side))) for side in (20, 24)]
    assert np.mean(np.abs(predictor.predict(between) - np.mean(ends, axis=0))) < 0.01
