"""What a search was worth: its winner against the hand-set network and random ones of equal latency, on unseen text.

All are taken from the supernet and trained further by the same number of updates, or trained from scratch; scores are
those of the test split, which neither training nor search has seen. Random networks are drawn uniformly and kept where
the oracle prices them within `WITHIN` of the winner. Each network is finished once: a run that was killed goes on.

    python -m models.lite_transformer.finals RUN SEARCH.json OUT [--steps N] [--scratch] [--device F.toml] [--host]
"""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.lite_transformer.architecture import TextArch, hand_set
from models.lite_transformer.batches import TokenBatches
from models.lite_transformer.checkpoint import load_model, save_model
from models.lite_transformer.config import TrainingTable
from models.lite_transformer.decoding import pad
from models.lite_transformer.elastic import SearchedModel
from models.lite_transformer.evaluation import evaluate
from models.lite_transformer.model import BEGIN, DecoderState, TextModel
from models.lite_transformer.space import TextSpace
from models.lite_transformer.study import bootstrap
from models.lite_transformer.supernet_training import SupernetRun
from models.lite_transformer.training import Trainer
from models.search.choices import Array
from models.search.constraint import Target
from sim.cache import fingerprint
from sim.errors import InfeasibleError, InputError
from sim.files import write_text
from sim.one_line import one_line_errors

if TYPE_CHECKING:
    from sim.mobile_cost.host_measure import Measurement

SCHEMA = "hwloop.text-finals/1"
WITHIN = 0.03
_DRAWS, _MOST_DRAWN = 4096, 200_000
Progress = Callable[[str, int, int], None]


def contenders(
    space: TextSpace, target: Target, winner: Mapping[str, Any], *, random: int = 20, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Records by name: ``winner``, ``hand-set`` (where the space has it) and ``random-0`` on, of the winner's latency.

    Raises InfeasibleError where no random network has it.
    """
    best = space.of_records([winner])
    named = {"winner": best}
    with contextlib.suppress(InputError):  # a space of other widths or kernels
        named["hand-set"] = space.population(hand_set(space.text, 128, (7, 15)))
    limit = _latency(space, target, best)[0]
    rng, kept, drawn = np.random.default_rng(seed), 0, 0
    while kept < random and drawn < _MOST_DRAWN:
        fresh = space.sample(_DRAWS, rng)
        drawn += _DRAWS
        near = np.flatnonzero(np.abs(_latency(space, target, fresh) / limit - 1) <= WITHIN)
        for row in near[: random - kept].tolist():
            named[f"random-{kept}"] = fresh[row : row + 1]
            kept += 1
    if random and not kept:
        raise InfeasibleError(f"no random network of {limit * 1e3:.4g} ms among {drawn}; nearest: another budget")
    return {name: space.records(space.canonical(one))[0] for name, one in named.items()}


def _latency(space: TextSpace, target: Target, population: Array) -> Any:
    batch = space.lower(population, fusion=target.fusion, context=target.context)
    return target.oracle.cost(batch)["latency_s"]


def finals(
    run: SupernetRun,
    target: Target,
    winner: Mapping[str, Any],
    out: str | Path,
    *,
    random: int = 20,
    steps: int = 500,
    scratch: bool = False,
    learning_rate: float = 5e-4,
    seed: int = 0,
    measure: Callable[[TextModel], float] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Finish all contenders; the record, also ``finals.json`` in `out`. learning_rate: of further training; from
    scratch it is that of the supernet's configuration. measure: seconds of a sentence on the device
    that `target` stands for, where that is this machine. Raises InputError, InfeasibleError."""
    folder = Path(out)
    folder.mkdir(exist_ok=True)
    named = contenders(run.space, target, winner, random=random, seed=seed)
    settings = run.config.training
    rates = {} if scratch else {"learning_rate": learning_rate, "warm_up": 0}
    table = settings.model_copy(update={"steps": max(1, steps), "warm_up": min(settings.warm_up, steps), **rates})
    rows: dict[str, dict[str, Any]] = {}
    for place, (name, record) in enumerate(named.items()):
        rows[name] = _finish(run, record, folder / name, table, steps, scratch, measure)
        rows[name]["predicted_s"] = float(_latency(run.space, target, run.space.of_records([record]))[0])
        if progress is not None:
            progress("networks", place + 1, len(named))
    found = {
        "schema": SCHEMA,
        "device": target.name,
        "steps": steps,
        "from": "random weights" if scratch else "the supernet",
        "networks": rows,
        "summary": _summary(rows),
    }
    lines = {name: (folder / name / "outputs.txt") for name in ("winner", "hand-set")}
    if all(one.exists() for one in lines.values()) and run.config.task == "translation":
        texts = {name: path.read_text(encoding="utf-8").splitlines() for name, path in lines.items()}
        references = [target_text for _, target_text in _test(run)]
        found["bootstrap_hand_set"] = bootstrap(texts["hand-set"], texts["winner"], references)
    write_text(folder / "finals.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return found


def _test(run: SupernetRun) -> list[tuple[str, str]]:
    most = run.config.model.max_tokens
    pairs = run.text.test[: run.config.test.sentences or None]
    return [pair for pair in pairs if all(len(run.tokenizer.encode(text)) <= most for text in pair)]


def _finish(
    run: SupernetRun,
    record: dict[str, Any],
    folder: Path,
    table: TrainingTable,
    steps: int,
    scratch: bool,
    measure: Callable[[TextModel], float] | None,
) -> dict[str, Any]:
    """Train, score, measure and save one network, unless its folder says that this was done."""
    key = fingerprint(run.identity, record, steps, scratch, table.model_dump(mode="json"))
    done = folder / "result.json"
    kept = json.loads(done.read_text(encoding="utf-8")) if done.exists() else {}
    if kept.get("key") == key:
        if measure is not None and kept["result"]["measured_s"] is None:
            kept["result"]["measured_s"] = measure(load_model(folder)[0].eval())
            write_text(done, json.dumps(kept, indent=1) + "\n")
        return dict(kept["result"])
    config, arch = run.config, TextArch.of(record)
    torch.manual_seed(config.training.seed)
    model = SearchedModel(run.net.settings, arch) if scratch else run.net.export(arch)
    if steps:
        trainer = Trainer(model, TokenBatches(run.encoded("train"), table.batch_tokens, table.seed + 1), table)
        for _ in range(steps):
            trainer.update()
    pairs = _test(run)
    coded = [(run.tokenizer.encode(source), run.tokenizer.encode(text)) for source, text in pairs]
    scores, outputs = evaluate(
        model.eval(), run.tokenizer, config.task, pairs, coded, config.test, lambda stage, at, total: None
    )
    result = {
        "arch": record,
        "test": scores,
        "params": sum(one.numel() for one in model.body()),
        "measured_s": None if measure is None else measure(model),
    }
    folder.mkdir(exist_ok=True)
    save_model(folder, model, config.task, run.tokenizer)
    write_text(folder / "config.json", config.model_dump_json(indent=1) + "\n")
    write_text(folder / "outputs.txt", "".join(line + "\n" for line in outputs))
    write_text(done, json.dumps({"key": key, "result": result}, indent=1) + "\n")
    return result


def _summary(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Winner, hand-set network and the median of the random ones; how far predicted latencies are from measured."""
    found: dict[str, Any] = {}
    for score in ("bleu", "rougeL", "perplexity"):
        named = {name: row["test"][score] for name, row in rows.items() if score in row["test"]}
        if named:
            drawn = [value for name, value in named.items() if name.startswith("random-")]
            known = {name: value for name, value in named.items() if not name.startswith("random-")}
            found[score] = {**known, "random_median": statistics.median(drawn) if drawn else None, "random": len(drawn)}
    errors = [row["predicted_s"] / row["measured_s"] - 1 for row in rows.values() if row["measured_s"]]
    found["latency_errors"] = errors
    found["largest_latency_error"] = max(map(abs, errors)) if errors else None
    return found


def decode_s(model: TextModel, source: int = 30, target: int = 30, budget_s: float = 2.0, threads: int = 1) -> float:
    """Median wall seconds of `decode_time`."""
    return decode_time(model, source, target, budget_s, threads).latency_s


def decode_time(
    model: TextModel, source: int = 30, target: int = 30, budget_s: float = 2.0, threads: int = 1
) -> Measurement:
    """Wall time of translating one sentence greedily, as `TextSpace.lower` writes it down: encoder once, then exactly
    `target` steps."""
    from sim.mobile_cost.host_measure import keep_memory, limited_threads, measure_calls

    row = (np.arange(source) % (model.settings.vocabulary - 4) + 4).tolist()

    def call() -> None:
        memory, padding = model.encode(pad([row]))
        state, last = DecoderState(len(model.decoder.layers)), torch.tensor([[BEGIN]])
        for _ in range(target):
            last = model.step(last, memory, padding, state).argmax(-1, keepdim=True)

    model.eval()
    with limited_threads(threads), torch.inference_mode():
        keep_memory()
        return measure_calls(call, threads=threads, budget_s=budget_s)


def main() -> None:
    """The command of the docstring."""
    import click

    @click.command()
    @click.argument("run")
    @click.argument("search")
    @click.argument("out")
    @click.option("--steps", type=click.IntRange(0), default=500, show_default=True)
    @click.option("--scratch", is_flag=True, help="Train from random weights, as the supernet was trained.")
    @click.option("--random", type=click.IntRange(0), default=20, show_default=True)
    @click.option("--row", type=click.IntRange(0), default=0, help="Which search of SEARCH.json.")
    @click.option("--device", metavar="NAME|F.toml", help="The device of the search, where it is a file of your own.")
    @click.option("--host", is_flag=True, help="The device is this machine: measure on it.")
    def command(run: str, search: str, out: str, steps: int, row: int, device: str | None, **options: Any) -> None:
        """Compare the winner of a search; run again to go on."""
        with one_line_errors():
            found, searched = _winner(Path(search), row)
            target = _target(device or searched)
            if target.name != searched:
                raise InputError(f"{search} is of {searched}, not of {target.name}; nearest: --device {searched}")
            record = finals(
                SupernetRun(run),
                target,
                found,
                out,
                steps=steps,
                measure=decode_s if options.pop("host") else None,
                **options,
                progress=lambda stage, at, total: click.echo(f"{stage} {at} of {total}", err=True),
            )
        click.echo(json.dumps(record["summary"], indent=1))

    command()


def _winner(path: Path, row: int) -> tuple[dict[str, Any], str]:
    """Architecture and device of a search that `hwloop search --json` wrote. Raises InputError."""
    try:
        one = json.loads(path.read_text(encoding="utf-8"))["searches"][row]
        return dict(one["best"]["arch"]), str(one["devices"][0])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(
            f"{path} holds no winner in row {row}: {error!r}; nearest: hwloop search … --out DIR"
        ) from None


def _target(device: str) -> Target:
    from sim.mobile_cost.devices import load_device
    from sim.mobile_cost.oracle import DeviceOracle
    from sim.workload import Context

    profile = load_device(device)
    context = Context(profile.batch_sizes[0], profile.dtypes[0], profile.threads[0])
    return Target(DeviceOracle(profile), tuple(profile.fusion), context)


if __name__ == "__main__":
    main()
