"""Operators and networks through JSON and back."""

from __future__ import annotations

import json

import pytest

from models.zoo import registry
from sim.errors import WorkloadError
from sim.fusion import fuse
from sim.operator import Operator
from sim.operator_record import network_record, operator_record, read_network, read_operator


@pytest.mark.parametrize("name", registry.names())
def test_networks_survive_json(name: str) -> None:
    for network in (registry.lower(name), fuse(registry.lower(name)).with_bits(8, 8)):
        assert read_network(json.loads(json.dumps(network_record(network)))) == network


def test_defaults_are_left_out() -> None:
    record = operator_record(Operator("linear", (8,), 4))
    assert record == {"kind": "linear", "shape": [8], "out_channels": 4}
    assert operator_record(read_operator({**record, "bias": True, "weight_density": 1})) == {**record, "bias": True}


def test_a_network_without_edges_is_a_chain() -> None:
    record = {"kind": "linear", "shape": [8], "out_channels": 8}
    assert read_network({"operators": [record, record]}).inputs == ((-1,), (0,))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"shape": [8]}, "an object with a 'kind'"),
        ([], "an object with a 'kind'"),
        ({"kind": "linear", "shapes": [8]}, "linear has no field 'shapes'; nearest: shape"),
        ({"kind": "linear", "shape": 8}, "'shape' must be a list of whole numbers, got 8"),
        ({"kind": "linear", "shape": [8.5]}, "'shape' must be a list of whole numbers"),
        ({"kind": "linear", "shape": [True]}, "'shape' must be a list of whole numbers"),
        ({"kind": "linear", "shape": [8], "out_channels": "4"}, "'out_channels' cannot be '4'"),
        ({"kind": "linear", "shape": [8], "out_channels": 4, "bias": 1}, "'bias' cannot be 1"),
        ({"kind": "linear", "shape": [8]}, "'out_channels' is missing"),
    ],
)
def test_refusals_name_the_field(record: object, words: str) -> None:
    with pytest.raises(WorkloadError, match=words):
        read_operator(record)


def test_networks_that_make_no_sense() -> None:
    for record, words in (
        ({"operators": 3}, "a list 'operators'"),
        ({"operators": [{"kind": "softmax", "shape": [4]}], "inputs": [[0]]}, "takes from"),
        ({"operators": [], "inputs": [], "serial_steps": "x"}, "whole numbers"),
    ):
        with pytest.raises(WorkloadError, match=words):
            read_network(record)
