"""The comparison at small scale: Lite Transformer against a plain one of equal MACs, same text, tokens and steps.

Translation with three seeds, language model and summaries with one. Run it again after a kill and it goes on: each
training run has a folder of its own. `plan` measures a few updates and says what the whole takes, before it is begun.

    python -m models.lite_transformer.study OUT [--plan]
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from models.lite_transformer.batches import TokenBatches, encode_pairs
from models.lite_transformer.config import Config, read_config
from models.lite_transformer.counting import operators
from models.lite_transformer.model import TextModel
from models.lite_transformer.train import OUTPUTS, prepare_text, train
from models.lite_transformer.training import Trainer
from models.zoo.mac_rules import count
from sim.files import require_writable, write_text
from sim.one_line import one_line_errors

TASKS = {"translation": 3, "language-model": 1, "summary": 1}
"""Tasks and how many seeds."""
KINDS = ("lite", "transformer")
Progress = Callable[[str, int, int], None]


def runs(tasks: Mapping[str, int], settings: Mapping[str, Any] | None = None) -> list[tuple[str, Config]]:
    """Name and configuration of every training run, the two kinds of a seed next to each other. Raises ConfigError."""
    return [
        (f"{task}-{kind}-{seed}", read_config(f"mini-{kind}-{task}", {**(settings or {}), "training.seed": seed}))
        for task, seeds in tasks.items()
        for seed in range(seeds)
        for kind in KINDS
    ]


def plan(
    tasks: Mapping[str, int] = TASKS, settings: Mapping[str, Any] | None = None, updates: int = 5
) -> list[dict[str, Any]]:
    """What each run takes: MACs, target tokens a second and hours, by the processor time of `updates` updates."""
    rows = []
    for name, config in runs(dict.fromkeys(tasks, 1), settings):
        text, tokenizer = prepare_text(config, None)
        sentences, _ = encode_pairs(text.train, tokenizer, config.model.max_tokens, truncate=config.task == "summary")
        model = TextModel(config.model)
        trainer = Trainer(model, TokenBatches(sentences, config.training.batch_tokens), config.training)
        trainer.update()
        begin, before = time.process_time(), trainer.tokens
        for _ in range(updates):
            trainer.update()
        seconds = time.process_time() - begin
        rows.append(
            {
                "run": name.removesuffix("-0"),
                "seeds": tasks[config.task],
                "macs_30_tokens": count(operators(model)),
                "params": sum(one.numel() for one in model.body()),
                "target_tokens_per_cpu_s": round((trainer.tokens - before) / seconds, 1),
                "cpu_h_each": round(seconds / updates * config.training.steps / 3600, 3),
            }
        )
    return rows


def run_study(
    out: str | Path,
    tasks: Mapping[str, int] = TASKS,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """All runs not done yet, then the comparison, written to ``study.json``. Raises InputError, ConfigError."""
    folder = Path(out)
    if not folder.exists():
        require_writable(folder).mkdir()
    records: dict[str, dict[str, Any]] = {}
    planned = runs(tasks, settings)
    for place, (name, config) in enumerate(planned):
        if progress is not None:
            progress("runs", place, len(planned))
        records[name] = train(config, folder / name, resume=(folder / name).exists(), progress=progress)
    rows = [_compare(folder, records, task, seeds) for task, seeds in tasks.items()]
    record = {"schema": "hwloop.text-study/1", "threads": torch.get_num_threads(), "tasks": rows}
    write_text(folder / "study.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return record


def _compare(folder: Path, records: Mapping[str, dict[str, Any]], task: str, seeds: int) -> dict[str, Any]:
    """Scores of both kinds, and for translation a paired bootstrap for each seed and over all of them."""
    found: dict[str, Any] = {"task": task, "seeds": seeds}
    for kind in KINDS:
        one = [records[f"{task}-{kind}-{seed}"] for seed in range(seeds)]
        model = TextModel(Config.model_validate_json(json.dumps(one[0]["config"])).model)
        found[kind] = {
            "macs_30_tokens": count(operators(model)),
            "params": one[0]["params"],
            "embedding_params": one[0]["embedding_params"],
            "target_tokens": [record["target_tokens"] for record in one],
            "train_cpu_s": [record["train_cpu_s"] for record in one],
            "test": [record["test"] for record in one],
        }
    if task == "translation":
        outputs = {
            kind: [_lines(folder / f"{task}-{kind}-{seed}" / OUTPUTS) for seed in range(seeds)] for kind in KINDS
        }
        references = _lines(folder / f"{task}-{KINDS[0]}-0" / "references.txt")
        found["bootstrap"] = [
            bootstrap(outputs["transformer"][seed], outputs["lite"][seed], references) for seed in range(seeds)
        ]
        pooled = {kind: [line for one in outputs[kind] for line in one] for kind in KINDS}
        found["bootstrap_all_seeds"] = bootstrap(pooled["transformer"], pooled["lite"], references * seeds)
    return found


def bootstrap(
    baseline: Sequence[str], system: Sequence[str], references: Sequence[str], samples: int = 1000
) -> dict[str, Any]:
    """sacreBLEU's paired bootstrap: both scores with the half-width of their 95 % interval, and the p-value that they
    are equal."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.significance import PairedTest

    systems: list[tuple[str, Sequence[str]]] = [("baseline", list(baseline)), ("system", list(system))]
    test = PairedTest(systems, {"BLEU": BLEU(references=[list(references)])}, None, "bs", samples)
    same = list(baseline) == list(system)  # the library calls no difference at all significant
    first, second = (cast(Any, one) for one in test()[1]["BLEU"])
    return {
        "baseline": {"bleu": round(first.score, 4), "ci": round(first.ci, 4)},
        "system": {"bleu": round(second.score, 4), "ci": round(second.ci, 4)},
        "p_value": 1.0 if same else second.p_value,
        "samples": samples,
    }


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def main() -> None:
    """The command of the docstring."""
    import click

    @click.command()
    @click.argument("out")
    @click.option("--plan", "only_plan", is_flag=True, help="Measure a few updates of each run and stop.")
    @click.option("--task", "tasks", multiple=True, type=click.Choice(list(TASKS)), help="Only these tasks.")
    def command(out: str, only_plan: bool, tasks: tuple[str, ...]) -> None:
        """Train and compare; run again to go on."""
        chosen = {task: TASKS[task] for task in tasks or TASKS}

        def show(stage: str, done: int, total: int) -> None:
            if total and (done == total or done % 100 == 0):
                click.echo(f"{stage} {done} of {total}", err=True)

        with one_line_errors():
            result = plan(chosen) if only_plan else run_study(out, chosen, progress=show)
        click.echo(json.dumps(result, indent=1))

    command()


if __name__ == "__main__":
    main()
