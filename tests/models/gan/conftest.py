"""A finished study of toy size, made once for all tests of what comes after a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def study_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Teacher, supernet, two compressed generators of few steps, and their record: 16 pixels, generated images."""
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from models.gan.study import EXTRACTOR, RECORD, Job, make_extractor, run_job, score_job, summary
    from models.gan.train import Compression, data_record, images_of
    from models.gan.train_config import read_config

    folder = tmp_path_factory.mktemp("gan") / "study"
    folder.mkdir()
    settings = ("data.count=1400", "data.side=16", "study.replicates=10", "study.seeds=2", "study.workers=1")
    config = read_config("test", settings)
    work = Compression(config, images_of(config), folder)
    work.supernet()
    make_extractor(work).save(folder / EXTRACTOR)
    told: dict[str, Any] = {"config": config.model_dump(), "out": str(folder), "seed": 0}
    jobs = [Job(**told, kind="teacher", name="teacher")]
    for seed in range(2):
        jobs.append(Job(**told, kind="compressed", name=f"compressed-{seed}", channels=(4,) * 8, student_seed=seed))
        run_job(jobs[-1])
    rows = [score_job((job, config.study.replicates)) for job in jobs]
    record = {
        "schema": "hwloop.gan-study/1",
        "seed": 0,
        "config": config.model_dump(),
        "data": data_record(work.images),
        "extractor": {"name": "random"},
        "protocol": "339 test images, bootstrap of 10 replicates",
        "search": {"evaluations": 8},
        "rows": rows,
        "summary": summary(rows, rows[0]["macs"]),
        "wall_s": 60.0,
    }
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def shipped_run(study_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `models.gan.ship` makes of it."""
    from models.gan.ship import ship

    folder = tmp_path_factory.mktemp("gan") / "shipped"
    ship(study_run, folder)
    return folder
