"""`hwloop predict`: the figures of the oracle as JSON and words, batches of a file, flags, and refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwloop.cli import main
from models.zoo.registry import lower_batch
from sim.mobile_cost import devices

KEYS = {
    *("network", "latency_s", "latency_low_s", "latency_high_s", "energy_j", "energy_low_j", "energy_high_j"),
    *("peak_memory_bytes", "dram_bytes", "macs", "params", "flags"),
}


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_json_is_what_the_oracle_says(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["zoo/mobilenet_v2", "ofa/mbv3-w1.2:mid@176"]
    code, out, _ = run(capsys, "predict", *names, "--device", "raspberry-pi-5-onnx", "--json", "-")
    record = json.loads(out)
    oracle = devices.oracle("raspberry-pi-5-onnx")
    expected = oracle.cost(lower_batch(names, fusion=oracle.profile.fusion)).rows()
    assert code == 0
    assert record["device"] == "raspberry-pi-5-onnx"
    assert record["networks"] == expected
    for one in record["networks"]:
        assert set(one) == KEYS
        assert one["latency_low_s"] < one["latency_s"] < one["latency_high_s"]
        assert one["energy_low_j"] < one["energy_j"] < one["energy_high_j"]
    assert record["networks"][0]["macs"] == 300_774_272


def test_the_table_is_in_milliseconds_and_millijoules(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    code, out, _ = run(capsys, "predict", "zoo/resnet18", "--device", "raspberry-pi-5-onnx", "--json", str(path))
    one = json.loads(path.read_text())["networks"][0]
    assert code == 0
    figures = next(line for line in out.splitlines() if line.startswith("zoo/resnet18")).split()
    assert float(figures[1]) == pytest.approx(1e3 * one["latency_s"], rel=1e-3)
    assert float(figures[5]) == pytest.approx(1e3 * one["energy_j"], rel=1e-3)


def test_breakdown_lists_all_macs_and_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("predict", "zoo/mobilenet_v2", "--device", "note10", "--breakdown")
    _, out, _ = run(capsys, *args, "--json", "-")
    one = json.loads(out)["networks"][0]
    assert sum(part["macs"] for part in one["operators"]) == one["macs"]
    assert sum(part["params"] for part in one["operators"]) == one["params"]
    seconds = [part["latency_s"] for part in one["operators"]]
    assert seconds == sorted(seconds, reverse=True)
    assert {part["energy_j"] for part in one["operators"]} == {None}
    _, out, _ = run(capsys, *args)
    assert one["operators"][0]["operator"] in out
    assert f"{len(seconds) - 15} others" in out


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_roofline_of_the_kernels(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str, start: bytes
) -> None:
    paths = [tmp_path / f"{place}.{suffix}" for place in range(2)]
    for path in paths:
        args = ("predict", "zoo/mobilenet_v2", "--device", "pixel4", "--figure", str(path), "--json", "-")
        code, out, err = run(capsys, *args)
        assert code == 0
        assert f"wrote {path}: 1×1 convolution of zoo/mobilenet_v2 takes" in err
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes().startswith(start)
    record = json.loads(out)
    assert "operators" in record["networks"][0]
    assert 10e9 < record["ceilings"]["macs_per_s"] < 40e9


def test_a_figure_that_cannot_be_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for path, words in (("f.jpg", "a .svg or .png file, got 'f.jpg'"), (str(tmp_path / "no" / "f.svg"), "no folder")):
        code, out, err = run(capsys, "predict", "zoo/mobilenet_v2", "--device", "note10", "--figure", path)
        assert (code, out) == (2, "")
        assert words in err


def test_a_batch_of_a_file_prices_as_the_names_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arch = {"space": "mbv3-w1.2", "ks": [5] * 20, "e": [4] * 20, "d": [3] * 5, "r": 192, "name": "mine"}
    path = tmp_path / "networks.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in (arch, {"network": "zoo/resnet50"})) + "\n")
    _, out, _ = run(capsys, "predict", "--batch", str(path), "--device", "note10", "--json", "-")
    batch = json.loads(out)["networks"]
    names = ("ofa/mbv3-w1.2:k5e4d3@192", "zoo/resnet50")
    _, out, _ = run(capsys, "predict", *names, "--device", "note10", "--json", "-")
    assert [one["network"] for one in batch] == ["mine", "zoo/resnet50"]
    for one, named in zip(batch, json.loads(out)["networks"], strict=True):
        assert one["macs"] == named["macs"]
        assert one["latency_s"] == pytest.approx(named["latency_s"], rel=1e-9)


def test_a_long_list_is_cut_on_the_terminal_only(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, written = tmp_path / "networks.jsonl", tmp_path / "p.json"
    path.write_text('{"network": "zoo/mobilenet_v2"}\n' * 33)
    _, out, _ = run(capsys, "predict", "--batch", str(path), "--device", "note10", "--json", str(written))
    assert len(json.loads(written.read_text())["networks"]) == 33
    assert out.count("zoo/mobilenet_v2") == 30
    assert "3 more" in out


def test_a_batch_size_that_was_not_calibrated_is_flagged_and_wider(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("predict", "ofa/mbv3-w1.2:mid", "--device", "note10", "--json", "-")
    known, other = (json.loads(run(capsys, *args, *more)[1])["networks"][0] for more in ((), ("--batch-size", "4")))
    assert known["flags"] == []
    assert "batch size 4 is outside of what was calibrated (1)" in other["flags"]
    assert other["latency_high_s"] / other["latency_s"] > known["latency_high_s"] / known["latency_s"]
    _, out, _ = run(capsys, *args[:-2], "--batch-size", "4")
    assert "note: batch size 4 is outside" in out


def test_networks_run_as_the_device_was_calibrated(capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(run(capsys, "predict", "zoo/resnet18", "--device", "v100-batch64", "--json", "-")[1])
    assert record["context"] == {"batch_size": 64, "dtype": "float32", "threads": 1}
    assert not [flag for flag in record["networks"][0]["flags"] if "batch size" in flag]


def test_a_profile_from_a_file_prices_as_the_shipped_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    devices.load_device("pixel4-int8").save(path)
    args = ("predict", "zoo/mobilenet_v2", "--json", "-")
    assert run(capsys, *args, "--device-file", str(path)) == run(capsys, *args, "--device", "pixel4-int8")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["zoo/resnet50", "--device", "note11"], "no device 'note11'; nearest: note10"),
        (["zoo/resnet5", "--device", "note10"], "no network 'zoo/resnet5'; nearest: zoo/resnet50"),
        (["zoo/resnet50"], "no device named"),
        (["--device", "note10"], "either NETWORK… or --batch"),
        (["zoo/resnet50", "--batch", "x.jsonl", "--device", "note10"], "either NETWORK… or --batch"),
        (["--batch", "none.jsonl", "--device", "note10"], "cannot read 'none.jsonl'"),
        (["zoo/resnet50", "--device-file", "none.toml"], "cannot read profile none.toml"),
        (["zoo/resnet50", "--device", "note10", "--device-file", "d.toml"], "name one"),
        (["zoo/resnet50", "--device", "note10", "--dtype", "int9"], "no dtype 'int9'"),
        (["zoo/resnet50", "--device", "note10", "--json", "no/folder/p.json"], "cannot write"),
    ],
)
def test_refusals_are_one_line(capsys: pytest.CaptureFixture[str], args: list[str], words: str) -> None:
    code, out, err = run(capsys, "predict", *args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [("version = 99\nname = 'x'\n", "has version 99"), ("name = 'x'\nlabl = 'measured'\n", "unknown key 'labl'")],
)
def test_a_profile_file_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "d.toml"
    path.write_text(text + "[[components]]\nseconds = {}\n")
    code, _, err = run(capsys, "predict", "zoo/resnet50", "--device-file", str(path))
    assert code == 2
    assert words in err


def test_an_operator_that_the_device_cannot_run_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    profile = devices.load_device("note10")
    path = tmp_path / "d.toml"
    profile.model_copy(update={"unsupported_classes": ["depthwise"]}).save(path)
    code, out, err = run(capsys, "predict", "zoo/mobilenet_v2", "--device-file", str(path))
    assert (code, out) == (2, "")
    assert "cannot run conv2d of shape" in err
    assert "% of the MACs" in err
