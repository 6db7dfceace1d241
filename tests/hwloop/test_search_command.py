"""`hwloop search`: tables for all pairs, the record and the figure, resume after kill -9, and refusals in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hwloop.cli import main
from models.ofa.names import released

pytest.importorskip("torch")
pytest.importorskip("safetensors")

QUICK = ("--population", "12", "--generations", "4")


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A placeholder predictor of the mini space."""
    return made("mini", tmp_path_factory)


@pytest.fixture(scope="module")
def mbv3(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A placeholder predictor in the released layout."""
    return made("mbv3-w1.2", tmp_path_factory)


def made(name: str, folders: pytest.TempPathFactory) -> str:
    from models.ofa.placeholder import placeholder
    from models.ofa.predictor_training import Recipe
    from models.ofa.space import space

    path = folders.mktemp("predictor") / f"{name}.safetensors"
    placeholder(space(name), samples=300, recipe=Recipe(members=1, hidden=32, steps=150)).save(path)
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["search", *args])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def timeless(record: dict[str, Any]) -> dict[str, Any]:
    searches = [{key: value for key, value in one.items() if key != "wall_s"} for one in record["searches"]]
    return {**{key: value for key, value in record.items() if key != "wall_s"}, "searches": searches}


def test_a_network_for_each_device_and_budget(mini: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("ofa", "--device", "note10,pixel1", "--max-latency-ms", "25%,75%", "--predictor", mini, *QUICK)
    code, out, err = run(capsys, *args, "--out", str(tmp_path))
    record = json.loads((tmp_path / "search.json").read_text())
    assert code == 0
    assert "note: this predictor is a placeholder" in out
    assert out.count("of the latency range") == 4
    assert [one["device"] for one in record["searches"]] == ["note10", "note10", "pixel1", "pixel1"]
    for one in record["searches"]:
        (limit,) = one["constraint"]
        (reach,) = (two for two in one["reachable"] if two["column"] == "latency_s")
        cost = one["best"]["predicted"]["costs"][0]
        assert cost["device"] == limit["device"] == one["device"]
        assert reach["low"] < cost["latency_s"] <= limit["limit"] < reach["high"]
        assert cost["latency_low_s"] < cost["latency_s"] < cost["latency_high_s"]
        assert one["best"]["measured"] is None
        assert one["evaluations"] == 12 * 5
        assert len(one["history"]) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["search.json", "search.svg"]
    assert "<svg" in (tmp_path / "search.svg").read_text()
    assert err.count("wrote") == 2


def test_the_latency_of_the_winner_is_what_predict_says(
    mbv3: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(
        capsys,
        "ofa",
        "--space",
        "mbv3-w1.2",
        "--device",
        "note10",
        "--max-latency-ms",
        "20",
        "--predictor",
        mbv3,
        *QUICK,
        "--json",
        "-",
    )
    best = json.loads(out)["searches"][0]["best"]
    path = tmp_path / "arch.json"
    path.write_text(json.dumps(best["arch"]))
    with pytest.raises(SystemExit):
        main(["predict", f"ofa/mbv3-w1.2:{path}", "--device", "note10", "--json", "-"])
    told = json.loads(capsys.readouterr().out)["networks"][0]
    mine = best["predicted"]["costs"][0]
    for key in ("latency_s", "latency_high_s", "macs", "params", "peak_memory_bytes"):
        assert mine[key] == pytest.approx(told[key], rel=1e-12)
    assert told["latency_s"] <= 0.020


def test_one_network_for_all_devices(mini: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(
        capsys,
        "ofa",
        "--device",
        "note10,pixel1",
        "--max-latency-ms",
        "40%",
        "--max-macs",
        "4e6",
        "--jointly",
        "--predictor",
        mini,
        *QUICK,
        "--json",
        "-",
    )
    (one,) = json.loads(out)["searches"]
    costs = {cost["device"]: cost for cost in one["best"]["predicted"]["costs"]}
    assert set(costs) == {"note10", "pixel1"}
    for limit in one["constraint"]:
        assert costs[limit["device"]][limit["column"]] <= limit["limit"]
    assert len(one["constraint"]) == 3


def test_the_upper_quantile_is_stricter(mini: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("ofa", "--device", "note10", "--max-latency-ms", "0.6", "--predictor", mini, *QUICK, "--json", "-")
    _, out, _ = run(capsys, *args, "--quantile")
    (one,) = json.loads(out)["searches"]
    assert one["constraint"][0]["column"] == "latency_high_s"
    assert one["best"]["predicted"]["costs"][0]["latency_high_s"] <= 0.6e-3


def test_energy_is_bounded_where_the_device_gives_one(mini: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("ofa", "--max-energy-mj", "50%", "--predictor", mini, *QUICK, "--json", "-")
    code, out, _ = run(capsys, *args, "--device", "raspberry-pi-5-onnx")
    (one,) = json.loads(out)["searches"]
    assert code == 0
    assert one["best"]["predicted"]["costs"][0]["energy_j"] <= one["constraint"][0]["limit"]
    code, out, err = run(capsys, *args, "--device", "note10")
    assert (code, out) == (2, "")
    assert err.startswith("error: note10 gives no energy (energy_j); nearest: bound latency")
    assert err.count("\n") == 1


def test_an_impossible_budget_is_answered_at_once(
    mbv3: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ("ofa", "--space", "mbv3-w1.2", "--device", "note10", "--predictor", mbv3, "--out", str(tmp_path))
    code, out, err = run(capsys, *args, "--max-latency-ms", "1")
    assert (code, out) == (3, "")
    assert "error: no network of mbv3-w1.2 has latency_s of 1 ms or less on note10: the space reaches" in err
    assert list(tmp_path.iterdir()) == []
    nearest = err.rpartition("nearest: ")[2].split()[0]
    code, out, _ = run(capsys, *args, "--max-latency-ms", f"1,{nearest}", *QUICK, "--json", "-")
    refused, found = json.loads(out)["searches"]
    assert code == 0
    assert refused["best"] is None
    assert "latency_s of 1 ms or less" in refused["refused"]
    assert found["best"]["predicted"]["costs"][0]["latency_s"] <= float(nearest) * 1e-3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--space", "mbv3-w1.3"), "no search space 'mbv3-w1.3'; nearest: mbv3-w1.2"),
        (("--space", "mbv3-w1.0"), "the predictor is of space 'mini', not 'mbv3-w1.0'; nearest: --space mini"),
        (("--device", "note11"), "no device 'note11'; nearest: note10"),
        (("--device", "note10,note10"), "none of them twice"),
        (("--max-latency-ms", "fast"), "'fast' is no number"),
        (("--max-latency-ms", "-3"), "out of range"),
        (("--max-latency-ms", "150%"), "out of range"),
        (("--max-latency-ms", ""), "nothing is bounded; nearest: --max-latency-ms 20"),
        (("--method", "evolve"), "no method 'evolve'; nearest: evolution"),
        (("--resolutions", "224"), "resolution 224 is outside of what the predictor knows, 24 to 28"),
        (("--predictor", "absent.safetensors"), "absent.safetensors"),
        (("--resume",), "--resume needs the folder of the search; nearest: --out DIR"),
    ],
)
def test_bad_input_is_one_line(
    change: tuple[str, ...], words: str, mini: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ("ofa", "--device", "note10", "--max-latency-ms", "50%", "--predictor", mini, *QUICK)
    code, out, err = run(capsys, *args, *change)
    assert (code, out) == (2, "")
    assert words in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_family_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "ofaa")
    assert (code, err) == (2, "error: no family 'ofaa' to search; nearest: ofa\n")


def test_resume_refuses_another_search_and_goes_on_with_its_own(
    mini: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.search.evolution import Evolution

    args = ("ofa", "--device", "note10", "--max-latency-ms", "30%,60%", "--predictor", mini, *QUICK)
    _, out, _ = run(capsys, *args, "--json", "-")
    whole = timeless(json.loads(out))
    step, done = Evolution.step, []

    def stop(self: Any) -> None:
        done.append(1)
        if len(done) == 8:  # in the second search
            raise KeyboardInterrupt
        step(self)

    out_dir = ("--out", str(tmp_path / "out"))
    with monkeypatch.context() as patch:
        patch.setattr(Evolution, "step", stop)
        code, _, err = run(capsys, *args, *out_dir)
    assert code == 130
    assert "with --resume goes on" in err
    checkpoint = tmp_path / "out" / "checkpoint.json"
    before = checkpoint.read_bytes()
    for change, what in (
        (("--seed", "1"), "seed"),
        (("--device", "pixel1"), "device"),
        (("--resolutions", "24"), "space"),
    ):
        code, _, err = run(capsys, *args, *out_dir, "--resume", *change)
        assert code == 2
        assert f"is of another {what}" in err
    code, _, err = run(capsys, *args, *out_dir)
    assert code == 2
    assert "unfinished search; nearest: --resume" in err
    assert checkpoint.read_bytes() == before
    code, out, _ = run(capsys, *args, *out_dir, "--resume", "--json", "-")
    assert code == 0
    assert timeless(json.loads(out)) == whole
    assert not checkpoint.exists()


@pytest.mark.slow
def test_kill_and_resume_give_the_same_result(mini: str, tmp_path: Path) -> None:
    args = [sys.executable, "-m", "hwloop.cli", "search", "ofa", "--device", "note10", "--max-latency-ms", "30%,60%"]
    args += ["--predictor", mini, "--population", "40", "--generations", "1200", "--out"]
    subprocess.run([*args, str(tmp_path / "whole")], check=True, capture_output=True)
    out = tmp_path / "killed"
    killed = 0
    for _ in range(60):
        process = subprocess.Popen([*args, str(out), "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = stamp(out)
        while process.poll() is None and not (stamp(out) > before and killed < 2):
            time.sleep(0.02)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        if process.wait() == 0:
            break
    records = [json.loads((tmp_path / name / "search.json").read_text()) for name in ("whole", "killed")]
    assert killed == 2
    assert timeless(records[0]) == timeless(records[1])


def stamp(out: Path) -> float:
    """When the checkpoint was last written; 0 before."""
    try:
        return (out / "checkpoint.json").stat().st_mtime_ns
    except FileNotFoundError:
        return 0.0


def test_published_networks_with_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "ofa", "--device", "note10", "--published", "--json", "-")
    (device,) = json.loads(out)["devices"]
    rows = {row["network"]: row for row in device["networks"]}
    assert code == 0
    v3, b0 = rows["zoo/mobilenet_v3_large"], rows["zoo/efficientnet_b0"]
    for row in rows.values():
        assert row["latency_low_s"] < row["latency_s"] < row["latency_high_s"]
    assert v3["published_slower"] == 1.5
    assert b0["published_slower"] == 2.6
    for row in (v3, b0):
        equal = rows[row["equal"]]
        assert equal["published_top1_percent"] >= row["published_top1_percent"]
        assert row["slower"] == pytest.approx(row["latency_s"] / equal["latency_s"])
        assert row["slower_low"] < row["slower"] < row["slower_high"]
    assert all(released(name.removeprefix("ofa/released:")) for name in rows if name.startswith("ofa/"))
    code, out, _ = run(capsys, "ofa", "--device", "note10", "--published")
    assert "ImageNet accuracies are quoted" in out
