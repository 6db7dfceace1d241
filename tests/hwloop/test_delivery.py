"""`hwloop search --deliver` and `--compare`, and the demo ``ofa``: networks in folders, and refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("onnxruntime")

from hwloop.cli import main  # noqa: E402
from hwloop.delivery import host_of  # noqa: E402
from hwloop.profile_command import machine_words  # noqa: E402
from sim.mobile_cost.devices import load_device  # noqa: E402

SMALL = ("--data", "fashion-mnist-small")
QUICK = ("--population", "8", "--generations", "2")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a placeholder predictor and an untrained supernet of the mini space."""
    from models.ofa import train_state
    from models.ofa.placeholder import placeholder
    from models.ofa.predictor_training import Recipe
    from models.ofa.space import space
    from models.ofa.supernet import Supernet

    folder = tmp_path_factory.mktemp("weights")
    recipe = Recipe(members=2, hidden=16, steps=50)
    placeholder(space("mini"), samples=200, recipe=recipe).save(folder / "mini_predictor.safetensors")
    note = {"space": "mini", "seed": 0, "data": ""}
    train_state.save_tensors(folder / "mini_supernet.safetensors", Supernet(space("mini")).state_dict(), note)
    return folder


@pytest.fixture
def files(weights: Path) -> tuple[str, ...]:
    return (
        "--predictor",
        str(weights / "mini_predictor.safetensors"),
        "--supernet",
        str(weights / "mini_supernet.safetensors"),
    )


@pytest.fixture
def here(tmp_path: Path) -> str:
    """A profile that says it is of this machine."""
    words = f"measured on this host: {machine_words()}, 1 threads, cpu, torch {torch.__version__}, eager"
    profile = load_device("note10").model_copy(update={"name": "here", "label": "measured", "description": words})
    profile.save(tmp_path / "here.toml")
    return str(tmp_path / "here.toml")


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([*args])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_winners_become_networks_measured_where_the_device_is_here(
    files: tuple[str, ...], here: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "nets"
    arguments = ("--device", f"{here},note10", "--max-latency-ms", "50%", *files, *SMALL, *QUICK, "--out", str(out))
    code, shown, _ = run(capsys, "search", "ofa", "--deliver", "--finalists", "3", *arguments)
    assert code == 0
    record: dict[str, Any] = json.loads((out / "search.json").read_text(encoding="utf-8"))
    mine, other = (one["best"]["measured"] for one in record["searches"])
    assert mine["latency_s"] > 0
    assert other["latency_s"] is None
    assert 0 <= mine["accuracy"] <= 1
    assert (mine["data"]["name"], mine["data"]["test_images"]) == ("fashion-mnist-small", 1000)
    for name in ("here-50pct", "note10-50pct"):
        found = sorted(one.name for one in (out / name).iterdir())
        assert found == ["architecture.json", "network.onnx", "network.safetensors"]
    for one in record["searches"]:
        chosen, costs = one["best"]["chosen"], one["best"]["predicted"]["costs"]
        assert 1 <= chosen["place"] <= chosen["finalists"] <= 3
        assert [cost["device"] for cost in costs] == one["devices"]
        assert costs[0]["latency_s"] <= one["constraint"][0]["limit"]
    described = json.loads((out / "here-50pct" / "architecture.json").read_text(encoding="utf-8"))
    best = record["searches"][0]["best"]
    assert described["macs"] == best["predicted"]["costs"][0]["macs"]
    assert shown.count("measured, ") == 2
    assert shown.count(" ms here, ") == 1


def test_only_a_profile_of_this_machine_is_here(here: str) -> None:
    assert host_of(load_device("note10")) is None
    mine = load_device(here)
    found = host_of(mine)
    assert found is not None
    assert (found.threads, found.target) == (mine.threads[0], "cpu")
    assert (
        host_of(mine.model_copy(update={"description": "measured on this host: a Cray-1, 1 threads, cpu, x"})) is None
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--deliver"], "--deliver needs a folder for the networks; nearest: --out DIR"),
        (["--compare"], "--compare needs a folder for what it measures; nearest: --out DIR"),
        (["--finetune-epochs", "2"], "--finetune-epochs 2.0 says nothing without --deliver"),
        (["--deliver", "--out", "x", "--space", "mbv3-w1.2"], "no supernet ships for space 'mbv3-w1.2'"),
        (["--deliver", "--out", "x", "--supernet", "nothing.safetensors"], "cannot read 'nothing.safetensors'"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    predictor = ("--predictor", str(weights / "mini_predictor.safetensors"))
    code, out, err = run(
        capsys, "search", "ofa", "--device", "note10", "--max-latency-ms", "50%", *predictor, *arguments
    )
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "x").exists()


def test_demos_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "demo", "off")[::2] == (
        2,
        "error: no demo 'off'; one of sparch, ofa, gan, lite-transformer; nearest: ofa\n",
    )
    code, _, err = run(capsys, "demo", "--out", "x")
    assert (code, err) == (2, "error: --profile and --out say nothing to the demo sparch; nearest: hwloop demo ofa\n")


@pytest.mark.slow
def test_the_demo_measures_what_it_predicts(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwloop import host_profile
    from models.ofa import family, trained

    monkeypatch.setitem(trained.SHIPPED, "mini", str(weights / "mini_supernet.safetensors"))
    monkeypatch.setitem(family.SHIPPED, "mini", str(weights / "mini_predictor.safetensors"))
    monkeypatch.setattr(host_profile, "MEASURE_SMALL_S", 3.0)
    profile = tmp_path / "mine.toml"
    arguments = ("demo", "ofa", "--small", "--profile", str(profile), "--out", str(tmp_path / "out"))
    code, out, _ = run(capsys, *arguments, "--json", "-")
    assert code == 0
    record = json.loads(out)
    best = record["search"]["best"]
    assert record["profile"]["measured_now"]
    assert best["measured"]["latency_s"] > 0
    assert best["predicted"]["costs"][0]["latency_s"] <= record["search"]["constraint"][0]["limit"]
    assert (tmp_path / "out" / "mine-50pct" / "network.onnx").is_file()
    code, out, err = run(capsys, *arguments)
    assert code == 0
    assert "measuring this machine" not in err
    assert "latency, ms" in out
