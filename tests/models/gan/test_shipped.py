"""The run that ships with this package: whole, small, and as good as its record says, measured again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("resvg_py")
pytest.importorskip("pooch")

from models.gan import ship  # noqa: E402
from models.gan.extractor import load_extractor  # noqa: E402
from models.gan.reference import measures  # noqa: E402
from models.gan.runs import LINE_TO_COLOUR, shipped_folder  # noqa: E402
from models.gan.search import load_run  # noqa: E402
from models.gan.train import cost, translate  # noqa: E402
from models.ofa.train_state import load_tensors  # noqa: E402

FOLDER = shipped_folder(LINE_TO_COLOUR)


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return found


def test_files_are_those_of_their_record_and_small() -> None:
    made_by = read(ship.MADE_BY)
    found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in FOLDER.iterdir()}
    del found[ship.MADE_BY]
    assert found == {name: one["sha256"] for name, one in made_by["files"].items()}
    assert made_by["bytes"] < 4_000_000
    assert made_by["command"].startswith(f"hwloop train gan --config {LINE_TO_COLOUR} --seed 0 --study")


def test_the_compressed_generator_is_as_good_as_its_record_says() -> None:
    work, _ = load_run(FOLDER)
    record = read(ship.GENERATOR_RECORD)
    channels = tuple(record["channels"])
    assert cost(work.family, channels) == {key: record[key] for key in ("channels", "macs", "params")}
    assert read(ship.TEACHER_RECORD)["macs"] >= 8 * record["macs"]
    net = work.family.build(channels)
    net.load_state_dict(load_tensors(FOLDER / ship.GENERATOR)[0])
    extractor = load_extractor(FOLDER / ship.EXTRACTOR)
    found = measures(translate(work.images, net.eval(), work.images.test), work, extractor)
    for name, told in record["measures"].items():
        assert found[name]["value"] == pytest.approx(told["value"], rel=1e-3, abs=1e-6), name
