"""Tables of Lite Transformers as Markdown: the study, networks that were searched, compression, speed, what ships.

`fill_document` puts them into a document (see `analysis.markdown`); the layers on SpArch are of `on_sparch_table`.
The table of `hwloop demo lite-transformer` is in `text_demo_table`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis import markdown
from analysis.markdown import Record, markdown_table
from analysis.on_sparch_table import on_sparch_table

KINDS = {"lite": "Lite Transformer", "transformer": "transformer of equal MACs"}
SCORES = (
    ("bleu", "BLEU", 2),
    ("perplexity", "perplexity", 3),
    ("rouge1", "ROUGE-1", 2),
    ("rouge2", "ROUGE-2", 2),
    ("rougeL", "ROUGE-L", 2),
)
"""Name in a record, heading, digits."""
SIGNIFICANT = 0.05
LATENCY_ERROR = 0.15
LEAST_RATIO = 10.0


def study_table(record: Record) -> str:
    """``study.json``: both kinds of each task on the test split, and whether they differ."""
    shown = [one for one in SCORES if any(one[0] in row[kind]["test"][0] for row in record["tasks"] for kind in KINDS)]
    rows, lines = [], []
    for row in record["tasks"]:
        for kind, words in KINDS.items():
            one = row[kind]
            sizes = (f"{one['macs_30_tokens'] / 1e6:.2f}", f"{one['params'] / 1e3:,.0f}")
            spent = (
                f"{statistics.fmean(one['target_tokens']) / 1e6:.2f}",
                f"{statistics.fmean(one['train_cpu_s']) / 60:.0f}",
            )
            values = [_spread([test.get(name) for test in one["test"]], digits) for name, _, digits in shown]
            rows.append((f"{row['task']}: {words} ({row['seeds']})", *sizes, *spent, *values))
        lines += _differences(row)
    costs = ("M MACs", "k params", "M target tokens", "CPU minutes")
    heads = ("task: network (seeds)", *costs, *(one[1] for one in shown))
    note = (
        "Measured on the unseen split, one training run a seed; with more seeds the mean, least and most in brackets. "
        "MACs at 30 tokens a side; parameters without embeddings, tokens and minutes of a run. Perplexity of tokens: "
        "both kinds share a tokenizer."
    )
    return "\n".join([markdown_table(heads, rows), "", note, "", *lines])


def _differences(row: Record) -> list[str]:
    """Lite less transformer: BLEU with its bootstrap; other scores of the one seed as they are."""
    if "bootstrap" not in row:
        name, words, digits = next(one for one in (SCORES[4], SCORES[1]) if one[0] in row["lite"]["test"][0])
        mine, other = (statistics.fmean(test[name] for test in row[kind]["test"]) for kind in KINDS)
        return [f"- {row['task']}: {words} {mine - other:+.{digits}f} for the Lite Transformer ({row['seeds']} seed)."]
    seeds = "; ".join(f"seed {seed}: {_tested(one)}" for seed, one in enumerate(row["bootstrap"]))
    whole = _tested(row["bootstrap_all_seeds"])
    return [
        f"- {row['task']}, BLEU of the Lite Transformer less the other: {seeds}.",
        f"- {row['task']}, all seeds together: {whole} (the published direction is +).",
    ]


def finals_table(record: Record) -> str:
    """``finals.json``: the winner, the hand-set network and random ones of the winner's latency, on the test split."""
    networks = record["networks"]
    drawn = [one for name, one in networks.items() if name.startswith("random-")]
    shown = [one for one in SCORES if any(one[0] in row["test"] for row in networks.values())]
    rows = [
        (words, "1", *_costs([networks[name]]), *_scores(networks[name]["test"], shown))
        for name, words in (("winner", "winner"), ("hand-set", "set by hand"))
        if name in networks
    ]
    if drawn:
        medians = [_median([one["test"].get(name) for one in drawn], digits) for name, _, digits in shown]
        rows.append(("random, of equal latency: median", f"{len(drawn)}", *_costs(drawn), *medians))
    heads = ("network", "how many", "k params", "ms, predicted", "ms, measured", "error, %", *(one[1] for one in shown))
    start = f"{record['steps']:,} updates from {record['from']}"
    lines = [
        f"Device {record['device']}; all trained alike, {start}; scores of the unseen split, in brackets least "
        "and most."
    ]
    if "bootstrap_hand_set" in record:
        lines.append(f"BLEU of the winner less that of the hand-set one: {_tested(record['bootstrap_hand_set'])}.")
    worst = record["summary"]["largest_latency_error"]
    if worst is not None:
        held = "within" if worst <= LATENCY_ERROR else "not within"
        lines.append(f"Largest error of a predicted latency: {100 * worst:.1f} %, {held} {100 * LATENCY_ERROR:.0f} %.")
    return f"{markdown_table(heads, rows)}\n\n{' '.join(lines)}"


def curve_table(record: Record) -> str:
    """``curve.json``: size against BLEU, each point beside the model that was compressed and the transformer."""
    base, other = record["uncompressed"], record.get("baseline")
    points = [
        ("not compressed, float32", *_size(base["sizes"]), _ratio(record, base), f"{base['bleu']:.2f}", "–", "–"),
        *(
            (
                f"{100 * one['settings']['keep']:g} % of the weights, {one['settings']['mean_bits']:g} bit",
                *_size(one["sizes"]),
                _ratio(record, one),
                f"{one['bleu']:.2f}",
                _tested(one["bootstrap"]),
                _tested(one["bootstrap_baseline"]) if "bootstrap_baseline" in one else "–",
            )
            for one in record["points"]
        ),
    ]
    if other is not None:
        points.insert(0, ("transformer, float32", *_size(other["sizes"]), "1.0", f"{other['bleu']:.2f}", "–", "–"))
    heads = ("model", "kB", "kB without embeddings", "index and codebooks, kB", "times smaller than the transformer")
    changes = ("BLEU", "against the model before", "against the transformer")
    note = (
        f"Measured on the unseen split; fine-tuned by {record['fine_tune_steps']:,} updates after pruning and "
        "as many after k-means. "
        f"Sizes of the weights as stored, index, codebooks and float32 vectors counted. {curve_verdict(record)}"
    )
    return f"{markdown_table((*heads, *changes), points)}\n\n{note}"


def curve_verdict(record: Record) -> str:
    """The smallest point without a significant loss of BLEU against the transformer, and whether it is small enough."""
    if record.get("baseline") is None:
        return "No transformer to compare with."
    whole = record["baseline"]["sizes"]["whole"]["bytes"]
    sound = [one for one in record["points"] if not _worse(one["bootstrap_baseline"])]
    if not sound:
        return "Every point loses BLEU significantly against the transformer."
    best = min(sound, key=lambda one: one["sizes"]["whole"]["bytes"])
    ratio = whole / best["sizes"]["whole"]["bytes"]
    body = record["baseline"]["sizes"]["without_embeddings"]["bytes"] / best["sizes"]["without_embeddings"]["bytes"]
    held = "as wanted" if ratio >= LEAST_RATIO else "less than wanted"
    return (
        f"The smallest one without a significant loss against the transformer is {ratio:.1f} times smaller than it "
        f"({body:.1f} times without embeddings): {held} (at least {LEAST_RATIO:g})."
    )


def speed_table(record: Record) -> str:
    """The record of `models.lite_transformer.speed`."""
    decoded, step = record["decoding"], record["training_step"]
    rows = [
        ("decoding, tokens a second", f"{decoded['tokens_per_s']:,.0f}"),
        ("the same model without its state, tokens a second", f"{decoded['without_state_tokens_per_s']:,.0f}"),
        ("ratio", f"{decoded['ratio']:.2f}"),
        ("training step, ms", f"{1e3 * step['lite_s']:.1f}"),
        ("`torch.nn.Transformer` of equal MACs, ms", f"{1e3 * step['torch_transformer_s']:.1f}"),
        ("ratio", f"{step['torch_over_lite']:.2f}"),
    ]
    note = (
        f"Measured on {record['machine']}, {record['threads']} thread: processor time, the least of "
        f"{record['repeats']} runs. Decoding: greedy, batch 1, {decoded['source']} source and {decoded['tokens']} "
        f"target tokens. Step: forward and backward pass on {step['sentences']} sentences of {step['length']} tokens a "
        f"side; {step['lite_macs_30_tokens'] / 1e6:.2f} M and {step['transformer_macs_30_tokens'] / 1e6:.2f} M MACs at "
        f"30 tokens."
    )
    return f"{markdown_table(('what', 'measured'), rows)}\n\n{note}"


def made_by_lines(record: Record) -> str:
    """``made_by.json`` of what ships: the commands and what they made."""
    commands = "\n".join(f"    {one}" for one in record["commands"])
    trained, shipped = record["test"]["trained"], record["test"]["shipped"]
    text, best = record["text"], record["chosen"]
    words = [
        f"{commands}\n\nSeed {record['seed']}, run `{best['run']}`, the best of {len(best['valid_loss'])} on the "
        f"validation split; {text['train']:,} training pairs, text sha256 `{text['digest'][:16]}…`; "
        f"{record['train_cpu_s'] / 3600:.1f} hours of processor time. On {shipped['sentences']:,} unseen pairs BLEU "
        f"{shipped['bleu']:.2f} and perplexity {shipped['perplexity']:.3f} as stored ({record['stored']}), "
        f"{trained['bleu']:.2f} and {trained['perplexity']:.3f} as trained (float32)."
    ]
    one = record["supernet"]
    if one is not None:
        unseen = one["predictor"]["unseen"]
        words.append(
            f"The supernet of `{one['space']['name']}`: {one['params'] / 1e6:.2f} M parameters; storing changes the "
            f"loss of {one['networks']} networks by at most {one['largest_change_of_loss']:.5f}. Its predictor was "
            f"fitted to the trained weights: rank correlation {unseen['spearman']:.3f}, error "
            f"{unseen['mean_absolute_error']:.4f} (of the mean {unseen['error_of_the_mean']:.4f}) on "
            f"{unseen['networks']} networks that it has not seen."
        )
    return " ".join([*words, f"All files have {record['bytes'] / 1e6:.2f} MB together."])


TABLES = {
    "made-by": made_by_lines,
    "study": study_table,
    "finals": finals_table,
    "finals-host": finals_table,
    "curve": curve_table,
    "sparch": lambda record: on_sparch_table(record).rstrip(),
    "speed": speed_table,
}
"""Name of a table in a document: what makes it of a record."""


def fill_document(path: str | Path, records: Mapping[str, str | Path]) -> None:
    """Put the tables of `records` (name in `TABLES`: JSON file) into the document at `path`. Raises InputError."""
    markdown.fill_document(path, records, TABLES)


def _tested(one: Record) -> str:
    """Difference of BLEU and the p-value of the paired bootstrap."""
    return f"{one['system']['bleu'] - one['baseline']['bleu']:+.2f} (p = {one['p_value']:.3f})"


def _worse(one: Record) -> bool:
    return bool(one["system"]["bleu"] < one["baseline"]["bleu"] and one["p_value"] < SIGNIFICANT)


def _spread(values: Sequence[float | None], digits: int) -> str:
    known = [one for one in values if one is not None]
    if not known:
        return "–"
    mean = f"{statistics.fmean(known):.{digits}f}"
    return mean if len(known) == 1 else f"{mean} ({min(known):.{digits}f} to {max(known):.{digits}f})"


def _scores(test: Record, shown: Sequence[tuple[str, str, int]]) -> list[str]:
    return [_spread([test.get(name)], digits) for name, _, digits in shown]


def _median(values: Sequence[float | None], digits: int) -> str:
    known = [one for one in values if one is not None]
    if not known:
        return "–"
    return f"{statistics.median(known):.{digits}f} ({min(known):.{digits}f} to {max(known):.{digits}f})"


def _costs(rows: Sequence[Record]) -> tuple[str, ...]:
    """Medians: k parameters, predicted and measured ms, error of the prediction."""
    params = f"{statistics.median(one['params'] for one in rows) / 1e3:,.0f}"
    predicted = f"{1e3 * statistics.median(one['predicted_s'] for one in rows):.3g}"
    timed = [one for one in rows if one["measured_s"]]
    if not timed:
        return params, predicted, "–", "–"
    errors = [one["predicted_s"] / one["measured_s"] - 1 for one in timed]
    measured = f"{1e3 * statistics.median(one['measured_s'] for one in timed):.3g}"
    return params, predicted, measured, f"{100 * statistics.median(errors):+.1f}"


def _size(sizes: Record) -> tuple[str, ...]:
    """kB: whole, without embeddings, index and codebooks."""
    whole = sizes["whole"]
    parts = (whole["bytes"], sizes["without_embeddings"]["bytes"], whole["index_bytes"] + whole["codebook_bytes"])
    return tuple(f"{one / 1e3:,.1f}" for one in parts)


def _ratio(record: Record, one: Record) -> str:
    if record.get("baseline") is None:
        return "–"
    return f"{record['baseline']['sizes']['whole']['bytes'] / one['sizes']['whole']['bytes']:.1f}"
