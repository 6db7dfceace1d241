"""The recorded study: what progressive shrinking gives, beside what it is compared with, by one resumable command.

1. the supernet by progressive shrinking; 2. a supernet that samples everything from the start, with the same number of
images, steps, sub-networks in each step and learning rates, and no teacher; 3. five architectures alone: the largest,
the smallest, and those at the quartiles of MACs among random ones. "The same number of training images": each is given
as many passes over the training images as the supernet's whole schedule has, a batch counted once however many
sub-networks it serves. 4. accuracies of random architectures, small to large, on held-out training images, to teach
and to judge a predictor. 5. at the very end, and for nothing but the table, accuracies on the test images.

Trainings and scorings are tasks for processes of one thread each; every one of them goes on from its own checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.data.images import hold_out
from models.ofa import train_state
from models.ofa.architecture import Architecture
from models.ofa.evaluate import Batches, Evaluator, canonical, weights_sha256
from models.ofa.lowering import lower
from models.ofa.space import Space
from models.ofa.space import space as space_of
from models.ofa.train import Task, Trainer, build, calibration, require_fit
from models.ofa.train_config import TrainConfig
from models.ofa.train_phases import Phase, alone, epochs_of_all, progressive, sample_all
from models.ofa.train_runs import load
from sim.cache import ResultCache
from sim.errors import InputError
from sim.execution import run_tasks
from sim.files import write_text

Progress = Callable[[str, int, int], None]
_SCHEMA, _RECORD, _COUNTER = "hwloop.ofa-study/1", "record.json", "progress.json"
_QUARTILES_OF = 101
_CHUNK = 25


@dataclass(frozen=True)
class Job:
    """One training, or the scoring of `archs` of the supernet, as a process is told of it."""

    config: str
    seed: int
    kind: str
    folder: str
    archs: tuple[Architecture, ...] = ()


def make_study(
    config: TrainConfig, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """All of it into the folder `out`; gives the record (also ``study.json``). Raises InputError as `train` does."""
    data, space = load(config), space_of(config.space)
    require_fit(space, data)
    one_thread = config.run.model_copy(update={"threads": 1, "device": "cpu"})
    config = config.model_copy(update={"run": one_thread})
    _claim(config, out, seed, data.sha256, resume)
    ladder = ladder_of(space, seed)
    jobs = _trainings(config, out, seed, ladder)
    with _watched([Path(job.folder) for job in jobs], "training", progress):
        list(run_tasks(run_job, [job for job in jobs if not _is_done(job)], workers=config.study.workers))
    population = space.sample_spread(config.study.pairs + config.study.unseen, np.random.default_rng([seed, 0x9A185]))
    archs = [canonical(space, population[row]) for row in range(len(population))]
    accuracies = _score(config, out, seed, archs, progress)
    pairs = [{"arch": one.record(), "accuracy": value} for one, value in zip(archs, accuracies, strict=True)]
    _write(out / "pairs.json", {"known": pairs[: config.study.pairs], "unseen": pairs[config.study.pairs :]})
    record = _record(config, out, seed, ladder)
    _write(out / "study.json", record)
    return record


def ladder_of(space: Space, seed: int) -> list[tuple[str, Architecture]]:
    """Five architectures, largest first; the three between are at the quartiles of MACs among random ones."""
    drawn = space.sample(_QUARTILES_OF, np.random.default_rng([seed, 0x1ADDE8]))
    archs = sorted((drawn[row] for row in range(len(drawn))), key=lambda one: lower(space, one).macs)
    middle = [(f"{share} %", archs[share * (len(archs) - 1) // 100]) for share in (75, 50, 25)]
    return [("largest", space.largest), *middle, ("smallest", space.smallest)]


def run_job(job: Job) -> list[float]:
    """What a process does with a job: train to the end, or score."""
    config = TrainConfig.model_validate_json(job.config)
    torch.set_num_threads(1)
    folder = Path(job.folder)
    if job.kind == "score":
        return _score_here(config, job)
    task = _task(config, job)
    folder.mkdir(parents=True, exist_ok=True)

    def count(_name: str, done: int, total: int) -> None:
        if done % 20 == 0 or done == total:
            write_text(folder / _COUNTER, json.dumps([done, total]))

    _write(folder / _RECORD, Trainer(task, folder, resume=True).run(count))
    return []


def _task(config: TrainConfig, job: Job) -> Task:
    space = space_of(config.space)
    if job.kind == "alone":
        phases: tuple[Phase, ...] = alone(config, space, job.archs[0])
    else:
        phases = {"supernet": progressive, "sample_all": sample_all}[job.kind](config, space)
    return Task(config, space, phases, load(config), job.seed, job.archs[0] if job.archs else None)


def _trainings(config: TrainConfig, out: Path, seed: int, ladder: Sequence[tuple[str, Architecture]]) -> list[Job]:
    """Dear ones first, so that no process is idle for long at the end."""
    text = config.model_dump_json()
    jobs = [Job(text, seed, kind, str(out / kind)) for kind in ("supernet", "sample_all")]
    return jobs + [Job(text, seed, "alone", str(_alone_folder(out, name)), (arch,)) for name, arch in ladder]


def _alone_folder(out: Path, name: str) -> Path:
    return out / f"alone_{name.removesuffix(' %')}"


def _is_done(job: Job) -> bool:
    return (Path(job.folder) / _RECORD).is_file()


def _claim(config: TrainConfig, out: Path, seed: int, data: str, resume: bool) -> None:
    """Say whose folder it is, or raise InputError where it is another's."""
    identity = {"schema": _SCHEMA, "seed": seed, "data": data, "config": config.model_dump(mode="json")}
    file = out / "run.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot use the folder {str(out)!r}: {error}") from None
    if found is None:
        if any(out.iterdir()):
            raise InputError(f"{str(out)!r} holds something else; give an empty folder as --out")
        _write(file, identity)
    elif not resume:
        raise InputError(f"{str(out)!r} holds a study; add --resume to go on with it, or give another --out")
    else:
        train_state.require_same(out, found, identity)


def _score(
    config: TrainConfig, out: Path, seed: int, archs: Sequence[Architecture], progress: Progress | None
) -> list[float]:
    text = config.model_dump_json()
    starts = range(0, len(archs), _CHUNK)
    jobs = [Job(text, seed, "score", str(out), tuple(archs[start : start + _CHUNK])) for start in starts]
    found: dict[int, list[float]] = {}
    for place, values in run_tasks(run_job, jobs, workers=config.study.workers):
        found[place] = values
        if progress is not None:
            progress("scoring", len(found), len(jobs))
    return [value for place in range(len(jobs)) for value in found[place]]


_evaluators: dict[str, Evaluator] = {}


def _score_here(config: TrainConfig, job: Job) -> list[float]:
    if job.folder not in _evaluators:  # a process scores many chunks of one supernet
        task = _task(config, Job(job.config, job.seed, "supernet", job.folder))
        _evaluators[job.folder] = evaluator(task, Path(job.folder) / "supernet", test=False)
    return _evaluators[job.folder].accuracies(job.archs, ResultCache(Path(job.folder) / "cache"))


def evaluator(task: Task, folder: Path, *, test: bool) -> Evaluator:
    """The trained network of a task, ready to be scored on the test images, or on the held-out training images."""
    net = build(task)
    tensors, _ = train_state.load_tensors(folder / train_state.WEIGHTS)
    net.load_state_dict(tensors)
    net.to(memory_format=torch.channels_last)
    known = calibration(task.data, task.config, task.seed)
    _, held = hold_out(task.data.train.labels, task.config.data.held_out, task.seed)
    size = task.config.evaluation.batch
    scored = (
        Batches(task.data.test, torch.arange(len(task.data.test)), size)
        if test
        else Batches(task.data.train, held, size)
    )
    return Evaluator(net, task.space, known, scored)


def _record(config: TrainConfig, out: Path, seed: int, ladder: Sequence[tuple[str, Architecture]]) -> dict[str, Any]:
    """The table on the test images, the curves, and what made them."""
    text, space = config.model_dump_json(), space_of(config.space)
    tasks = {kind: _task(config, Job(text, seed, kind, "")) for kind in ("supernet", "sample_all")}
    ready = {kind: evaluator(task, out / kind, test=True) for kind, task in tasks.items()}
    rows = []
    for name, arch in ladder:
        task = _task(config, Job(text, seed, "alone", "", (arch,)))
        network = lower(space, arch)
        row: dict[str, Any] = {"name": name, "arch": arch.record(), "macs": network.macs, "params": network.params}
        row |= {kind: one.accuracy(arch) for kind, one in ready.items()}
        rows.append(row | {"alone": evaluator(task, _alone_folder(out, name), test=True).accuracy(arch)})
    means = {kind: sum(row[kind] for row in rows) / len(rows) for kind in (*ready, "alone")}
    net, data = ready["supernet"].net, tasks["supernet"].data
    note = {"space": space.name, "seed": seed, "data": data.sha256, "weights": weights_sha256(net.state_dict())}
    ready["supernet"].accuracy(space.largest)  # leaves the statistics of the largest network
    train_state.save_tensors(out / "supernet.safetensors", net.state_dict(), {"schema": _SCHEMA, **note})
    folders = [out / "supernet", out / "sample_all", *(_alone_folder(out, name) for name, _ in ladder)]
    runs = {one.name: json.loads((one / _RECORD).read_text(encoding="utf-8")) for one in folders}
    return {
        "schema": _SCHEMA,
        **note,
        "data_name": data.name,
        "config": config.model_dump(mode="json"),
        "torch": torch.__version__,
        "passes": epochs_of_all(config),
        "training_images": len(data.train) - config.data.held_out,
        "held_out_images": config.data.held_out,
        "test_images": len(data.test),
        "table": rows,
        "mean_test_accuracy": means,
        "curves": {name: one["history"] for name, one in runs.items()},
        "wall_s": {name: one["wall_s"] for name, one in runs.items()},
    }


@contextlib.contextmanager
def _watched(folders: Sequence[Path], stage: str, progress: Progress | None) -> Iterator[None]:
    """Show the sum of what the processes say in their folders, once a second."""
    if progress is None:
        yield
        return
    over = threading.Event()

    def show() -> None:
        while not over.wait(1.0):
            counts = [_counted(folder) for folder in folders]
            totals = [total for _, total in counts]
            known = [total for total in totals if total]
            whole = sum(known) * len(totals) / max(len(known), 1)
            if whole:
                progress(stage, sum(done for done, _ in counts), round(whole))

    watcher = threading.Thread(target=show, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _counted(folder: Path) -> tuple[int, int]:
    try:
        done, total = json.loads((folder / _COUNTER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0, 0
    return int(done), int(total)


def _write(path: Path, record: Any) -> None:
    os.makedirs(path.parent, exist_ok=True)
    write_text(path, json.dumps(record, indent=1) + "\n")
