"""Files of JSON lines as one batch: order, names, mixtures, refusals with the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.ofa import lowering, resnet_space
from models.ofa.space import space
from models.zoo import registry
from models.zoo.batch_file import read_batch
from sim.errors import InputError
from sim.fusion import INFERENCE
from sim.operator_record import network_record
from sim.workload import Context

V3 = space("mbv3-w1.2")


def write(folder: Path, *records: Any) -> Path:
    path = folder / "networks.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in records) + "\n\n")
    return path


def test_a_mixture_keeps_its_order_and_names(tmp_path: Path) -> None:
    arch = V3.uniform(5, 4, 3, 192)
    resnet = resnet_space.uniform(1, 0.25, 0.8, 128)
    generator = registry.lower("gan/mobile_resnet:ngf16@64")
    path = write(
        tmp_path,
        {"network": "zoo/resnet18"},
        {"space": "mbv3-w1.2", "name": "mine", **arch.record()},
        "",
        {"name": "written out", **network_record(generator)},
        {"space": "resnet50d", **resnet.record()},
        {"network": "zoo/resnet18", "name": "again"},
        {"space": "mbv3-w1.2", **V3.uniform(3, 3, 2).record()},
    )
    batch = read_batch(path)
    assert list(batch.names) == ["zoo/resnet18", "mine", "written out", "3", "again", "5"]
    networks = [
        registry.lower("zoo/resnet18"),
        lowering.lower(V3, arch),
        generator,
        resnet_space.lower(resnet),
        registry.lower("zoo/resnet18"),
        lowering.lower(V3, V3.uniform(3, 3, 2)),
    ]
    assert batch.macs.tolist() == [one.macs for one in networks]
    assert batch.params.tolist() == [one.params for one in networks]
    assert batch.peak_activation_bytes.tolist() == [one.peak_activation_bytes for one in networks]


def test_one_space_alone_is_its_population(tmp_path: Path) -> None:
    population = V3.sample(50, np.random.default_rng(0))
    path = write(tmp_path, *({"space": V3.name, **population[row].record()} for row in range(50)))
    batch = read_batch(path, fusion=INFERENCE, context=Context(dtype="int8"))
    assert (
        batch.fingerprint
        == lowering.lower_population(V3, population, fusion=INFERENCE, context=Context(dtype="int8")).fingerprint
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2: "),
        ("[]", "line 2: a line is an object"),
        ({"net": "zoo/resnet18"}, "line 2: one of the keys 'network', 'space' and 'operators'"),
        ({"network": "zoo/resnet19"}, "line 2: no network 'zoo/resnet19'; nearest: zoo/resnet18"),
        ({"space": "mbv3"}, "line 2: no search space 'mbv3'"),
        ({"space": "mbv3-w1.2", "ks": [3]}, "line 2: key 'e' is missing|line 2: key 'r' is missing"),
        ({"space": "mbv3-w1.2", **V3.uniform(3, 3, 2).record(), "ks": [9] * 20}, r"line 2: .*ks\[0\] is 9"),
        ({"operators": [{"kind": "conv3d"}]}, "line 2: no operator kind 'conv3d'; nearest: conv2d"),
    ],
)
def test_refusals_name_the_line(tmp_path: Path, line: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_batch(write(tmp_path, {"network": "zoo/alexnet"}, line))


def test_files_that_are_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_batch(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="holds no networks"):
        read_batch(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot read"):
        read_batch(tmp_path / "binary.jsonl")
