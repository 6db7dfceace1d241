"""From a finished study to the small folder that ships: all that the demo and a search need, and who made it.

It holds the supernet without discriminator and distillation maps, the feature extractor, the best compressed generator,
what was measured of the teacher and what it makes of the shown test images, the study and its curves. The generator is
chosen among the seeds of the study on search images, so that its measures on the test images are not those of a
choice. The same run gives the same bytes.

    python -m models.gan.ship RUN OUT
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
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
from sim.errors import InputError
from sim.files import write_text
from sim.settings import setting_names, validate_config

SCHEMA = "hwloop.gan-shipped/1"
GENERATOR, GENERATOR_RECORD = "generator.safetensors", "generator.json"
CURVES, MADE_BY = "curves.json", "made_by.json"
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
    _make_folder(out)
    save_tensors(out / f"{SUPERNET}.safetensors", kept, note)
    extractor.save(out / EXTRACTOR)
    channels = {"channels": chosen["record"]["channels"]}
    save_tensors(out / GENERATOR, chosen.pop("weights"), {"schema": SCHEMA, **channels})
    _write(out / GENERATOR_RECORD, {"schema": SCHEMA, **chosen.pop("record"), "chosen": chosen})
    of_teacher = next(row for row in study["rows"] if row["kind"] == "teacher")
    data = study["data"] | {"protocol": study["protocol"], "extractor": study["extractor"]["name"]}
    kept_of_it = {key: of_teacher[key] for key in _OF_ROW} | {"data": data, "shown": list(shown(work.images).names)}
    _write(out / TEACHER_RECORD, {"schema": TEACHER_SCHEMA, **kept_of_it})
    write_column(out / TEACHER_IMAGES, teacher.images())
    curves = {row["name"]: row["curve"] for row in study["rows"]} | {SUPERNET: note["record"]["curve"]}
    _write(out / CURVES, curves)
    rows = [{key: value for key, value in row.items() if key != "curve"} for row in study["rows"]]
    _write(out / RECORD, study | {"rows": rows, "supernet": {key: note["record"][key] for key in ("images", "cpu_s")}})
    record = _made_by(work, study, note["record"], run, out)
    _write(out / MADE_BY, record)
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
    names = sorted(one.name for one in out.iterdir() if one.name != MADE_BY)
    sizes = {name: (out / name).stat().st_size for name in names}
    whole = sum(size for name, size in sizes.items() if not name.endswith(".png"))
    if whole > MOST_BYTES:
        raise InputError(
            f"the files in {str(out)!r} have {whole / 1e6:.2f} MB together, more than {MOST_BYTES / 1e6:g}; nearest: "
            f"a study with smaller student.choices"
        )
    return {
        "schema": SCHEMA,
        "command": command(validate_config(TrainConfig, study["config"]), work.seed),
        "seed": work.seed,
        "data": study["data"],
        "training_cpu_s": sum(row["cpu_s"] for row in study["rows"]) + supernet["cpu_s"],
        "teacher_sha256": _sha256(run / f"{TEACHER}.safetensors"),
        "bytes": whole,
        "files": {name: {"bytes": sizes[name], "sha256": _sha256(out / name)} for name in names},
    }


def _make_folder(out: Path) -> None:
    """Raises InputError where it is a file, or holds what is no shipped folder."""
    known = {f"{SUPERNET}.safetensors", EXTRACTOR, GENERATOR, GENERATOR_RECORD, TEACHER_RECORD, TEACHER_IMAGES}
    known |= {CURVES, RECORD, MADE_BY}
    try:
        out.mkdir(parents=True, exist_ok=True)
        other = sorted(one.name for one in out.iterdir() if one.name not in known)
    except OSError as error:
        raise InputError(f"cannot make the folder {str(out)!r}: {error.strerror or error}") from None
    if other:
        raise InputError(f"{str(out)!r} holds {other[0]!r}, which is not of a shipped run; nearest: an empty folder")


def _write(path: Path, record: Mapping[str, Any] | Sequence[Any]) -> None:
    write_text(path, json.dumps(record, indent=1, sort_keys=True) + "\n")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """The command of the docstring."""
    import sys

    import click

    from sim.errors import HwloopError

    @click.command()
    @click.argument("run")
    @click.argument("out")
    def run_command(run: str, out: str) -> None:
        """Make the folder OUT, which ships, of the finished study in RUN."""
        try:
            record = ship(Path(run), Path(out))
        except HwloopError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)
        for name, one in record["files"].items():
            click.echo(f"{one['bytes']:>9,}  {name}")
        click.echo(f"{record['bytes']:>9,}  bytes without pictures, of at most {MOST_BYTES:,}; wrote {out}")

    run_command()


if __name__ == "__main__":
    main()
