"""`hwloop devices`: every shipped profile with what it was fitted on and its error, labelled by how it is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwloop.cli import main
from sim.mobile_cost import devices


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_json_lists_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "devices", "--json", "-")
    listed = json.loads(out)["devices"]
    assert code == 0
    assert [one["name"] for one in listed] == devices.names()
    for one in listed:
        assert one["description"]
        assert one["fitted_on"]
        fitted = one["fitted_on"][0]
        if one["label"] == "published":
            assert fitted["mape"] is None
        else:
            assert fitted["networks"] > 0
            assert fitted["mape"] > 0
        if one["label"] == "calibrated":
            assert fitted["networks"] >= 12


def test_figures_of_the_table_are_those_of_the_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "devices")
    assert code == 0
    for name in devices.names():
        profile = devices.load_device(name)
        line = next(line for line in out.splitlines() if line.startswith(f"{name} "))
        assert profile.label in line
        mape = profile.fitted_on[0].mape
        assert (f" {mape:,.2f} " if mape is not None else "–") in line
    assert "anchored: a handful of measurements scale it, it is not fitted" in " ".join(out.split())


def test_a_folder_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, "devices", "--json", str(tmp_path / "none" / "d.json"))
    assert (code, out) == (2, "")
    assert err.startswith("error: cannot write")
    assert err.count("\n") == 1
