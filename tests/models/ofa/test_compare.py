"""Winners against rivals: measured as said, chosen as said, never computed twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from models.data.fashion_mnist import SMALL  # noqa: E402
from models.ofa import compare as comparing  # noqa: E402
from models.ofa import train_state  # noqa: E402
from models.ofa.architecture import Architecture, Population  # noqa: E402
from models.ofa.evaluate import Evaluator  # noqa: E402
from models.ofa.family import PredictedAccuracy  # noqa: E402
from models.ofa.placeholder import placeholder  # noqa: E402
from models.ofa.predictor_training import Recipe  # noqa: E402
from models.ofa.search import OFASpace  # noqa: E402
from models.ofa.space import space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from models.ofa.trained import load_supernet, open_images  # noqa: E402
from models.search.constraint import Target  # noqa: E402
from models.search.method import Settings  # noqa: E402
from models.search.study import Bound, Study  # noqa: E402
from sim.cache import ResultCache  # noqa: E402
from sim.mobile_cost.devices import oracle  # noqa: E402


@pytest.mark.slow
def test_accuracies_are_those_of_the_networks_and_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "SEEDS", 2)
    monkeypatch.setattr(comparing, "RANDOM", 3)
    torch.manual_seed(6)
    file = tmp_path / "supernet.safetensors"
    train_state.save_tensors(file, Supernet(space("mini")).state_dict(), {"space": "mini", "seed": 0})
    objective = PredictedAccuracy(placeholder(space("mini"), samples=200, recipe=Recipe(1, 16, steps=50)))
    targets = (Target(oracle("note10")),)
    study: Study[Population] = Study(
        OFASpace(space("mini"), [24]),
        objective,
        targets,
        (Bound("latency", 0.3, share=True),),
        settings=Settings(8, 3),
    )
    how: dict[str, Any] = {"cache": tmp_path / "cache", "data": SMALL}
    record = comparing.compare(study, file, **how)
    journal = list(ResultCache(tmp_path / "cache").journal())
    assert comparing.compare(study, file, **how) == record
    assert len(list(ResultCache(tmp_path / "cache").journal())) == len(journal)

    trained = load_supernet(file, "mini")
    images = open_images(trained, SMALL)
    (row,) = record["rows"]
    uniform = row["uniform"]
    for one in (*(entry["winner"] for entry in row["seeds"]), uniform):
        arch = Architecture.of(one["arch"])
        assert one["test_accuracy"] == Evaluator(trained.net, trained.space, images.calibration, images.test).accuracy(
            arch
        )
        assert 0 < one["latency_s"] <= row["limit"][0]
    used = trained.space.active(Population.of([Architecture.of(uniform["arch"])]))[0]
    for key in ("ks", "e"):
        assert len({value for value, present in zip(uniform["arch"][key], used, strict=True) if present}) == 1
    assert len(set(uniform["arch"]["d"])) == 1
    held = Evaluator(trained.net, trained.space, images.calibration, images.held)
    assert uniform["held_accuracy"] == held.accuracy(Architecture.of(uniform["arch"]))
    for entry in row["seeds"]:
        winner, finalist = (Architecture.of(entry[who]["arch"]) for who in ("winner", "finalist"))
        assert entry["finalist"]["held_accuracy"] == held.accuracy(finalist) >= held.accuracy(winner)
        assert entry["finalist"]["latency_s"] <= row["limit"][0]
    smallest = trained.space.uniform(3, 3, 2, 24)
    assert uniform["held_accuracy"] >= held.accuracy(smallest)
    assert row["uniform_best_on_test"]["test_accuracy"] >= uniform["test_accuracy"]
    assert all(one["random"]["lowest"] <= one["random"]["median"] <= one["random"]["highest"] for one in row["seeds"])
