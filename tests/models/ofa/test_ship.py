"""A study becomes predictor and supernet files that say where they are from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")

from models.ofa import predictor, ship, train_state  # noqa: E402
from models.ofa.architecture import Architecture, Population  # noqa: E402
from models.ofa.placeholder import formula  # noqa: E402
from models.ofa.predictor_training import Recipe  # noqa: E402
from models.ofa.space import space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from models.ofa.train_config import read_config  # noqa: E402
from models.ofa.trained import load_supernet  # noqa: E402
from sim.errors import ConfigError, InputError  # noqa: E402

QUICK = Recipe(members=2, hidden=32, steps=150)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study's files with made-up accuracies and an untrained supernet."""
    folder, mini = tmp_path / "study", space("mini")
    folder.mkdir()
    population = mini.sample(140, np.random.default_rng(1))
    values = formula(mini, population)
    pairs = [{"arch": population[row].record(), "accuracy": float(values[row])} for row in range(140)]
    (folder / "pairs.json").write_text(json.dumps({"known": pairs[:100], "unseen": pairs[100:]}), encoding="utf-8")
    note = {"space": "mini", "seed": 4, "data": "d" * 64, "weights": "w" * 64}
    record = {"schema": "hwloop.ofa-study/1", **note, "config": read_config("mini").model_dump(mode="json")}
    (folder / "study.json").write_text(json.dumps(record), encoding="utf-8")
    train_state.save_tensors(folder / "supernet.safetensors", Supernet(mini).state_dict(), note)
    return folder


def test_the_files_say_where_they_are_from_and_how_good_they_are(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    record = ship.train(str(study), out, recipe=QUICK)
    loaded = predictor.load(out / "mini_predictor.safetensors")
    unseen = json.loads((study / "pairs.json").read_text(encoding="utf-8"))["unseen"]
    truth = np.array([one["accuracy"] for one in unseen])
    guessed = loaded.predict(Population.of(Architecture.of(one["arch"]) for one in unseen))
    rmse = float(np.sqrt(np.mean((guessed - truth) ** 2)))
    assert record["unseen"]["rmse"] == pytest.approx(rmse, rel=1e-6)
    assert record["unseen"]["ratio"] == pytest.approx(rmse / float(truth.std()), rel=1e-6)
    assert loaded.origin.unseen == record["unseen"]
    assert loaded.origin.samples == 100
    assert "d" * 64 in loaded.origin.note
    trained = load_supernet(out / "mini_supernet.safetensors", "mini")
    assert (trained.seed, trained.data_sha256) == (4, "d" * 64)
    assert trained.config.data.held_out == read_config("mini").data.held_out
    with safetensors.safe_open(out / "mini_supernet.safetensors", "pt") as file:
        note = json.loads(file.metadata()["hwloop"])
    curves = (out / note["curves"]).read_bytes()
    assert hashlib.sha256(curves).hexdigest() == note["curves_sha256"]
    assert note["command"].startswith("hwloop train ofa --config mini --study --seed 4")


def test_what_ships_is_small() -> None:
    sizes = ship.RECIPE.hidden
    inputs = space("mini").encode(space("mini").sample(1, np.random.default_rng(0))).shape[1]
    weights = ship.RECIPE.members * (inputs * sizes + 2 * sizes * sizes + sizes)
    supernet = sum(one.numel() for one in Supernet(space("mini")).state_dict().values())
    assert 4 * (weights + supernet) < 6e6


def test_bad_input_is_named(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    with pytest.raises(InputError, match=r"holds no finished study: it has no study.json; nearest: hwloop train ofa"):
        ship.train(str(tmp_path), out)
    options: list[dict[str, Any]] = [{"data": "x"}, {"resume": True}, {"study": True}, {"settings": ("a=1",)}]
    for one in options:
        with pytest.raises(ConfigError, match="says nothing to ofa-predictor"):
            ship.train(str(study), out, **one)
    pairs = json.loads((study / "pairs.json").read_text(encoding="utf-8"))
    (study / "pairs.json").write_text(json.dumps(pairs | {"known": pairs["known"][:5]}), encoding="utf-8")
    with pytest.raises(InputError, match="nearest: at least 20 of each"):
        ship.train(str(study), out)
    (study / "pairs.json").write_text('{"known": [{"arch": {}}]}', encoding="utf-8")
    with pytest.raises(InputError, match="holds no scored networks 'known'"):
        ship.train(str(study), out)
    assert not out.exists()
