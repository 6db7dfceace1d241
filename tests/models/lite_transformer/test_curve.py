"""The curve of size against BLEU: points beside what was compressed and beside the transformer, finished once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

for needed in ("torch", "safetensors", "tokenizers", "sacrebleu"):
    pytest.importorskip(needed)

from analysis.lite_transformer_tables import curve_table, speed_table  # noqa: E402
from models.lite_transformer import curve as module  # noqa: E402
from models.lite_transformer.curve import curve, parse_points  # noqa: E402
from models.lite_transformer.speed import measure  # noqa: E402
from sim.errors import ConfigError, InputError  # noqa: E402


def test_points_are_compressed_once(study_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = (study_run / f"translation-{kind}-0" for kind in ("lite", "transformer"))
    points = parse_points(["1:8", "0.4:6"])
    record = curve(run, tmp_path / "c", points, fine_tune_steps=1, baseline=other)
    assert [one["settings"]["keep"] for one in record["points"]] == [1.0, 0.4]
    sizes = [one["sizes"]["whole"]["bytes"] for one in (record["uncompressed"], *record["points"])]
    assert sizes == sorted(sizes, reverse=True)
    assert (
        record["uncompressed"]["bleu"] == json.loads((run / "train.json").read_text(encoding="utf-8"))["test"]["bleu"]
    )
    for one in record["points"]:
        assert one["bootstrap"]["system"]["bleu"] == pytest.approx(one["bleu"], abs=1e-3)
        assert one["bootstrap_baseline"]["baseline"]["bleu"] == pytest.approx(record["baseline"]["bleu"], abs=1e-3)
    monkeypatch.setattr(module, "compress_run", None)  # what is there is not made again
    assert curve(run, tmp_path / "c", points, fine_tune_steps=1, baseline=other) == record
    assert curve_table(record).count("\n| ") == 5
    with pytest.raises(InputError, match="holds the curve of another model"):
        curve(other, tmp_path / "c", points)


def test_what_has_no_curve_is_refused(study_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        curve(tmp_path, tmp_path / "c", [])
    for text in ("0.3", "x:6"):
        with pytest.raises(ConfigError, match=r"no KEEP:BITS; nearest: 0\.3:6"):
            parse_points([text])
    with pytest.raises(ConfigError, match="keep = 2"):
        parse_points(["2:6"])


def test_speed_is_a_table(study_run: Path) -> None:
    record = measure(str(study_run / "translation-lite-0"), repeats=1, sentences=2, length=5)
    assert record["decoding"]["trained"]
    assert speed_table({**record, "machine": "a host"}).count("\n| ") == 7
