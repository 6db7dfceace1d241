"""The recorded study of one task: does compression hold, and do distillation and search pay? One resumable command.

Beside the compressed generator (supernet, search under a bound on MACs, fine-tuning) stand, at the same MACs and after
the same number of training images: (a) the same channels without distillation, (b) one width for all layers, (c)
random configurations of the space. The teacher of half the width shows whether the teacher is too fat to prove
anything. Seeds of the compressed generator are of its fine-tuning: its supernet is trained once. Everything is scored
on test images that neither training nor search has seen, at the very end. Trainings are jobs of one thread each; each
goes on from its checkpoint and is not repeated once it is done.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.gan import quality
from models.gan.extractor import FEATURES, GROUPS, Extractor, load_extractor, random_extractor, train_extractor
from models.gan.family import Channels, uniform
from models.gan.images import Images
from models.gan.search import GanSpace, Scorer, objective
from models.gan.stage import require_identity
from models.gan.train import SUPERNET, Compression, cost, data_record, images_of, translate
from models.gan.train_config import TrainConfig
from models.ofa.train_state import load_tensors, save_tensors
from models.search.checkpoint import Checkpoint
from models.search.constraint import Constraint, Measure, Target
from models.search.method import Settings
from models.search.problem import Problem
from models.search.run import search
from sim.cache import ResultCache, fingerprint
from sim.errors import InfeasibleError, InputError
from sim.execution import run_tasks
from sim.files import write_text
from sim.oracle import CostTable
from sim.settings import validate_config
from sim.workload import WorkloadBatch

SCHEMA = "hwloop.gan-study/1"
EXTRACTOR, RECORD = "extractor.safetensors", "study.json"
KINDS = ("compressed", "no-distillation", "uniform", "random")
_NEAR = 0.95
"""Random configurations have at least this share of the MACs that are allowed."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Job:
    """One training, as a process is told of it. kind: `teacher`, `half`, `extractor`, `supernet`, or one of `KINDS`."""

    config: dict[str, Any]
    out: str
    seed: int
    kind: str
    name: str
    channels: Channels = ()
    student_seed: int = 0


@dataclass
class Study:
    """All phases, in order; `make` runs them."""

    config: TrainConfig
    images: Images
    out: Path
    seed: int
    progress: Progress | None

    def __post_init__(self) -> None:
        one_thread = self.config.run.model_copy(update={"threads": 1})
        self.config = self.config.model_copy(update={"run": one_thread})
        self.work = Compression(self.config, self.images, self.out, self.seed)
        self.teacher = cost(*self.work.teacher_network())
        self.limit = self.teacher["macs"] / self.config.study.ratio
        self.space = GanSpace(self.work.family)
        self._require_images()

    def make(self) -> dict[str, Any]:
        """Everything; the record, which is also ``study.json``."""
        begin, chosen = time.perf_counter(), self.config.study
        self.run([*self.teachers(), self.job("extractor", "extractor")])
        rivals = [self.job("uniform", f"uniform-{seed}", self.uniform_channels(), seed) for seed in range(chosen.seeds)]
        rivals += [self.job("random", f"random-{place}", one) for place, one in enumerate(self.random_channels())]
        self.run([self.job("supernet", SUPERNET), *rivals])
        found = self.search()
        best = tuple(found["best"]["arch"]["channels"])
        kinds = ("compressed", "no-distillation")
        students = [self.job(kind, f"{kind}-{seed}", best, seed) for kind in kinds for seed in range(chosen.seeds)]
        self.run(students)
        record = self.record(found, [*rivals, *students])
        record["wall_s"] = round(time.perf_counter() - begin, 1)
        write_text(self.out / RECORD, json.dumps(record, indent=1) + "\n")
        return record

    def _require_images(self) -> None:
        """Raise InputError, before anything is trained, where there are too few images to score with."""
        least = quality.LEAST_PER_FEATURE * FEATURES
        for_search = {"kid": quality.LEAST_KID, "frechet": least}.get(self.config.study.measure, 1)
        for part, wanted in ((self.images.test, least), (self.images.search, for_search)):
            if len(part) < wanted:
                which = "test" if part is self.images.test else "search"
                raise InputError(f"the {which} part has {len(part)} images; its scores need at least {wanted}")

    def job(self, kind: str, name: str, channels: Channels = (), student_seed: int = 0) -> Job:
        """A job of this study."""
        return Job(self.config.model_dump(), str(self.out), self.seed, kind, name, channels, student_seed)

    def teachers(self) -> list[Job]:
        """The teacher, and where it is asked for the one of half its width."""
        return [self.job("teacher", "teacher"), *([self.job("half", "half")] if self.config.study.half else [])]

    def run(self, jobs: Sequence[Job]) -> None:
        """Run those that are not done. Raises InputError where one that is done follows from something else."""
        left = [job for job in jobs if not (self.out / f"{job.name}.safetensors").exists()]
        for job in jobs:
            if job not in left and job.kind not in ("extractor", "half"):
                _, note = load_tensors(self.out / f"{job.name}.safetensors")
                require_identity(self.out, note["identity"], self.work.identity())
        workers = min(self.config.study.workers, max(len(left), 1))
        for done, _ in enumerate(run_tasks(run_job, left, workers=workers), start=1):
            if self.progress is not None:
                self.progress(f"{jobs[0].name} and {len(jobs) - 1} more", done, len(left))

    def uniform_channels(self) -> Channels:
        """One number everywhere: the largest whose generator keeps the limit."""
        for number in range(max(max(one) for one in self.space.choices), 0, -1):
            if self.work.family.lower(uniform(number)).macs <= self.limit:
                return uniform(number)
        raise InfeasibleError(f"no width has {self.limit:.4g} MACs or fewer; nearest: a smaller study.ratio")

    def random_channels(self) -> list[Channels]:
        """Different configurations just under the limit, from the seed."""
        rng, found = np.random.default_rng((self.seed, 0x5EED)), dict[Channels, None]()
        wanted = self.config.study.randoms
        for _ in range(400):
            population = self.space.sample(2_000, rng)
            macs = self.space.lower(population).macs
            near = np.flatnonzero((macs <= self.limit) & (macs >= _NEAR * self.limit))
            found.update(dict.fromkeys(self.space.channels(population[near])))
            if len(found) >= wanted:
                break
        if len(found) < wanted:
            raise InfeasibleError(
                f"{len(found)} configurations have {_NEAR * self.limit:.4g} to {self.limit:.4g} MACs; "
                f"nearest: study.randoms = {len(found)}"
            )
        return list(found)[:wanted]

    def search(self) -> dict[str, Any]:
        """The configuration of best score under the limit, by evolution; evaluations are kept and none is repeated."""
        chosen = self.config.study
        torch.set_num_threads(1)
        scorer = Scorer(self.work, self.work.supernet(), load_extractor(self.out / EXTRACTOR), chosen.measure)
        target = Target(MacOracle())
        problem = Problem(
            self.space,
            (target,),
            (Constraint(Measure(0, "macs"), self.limit),),
            objective(self.space, scorer, ResultCache(self.out / "evaluations")),
        )
        identity = {"seed": self.seed, "study": chosen.model_dump(exclude={"workers"}), "scorer": scorer.identity}
        checkpoint = Checkpoint(self.out / "search.json", identity)
        checkpoint.resume()
        settings = Settings(chosen.population, chosen.generations, mutation=0.3)
        return search(problem, "evolution", settings, seed=self.seed, checkpoint=checkpoint, progress=self.progress)

    def record(self, found: dict[str, Any], students: list[Job]) -> dict[str, Any]:
        """Scores of all on the test images, and what follows from them."""
        jobs = [*self.teachers(), *students]
        tasks = [(job, self.config.study.replicates) for job in jobs]
        rows: list[dict[str, Any]] = [{}] * len(tasks)
        for done, (place, row) in enumerate(run_tasks(score_job, tasks, workers=self.config.study.workers), start=1):
            rows[place] = row
            if self.progress is not None:
                self.progress("test images", done, len(tasks))
        extractor = load_extractor(self.out / EXTRACTOR)
        return {
            "schema": SCHEMA,
            "seed": self.seed,
            "config": self.config.model_dump(),
            "data": data_record(self.images),
            "extractor": {"name": extractor.name, "fingerprint": extractor.fingerprint, **extractor.note},
            "protocol": f"{len(self.images.test)} test images, bootstrap of {self.config.study.replicates} replicates",
            "teacher_macs": self.teacher["macs"],
            "limit_macs": self.limit,
            "search": {key: found[key] for key in ("best", "history", "evaluations", "priced", "wall_s")},
            "rows": rows,
            "summary": summary(rows, self.teacher["macs"]),
            "supernet": self.supernet_record(),
            "history": [],
        }

    def supernet_record(self) -> dict[str, Any]:
        """How the supernet was trained."""
        _, note = load_tensors(self.out / f"{SUPERNET}.safetensors")
        return {key: note["record"][key] for key in ("images", "cpu_s", "wall_s", "curve")}


class MacOracle:
    """MACs and parameters as an oracle: what was searched on before there was a device in the loop."""

    name = "macs"
    fingerprint = fingerprint("macs")

    def cost(self, batch: WorkloadBatch, *, breakdown: bool = False) -> CostTable:
        """Latency and energy are not known."""
        return CostTable.of(batch)


def run_job(job: Job) -> str:
    """Train what the job says, in this process, or find it done."""
    work = _work(job)
    student = work.config.student
    steps = (student.steps + student.finetune_steps, student.decay_steps + student.finetune_decay_steps)
    if job.kind == "teacher":
        work.teacher()
    elif job.kind == "half":
        work.teacher("half", max(1, work.config.teacher.width // 2))
    elif job.kind == "extractor":
        make_extractor(work).save(work.out / EXTRACTOR)
    elif job.kind == "supernet":
        work.supernet()
    elif job.kind == "compressed":
        net = work.supernet()
        few = (student.finetune_steps, student.finetune_decay_steps)
        work.student(job.name, job.channels, *few, start=net, seed=job.student_seed)
    else:
        work.student(job.name, job.channels, *steps, distil=job.kind != "no-distillation", seed=job.student_seed)
    return job.name


def score_job(task: tuple[Job, int]) -> dict[str, Any]:
    """What a trained generator gives on the test images, with its costs."""
    job, replicates = task
    work = _work(job)
    family, channels = work.teacher_network()
    if job.kind == "half":
        channels = uniform(max(1, work.config.teacher.width // 2))
    elif job.kind != "teacher":
        family, channels = work.family, job.channels
    tensors, note = load_tensors(work.out / f"{job.name}.safetensors")
    net = family.build(channels)
    net.load_state_dict(
        {key.removeprefix("generator/"): one for key, one in tensors.items() if key.startswith("generator/")}
    )
    ready = work.ready(net)
    fake = translate(work.images, ready, work.images.test)
    extractor = load_extractor(work.out / EXTRACTOR)
    measures = quality.evaluate(
        fake, work.images.test.targets, extractor, aligned=work.images.aligned, seed=0, replicates=replicates
    )
    if job.kind == "compressed":
        save_tensors(work.out / f"generator-{job.name}.safetensors", ready.state_dict(), {"channels": list(channels)})
    trained = {key: note["record"][key] for key in ("images", "cpu_s", "wall_s", "curve")}
    return {"kind": job.kind, "name": job.name, **cost(family, channels), "measures": measures, **trained}


def make_extractor(work: Compression) -> Extractor:
    """The feature extractor that the configuration names. Raises InputError where its labels are not known."""
    chosen, images = work.config.study, work.images
    if chosen.extractor != GROUPS:
        return random_extractor(work.seed)
    from models.gan import openmoji

    if not images.name.startswith(("openmoji", "emoji")):
        raise InputError(f"no groups are known of {images.name!r}; nearest: study.extractor = 'random'")
    return train_extractor(images, openmoji.groups, len(openmoji.CLASSES), steps=chosen.extractor_steps, seed=work.seed)


def summary(rows: Sequence[dict[str, Any]], teacher_macs: int) -> dict[str, Any]:
    """{kind: {macs_ratio, measure: {middle, least, most, ratio, difference}}} against the teacher.

    middle: the mean over seeds, or the median over random configurations. least and
    most are over seeds or configurations. Nothing is judged here.
    """
    teacher = next(row for row in rows if row["kind"] == "teacher")["measures"]
    found: dict[str, Any] = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mine = [row for row in rows if row["kind"] == kind]
        entry: dict[str, Any] = {"count": len(mine), "macs_ratio": teacher_macs / max(row["macs"] for row in mine)}
        for name, reference in teacher.items():
            values = np.array([row["measures"][name]["value"] for row in mine])
            middle = float(np.median(values) if kind == "random" else values.mean())
            entry[name] = {
                "middle": middle,
                "least": float(values.min()),
                "most": float(values.max()),
                "difference": middle - reference["value"],
                "ratio": middle / reference["value"] if reference["value"] > 0 else None,
            }
        found[kind] = entry
    return found


def make_study(
    config: TrainConfig, images: Images, out: Path, *, seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """All of it into the folder `out`; the record. Raises InputError where the folder holds another study."""
    return Study(config, images, out, seed, progress).make()


def _work(job: Job) -> Compression:
    torch.set_num_threads(1)
    config = validate_config(TrainConfig, job.config)
    return Compression(config, images_of(config), Path(job.out), job.seed)
