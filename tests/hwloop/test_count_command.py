"""`hwloop count`: exact figures as JSON and words, the list, and refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwloop.cli import main


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_json_has_the_agreed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "count", "zoo/mobilenet_v2", "--json", "-")
    counted = json.loads(out)
    assert code == 0
    assert {"network", "rule", "macs", "params", "weight_bytes", "activation_bytes"} <= set(counted)
    assert (counted["macs"], counted["params"]) == (300_774_272, 3_504_872)
    assert counted["weight_bytes"] == 4 * 3_504_872
    assert (counted["network"], counted["rule"]) == ("zoo/mobilenet_v2", "true")


def test_rules_and_dtypes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    name = "gan/resnet_9blocks@256"
    code, out, _ = run(capsys, "count", name, "--rule", "torchprofile-0.0.1", "--dtype", "int8", "--json", str(path))
    counted = json.loads(path.read_text())
    assert code == 0
    assert counted["macs"] == 56_831_770_624
    assert counted["weight_bytes"] == counted["params"] == 11_378_179
    assert "56,831,770,624" in out


def test_stepwise_decoding_stores_its_weights_once(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "count", "lite-transformer/wmt:c496-steps", "--json", "-")
    assert json.loads(out)["weight_bytes"] == 4 * 17_283_616


def test_the_list_names_networks_and_rules(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "count", "--list")
    assert code == 0
    for word in ("zoo/resnet50", "ofa/mbv3-w1.2", "gan/spade", "lite-transformer/wmt", "torchprofile-0.1.0"):
        assert word in out
    _, out, _ = run(capsys, "count", "--list", "--json", "-")
    listed = json.loads(out)
    assert "ofa/resnet50d" in [one["network"] for one in listed["networks"]]
    assert all(one["about"] for one in (*listed["networks"], *listed["rules"]))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["zoo/resnet5"], "no network 'zoo/resnet5'; nearest: zoo/resnet50"),
        (["zoo/resnet50", "--rule", "flops"], "no MAC rule 'flops'"),
        (["zoo/resnet50", "--dtype", "int9"], "no element type 'int9'; one of float32"),
        ([], "a NETWORK is needed"),
        (["ofa/mbv3-w1.0:k5e4d9"], "d[0] is 9"),
    ],
)
def test_refusals_are_one_line(capsys: pytest.CaptureFixture[str], args: list[str], words: str) -> None:
    code, out, err = run(capsys, "count", *args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert words in err
    assert err.count("\n") == 1
