"""Tests that need the extra `nas` are left out where it is not installed (in CI that is a fault: see the root)."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

EXTRA = ("torch", "safetensors", "tokenizers", "sacrebleu", "rouge_score", "debian", "polib")
ABSENT = [name for name in EXTRA if find_spec(name) is None]
NEED_IT = ["test_convolution.py", "test_data.py", "test_model.py", "test_speed.py", "test_train.py"]

collect_ignore = NEED_IT if ABSENT and os.environ.get("CI", "").lower() not in ("1", "true") else []

TOY = (
    "data.source=generated",
    "model.width=16",
    "model.vocabulary=300",
    "model.heads=4",
    "model.branch_heads=2",
    "model.conv_heads=2",
    "training.steps=2",
    "training.batch_tokens=300",
    "training.warm_up=1",
    "training.save_every=1",
    "training.average=2",
    "test.sentences=6",
    "test.beam=1",
)


@pytest.fixture(scope="session")
def study_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole study of translations, hardly trained, on a toy grammar."""
    for name in EXTRA:
        pytest.importorskip(name)
    from models.lite_transformer.train_runs import train

    folder = tmp_path_factory.mktemp("text") / "study"
    train("mini-translation", folder, settings=TOY, study=True)
    return folder


@pytest.fixture(scope="session")
def supernet_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A supernet of the mini space on the same text, hardly trained, with its predictor."""
    for name in EXTRA:
        pytest.importorskip(name)
    from models.lite_transformer.predictor import FILE, fit
    from models.lite_transformer.search import losses
    from models.lite_transformer.supernet_training import SupernetRun
    from models.lite_transformer.train_runs import train
    from sim.cache import ResultCache

    root = tmp_path_factory.mktemp("text")
    train("mini-supernet", root / "supernet", settings=[one for one in TOY if ".heads" not in one])
    found = SupernetRun(root / "supernet")
    record = fit(found.space, losses(found, ResultCache(root / "cache")), 12)
    (root / "supernet" / FILE).write_text(json.dumps(record), encoding="utf-8")
    return root / "supernet"


@pytest.fixture(scope="session")
def shipped_root(study_run: Path, supernet_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `models.lite_transformer.ship` makes of both."""
    from models.lite_transformer.ship import ship

    folder = tmp_path_factory.mktemp("text") / "shipped"
    ship(study_run, folder, supernet_run)
    return folder
