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


def test_the_bytes_depend_on_table_seed_and_date_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", SEEN[:12])
    texts = []
    for place, date in enumerate(("2026-01-31", "2026-01-31", "2027-02-01")):
        out = str(tmp_path / f"{place}.toml")
        assert run(capsys, "calibrate", str(table), "--out", out, "--name", "phone", "--date", date)[0] == 0
        texts.append(Path(out).read_text())
    assert texts[0] == texts[1]
    assert 'date = "2026-01-31"' in texts[0]
    assert texts[0].replace("2026-01-31", "2027-02-01") == texts[2]


def test_a_new_device_in_ten_measurements(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    pool.write_text("".join(json.dumps({"network": name}) + "\n" for name in SEEN))
    table, out = tmp_path / "mine.csv", tmp_path / "mine.toml"
    asked = ("calibrate", "--choose", "10", "--adapt", "note10", "--from", str(pool))
    code, text, _ = run(capsys, *asked)
    chosen = text.split()[1:]
    assert code == 0
    assert text.startswith("network,latency_ms\n")
    assert len(chosen) == 10
    code, shown, err = run(capsys, *asked, "--out", str(table))
    assert (code, table.read_text()) == (0, text)
    assert "10 of 24 networks" in shown
    assert "fill in the column latency_ms" in err
    rows = [f"{name}{1e3 * invented(name[:-1])[0]!r}" for name in chosen]
    table.write_text("\n".join(["network,latency_ms", *rows]) + "\n")
    code, text, _ = run(
        capsys, "calibrate", str(table), "--adapt", "note10", "--out", str(out), "--from", str(pool), "--json", "-"
    )
    record = json.loads(text)
    assert code == 0
    assert record["adapted_from"] == ["note10"]
    assert (record["device"]["label"], record["device"]["fitted_on"][0]["networks"]) == ("adapted", 10)
    _, text, _ = run(capsys, "predict", *UNSEEN, "--device-file", str(out), "--json", "-")
    for name, one in zip(UNSEEN, json.loads(text)["networks"], strict=True):
        assert one["latency_s"] == pytest.approx(invented(name)[0], rel=0.15)
        assert one["latency_low_s"] < invented(name)[0] < one["latency_high_s"]
        assert one["energy_j"] is None


def test_networks_of_a_file_go_by_the_names_that_it_gives_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pool, table = tmp_path / "pool.jsonl", tmp_path / "t.csv"
    archs = [{"space": "mbv3-w1.0", "ks": [k] * 20, "e": [4] * 20, "d": [3] * 5, "r": 192} for k in (3, 5, 7)]
    pool.write_text("".join(json.dumps({**one, "name": f"mine-{place}"}) + "\n" for place, one in enumerate(archs)))
    rows = [f"mine-{place},{1e3 * invented(f'ofa/mbv3-w1.0:k{k}e4d3@192')[0]}" for place, k in enumerate((3, 5, 7))]
    table.write_text("\n".join(["network,latency_ms", *rows, "zoo/resnet18,90"]) + "\n")
    args = ("calibrate", str(table), "--adapt", "note10", "--out", str(tmp_path / "d.toml"))
    code, _, err = run(capsys, *args)
    assert code == 2
    assert "mine-0" in err
    assert run(capsys, *args, "--from", str(pool))[0] == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--choose", "10"], "--choose goes with --adapt"),
        (["--choose", "10", "--adapt", "note11"], "no device 'note11'; nearest: note10"),
        (["--choose", "999", "--adapt", "note10"], "999 networks to choose from a pool of"),
        (["--choose", "2", "--adapt", "note10", "--out", "d.toml"], "a table is a .csv file, got 'd.toml'"),
        (["--choose", "2", "--adapt", "note10", "--from", "twice.jsonl"], "two networks called 'zoo/resnet18'"),
        (["two.csv", "--choose", "2", "--adapt", "note10"], "either TABLE or --choose N"),
        (["two.csv"], "--out is missing"),
        (["two.csv", "--adapt", "note10", "--out", "d.toml"], "2 measurements are too few to adapt a device"),
        (["two.csv", "--adapt", "nothing", "--out", "d.toml"], "no device 'nothing'"),
        (["two.csv", "--date", "today", "--out", "d.toml"], "does not match the format"),
    ],
)
def test_what_cannot_be_adapted_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two.csv").write_text("network,latency_ms\nzoo/resnet18,3\nzoo/resnet50,9\n")
    Path("twice.jsonl").write_text('{"network": "zoo/resnet18"}\n' * 3)
    code, shown, err = run(capsys, "calibrate", *args)
    assert (code, shown) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert not Path("d.toml").exists()


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


def test_measured_operators_are_looked_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = ["kind,shape,out_channels,kernel,latency_ms"]
    for channels in (8, 16, 24, 32, 48, 64, 96, 128):
        for side in (7, 14, 28, 56):
            ms = 1e3 * (channels * channels * side * side / 20e9 + 20e-6)
            rows.append(f"conv2d,{channels}x{side}x{side},{channels},1x1,{ms if channels != 24 else 7.5}")
    table, out = tmp_path / "operators.csv", tmp_path / "mine.toml"
    table.write_text("\n".join(rows) + "\n")
    code, _, err = run(capsys, "calibrate", str(table), "--exact", "--out", str(out))
    assert code == 0, err
    operator = {"kind": "conv2d", "shape": [24, 14, 14], "out_channels": 24, "kernel": [1, 1]}
    file = tmp_path / "n.jsonl"
    file.write_text(json.dumps({"name": "n", "operators": [operator]}) + "\n")
    code, text, err = run(capsys, "predict", "--batch", str(file), "--device-file", str(out), "--json", "-")
    assert code == 0, err
    assert json.loads(text)["networks"][0]["latency_s"] == pytest.approx(7.5e-3)


def test_exact_goes_with_operators_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table, out = write_table(tmp_path / "t.csv", SEEN), tmp_path / "mine.toml"
    code, _, err = run(capsys, "calibrate", str(table), "--exact", "--out", str(out))
    assert (code, "no row is one operator alone" in err, out.exists()) == (2, True, False)
    code, _, err = run(capsys, "calibrate", str(table), "--exact", "--adapt", "note10", "--out", str(out))
    assert (code, "nearest: without --adapt" in err, out.exists()) == (2, True, False)
