"""`hwloop predict --oracle sparch`: the oracle's figures, the order of each layer, the cache, refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwloop.cli import main
from sim.operator import Operator
from sim.sparch_oracle import SparchOracle
from sim.workload import WorkloadBatch

LAYER = {"kind": "linear", "shape": [16, 48], "out_channels": 32}
NETWORK = {"name": "two layers", "operators": [LAYER, {"kind": "norm", "shape": [16, 32], "function": "layer"}]}
SPARSE = ("--oracle", "sparch", "--weight-density", "0.2", "--activation-density", "0.5")


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "n.jsonl"
    path.write_text(json.dumps(NETWORK))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["predict", *args])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_it_says_what_the_oracle_says_and_simulates_once(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("--batch", network, *SPARSE, "--breakdown", "--json", "-")
    code, out, _ = run(capsys, *args)
    first, second = json.loads(out), json.loads(run(capsys, *args)[1])
    op = Operator("linear", (16, 48), 32, weight_density=0.2, activation_density=0.5)
    costs = SparchOracle().cost(WorkloadBatch.of([[op]]))
    assert (code, first["device"], first["label"]) == (0, "sparch", "simulated")
    row = first["networks"][0]
    assert (row["latency_s"], row["energy_j"]) == (costs["latency_s"][0], costs["energy_j"][0])
    assert row["flags"] == ["not on SpArch, not priced: norm"]
    (layer,) = row["operators"]
    (product,) = layer["products"]
    assert {one["order"] for one in product["orders"]} == {"weights_first", "activations_first"}
    assert product["order"] == product["orders"][0]["order"]
    assert product["orders"][0]["cycles"] <= product["orders"][1]["cycles"]
    assert (first["simulations"], second["simulations"]) == (2, 0)
    assert first["networks"] == second["networks"]


def test_the_table_names_the_order(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--batch", network, *SPARSE, "--breakdown")
    assert code == 0
    assert "linear 16x48 -> 32 [" in out
    assert "W·X" in out or "Xᵀ·Wᵀ" in out
    assert "note: not on SpArch, not priced: norm" in out


def test_settings_of_the_machine_reach_it(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("--batch", network, *SPARSE, "--json", "-")
    fast = json.loads(run(capsys, *args)[1])
    slow = json.loads(run(capsys, *args, "--set", "clock_hz=5e8")[1])
    assert slow["networks"][0]["latency_s"] == pytest.approx(2 * fast["networks"][0]["latency_s"])
    other = json.loads(run(capsys, *args, "--seed", "5")[1])
    assert (other["seed"], other["simulations"]) == (5, 2)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--oracle", "spark"), "no oracle 'spark'; choose from device, sparch; nearest: sparch"),
        (("--oracle", "sparch", "--device", "note10"), "--device 'note10' says nothing to --oracle sparch"),
        (("--device", "note10", "--weight-density", "0.5"), "--weight-density 0.5 says nothing to --oracle device"),
        (("--oracle", "sparch", "--fidelity", "surogate"), "no fidelity 'surogate'; nearest: surrogate"),
        (("--oracle", "sparch", "--set", "prefetch.line=3"), "prefetch.line"),
        (("--oracle", "sparch", "--weight-density", "1.5"), "1.5 is not in the range 0<=x<=1"),
    ],
)
def test_refusals_are_one_line(
    args: tuple[str, ...], words: str, network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "--batch", network, *args)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_an_operator_that_sparch_cannot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    light = {"kind": "light_conv", "shape": [16, 8], "kernel": [3], "heads": 2}
    path = tmp_path / "light.jsonl"
    path.write_text(json.dumps({"operators": [light]}))
    code, _, err = run(capsys, "--batch", str(path), "--oracle", "sparch")
    assert code == 2
    assert "SpArch cannot run light_conv of shape (16, 8), 100.0 % of the MACs" in err
