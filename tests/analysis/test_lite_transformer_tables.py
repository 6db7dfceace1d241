"""Tables of Lite Transformers: figures come from records, and a wish that is not met is called so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from analysis.lite_transformer_tables import (
    TABLES,
    curve_table,
    curve_verdict,
    fill_document,
    finals_table,
    made_by_lines,
    speed_table,
    study_table,
)
from analysis.text_demo_table import render_demo

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "lite_transformer.md"


def paired(system: float, baseline: float, p: float) -> dict[str, Any]:
    return {"system": {"bleu": system, "ci": 1.0}, "baseline": {"bleu": baseline, "ci": 1.0}, "p_value": p}


def kind(macs: int, tests: list[dict[str, float]]) -> dict[str, Any]:
    count = len(tests)
    spent = {"target_tokens": [8_000_000] * count, "train_cpu_s": [1200.0] * count}
    return {"macs_30_tokens": macs, "params": 400_000, "embedding_params": 500_000, **spent, "test": tests}


STUDY: dict[str, Any] = {
    "tasks": [
        {
            "task": "translation",
            "seeds": 2,
            "lite": kind(20_000_000, [{"bleu": 20.0, "perplexity": 9.0}, {"bleu": 21.0, "perplexity": 8.0}]),
            "transformer": kind(20_100_000, [{"bleu": 19.0, "perplexity": 9.5}, {"bleu": 22.0, "perplexity": 9.7}]),
            "bootstrap": [paired(20.0, 19.0, 0.04), paired(21.0, 22.0, 0.2)],
            "bootstrap_all_seeds": paired(20.5, 20.4, 0.6),
        },
        {
            "task": "summary",
            "seeds": 1,
            "lite": kind(20_000_000, [{"rougeL": 30.0, "perplexity": 20.0}]),
            "transformer": kind(20_100_000, [{"rougeL": 31.5, "perplexity": 21.0}]),
        },
        {
            "task": "language-model",
            "seeds": 1,
            "lite": kind(20_000_000, [{"perplexity": 40.0}]),
            "transformer": kind(20_100_000, [{"perplexity": 41.0}]),
        },
    ]
}


def test_the_study_shows_seeds_and_signs() -> None:
    lines = study_table(STUDY).splitlines()
    assert lines[2] == (
        "| translation: Lite Transformer (2) | 20.00 | 400 | 8.00 | 20 | 20.50 (20.00 to 21.00) | "
        "8.500 (8.000 to 9.000) | – |"
    )
    assert lines[6].endswith("| – | 40.000 | – |")
    assert lines[-4] == (
        "- translation, BLEU of the Lite Transformer less the other: seed 0: +1.00 (p = 0.040); seed 1: -1.00 (p = "
        "0.200)."
    )
    assert lines[-3].startswith("- translation, all seeds together: +0.10 (p = 0.600)")
    assert lines[-2] == "- summary: ROUGE-L -1.50 for the Lite Transformer (1 seed)."
    assert lines[-1] == "- language-model: perplexity -1.000 for the Lite Transformer (1 seed)."


def finalist(bleu: float, predicted: float, measured: float | None) -> dict[str, Any]:
    return {"params": 300_000, "predicted_s": predicted, "measured_s": measured, "test": {"bleu": bleu}}


def test_finals_say_whether_latency_was_predicted() -> None:
    record: dict[str, Any] = {
        "device": "here",
        "steps": 500,
        "from": "the supernet",
        "networks": {
            "winner": finalist(20.0, 0.010, 0.0125),
            "hand-set": finalist(19.0, 0.011, 0.011),
            "random-0": finalist(15.0, 0.010, 0.010),
            "random-1": finalist(18.0, 0.010, 0.010),
        },
        "summary": {"largest_latency_error": 0.2},
        "bootstrap_hand_set": paired(20.0, 19.0, 0.01),
    }
    lines = finals_table(record).splitlines()
    assert lines[2] == "| winner | 1 | 300 | 10 | 12.5 | -20.0 | 20.00 |"
    assert lines[4] == "| random, of equal latency: median | 2 | 300 | 10 | 10 | +0.0 | 16.50 (15.00 to 18.00) |"
    assert lines[-1].endswith(
        "BLEU of the winner less that of the hand-set one: +1.00 (p = 0.010). Largest error of a predicted latency: "
        "20.0 %, not within 15 %."
    )
    unmeasured = {name: {**one, "measured_s": None} for name, one in record["networks"].items()}
    text = finals_table(record | {"networks": unmeasured, "summary": {"largest_latency_error": None}})
    assert "| winner | 1 | 300 | 10 | – | – | 20.00 |" in text
    assert "Largest error" not in text


def sizes(whole: int, body: int) -> dict[str, Any]:
    parts = {"index_bytes": 3_000, "codebook_bytes": 1_000}
    return {"whole": {"bytes": whole, **parts}, "without_embeddings": {"bytes": body, **parts}}


def point(keep: float, whole: int, bleu: float, p: float) -> dict[str, Any]:
    return {
        "settings": {"keep": keep, "mean_bits": 6.0},
        "sizes": sizes(whole, whole // 2),
        "bleu": bleu,
        "bootstrap": paired(bleu, 20.0, p),
        "bootstrap_baseline": paired(bleu, 19.5, p),
    }


CURVE: dict[str, Any] = {
    "fine_tune_steps": 500,
    "uncompressed": {"sizes": sizes(3_700_000, 1_600_000), "bleu": 20.0},
    "baseline": {"sizes": sizes(4_000_000, 2_000_000), "bleu": 19.5},
    "points": [point(0.5, 500_000, 19.6, 0.4), point(0.3, 320_000, 19.4, 0.3), point(0.1, 200_000, 10.0, 0.001)],
}


def test_the_curve_takes_the_smallest_without_a_significant_loss() -> None:
    lines = curve_table(CURVE).splitlines()
    assert lines[2] == "| transformer, float32 | 4,000.0 | 2,000.0 | 4.0 | 1.0 | 19.50 | – | – |"
    assert lines[5] == (
        "| 30 % of the weights, 6 bit | 320.0 | 160.0 | 4.0 | 12.5 | 19.40 | -0.60 (p = 0.300) | -0.10 (p = 0.300) |"
    )
    assert "12.5 times smaller than it (12.5 times without embeddings): as wanted" in lines[-1]
    worse = CURVE | {"points": [point(0.7, 800_000, 19.6, 0.4), point(0.3, 320_000, 18.0, 0.001)]}
    assert "5.0 times smaller than it (5.0 times without embeddings): less than wanted" in curve_verdict(worse)
    assert curve_verdict(CURVE | {"points": CURVE["points"][2:]}).startswith("Every point loses")
    assert "| 50 % of the weights, 6 bit | 500.0 | 250.0 | 4.0 | – |" in curve_table(CURVE | {"baseline": None})


def test_speed_and_what_ships() -> None:
    step = {"lite_s": 0.2, "torch_transformer_s": 0.3, "torch_over_lite": 1.5, "sentences": 32, "length": 30}
    macs = {"lite_macs_30_tokens": 20_000_000, "transformer_macs_30_tokens": 20_100_000}
    decoded = {"tokens_per_s": 800.4, "without_state_tokens_per_s": 200.1, "ratio": 4.0, "source": 30, "tokens": 30}
    record = {"machine": "a host", "threads": 1, "repeats": 5, "decoding": decoded, "training_step": {**step, **macs}}
    assert speed_table(record).splitlines()[2] == "| decoding, tokens a second | 800 |"
    assert "a host, 1 thread" in speed_table(record)
    made: dict[str, Any] = {
        "commands": ["hwloop train a", "python -m b"],
        "seed": 2,
        "chosen": {"run": "translation-lite-2", "valid_loss": {"a": 2.0, "b": 3.0}},
        "text": {"train": 60_000, "digest": "d" * 64},
        "stored": "float16",
        "test": {
            "trained": {"bleu": 20.0, "perplexity": 9.0},
            "shipped": {"bleu": 19.99, "perplexity": 9.001, "sentences": 2000},
        },
        "supernet": None,
        "train_cpu_s": 7200.0,
        "bytes": 7_100_000,
    }
    text = made_by_lines(made)
    assert text.startswith("    hwloop train a\n    python -m b\n\nSeed 2, run `translation-lite-2`, the best of 2")
    assert "BLEU 19.99 and perplexity 9.001 as stored (float16), 20.00 and 9.000 as trained" in text
    assert text.endswith("All files have 7.10 MB together.")


def test_the_demo_shows_every_part() -> None:
    cost = {"latency_s": 0.01, "latency_low_s": 0.009, "latency_high_s": 0.011}
    measured = {"latency_s": 0.0123, "params": 250_000, "folder": "out/winner", "hindered": True}
    total = {"cycles": 140_000, "seconds": 140e-6, "energy_j": 2e-4, "dram_bytes": 5e6}
    dense = {"dense array": {"latency_s": 130e-6}, "here, no launch": {"latency_s": 500e-6}}
    compressed = {
        "settings": {"keep": 0.6, "mean_bits": 6.0},
        "sizes": {"whole": {"bytes": 400_000, "ratio": 9.2, "index_bytes": 50_000, "codebook_bytes": 900}},
        "own_loss": {"before": 0.5, "after": 0.7},
        "agreement": {"chrf": 71.2, "same": 3},
        "sentences": 16,
    }
    record = {
        "translations": [{"text": "A library.", "translation": "Une [/b] bibliothèque."}],
        "search": {
            "best": {"predicted": {"valid_loss": 2.345, "costs": [cost]}, "measured": measured},
            "budget": "50 % of the latency range",
            "constraint": [{"limit": 0.0105}],
            "reachable": [{"low": 0.005, "high": 0.016}],
        },
        "objective": {"label": "predicted from a supernet", "unseen": {"spearman": 0.9}},
        "evaluations": 5_000,
        "shipped_model": {"hindered": False, "latency_s": 0.013, "params": 394_000},
        "compressed": [compressed],
        "sparch": [
            {
                "keep": 0.6,
                "label": "simulated",
                "sentences": {"priced_tokens": [[12, 14]]},
                "per_sentence": {**total, "dense": dense},
            }
        ],
        "profile": {"file": "p.toml", "device": "here"},
        "parts_wall_s": {"search": 130.0},
        "wall_s": 200.0,
    }
    text = render_demo(record)
    assert "  A library.\n    Une [/b] bibliothèque.\n" in text
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert rows["latency of the winner, ms"].split()[-6:] == ["10", "9", "to", "11", "12.3", "13"]
    assert [line.split()[6:] for line in text.splitlines() if line.startswith("60 % of the weights, 6 bit")] == [
        ["bit", "400,000", "9.2", "50,900", "0.700", "71.2", "3", "of", "16"]
    ]
    assert rows["60 % of the weights"].split()[5:] == ["140,000", "140.0", "200.0", "5,000.0", "130.0", "500.0"]
    assert "(loss of the full model 0.500)" in text
    assert "…" not in text
    assert "other programs were in the way" in text
    words = " ".join(text.split())
    assert "rank correlation 0.9 on unseen networks" in words
    assert "search 130 s; all of it took 200 s" in words


def test_a_document_is_filled(tmp_path: Path) -> None:
    import json

    (tmp_path / "doc.md").write_text("a\n<!-- study -->\nold\n<!-- /study -->\n", encoding="utf-8")
    (tmp_path / "study.json").write_text(json.dumps(STUDY), encoding="utf-8")
    fill_document(tmp_path / "doc.md", {"study": tmp_path / "study.json"})
    assert study_table(STUDY) in (tmp_path / "doc.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_the_document_has_a_place_for_each_table(name: str) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"<!-- {name} -->\n" in text
    assert set(re.findall(r"<!-- /(\S+) -->", text)) == set(TABLES)
