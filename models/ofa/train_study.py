"""The recorded study: what progressive shrinking gives, beside what it is compared with, by one resumable command.

1. the supernet by progressive shrinking; 2. a supernet that samples everything from the start, with the same number of
images, steps, sub-networks in each step and learning rates, and no teacher; 3. five architectures alone: the largest,
the smallest, and those at the quartiles of MACs among random ones. "The same number of training images": each is given
as many passes over the training images as the supernet's whole schedule has, a batch counted once however many
sub-networks it serves. 4. at the very end, and for nothing but the table, accuracies on the test images.
With `study.supernet` a trained supernet takes the place of both, and its own passes are what the five are given.

Trainings are tasks for processes of one thread each; every one of them goes on from its own checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.ofa import train_state
from models.ofa.architecture import Architecture
from models.ofa.evaluate import Batches, Evaluator, weights_sha256
from models.ofa.lowering import lower
from models.ofa.space import Space
from models.ofa.space import space as space_of
from models.ofa.train import Task, Trainer, build, calibration, require_fit
from models.ofa.train_config import SHIPPED_SUPERNET, TrainConfig
from models.ofa.train_phases import Phase, alone, epochs_of_all, progressive, sample_all
from models.ofa.train_runs import RECORD, load
from models.ofa.trained import Trained, load_supernet, shipped
from sim.errors import InputError
from sim.execution import run_tasks
from sim.files import write_text

Progress = Callable[[str, int, int], None]
SUPERNETS = ("supernet", "sample_all")
"""What the study trains besides architectures alone; also the names of their folders."""
_SCHEMA, _COUNTER, _CLAIM = "hwloop.ofa-study/1", "progress.json", "run.json"
_QUARTILES_OF = 101


@dataclass(frozen=True)
class Job:
    """One training, of `archs` alone where there are any, as a process is told of it."""

    config: str
    seed: int
    kind: str
    folder: str
    archs: tuple[Architecture, ...] = ()


def make_study(
    config: TrainConfig, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """All of it into the folder `out`; gives the record (also ``study.json``). Raises InputError as `train` does.

    ``whole_wall_s`` of the record is None where the study was made by more than one call.
    """
    begin, fresh = time.perf_counter(), not (out / _CLAIM).exists()
    data, space = load(config), space_of(config.space)
    require_fit(space, data)
    given = _given(config, seed, data.sha256)
    if given is not None:
        config = _as_trained(given.config, config)
    one_thread = config.run.model_copy(update={"threads": 1, "device": "cpu"})
    config = config.model_copy(update={"run": one_thread})
    _claim(config, out, seed, data.sha256, resume)
    ladder = ladder_of(space, seed)
    jobs = _trainings(config, out, seed, ladder, () if given else SUPERNETS)
    with _watched([Path(job.folder) for job in jobs], "training", progress):
        list(run_tasks(run_job, [job for job in jobs if not _is_done(job)], workers=config.study.workers))
    record = _record(config, out, seed, ladder, given)
    record["whole_wall_s"] = round(time.perf_counter() - begin, 1) if fresh else None
    _write(out / "study.json", record)
    return record


def ladder_of(space: Space, seed: int) -> list[tuple[str, Architecture]]:
    """Five architectures, largest first; the three between are at the quartiles of MACs among random ones."""
    drawn = space.sample(_QUARTILES_OF, np.random.default_rng([seed, 0x1ADDE8]))
    archs = sorted((drawn[row] for row in range(len(drawn))), key=lambda one: lower(space, one).macs)
    middle = [(f"{share} %", archs[share * (len(archs) - 1) // 100]) for share in (75, 50, 25)]
    return [("largest", space.largest), *middle, ("smallest", space.smallest)]


def run_job(job: Job) -> None:
    """What a process does with a job: train to the end."""
    config = TrainConfig.model_validate_json(job.config)
    torch.set_num_threads(1)
    folder = Path(job.folder)
    task = _task(config, job)
    folder.mkdir(parents=True, exist_ok=True)

    def count(_name: str, done: int, total: int) -> None:
        if done % 20 == 0 or done == total:
            write_text(folder / _COUNTER, json.dumps([done, total]))

    _write(folder / RECORD, Trainer(task, folder, resume=True).run(count))


def _task(config: TrainConfig, job: Job) -> Task:
    space = space_of(config.space)
    if job.kind == "alone":
        phases: tuple[Phase, ...] = alone(config, space, job.archs[0])
    else:
        phases = {"supernet": progressive, "sample_all": sample_all}[job.kind](config, space)
    return Task(config, space, phases, load(config), job.seed, job.archs[0] if job.archs else None)


def _given(config: TrainConfig, seed: int, data_sha256: str) -> Trained | None:
    """The supernet of `study.supernet`. Raises InputError where its seed or data are not those of the study."""
    name = config.study.supernet
    if not name:
        return None
    trained = load_supernet(shipped(config.space) if name == SHIPPED_SUPERNET else Path(name), config.space)
    if trained.seed != seed:
        raise InputError(
            f"study.supernet = {name!r} was trained with seed {trained.seed}; nearest: --seed {trained.seed}"
        )
    if trained.data_sha256 != data_sha256:
        raise InputError(f"study.supernet = {name!r} was trained on other data; nearest: --data with the images it saw")
    return trained


def _as_trained(trained: TrainConfig, asked: TrainConfig) -> TrainConfig:
    """The settings that a supernet was trained with, with the data's name and the study of `asked`."""
    data = trained.data.model_copy(update={"source": asked.data.source})
    return trained.model_copy(update={"data": data, "study": asked.study})


def _trainings(
    config: TrainConfig, out: Path, seed: int, ladder: Sequence[tuple[str, Architecture]], supernets: Sequence[str]
) -> list[Job]:
    """Dear ones first, so that no process is idle for long at the end."""
    text = config.model_dump_json()
    jobs = [Job(text, seed, kind, str(out / kind)) for kind in supernets]
    return jobs + [Job(text, seed, "alone", str(_alone_folder(out, name)), (arch,)) for name, arch in ladder]


def _alone_folder(out: Path, name: str) -> Path:
    return out / f"alone_{name.removesuffix(' %')}"


def _is_done(job: Job) -> bool:
    return (Path(job.folder) / RECORD).is_file()


def _claim(config: TrainConfig, out: Path, seed: int, data: str, resume: bool) -> None:
    """Say whose folder it is, or raise InputError where it is another's."""
    identity = {"schema": _SCHEMA, "seed": seed, "data": data, "config": config.model_dump(mode="json")}
    file = out / _CLAIM
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


def evaluator(task: Task, folder: Path) -> Evaluator:
    """The trained network of a task, ready to be scored on the test images."""
    net = build(task)
    tensors, _ = train_state.load_tensors(folder / train_state.WEIGHTS)
    net.load_state_dict(tensors)
    net.to(memory_format=torch.channels_last)
    return _on_test_images(net, task)


def _on_test_images(net: nn.Module, task: Task) -> Evaluator:
    test = Batches(task.data.test, torch.arange(len(task.data.test)), task.config.evaluation.batch)
    return Evaluator(net, task.space, calibration(task.data, task.config, task.seed), test)


def _record(
    config: TrainConfig, out: Path, seed: int, ladder: Sequence[tuple[str, Architecture]], given: Trained | None
) -> dict[str, Any]:
    """The table on the test images, the curves, and what made them."""
    text, space = config.model_dump_json(), space_of(config.space)
    supernet = _task(config, Job(text, seed, "supernet", ""))
    if given is not None:
        trained: tuple[str, ...] = ()
        ready = {"supernet": _on_test_images(given.net, supernet)}
    else:
        trained = SUPERNETS
        ready = {kind: evaluator(_task(config, Job(text, seed, kind, "")), out / kind) for kind in trained}
    rows = []
    for name, arch in ladder:
        task = _task(config, Job(text, seed, "alone", "", (arch,)))
        network = lower(space, arch)
        row: dict[str, Any] = {"name": name, "arch": arch.record(), "macs": network.macs, "params": network.params}
        row |= {kind: one.accuracy(arch) for kind, one in ready.items()}
        rows.append(row | {"alone": evaluator(task, _alone_folder(out, name)).accuracy(arch)})
    means = {kind: sum(row[kind] for row in rows) / len(rows) for kind in (*ready, "alone")}
    net, data = ready["supernet"].net, supernet.data
    note = {"space": space.name, "seed": seed, "data": data.sha256, "weights": weights_sha256(net.state_dict())}
    folders = [*(out / kind for kind in trained), *(_alone_folder(out, name) for name, _ in ladder)]
    runs = {one.name: json.loads((one / RECORD).read_text(encoding="utf-8")) for one in folders}
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
