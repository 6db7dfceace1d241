"""Tables of compressed generators: figures come from records, and a wish that is not met is called so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from analysis.gan_tables import (
    TABLES,
    comparison_table,
    made_by_lines,
    misleading_table,
    render_demo,
    study_table,
    verdict,
    wanted_table,
)

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "gan.md"


def values(kid: float, psnr: float) -> dict[str, Any]:
    return {
        "kid": {"value": kid, "low": kid - 0.001, "high": kid + 0.001},
        "psnr_db": {"value": psnr, "low": psnr - 1, "high": psnr + 1},
    }


def row(kind: str, macs: int, kid: float, psnr: float) -> dict[str, Any]:
    return {
        "kind": kind,
        "macs": macs,
        "params": 50_000,
        "images": 8_000,
        "cpu_s": 570.0,
        "measures": values(kid, psnr),
    }


def middle(kid: float, psnr: float, ratio: float) -> dict[str, Any]:
    kids = {"middle": kid, "least": kid - 0.001, "most": kid + 0.002, "ratio": kid / 0.02, "difference": kid - 0.02}
    decibels = {"middle": psnr, "least": psnr - 0.1, "most": psnr + 0.1, "ratio": psnr / 20, "difference": psnr - 20}
    return {"count": 3, "macs_ratio": ratio, "kid": kids, "psnr_db": decibels}


STUDY = {
    "seed": 0,
    "protocol": "850 test images, bootstrap of 200 replicates",
    "data": {"name": "openmoji", "origin": "OpenMoji", "test": 850, "search": 300},
    "config": {"study": {"ratio": 8.0}},
    "extractor": {"name": "openmoji-groups", "test_accuracy": 0.612},
    "search": {"evaluations": 144},
    "supernet": {"images": 7_000, "cpu_s": 150.0},
    "rows": [
        row("teacher", 8_000_000, 0.02, 20.0),
        *[row("compressed", 990_000, 0.021, 19.6)] * 3,
        row("random", 980_000, 0.02, 19.0),
    ],
    "summary": {
        "teacher": middle(0.02, 20.0, 1.0),
        "compressed": middle(0.021, 19.6, 8.0808),
        "random": middle(0.02, 19.0, 8.1),
    },
}


def test_the_study_shows_intervals_and_spreads() -> None:
    lines = study_table(STUDY).splitlines()
    assert lines[2] == ("| teacher (1) | 8.0 | 1.0 | 50 | 8,000 | 20.000 (19.000 to 21.000) | 20.00 (19.00 to 21.00) |")
    assert lines[3] == (
        "| compressed (3) | 1.0 | 8.1 | 50 | 8,000 + 7,000 | 21.000 (20.000 to 23.000) | 19.60 (19.50 to 19.70) |"
    )
    assert "'openmoji-groups' (61.2 % of the test images right)" in lines[-1]
    assert (
        "50 minutes of processor time, one thread each; 144 sub-networks scored by the search on 300 images"
        in lines[-1]
    )


def test_wishes_are_judged() -> None:
    lines = wanted_table(STUDY).splitlines()
    assert lines[2] == "| times fewer true MACs than the teacher | at least 8 | 8.1 | yes |"
    assert lines[3] == "| KID over the teacher's | at most 1.1 | 1.050 | yes |"
    assert lines[4] == "| PSNR below the teacher's, dB | at most 0.5 | 0.40 | yes |"
    assert lines[5] == "| KID over that of: random | at most 1 | 1.050 | no |"
    assert lines[6] == "| test images | at least 400 | 850 | yes |"
    better = {**STUDY["summary"], "random": middle(0.0, 19.0, 8.1)}  # type: ignore[dict-item]
    assert "| KID over that of: random | at most 1 | – | – |" in wanted_table(STUDY | {"summary": better})


def network(macs: int, of_budget: float, measured: float | None = None) -> dict[str, Any]:
    return {
        "channels": [8] * 8,
        "macs": macs,
        "latency_s": 0.01 * of_budget,
        "of_budget": of_budget,
        "measured_latency_s": measured,
        "score": {"kid": 0.03},
        "measures": values(0.031, 18.0),
    }


PAIR = {"channels": [8, 4], "macs": 2_000_000, "latency_s": 0.012, "measured_latency_s": 0.011}
COMPARISON: dict[str, Any] = {
    "method": "evolution",
    "seed": 0,
    "scored": 300,
    "objective": {"what": "kid"},
    "data": {"search": 300, "test": 850},
    "teacher": {"macs": 30_000_000, "measures": values(0.02, 20.0)},
    "rows": [
        {
            "device": "here",
            "budget": "50 % of the latency range",
            "limit_s": 0.01,
            "latency": network(3_000_000, 0.98, 0.0094),
            "same_macs": {"most_macs": 3_000_000, **network(2_900_000, 1.25)},
            "safe_macs": {"most_macs": None, "channels": None},
        }
    ],
    "devices": [
        {
            "device": "here",
            "priced": 256,
            "how": "enumerated",
            "spearman": 0.9,
            "pairs_misordered": 0.12,
            "equal_macs": {"networks": 9, "least_latency_s": 0.008, "most_latency_s": 0.012},
            "misleading": {
                "slower": PAIR,
                "faster": {**PAIR, "macs": 3_000_000, "latency_s": 0.006},
                "factor": 2.0,
                "intervals_apart": True,
            },
            "measured": {"networks": [1, 2, 3], "spearman_macs": 0.5, "spearman_predicted": 1.0},
        }
    ],
}


def test_latency_against_macs() -> None:
    lines = comparison_table(COMPARISON).splitlines()
    figures = "31.000 (30.000 to 32.000) | 18.00 (17.00 to 19.00) |"
    place = "| here, 50 %, 10 ms |"
    assert lines[2] == f"{place} best under the latency | 3.00 | 9.8 | 98 | 9.4 | 30.000 | {figures}"
    assert lines[3] == f"{place} best under its MACs | 2.90 | 12.5 | 125 | – | 30.000 | {figures}"
    assert lines[4] == f"{place} best under safe MACs: none | – | – | – | – | – | – | – |"
    assert lines[5].startswith("|  | teacher | 30.00 |")
    assert verdict(COMPARISON) == (
        "With the MACs of the latency winner the best generator breaks the latency in 1 of 1 cases, by up to 25 %; in "
        "1 of 1 no MAC budget is safe."
    )


def test_where_macs_mislead() -> None:
    text = misleading_table(COMPARISON)
    assert "| here | 0.900 | 12.0 | 8 to 12 (9 networks) | MACs 0.500, predicted latency 1.000 (3 networks) |" in text
    assert text.splitlines()[-1] == (
        "- here: 8_4 has 2.00 M MACs and 12 ms, measured here 11 ms; 8_4 has 3.00 M MACs and 6 ms, measured here 11 "
        "ms: 2.00 times slower with fewer MACs, 90 % intervals apart (256 networks, enumerated)."
    )
    ordered = {**COMPARISON["devices"][0], "misleading": None}
    assert "none of 256 networks" in misleading_table({"devices": [ordered]})


def test_what_ships_says_its_commands() -> None:
    record = {
        "command": "hwloop train gan --config line-to-colour --study --out RUN; python -m models.gan.ship RUN OUT",
        "seed": 0,
        "data": {"name": "openmoji", "origin": "OpenMoji", "sha256": "d" * 64},
        "training_cpu_s": 3600.0,
        "bytes": 2_340_000,
    }
    lines = made_by_lines(record).splitlines()
    assert lines[1] == "    python -m models.gan.ship RUN OUT"
    assert "60 minutes of processor time" in lines[-1]
    assert "2.34 MB" in lines[-1]


def test_the_demo_shows_predicted_beside_measured() -> None:
    cost = {"latency_s": 0.01, "latency_low_s": 0.009, "latency_high_s": 0.011, "macs": 3e6, "params": 5e4}
    measured = {
        "latency_s": 0.0123,
        "latency": {"hindered": True},
        "measures": values(0.031, 18.0),
        "data": {"test_images": 850, "name": "openmoji"},
    }
    search = {
        "best": {"arch": {"channels": [8] * 8}, "predicted": {"kid": 0.03, "costs": [cost]}, "measured": measured},
        "budget": "50 % of the latency range",
        "constraint": [{"limit": 0.0105}],
        "reachable": [{"low": 0.005, "high": 0.016}],
        "wall_s": 60.0,
    }
    text = render_demo(
        {
            "search": search,
            "teacher": {"macs": 30_000_000, "measures": values(0.02, 20.0), "recorded": True},
            "evaluations": 72,
            "search_images": 300,
            "page": "out/index.html",
            "profile": {"file": "p.toml"},
            "wall_s": 300.0,
        }
    )
    lines = text.splitlines()
    assert lines[1].split() == ["latency,", "ms", "10", "9", "to", "11", "12.3", "–"]
    assert lines[2].split() == ["KID", "×", "1000", "30.000", "31.000", "20.000"]
    assert "page: out/index.html" in text
    assert "10.0 times fewer than the teacher" in text
    assert "other programs were in the way" in text


@pytest.mark.parametrize("name", TABLES)
def test_the_document_has_a_place_for_each_table(name: str) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"<!-- {name} -->\n" in text
    assert set(re.findall(r"<!-- /(\S+) -->", text)) == set(TABLES)
