"""Text models as a family to search: scores kept, a predictor with its error, SpArch as the device, finals on the test
split."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

for needed in ("torch", "safetensors", "tokenizers", "sacrebleu"):
    pytest.importorskip(needed)

from hwloop.search_command import search as command  # noqa: E402
from models.lite_transformer import runs  # noqa: E402
from models.lite_transformer.architecture import MINI  # noqa: E402
from models.lite_transformer.config import Config  # noqa: E402
from models.lite_transformer.finals import contenders, decode_s, finals  # noqa: E402
from models.lite_transformer.predictor import FILE, PredictedLoss, fit, read  # noqa: E402
from models.lite_transformer.pruned_oracle import PrunedLinears  # noqa: E402
from models.lite_transformer.search import LiteTransformer, losses  # noqa: E402
from models.lite_transformer.space import TextSpace, space  # noqa: E402
from models.lite_transformer.supernet_training import SupernetRun, train_supernet  # noqa: E402
from models.search.constraint import Target  # noqa: E402
from models.search.family import family  # noqa: E402
from sim.cache import ResultCache  # noqa: E402
from sim.errors import ConfigError, InfeasibleError, InputError, WorkloadError  # noqa: E402
from sim.mobile_cost.devices import load_device  # noqa: E402
from sim.mobile_cost.oracle import DeviceOracle  # noqa: E402
from sim.oracle import CostTable  # noqa: E402
from sim.sparch_oracle.oracle import SparchOracle  # noqa: E402
from sim.workload import WorkloadBatch  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A supernet of the mini space, hardly trained, on a toy grammar."""
    folder = tmp_path_factory.mktemp("supernet") / "run"
    shape = {"width": 16, "vocabulary": 300, "kernels": [3], "heads": 4, "branch_heads": 2, "conv_heads": 2}
    tree = {
        "model": {**shape, "max_tokens": 32, "encoder_layers": 1, "decoder_layers": 1},
        "data": {"source": "generated"},
        "training": {"steps": 3, "batch_tokens": 300, "warm_up": 1, "save_every": 3, "learning_rate": 5e-3},
        "test": {"sentences": 6, "beam": 1},
    }
    train_supernet(Config.model_validate(tree), folder)
    return folder


def pi() -> Target:
    profile = load_device("raspberry-pi-4-torch")
    return Target(DeviceOracle(profile), tuple(profile.fusion))


def test_a_loss_is_computed_once(run: Path, tmp_path: Path) -> None:
    found, cache = SupernetRun(run), ResultCache(tmp_path)
    objective = losses(found, cache)
    population = found.space.sample(3, np.random.default_rng(0))
    scores = objective.score(population)
    assert objective.computed == 3
    assert (scores < 0).all()
    again = losses(SupernetRun(run), cache)
    assert np.array_equal(again.score(found.space.canonical(population)), scores)
    assert again.computed == 0
    assert objective.describe(population, scores)[0]["valid_loss"] == -scores[0]
    assert objective.record()["label"] == "weights of the supernet"


class Known:
    """A loss that is linear in the choices, with noise where the predictor cannot see it."""

    name, fingerprint = "valid_loss", "known"

    def __init__(self, one: TextSpace, noise: float) -> None:
        self.space, self.noise = one, np.random.default_rng(3).normal(0, noise, 10_000)
        self.weights = np.random.default_rng(2).normal(0, 1, one.encode(one.corners()).shape[1])
        self.asked = 0

    def score(self, population: Any) -> Any:
        self.asked += len(population)
        return -(self.space.encode(population) @ self.weights + 4 + self.noise[self.asked])

    def describe(self, population: Any, scores: Any) -> list[dict[str, Any]]:
        return []

    def record(self) -> dict[str, Any]:
        return {}


def test_a_predictor_finds_what_is_there_and_says_when_nothing_is() -> None:
    one = space("mini")
    record = fit(one, Known(one, 0.0), 300)
    assert record["unseen"]["spearman"] > 0.95
    assert record["unseen"]["mean_absolute_error"] < 0.4 * record["unseen"]["error_of_the_mean"]
    noisy = fit(one, Known(one, 100.0), 300)
    assert noisy["unseen"]["spearman"] < 0.5
    objective = PredictedLoss(one, record)
    population = one.sample(200, np.random.default_rng(9))
    truth = Known(one, 0.0).score(population)
    assert np.corrcoef(objective.score(population), truth)[0, 1] > 0.95
    with pytest.raises(InputError, match="another space"):
        PredictedLoss(space("paper"), record)
    with pytest.raises(InputError, match="3 samples are too few"):
        fit(one, Known(one, 0.0), 3)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "hwloop.text-predictor/1", "weights": [NaN]}'])
def test_a_file_that_is_no_predictor(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="no predictor of a text space"):
        read(tmp_path / FILE)
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path / "none.json")


def test_what_the_family_refuses(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "shipped_root", lambda: tmp_path)  # as if nothing shipped
    found = family("lite-transformer")
    assert isinstance(found, LiteTransformer)
    with pytest.raises(ConfigError, match="nothing scores the networks of 'mini'; nearest: --space DIR"):
        found.objective("mini", None)
    with pytest.raises(ConfigError, match="no space and no trained supernet 'mimi'; nearest: mini"):
        found.objective("mimi", None)
    with pytest.raises(ConfigError, match="is of space 'mini', not 'paper'"):
        found.objective("paper", str(run))
    with pytest.raises(ConfigError, match="without --resolutions"):
        found.space("mini", [224], found.objective(str(run), None))
    with pytest.raises(ConfigError, match="nearest: hwloop predict"):
        found.published([])


@pytest.mark.parametrize(
    "device", [("--device", "raspberry-pi-4-torch,xeon-hat"), ("--oracle", "sparch", "--weight-density", "0.2")]
)
def test_search_on_devices_and_on_sparch(device: tuple[str, ...], run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    how = ["--max-latency-ms", "40%", "--population", "6", "--generations", "2", "--out", str(out)]
    ran = CliRunner().invoke(command, ["lite-transformer", "--space", str(run), *device, *how], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    record = json.loads((out / "search.json").read_text(encoding="utf-8"))
    assert record["space"]["name"] == "mini"
    assert len(record["searches"]) == (2 if device[0] == "--device" else 1)
    for one in record["searches"]:
        cost, limit = one["best"]["predicted"]["costs"][0], one["constraint"][0]["limit"]
        assert cost["latency_s"] <= limit
        assert one["best"]["predicted"]["valid_loss"] > 0
        assert one["reachable"][0]["low"] < limit < one["reachable"][0]["high"]
    assert (out / "search.svg").stat().st_size > 0
    assert "score: weights of the supernet" in ran.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--oracle", "spark"], "--oracle takes sparch and no device, got spark"),
        (["--oracle", "sparch", "--device", "note10"], "got --device note10"),
    ],
)
def test_oracles_that_are_none(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CliRunner().invoke(command, ["lite-transformer", *arguments], catch_exceptions=False)


def test_pruned_linears_leave_the_rest_out_and_say_so() -> None:
    one = TextSpace(replace(MINI, vocabulary=0))
    batch = one.lower(one.sample(3, np.random.default_rng(0)))
    thin, thick = (PrunedLinears(SparchOracle(fidelity="surrogate"), density) for density in (0.05, 0.5))
    low, high = thin.cost(batch), thick.cost(batch)
    assert (low["latency_s"] < high["latency_s"]).all()
    assert (low["energy_j"] < high["energy_j"]).all()
    assert low["macs"].tolist() == batch.macs.tolist()
    assert "not on SpArch, not priced" in low.flags[0][0]
    wordy = TextSpace(replace(MINI, vocabulary=5000))
    same = thin.cost(wordy.lower(wordy.sample(3, np.random.default_rng(0))))
    assert np.allclose(same["latency_s"], low["latency_s"])  # the output projection is left out
    linears = sum(op.macs * count for op, count in zip(batch.operators, batch.counts.sum(0), strict=True)
                  if op.kind == "linear")  # fmt: skip
    left_out = [float(flags[0].split(": ")[1].split(" %")[0]) for flags in low.flags]
    assert 1 - linears / batch.macs.sum() == pytest.approx(np.average(left_out, weights=batch.macs) / 100, abs=1e-3)
    assert thin.fingerprint != thick.fingerprint
    with pytest.raises(WorkloadError, match="density of 2 is not within 0 and 1"):
        PrunedLinears(SparchOracle(), 2)


def test_contenders_have_the_latency_of_the_winner() -> None:
    one, target = space("mini"), pi()
    population = one.sample(1, np.random.default_rng(5))
    named = contenders(one, target, one.records(population)[0], random=5)
    assert list(named) == ["winner", "hand-set", *(f"random-{number}" for number in range(5))]
    rows = one.of_records([named[name] for name in named if name != "hand-set"])
    latency = target.oracle.cost(one.lower(rows, fusion=target.fusion))["latency_s"]
    assert (np.abs(latency / latency[0] - 1) <= 0.03).all()


class Alone:
    """A device on which a single network is slower than any of a population."""

    name, fingerprint = "alone", "alone"

    def cost(self, batch: WorkloadBatch, *, breakdown: bool = False) -> CostTable:
        return CostTable.of(batch, latency_s=np.full(len(batch), 2.0 if len(batch) == 1 else 1.0))


def test_a_winner_whose_latency_nobody_has() -> None:
    one = space("mini")
    with pytest.raises(InfeasibleError, match="no random network of 2000 ms among"):
        contenders(one, Target(Alone()), one.records(one.corners())[0])


def test_finals_are_finished_once(run: Path, tmp_path: Path) -> None:
    found = SupernetRun(run)
    winner = found.space.records(found.space.sample(1, np.random.default_rng(5)))[0]
    measured: list[float] = []

    def measure(model: Any) -> float:
        measured.append(decode_s(model, 4, 2, 0.01))
        return measured[-1]

    record = finals(found, pi(), winner, tmp_path / "f", random=1, steps=1, measure=measure)
    assert set(record["networks"]) == {"winner", "hand-set", "random-0"}
    assert len(measured) == 3
    assert all(one > 0 for one in measured)
    assert finals(found, pi(), winner, tmp_path / "f", random=1, steps=1, measure=measure) == record
    assert len(measured) == 3
    assert record["summary"]["perplexity"]["random"] == 1
    assert record["summary"]["largest_latency_error"] > 0
    assert 0 <= record["bootstrap_hand_set"]["p_value"] <= 1
