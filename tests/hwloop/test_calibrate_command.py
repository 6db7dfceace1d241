"""`hwloop calibrate`: a table becomes a profile that prices networks it has not seen; faults write nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwloop.cli import main
from models.zoo.registry import lower
from sim.fusion import INFERENCE, fuse

SEEN = [f"ofa/mbv3-w1.0:k{k}e{e}d{d}@{r}" for k in (3, 5, 7) for e in (3, 6) for d in (2, 4) for r in (160, 224)]
UNSEEN = ["ofa/mbv3-w1.0:k5e4d3@192", "ofa/mbv3-w1.0:k7e4d3@208", "ofa/mbv3-w1.0:k3e4d3@176"]
BYTES = {"float32": 4, "int8": 1}


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def invented(name: str, dtype: str = "float32") -> tuple[float, float]:
    """Seconds and joules of a network on a device of 20 GMAC/s, 5 GB/s, 20 us a kernel, 2 W, 5 pJ a MAC."""
    network = fuse(lower(name), INFERENCE)
    moved = [(op.bytes_read + op.bytes_written) * BYTES[dtype] / 4 for op in network.operators]
    seconds = sum(max(op.macs / 20e9, size / 5e9) + 20e-6 for op, size in zip(network.operators, moved, strict=True))
    return seconds, 2.0 * seconds + 5e-12 * network.macs


def write_table(path: Path, names: list[str], dtype: str = "float32") -> Path:
    rows = ["network,latency_ms,energy_mj,dtype"]
    for name in names:
        seconds, joules = invented(name, dtype)
        rows.append(f"{name},{1e3 * seconds!r},{1e3 * joules!r},{dtype}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_networks_that_were_not_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path, dtype: str) -> None:
    table, out = write_table(tmp_path / "t.csv", SEEN, dtype), tmp_path / "mine.toml"
    code, text, _ = run(capsys, "calibrate", str(table), "--out", str(out), "--json", "-")
    made = json.loads(text)["device"]
    assert code == 0
    assert (made["name"], made["label"], made["dtypes"]) == ("mine", "calibrated", [dtype])
    assert made["fitted_on"][0]["networks"] == len(SEEN)
    assert made["fitted_on"][0]["mape"] < 3.0
    _, text, _ = run(capsys, "predict", *UNSEEN, "--device-file", str(out), "--json", "-")
    for name, one in zip(UNSEEN, json.loads(text)["networks"], strict=True):
        seconds, joules = invented(name, dtype)
        assert one["latency_s"] == pytest.approx(seconds, rel=0.03)
        assert one["energy_j"] == pytest.approx(joules, rel=0.05)


def test_the_same_table_gives_the_same_profile(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", SEEN)
    texts = []
    for name in ("a.toml", "b.toml"):
        code, out, err = run(capsys, "calibrate", str(table), "--out", str(tmp_path / name), "--name", "phone")
        assert code == 0
        assert "phone" in out
        assert f"wrote {tmp_path / name}" in err
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]


def test_a_handful_of_measurements_is_called_anchored(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", SEEN[:6])
    _, text, _ = run(capsys, "calibrate", str(table), "--out", str(tmp_path / "d.json"), "--json", "-")
    assert json.loads(text)["device"]["label"] == "anchored"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("network,latency\nzoo/resnet18,3\n", "column 'latency' has no unit"),
        ("network,latency_ms\nzoo/resnet1,3\n", "no network 'zoo/resnet1'; nearest: zoo/resnet18"),
        ("network,latency_ms\nzoo/resnet18,fast\n", "not a number"),
        ("network,latency_ms\nzoo/resnet18,3\nzoo/resnet50,9\n", "too few to fit a device"),
        ("network\nzoo/resnet18\n", "needs exactly one of the columns"),
    ],
)
def test_a_bad_table_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, words: str) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "d.toml"
    table.write_text(text)
    code, shown, err = run(capsys, "calibrate", str(table), "--out", str(out))
    assert (code, shown) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(("out", "words"), [("d.txt", "a .toml or .json file"), ("none/d.toml", "there is no folder")])
def test_the_output_is_checked_before_the_table_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, out: str, words: str
) -> None:
    code, _, err = run(capsys, "calibrate", str(tmp_path / "none.csv"), "--out", str(tmp_path / out))
    assert code == 2
    assert words in err
