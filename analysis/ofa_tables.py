"""Tables of Once-for-All as Markdown: the study, the predictor's error, published networks, winners against rivals.

`fill_document` puts them into a document (see `analysis.markdown`), so that no figure is typed by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis import markdown
from analysis.markdown import Record
from analysis.markdown import markdown_table as _table

_KINDS = {"supernet": "progressive", "sample_all": "sample all", "alone": "alone"}
"""What the study trained: as it is called in its record, and in its table."""


def study_table(record: Record) -> str:
    """``study.json``: five architectures, each by progressive shrinking, alone, and by sampling everything where the
    study trained such a supernet."""
    kinds = [kind for kind in _KINDS if kind in record["mean_test_accuracy"]]
    rows = []
    for row in record["table"]:
        size = (f"{row['macs'] / 1e6:.2f}", f"{row['params'] / 1e3:,.0f}")
        rows.append((row["name"], *size, *_accuracies(row, kinds)))
    rows.append(("mean", "", "", *_accuracies(record["mean_test_accuracy"], kinds)))
    heads = ["network", "M MACs", "k params", *(f"{_KINDS[kind]} %" for kind in kinds)]
    heads += [f"progressive − {_KINDS[kind]}" for kind in _rivals(kinds)]
    seconds = {name: sum(one.values()) for name, one in record["wall_s"].items()}
    alone = sum(value for name, value in seconds.items() if name.startswith("alone"))
    took = [f"{seconds[kind] / 60:.0f} ({_KINDS[kind]})" for kind in kinds if kind in seconds]
    note = (
        f"Measured: accuracy on {record['test_images']:,} test images of {record['data_name']}; "
        f"{record['training_images']:,} training images, {record['passes']:g} passes each, seed {record['seed']}. "
        f"Minutes of training, one thread each: {', '.join([*took, f'{alone / 60:.0f} (all five alone)'])}."
        f"{_whole(record)}"
    )
    return f"{_table(heads, rows)}\n\n{note}"


def _whole(record: Record) -> str:
    """How long the command took, where one call made all of it."""
    seconds = record.get("whole_wall_s")
    if seconds is None:
        return ""
    return f" The whole command: {seconds / 60:.0f} minutes with {record['config']['study']['workers']} processes."


def predictor_table(record: Record) -> str:
    """The record of ``hwloop train ofa-predictor``: its error on unseen networks beside what is asked for."""
    found = record["unseen"]
    rows = [
        ("RMSE, points", f"{100 * found['rmse']:.3f}", ""),
        ("standard deviation of the true accuracies, points", f"{100 * found['std']:.3f}", ""),
        ("RMSE / standard deviation", f"{found['ratio']:.3f}", "at most 0.4"),
        ("Kendall τ", _three(found.get("kendall_tau")), "at least 0.7"),
        ("share inside the 90 % interval", _three(found.get("coverage")), ""),
    ]
    note = f"Learned from {record['known']:,} networks, judged on {found['n']:.0f} others; no test image was used."
    return f"{_table(('on unseen networks', 'measured', 'wanted'), rows)}\n\n{note}"


def made_by_lines(record: Record) -> str:
    """The record of ``hwloop train ofa-predictor``: the commands, and what both ends of the space reach."""
    both, sizes = record["ends"], record["files"]
    commands = "\n".join(f"    {one}" for one in record["made_by"]["command"].split("; "))
    return (
        f"{commands}\n\n(seed {record['seed']} of scoring and predictor; data sha256 `{record['data'][:16]}…`, in the "
        f"files whole). With the weights that ship, on {both['test_images']:,} test images of {both['data']}: largest "
        f"network **{_percent(both['largest'])} %** (wanted 93.0), smallest **{_percent(both['smallest'])} %** (wanted "
        f"91.0). The files have {sum(sizes.values()) / 1e6:.1f} MB together."
    )


def published_table(record: Record) -> str:
    """The record of ``hwloop search ofa --published``."""
    parts = []
    for device in record["devices"]:
        rows = []
        for row in device["networks"]:
            slower = "" if row["slower"] is None else f"{row['slower']:.2f} ({_span(row, 'slower', 1, 2)})"
            paper = "" if row["published_slower"] is None else f"{row['published_slower']:g}"
            name = row["network"].removeprefix("ofa/released:").removeprefix("zoo/")
            latency = (f"{1e3 * row['latency_s']:.1f}", _span(row, "latency", 1e3, 1, "_s"))
            rows.append((name, f"{row['published_top1_percent']:g} ({row['source']})", *latency, slower, paper))
        heads = (
            "network",
            "top-1 % (where from)",
            "ms, predicted",
            "90 % interval",
            "times slower, predicted",
            "paper",
        )
        parts.append(f"On {device['device']}:\n\n{_table(heads, rows)}")
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in record["notes"])])


def comparison_table(record: Record) -> str:
    """The record of ``hwloop search ofa --compare``: measured test accuracies under each budget."""
    rows = []
    for row in record["rows"]:
        uniform, best = row["uniform"], row["uniform_best_on_test"]
        for one in row["seeds"]:
            winner, drawn = one["winner"], one["random"]
            rows.append(
                (
                    f"{row['device']}, {row['budget']}",
                    f"{1e3 * row['limit'][0]:.3f}",
                    str(one["seed"]),
                    _percent(winner["predicted_accuracy"]),
                    _percent(winner["test_accuracy"]),
                    _percent(one["finalist"]["test_accuracy"]),
                    "–" if uniform is None else _percent(uniform["test_accuracy"]),
                    "–" if best is None else _percent(best["test_accuracy"]),
                    _percent(drawn["median"]),
                    f"{_percent(drawn['lowest'])} to {_percent(drawn['highest'])}",
                )
            )
    heads = (
        "device, budget",
        "ms",
        "seed",
        "winner %, predicted",
        "winner %",
        "finalist %",
        "uniform %",
        "uniform, in hindsight %",
    )
    data = record["data"]
    note = (
        f"Accuracies are measured on {data['test_images']:,} test images of {data['name']}, with the weights of the "
        f"supernet and batch norm statistics from {data['calibration_images']:,} training images; what is called "
        f"predicted is not, nor are latencies. Random: {record['random_networks']} networks that keep the budget. "
        f"{verdict(record)}"
    )
    return f"{_table((*heads, 'random, median %', 'random, range %'), rows)}\n\n{note}"


def verdict(record: Record) -> str:
    """In how many of the cases the winner is at least as accurate as each rival."""
    cases = [(row, one) for row in record["rows"] for one in row["seeds"]]
    words = []
    for who in ("winner", "finalist"):
        scores = [(row["uniform"], one[who]["test_accuracy"], one["random"]["median"]) for row, one in cases]
        uniform = sum(rival is None or mine >= rival["test_accuracy"] for rival, mine, _ in scores)
        random = sum(mine >= median for _, mine, median in scores)
        words.append(
            f"The {who} is at least as accurate as uniform scaling in {uniform} of {len(cases)} cases, and as the "
            f"median random network in {random} of {len(cases)}."
        )
    return " ".join(words)


TABLES = {
    "made-by": made_by_lines,
    "study": study_table,
    "hour-study": study_table,
    "shipped-study": study_table,
    "predictor": predictor_table,
    "published": published_table,
    "comparison": comparison_table,
}
"""Name of a table in a document: what makes it of a record."""


def fill_document(path: str | Path, records: Mapping[str, str | Path]) -> None:
    """Put the tables of `records` (name in `TABLES`: JSON file) into the document at `path`. Raises InputError."""
    markdown.fill_document(path, records, TABLES)


def _accuracies(row: Record, kinds: Sequence[str]) -> tuple[str, ...]:
    shown = tuple(_percent(row[kind]) for kind in kinds)
    return (*shown, *(f"{100 * (row['supernet'] - row[kind]):+.2f}" for kind in _rivals(kinds)))


def _rivals(kinds: Sequence[str]) -> list[str]:
    """What the supernet is compared with, networks alone first."""
    return [kind for kind in ("alone", "sample_all") if kind in kinds]


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _span(row: Record, name: str, scale: float, digits: int, unit: str = "") -> str:
    return " to ".join(f"{scale * row[f'{name}_{end}{unit}']:.{digits}f}" for end in ("low", "high"))
