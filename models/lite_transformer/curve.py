"""The curve of size against BLEU: a trained model compressed at several settings, each point with paired bootstraps.

A point stands beside the model that was compressed and, with a baseline, beside a transformer at float32: both by the
outputs that their runs recorded for the same test split. Each point is a folder of its own, so a curve that was killed
goes on with the same command.

    python -m models.lite_transformer.curve RUN OUT [--baseline RUN] [--point KEEP:BITS]… [--fine-tune N]
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models.compress.packing import raw
from models.compress.pipeline import Settings
from models.compress.sizes import account
from models.lite_transformer.checkpoint import MODEL, load_model
from models.lite_transformer.compressing import EMBEDDING, RECORD, compress_run
from models.lite_transformer.study import bootstrap
from models.lite_transformer.train import OUTPUTS
from sim.errors import ConfigError, InputError
from sim.files import write_text
from sim.one_line import one_line_errors
from sim.settings import validate_config

SCHEMA = "hwloop.text-curve/1"
POINTS = ("1:8", "1:6", "1:4", "0.7:6", "0.5:6", "0.4:6", "0.3:6", "0.2:6", "0.1:6")
REFERENCES, CURVE = "references.txt", "curve.json"
Progress = Callable[[str, int, int], None]


def curve(
    run: str | Path,
    out: str | Path,
    points: Sequence[Settings],
    *,
    fine_tune_steps: int = 500,
    baseline: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The record, also ``curve.json`` in `out`. run, baseline: folders of finished translation runs on one text. Raises
    InputError: they are not, `out` holds the curve of another model."""
    folder, target = Path(run), Path(out)
    uncompressed = _described(folder)
    other = None if baseline is None else _described(Path(baseline))
    references, lines = _lines(folder / REFERENCES), _lines(folder / OUTPUTS)
    theirs = [] if baseline is None else _lines(Path(baseline) / OUTPUTS)
    if baseline is not None and _lines(Path(baseline) / REFERENCES) != references:
        raise InputError(f"{baseline} was tested on other text than {run}; nearest: a run of the same study")
    _claim(target, uncompressed["sha256"])
    rows = []
    for place, settings in enumerate(points):
        if progress is not None:
            progress("points", place, len(points))
        at = target / f"keep-{settings.keep:g}-bits-{settings.mean_bits:g}"
        record = _compressed(folder, at, settings, fine_tune_steps, progress)
        mine = _lines(at / OUTPUTS)
        row = {
            "settings": record["settings"],
            "sizes": record["sizes"],
            "bleu": record["test"]["after"]["bleu"],
            "bootstrap": bootstrap(lines, mine, references),
        }
        if baseline is not None:
            row["bootstrap_baseline"] = bootstrap(theirs, mine, references)
        rows.append(row)
    found = {
        "schema": SCHEMA,
        "fine_tune_steps": fine_tune_steps,
        "uncompressed": uncompressed,
        "baseline": other,
        "points": rows,
    }
    write_text(target / CURVE, json.dumps(found, indent=1) + "\n")
    return found


def parse_points(texts: Sequence[str]) -> list[Settings]:
    """``KEEP:BITS`` texts. Raises ConfigError."""
    found = []
    for text in texts:
        keep, _, bits = text.partition(":")
        try:
            values = {"keep": float(keep), "mean_bits": float(bits)}
        except ValueError:
            raise ConfigError(f"--point {text}: no KEEP:BITS; nearest: 0.3:6") from None
        found.append(validate_config(Settings, values))
    return found


def _described(folder: Path) -> dict[str, Any]:
    """{run, sha256, sizes, bleu} of a finished run. Raises InputError."""
    model, _, task = load_model(folder)
    try:
        score = json.loads((folder / "train.json").read_text(encoding="utf-8"))["test"]["bleu"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder} is no finished run of a translation ({task}); nearest: hwloop train") from None
    tensors = {name: raw(one.detach().numpy()) for name, one in model.named_parameters()}
    digest = hashlib.sha256((folder / MODEL).read_bytes()).hexdigest()
    return {"run": folder.name, "sha256": digest, "sizes": account(tensors, [EMBEDDING]), "bleu": score}


def _claim(target: Path, sha256: str) -> None:
    """Make `target` the folder of this model's curve. Raises InputError where it is another's."""
    mark = target / "of.txt"
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {str(target)!r}: {error.strerror or error}") from None
    if mark.exists() and mark.read_text(encoding="utf-8").strip() != sha256:
        raise InputError(f"{target} holds the curve of another model; nearest: another folder")
    write_text(mark, sha256 + "\n")


def _compressed(run: Path, at: Path, settings: Settings, steps: int, progress: Progress | None) -> dict[str, Any]:
    """Compressed now, unless its folder says that it was."""
    try:
        kept: dict[str, Any] = json.loads((at / RECORD).read_text(encoding="utf-8"))
        if (kept["settings"], kept["fine_tune_steps"]) == (settings.model_dump(mode="json"), steps):
            return kept
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return compress_run(run, at, settings, fine_tune_steps=steps, progress=progress)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}; nearest: a finished translation run"
        ) from None


def main() -> None:
    """The command of the docstring."""

    import click

    @click.command()
    @click.argument("run")
    @click.argument("out")
    @click.option("--baseline", metavar="RUN", help="A transformer of the same study, at float32.")
    @click.option("--point", "points", metavar="KEEP:BITS", multiple=True, default=POINTS, show_default=True)
    @click.option("--fine-tune", type=click.IntRange(0), default=500, show_default=True)
    def command(run: str, out: str, baseline: str | None, points: tuple[str, ...], fine_tune: int) -> None:
        """Compress the model of RUN at several settings; run again to go on."""
        with one_line_errors():
            made = parse_points(points)
            record = curve(run, out, made, fine_tune_steps=fine_tune, baseline=baseline, progress=_show)
        for one in record["points"]:
            kept, size = one["settings"], one["sizes"]["whole"]["bytes"]
            click.echo(f"{kept['keep']:>5g} {kept['mean_bits']:>4g} bit {size:>10,} bytes  BLEU {one['bleu']:.2f}")

    def _show(stage: str, done: int, total: int) -> None:
        if total and (done == total or done % 100 == 0):
            click.echo(f"{stage} {done} of {total}", err=True)

    command()


if __name__ == "__main__":
    main()
