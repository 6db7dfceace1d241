"""From finished runs to the small folder that ships: a translation model, a supernet with its predictor, who made them.

Weights are stored as float16, and what is reported of them is measured with the stored ones: BLEU and perplexity of the
model on the test split, losses of some networks of the supernet on the validation split, each beside the figure of the
trained float32 weights. Among the seeds of the study the model is chosen by its loss on the validation split. The text
does not ship, nor what the models make of it. The same runs give the same bytes.

    python -m models.lite_transformer.ship STUDY_RUN [SUPERNET_RUN] OUT
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.lite_transformer.batches import TokenBatches, encode_pairs
from models.lite_transformer.checkpoint import MODEL, TOKENIZER, describe, load_model, load_tensors, save_tensors
from models.lite_transformer.data import Text, load_text
from models.lite_transformer.evaluation import evaluate, perplexity, scored_pairs
from models.lite_transformer.predictor import FILE, PredictedLoss, read
from models.lite_transformer.recorded import STUDY, StudyRun, supernet_commands, supernet_record
from models.lite_transformer.runs import SUPERNET as SUPERNET_PART
from models.lite_transformer.runs import TRANSLATION
from models.lite_transformer.search import losses
from models.lite_transformer.supernet_training import SUPERNET, SupernetRun
from models.lite_transformer.tokenizer import Tokenizer
from models.lite_transformer.training import mean_loss
from models.shipped_folder import MADE_BY, make_folder, run_command, sizes, write_record
from sim.errors import InputError
from sim.files import write_text

SCHEMA = "hwloop.text-shipped/1"
CURVES, CONFIG, NETWORKS = "curves.json", "config.json", "networks.json"
MOST_BYTES = 8_000_000
"""Of all files together."""
_KNOWN = {MADE_BY, *(f"{TRANSLATION}/{name}" for name in (MODEL, TOKENIZER, CONFIG, STUDY, CURVES))}
_KNOWN |= {f"{SUPERNET_PART}/{name}" for name in (SUPERNET, TOKENIZER, CONFIG, FILE, NETWORKS, CURVES)}
_SAME = 2e-3
"""Losses and perplexities that are computed again may differ by so much, relatively: threads sum in another order."""
Progress = Callable[[str, int, int], None]


def ship(
    study: str | Path, out: str | Path, supernet: str | Path | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Make the folder `out`; the record of it, which is ``made_by.json``.

    Raises InputError: an unfinished run, files or runs that are not of one another, a run that no command makes again,
    too large a network, `out` not empty of other things. Nothing is written before the runs are checked.
    """
    report = progress or (lambda stage, done, total: None)
    found = StudyRun(study)
    text = load_text(found.config)
    found.require_text(text)
    net = None if supernet is None else _open_supernet(Path(supernet), found, text)
    commands = [*found.commands(), *(supernet_commands(net[0].config, net[2]) if net else [])]
    commands.append(f"python -m models.lite_transformer.ship STUDY {'SUPERNET ' if net else ''}OUT")
    chosen = best_seed(found, text)
    _require_scores(found, chosen["run"], text)
    folder = Path(out)
    make_folder(folder, _KNOWN)
    made = _ship_translation(found, chosen["run"], text, folder / TRANSLATION, report)
    searched = None if net is None else _ship_supernet(*net, folder / SUPERNET_PART)
    record = {
        "schema": SCHEMA,
        "commands": commands,
        "seed": found.seed_of(chosen["run"]),
        "chosen": chosen,
        "text": text.summary(),
        "stored": "float16",
        "test": made,
        "supernet": searched,
        "train_cpu_s": found.cpu_s + (net[1]["train_cpu_s"] if net else 0.0),
        **sizes(folder, MOST_BYTES, "a smaller network or vocabulary"),
    }
    write_record(folder / MADE_BY, record)
    return record


def best_seed(found: StudyRun, text: Text) -> dict[str, Any]:
    """{run, valid_loss of each}: the Lite Transformer of the least loss on the validation split."""
    values = {}
    for name in found.candidates():
        model, tokenizer, _ = load_model(found.folder / name)
        most = model.settings.max_tokens
        valid, _ = encode_pairs(text.valid, tokenizer, most)
        values[name] = round(mean_loss(model, TokenBatches(valid, max(most, 2048))), 5)
    return {"run": min(values, key=lambda name: values[name]), "valid_loss": values}


def _require_scores(found: StudyRun, name: str, text: Text) -> None:
    """Raises InputError where the model of a run is not the one that its record is of."""
    model, tokenizer, _ = load_model(found.folder / name)
    _, coded = scored_pairs(found.configs[name], text, tokenizer)
    again = perplexity(model, coded, max(2048, model.settings.max_tokens))
    _require_same(again, found.records[name]["test"]["perplexity"], found.folder / name / MODEL)


def _ship_translation(found: StudyRun, name: str, text: Text, out: Path, report: Progress) -> dict[str, Any]:
    """Scores on the test split: of the record, and of what is stored."""
    model, tokenizer, task = load_model(found.folder / name)
    trained, config = found.records[name]["test"], found.configs[name]
    pairs, coded = scored_pairs(config, text, tokenizer)
    save_tensors(out / MODEL, _half(model.state_dict()), describe(model, task, tokenizer.fingerprint))
    tokenizer.save(out / TOKENIZER)
    write_text(out / CONFIG, config.model_dump_json(indent=1) + "\n")
    write_record(out / STUDY, found.study)
    write_record(out / CURVES, {run: record["history"] for run, record in found.records.items()})
    stored, _, _ = load_model(out)
    scores, _ = evaluate(stored, tokenizer, task, pairs, coded, config.test, report)
    return {"trained": trained, "shipped": scores}


def _open_supernet(
    folder: Path, found: StudyRun, text: Text
) -> tuple[SupernetRun, dict[str, Any], dict[str, Any], Path]:
    """The run, its record, its predictor and where it is, all checked to be of one another and of the study."""
    record = supernet_record(folder)
    net = SupernetRun(folder)
    if record["text"]["digest"] != text.digest or net.config.task != found.config.task:
        raise InputError(f"{folder} was trained on other text than the study {found.folder}; nearest: the same data")
    net.text = text
    if record["config"] != net.config.model_dump(mode="json"):
        raise InputError(f"{folder / 'train.json'} is the record of another run than the supernet beside it")
    other = Tokenizer.load(found.folder / found.candidates()[0] / TOKENIZER)
    if other.fingerprint != net.tokenizer.fingerprint:
        raise InputError(f"{folder} has another tokenizer than the study {found.folder}; nearest: the same data")
    predictor = read(folder / FILE)
    PredictedLoss(net.space, predictor)
    if predictor.get("objective") != losses(net).fingerprint:
        raise InputError(f"{folder / FILE} was fitted to another supernet; nearest: fit it again")
    for row, again in zip(record["networks"], _losses(net, record["networks"]), strict=True):
        _require_same(again, row["valid_loss"], folder / SUPERNET)
    return net, record, predictor, folder


def _ship_supernet(
    net: SupernetRun, record: dict[str, Any], predictor: dict[str, Any], folder: Path, out: Path
) -> dict[str, Any]:
    tensors, about = load_tensors(folder / SUPERNET)
    save_tensors(out / SUPERNET, _half(tensors), about)
    net.tokenizer.save(out / TOKENIZER)
    write_text(out / CONFIG, net.config.model_dump_json(indent=1) + "\n")
    write_record(out / FILE, predictor)
    write_record(out / CURVES, {"supernet": record["history"]})
    stored = SupernetRun(out)
    stored.text = net.text
    shipped = _losses(stored, record["networks"])
    rows = [
        {**row, "shipped_valid_loss": round(loss, 5)} for row, loss in zip(record["networks"], shipped, strict=True)
    ]
    write_record(
        out / NETWORKS, {**{key: record[key] for key in ("space", "params", "target_tokens")}, "networks": rows}
    )
    return {
        "seed": net.config.training.seed,
        "space": record["space"],
        "params": record["params"],
        "predictor": {key: predictor[key] for key in ("samples", "seed", "unseen")},
        "networks": len(rows),
        "largest_change_of_loss": round(max(abs(one["shipped_valid_loss"] - one["valid_loss"]) for one in rows), 5),
    }


def _losses(net: SupernetRun, rows: list[dict[str, Any]]) -> list[float]:
    """On the whole validation split, as they are recorded when a supernet is finished."""
    batches = TokenBatches(net.encoded("valid"), max(net.config.model.max_tokens, 2048))
    found = []
    for row in rows:
        net.net.set_active(net.space.arch(row["arch"]))
        found.append(mean_loss(net.net, batches))
    return found


def _half(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As float16. Raises InputError where a weight does not fit."""
    made = {name: one.half() if one.is_floating_point() else one for name, one in tensors.items()}
    for name, one in made.items():
        if not bool(torch.isfinite(one).all()):
            raise InputError(f"{name} has weights beyond float16; nearest: a run with training.clip=1")
    return made


def _require_same(value: float, recorded: float, path: Path) -> None:
    if abs(value - recorded) > _SAME * abs(recorded):
        raise InputError(f"{path} gives {value:.5g} where its record says {recorded:.5g}: files of different runs")


def main() -> None:
    """The command of the docstring."""
    import click

    @click.command()
    @click.argument("study")
    @click.argument("rest", nargs=-1, required=True, metavar="[SUPERNET] OUT")
    def command(study: str, rest: tuple[str, ...]) -> None:
        """Make the folder OUT, which ships, of the finished runs in STUDY and SUPERNET."""
        supernet = rest[0] if len(rest) == 2 else None

        def make() -> dict[str, Any]:
            if len(rest) > 2:
                raise InputError(f"{len(rest) + 1} folders; nearest: STUDY SUPERNET OUT")
            return ship(study, rest[-1], supernet, _progress)

        run_command(make, rest[-1], MOST_BYTES)

    def _progress(stage: str, done: int, total: int) -> None:
        if total and (done == total or done % 320 == 0):
            click.echo(f"{stage} {done} of {total}", err=True)

    command()


if __name__ == "__main__":
    main()
