"""From a finished study to the small folder that ships: all that the demo and a search need, and who made it.

It holds the supernet without discriminator and distillation maps, the feature extractor, the best compressed generator,
what was measured of the teacher and what it makes of the shown test images, the study and its curves. The generator is
chosen among the seeds of the study on search images, so that its measures on the test images are not those of a
choice. The same run gives the same bytes.

    python -m models.gan.ship RUN OUT
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from models.gan.extractor import load_extractor
from models.gan.reference import SCHEMA as TEACHER_SCHEMA
from models.gan.reference import TrainedTeacher, shown, write_column
from models.gan.runs import TEACHER_IMAGES, TEACHER_RECORD
from models.gan.search import MEASURES, Scorer, load_run
from models.gan.study import EXTRACTOR, RECORD
from models.gan.train import SUPERNET, TEACHER, Compression
from models.gan.train_config import SHIPPED, TrainConfig, read_config
from models.ofa.train_state import load_tensors, save_tensors
from models.shipped_folder import MADE_BY, make_folder, run_command, sha256, sizes, write_record
from sim.errors import InputError
from sim.settings import setting_names, validate_config

SCHEMA = "hwloop.gan-shipped/1"
GENERATOR, GENERATOR_RECORD = "generator.safetensors", "generator.json"
CURVES = "curves.json"
_KNOWN = {f"{SUPERNET}.safetensors", EXTRACTOR, GENERATOR, GENERATOR_RECORD, TEACHER_RECORD, TEACHER_IMAGES}
_KNOWN |= {CURVES, RECORD, MADE_BY}
MOST_BYTES = 4_000_000
"""Of all files together that are no pictures."""
_UNTOLD = ("run.threads", "run.checkpoint_every_s", "study.workers")
_OF_ROW = ("channels", "macs", "params", "measures")


def ship(run: Path, out: Path) -> dict[str, Any]:
    """Make the folder `out` of the finished study in the folder `run`; the record of it, which is ``made_by.json``.

    Raises InputError: no finished study, files of another run in it, a damaged file, too large a supernet, `out` not
    empty of other things.
    """
    study = read_study(run / RECORD)
    work, net = load_run(run)
    if study["data"]["sha256"] != work.images.sha256 or study["seed"] != work.seed:
        raise InputError(f"{str(run / RECORD)!r} is the record of another run than the supernet beside it")
    extractor = load_extractor(run / EXTRACTOR)
    teacher = TrainedTeacher(work, extractor)
    scorer = Scorer(work, net, extractor, study["config"]["study"]["measure"])
    tensors, note = load_tensors(run / f"{SUPERNET}.safetensors")
    kept = {name: one for name, one in tensors.items() if name.startswith("generator/")}
    chosen = best_generator(run, study, scorer)
    make_folder(out, _KNOWN)
    save_tensors(out / f"{SUPERNET}.safetensors", kept, note)
    extractor.save(out / EXTRACTOR)
    channels = {"channels": chosen["record"]["channels"]}
    save_tensors(out / GENERATOR, chosen.pop("weights"), {"schema": SCHEMA, **channels})
    write_record(out / GENERATOR_RECORD, {"schema": SCHEMA, **chosen.pop("record"), "chosen": chosen})
    of_teacher = next(row for row in study["rows"] if row["kind"] == "teacher")
    data = study["data"] | {"protocol": study["protocol"], "extractor": study["extractor"]["name"]}
    kept_of_it = {key: of_teacher[key] for key in _OF_ROW} | {"data": data, "shown": list(shown(work.images).names)}
    write_record(out / TEACHER_RECORD, {"schema": TEACHER_SCHEMA, **kept_of_it})
    write_column(out / TEACHER_IMAGES, teacher.images())
    curves = {row["name"]: row["curve"] for row in study["rows"]} | {SUPERNET: note["record"]["curve"]}
    write_record(out / CURVES, curves)
    rows = [{key: value for key, value in row.items() if key != "curve"} for row in study["rows"]]
    write_record(
        out / RECORD, study | {"rows": rows, "supernet": {key: note["record"][key] for key in ("images", "cpu_s")}}
    )
    record = _made_by(work, study, note["record"], run, out)
    write_record(out / MADE_BY, record)
    return record


def best_generator(run: Path, study: Mapping[str, Any], scorer: Scorer) -> dict[str, Any]:
    """{weights, record, measure, scores, search_images}: the compressed generator of the best score on search images.

    Raises InputError where one that the record names is not here.
    """
    rows = {row["name"]: row for row in study["rows"] if row["kind"] == "compressed"}
    weights, scores = {}, {}
    for name, row in rows.items():
        state, _ = load_tensors(run / f"generator-{name}.safetensors")
        weights[name] = state
        scores[name] = scorer.score(_filled(scorer.work, tuple(row["channels"]), state, run))
    better = min if MEASURES[scorer.measure] else max
    best = better(scores, key=lambda name: scores[name])
    return {
        "weights": weights[best],
        "record": {"name": best, **{key: rows[best][key] for key in _OF_ROW}},
        "measure": scorer.measure,
        "scores": scores,
        "search_images": len(scorer.work.images.search),
    }


def read_study(path: Path) -> dict[str, Any]:
    """A finished study's record. Raises InputError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kinds = {row["kind"] for row in found["rows"]}
        complete = {"teacher", "compressed"} <= kinds and {"seed", "config", "data", "extractor"} <= set(found)
    except OSError as error:
        raise InputError(
            f"cannot read {str(path)!r}: {error.strerror or error}; nearest: hwloop train gan --config NAME --study "
            f"--out {path.parent}"
        ) from None
    except (ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise InputError(f"{str(path)!r} is no record of a finished study")
    study: dict[str, Any] = found
    return study


def command(config: TrainConfig, seed: int) -> str:
    """The commands that make the folder again: what differs from the nearest shipped configuration is in ``--set``."""

    def told(one: TrainConfig) -> dict[str, Any]:
        tree = one.model_dump()
        places = [name.rpartition(".") for name in setting_names(TrainConfig) if name not in _UNTOLD]
        return {f"{table}{dot}{leaf}": (tree[table] if table else tree)[leaf] for table, dot, leaf in places}

    mine = told(config)
    changes = {}
    for name in SHIPPED:
        other = told(read_config(name))
        differ = [f"{key}={json.dumps(value)}" for key, value in mine.items() if value != other[key]]
        changes[name] = [f"--set {shlex.quote(one)}" for one in differ]
    base = min(SHIPPED, key=lambda name: len(changes[name]))
    words = " ".join(["hwloop train gan --config", base, *changes[base], f"--seed {seed} --study --out RUN"])
    return f"{words}; python -m models.gan.ship RUN OUT"


def _filled(work: Compression, channels: tuple[int, ...], state: Mapping[str, Tensor], run: Path) -> nn.Module:
    net: nn.Module = work.family.build(channels)
    try:
        net.load_state_dict(dict(state))
    except RuntimeError:
        raise InputError(f"weights in {str(run)!r} are not those of the generators that {RECORD} names") from None
    return net


def _made_by(
    work: Compression, study: Mapping[str, Any], supernet: Mapping[str, Any], run: Path, out: Path
) -> dict[str, Any]:
    """Commands, seed, data, and hashes of all files. Raises InputError where they are too large."""
    return {
        "schema": SCHEMA,
        "command": command(validate_config(TrainConfig, study["config"]), work.seed),
        "seed": work.seed,
        "data": study["data"],
        "training_cpu_s": sum(row["cpu_s"] for row in study["rows"]) + supernet["cpu_s"],
        "teacher_sha256": sha256(run / f"{TEACHER}.safetensors"),
        **sizes(out, MOST_BYTES, "a study with smaller student.choices", pictures=False),
    }


def main() -> None:
    """The command of the docstring."""
    import click

    @click.command()
    @click.argument("run")
    @click.argument("out")
    def make(run: str, out: str) -> None:
        """Make the folder OUT, which ships, of the finished study in RUN."""
        run_command(lambda: ship(Path(run), Path(out)), out, MOST_BYTES, "bytes without pictures")

    make()


if __name__ == "__main__":
    main()
