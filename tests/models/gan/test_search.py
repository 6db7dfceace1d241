"""Generators as a space to search: exact batches, scores that are kept, the study."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from torch import nn  # noqa: E402

from models.gan.adapter import Adapter  # noqa: E402
from models.gan.extractor import load_extractor, random_extractor  # noqa: E402
from models.gan.family import ResNetFamily, SpadeFamily  # noqa: E402
from models.gan.search import GanFamily, GanSpace, Scorer, load_run, objective, released_family  # noqa: E402
from models.gan.space import ChannelSpace  # noqa: E402
from models.gan.study import MacOracle, Study, summary  # noqa: E402
from models.gan.train import images_of, train  # noqa: E402
from models.gan.train_config import read_config  # noqa: E402
from models.search.constraint import Constraint, Measure, Target  # noqa: E402
from models.search.method import Settings  # noqa: E402
from models.search.problem import Problem  # noqa: E402
from models.search.run import search  # noqa: E402
from sim.cache import ResultCache  # noqa: E402
from sim.errors import ConfigError, InfeasibleError, InputError  # noqa: E402
from sim.fusion import INFERENCE, fuse  # noqa: E402
from sim.workload import WorkloadBatch  # noqa: E402

SPACES = [
    GanSpace(released_family("resnet-channels-64-cyclegan")),
    GanSpace(released_family("spade-channels-64")),
    GanSpace(released_family("spade-channels-64-coco")),
    GanSpace(ResNetFamily(ChannelSpace("a", "resnet", ((12, 8),) * 8), (32, 48), separable=False, blocks=6)),
    GanSpace(SpadeFamily(ChannelSpace("b", "spade", ((12, 8, 4),) * 8), (64, 64), separable=False, semantic=9)),
]
COLUMNS = ("macs", "params", "peak_activation_bytes", "bytes_read", "bytes_written")


@pytest.mark.parametrize("fusion", [(), INFERENCE], ids=("plain", "fused"))
@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_a_batch_of_pieces_equals_each_network(space: GanSpace, fusion: tuple[str, ...]) -> None:
    population = np.concatenate([space.corners(), space.sample(6, np.random.default_rng(1))])
    batch = space.lower(population, fusion=fusion)
    alone = WorkloadBatch.of([fuse(space.generators.lower(one), fusion) for one in space.channels(population)])
    for name in COLUMNS:
        assert getattr(batch, name).tolist() == getattr(alone, name).tolist(), name
    for name, column in alone.network_features.items():
        assert batch.network_features[name].tolist() == column.tolist(), name


def test_a_whole_space_is_lowered_at_once() -> None:
    space = SPACES[0]
    batch = space.lower(space.enumerate(0, space.size))
    assert len(batch) == 390_625
    assert (batch.macs.max(), batch.params.max()) == (11_066_671_104, 1_987_075)
    assert batch.params.min() == 137_347


def test_records_go_there_and_back() -> None:
    space = SPACES[1]
    population = space.sample(5, np.random.default_rng(0))
    assert np.array_equal(space.of_records(space.records(population)), population)
    with pytest.raises(InputError, match="c0 is 33"):
        space.of_records([{"channels": [33, 64, 64, 64, 64, 64, 64, 64]}])
    with pytest.raises(InputError, match="8 channel numbers are needed, got 0"):
        space.of_records([{}])
    with pytest.raises(InputError, match="described, not built"):
        released_family("munit-channels-64")


def test_an_own_generator_is_searched_too() -> None:
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 1), nn.Conv2d(8, 3, 1))
    space = GanSpace(Adapter(net, ["0", "2"], torch.zeros(1, 3, 16, 16), name="own"))
    batch = space.lower(space.enumerate(0, space.size))
    assert len(batch) == 16
    assert batch.macs.max() == 16 * 16 * (27 * 16 + 16 * 8 + 8 * 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gan") / "run"
    train("test", folder, settings=("data.count=200", "data.side=16"))
    random_extractor().save(folder / "extractor.safetensors")
    return folder


def problem_of(run: Path, cache: ResultCache, limit: float) -> Any:
    work, net = load_run(run)
    space = GanSpace(work.family)
    scorer = Scorer(work, net, load_extractor(run / "extractor.safetensors"), "psnr_db")
    goal = objective(space, scorer, cache)
    return Problem(space, (Target(MacOracle()),), (Constraint(Measure(0, "macs"), limit),), goal), goal


def test_a_search_repeats_no_evaluation(run: Path, tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    problem, goal = problem_of(run, cache, 7e5)
    first = search(problem, "evolution", Settings(4, 2), seed=1)
    assert first["best"]["predicted"]["costs"][0]["macs"] <= 7e5
    distinct = len(list(cache.journal()))
    assert goal.computed == distinct <= first["evaluations"]
    problem, goal = problem_of(run, cache, 7e5)
    again = search(problem, "evolution", Settings(4, 2), seed=1)
    assert goal.computed == 0
    assert again["best"] == first["best"]
    with pytest.raises(InfeasibleError):
        search(problem_of(run, cache, 1e3)[0], "evolution", Settings(4, 1), seed=1)


@pytest.mark.slow
def test_an_exhaustive_search_that_was_killed_scores_none_twice(tmp_path: Path) -> None:
    """256 configurations, killed twice: each is scored once, by one of three processes."""
    run = tmp_path / "run"
    train("test", run, settings=("data.side=16",))
    random_extractor().save(run / "extractor.safetensors")
    args = [sys.executable, "-m", "hwloop.cli", "search", "gan", "--space", str(run), "--device", "note10", "--resume"]
    args += ["--max-latency-ms", "100%", "--method", "exhaustive", "--out", str(tmp_path / "out")]
    cache = ResultCache(tmp_path / "cache" / "results")
    for least in (40, 120, 0):
        surroundings = {**os.environ, "HWLOOP_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=surroundings)
        while least and process.poll() is None and len(list(cache.journal())) < least:
            time.sleep(0.02)
        if least:
            assert process.poll() is None, process.communicate()[1]
            process.kill()
        error = process.communicate()[1]
        assert process.returncode == (-signal.SIGKILL if least else 0), error
    done = list(cache.journal())
    assert len(done) == len({one["key"] for one in done}) == 256
    assert len({one["pid"] for one in done}) == 3
    record = json.loads((tmp_path / "out" / "search.json").read_text(encoding="utf-8"))
    scores = [cache.get(one["key"]) for one in done]
    assert record["searches"][0]["best"]["predicted"]["kid"] == min(scores)


def test_a_score_is_that_of_the_exported_network(run: Path) -> None:
    from models.gan import quality
    from models.gan.train import translate

    work, net = load_run(run)
    scorer = Scorer(work, net, random_extractor(), "l1")
    plain = net.export(net.narrowest).eval()
    direct = quality.l1(translate(work.images, plain, work.images.search), work.images.search.targets).mean()
    assert scorer({"channels": list(net.narrowest)}) == pytest.approx(float(direct))
    with pytest.raises(ConfigError, match="nearest: psnr_db"):
        Scorer(work, net, random_extractor(), "psnr")


def test_the_family_for_the_command_line(run: Path, tmp_path: Path) -> None:
    family = GanFamily()
    goal = family.objective(str(run), None)
    assert family.space(str(run), (), goal).size == 256
    assert family.space("resnet-channels-32", (128,), goal).size == 6_561
    with pytest.raises(ConfigError, match="no trained run 'nowhere'"):
        family.objective("nowhere", None)
    with pytest.raises(InputError, match="no trained supernet in"):
        family.objective(str(tmp_path), None)
    with pytest.raises(InputError, match="no feature extractor"):
        family.objective(str(run), str(tmp_path / "none.safetensors"))
    with pytest.raises(InputError, match="no feature extractor; nearest"):
        load_extractor(run / "supernet.safetensors")


def test_a_study_that_cannot_score_is_refused_first(tmp_path: Path) -> None:
    config = read_config("test", ("data.count=300",))
    with pytest.raises(InputError, match=r"the test part has \d+ images; its scores need at least 320"):
        Study(config, images_of(config), tmp_path, 0, None)
    assert not list(tmp_path.iterdir())


def test_rivals_are_under_the_limit(tmp_path: Path) -> None:
    config = read_config("test")
    study = Study(config, images_of(config), tmp_path, 0, None)
    family = study.work.family
    chosen = study.random_channels()
    assert len(set(chosen)) == config.study.randoms
    assert all(0.95 * study.limit <= family.lower(one).macs <= study.limit for one in chosen)
    uniform = study.uniform_channels()
    assert family.lower(uniform).macs <= study.limit
    assert len(set(uniform)) == 1


def test_a_summary_compares_with_the_teacher() -> None:
    rows = [{"kind": "teacher", "macs": 80, "measures": {"kid": {"value": 2.0}}}]
    rows += [{"kind": "random", "macs": 10, "measures": {"kid": {"value": value}}} for value in (3.0, 4.0, 9.0)]
    found = summary(rows, 80)
    assert found["random"]["macs_ratio"] == 8
    assert found["random"]["kid"] == {"middle": 4.0, "least": 3.0, "most": 9.0, "difference": 2.0, "ratio": 2.0}


@pytest.mark.slow
def test_the_study_runs_whole_and_is_not_repeated(tmp_path: Path) -> None:
    settings = ("study.workers=1", "data.side=16")
    record = train("test", tmp_path / "study", settings=settings, study=True)
    kinds = [row["kind"] for row in record["rows"]]
    assert kinds == ["teacher", "half", "uniform", "random", "random", "compressed", "no-distillation"]
    students = {row["images"] for row in record["rows"] if row["kind"] in ("uniform", "random", "no-distillation")}
    supernet, tuned = 3, 2
    assert students == {2 * (supernet + tuned)}
    again = train("test", tmp_path / "study", settings=settings, study=True, resume=True)
    assert [row["measures"] for row in again["rows"]] == [row["measures"] for row in record["rows"]]
    with pytest.raises(InputError, match="holds a run of"):
        train("test", tmp_path / "study", settings=(*settings, "batch=4"), study=True, resume=True)
