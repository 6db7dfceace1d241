"""Spaces of text models: exact sizes, populations that go there and back, batches equal to networks written whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.lite_transformer.architecture import MINI, PAPER, LayerArch, TextArch, TextChoices, choices, hand_set
from models.lite_transformer.space import TextSpace, space
from models.lite_transformer.translation import Translator
from sim.errors import ConfigError, InputError
from sim.fusion import INFERENCE, fuse
from sim.workload import Context, WorkloadBatch

SMALL = TextChoices(
    "small", (16, 32), (1, 2), (1, 2), (0.5,), (2, 4), (3,), (1,), (2,), (1, 2), kinds=("light", "none"), gates=(True,),
    vocabulary=0, source=5, target=4,
)  # fmt: skip
BARE = TextSpace(replace(MINI, vocabulary=0))


def test_the_size_counts_every_different_network_once() -> None:
    one = TextSpace(SMALL)
    whole = one.enumerate(0, 10**9)
    assert len(whole) == one.size == len(np.unique(whole, axis=0))
    assert one.size == 2 * sum(4**e * sum((4 * (1 if e == 1 else 2)) ** d for d in (1, 2)) for e in (1, 2))
    batch = one.lower(whole)
    assert len(set(one.archs(whole))) == one.size
    assert batch.macs.min() > 0


def test_sizes_of_the_spaces_that_ship() -> None:
    assert space("mini").size == 419_124_485_258_773_560
    assert space("paper").size == pytest.approx(6.034e32, rel=1e-3)
    with pytest.raises(InputError, match="too many to number"):
        space("mini").enumerate(0, 10)
    with pytest.raises(ConfigError, match="no space 'mimi'; nearest: mini"):
        choices("mimi")


@pytest.mark.parametrize("one", [space("mini"), space("paper")], ids=lambda one: one.name)
def test_records_go_there_and_back(one: TextSpace) -> None:
    rng = np.random.default_rng(0)
    population = one.mutate(one.sample(50, rng), rng, 0.3, 0.3)
    assert np.array_equal(one.of_records(one.records(population)), population)
    clean = one.canonical(population)
    assert np.array_equal(one.canonical(clean), clean)
    for arch, row in zip(one.archs(clean), clean, strict=True):
        assert np.array_equal(one.population(arch)[0], row)


def test_what_has_no_effect_changes_neither_costs_nor_features() -> None:
    one = space("mini")
    population = one.sample(300, np.random.default_rng(1))
    clean = one.canonical(population)
    assert not np.array_equal(population, clean)
    assert np.array_equal(one.encode(population), one.encode(clean))
    for name, column in one.lower(population).network_features.items():
        assert np.array_equal(column, one.lower(clean).network_features[name])
    assert np.array_equal(one.lower(population).macs, one.lower(clean).macs)


def test_children_take_every_choice_of_a_parent() -> None:
    one, rng = space("mini"), np.random.default_rng(2)
    mothers, fathers = one.sample(20, rng), one.sample(20, rng)
    children = one.cross(mothers, fathers, rng)
    assert ((children == mothers) | (children == fathers)).all()
    assert (children != mothers).any()
    assert (children != fathers).any()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"width": 100}, "choice 0 is 100"),
        ({"encoder_layers": 9}, "encoder layers"),
        ({"encoder": [{"share": 0.5}]}, "lacks 'heads'"),
    ],
)
def test_a_record_of_no_network(record: dict[str, Any], message: str) -> None:
    one = space("mini")
    good = one.records(one.corners())[0]
    with pytest.raises(InputError, match=message):
        one.of_records([{**good, **record}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernels": (4,)}, "4 taps has no middle; nearest: 5"),
        ({"heads": (3,)}, "3 heads do not divide"),
        ({"shares": (0.3,)}, "no split"),
        ({"kinds": ("lite",)}, "no convolution 'lite'; nearest: light"),
        ({"spans": (0,)}, "at least 1"),
    ],
)
def test_choices_that_cannot_be_built(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(MINI, **change)


def plain(width: int, layers: int, heads: int, ratio: int) -> tuple[TextArch, Translator]:
    """Plain attention everywhere, and the same network written whole."""
    layer = LayerArch(0.25, heads, "none", 3, False, ratio)
    arch = TextArch(width, (layer,) * layers, (replace(layer, cross_heads=heads, span=1),) * layers)
    return arch, Translator(width, (0,) * layers, layers, layers, ratio, heads)


LIGHT = replace(hand_set(MINI, 160, (3, 31, 15)))
KNOWN = [
    (hand_set(MINI, 128, (7, 15)), Translator(128, (7, 15), 2, 2)),
    (hand_set(MINI, 96, (3, 31, 15)), Translator(96, (3, 31, 15), 3, 3)),
    plain(160, 3, 8, 2),
    plain(96, 1, 4, 1),
    (
        TextArch(
            160,
            tuple(replace(one, kind="light", glu=False) for one in LIGHT.encoder),
            tuple(replace(one, kind="light", glu=False) for one in LIGHT.decoder),
        ),
        Translator(160, (3, 31, 15), 3, 3, dynamic=False, glu=False),
    ),
]


@pytest.mark.parametrize("fusion", [(), INFERENCE], ids=("plain", "fused"))
@pytest.mark.parametrize("place", range(len(KNOWN)))
def test_a_row_of_pieces_is_the_network_written_whole(place: int, fusion: tuple[str, ...]) -> None:
    arch, whole = KNOWN[place]
    batch = BARE.lower(BARE.population(arch), fusion=fusion)
    alone = WorkloadBatch.of([fuse(whole.lower_steps(30, 30), fusion)])
    for name in ("macs", "params", "weight_bytes", "bytes_read", "bytes_written"):
        assert getattr(batch, name).tolist() == getattr(alone, name).tolist(), name
    for name in ("kernel_launches", "critical_path_operators", "serial_steps"):
        assert batch.network_features[name].tolist() == alone.network_features[name].tolist(), name
    slack = batch.peak_activation_bytes[0] / alone.peak_activation_bytes[0] - 1
    assert 0 <= slack <= 0.01  # the memory is taken to stay, and the first token to be no part of it


def test_words_are_priced_once_a_step() -> None:
    arch = hand_set(MINI, 128, (7, 15))
    bare, whole = (one.lower(one.population(arch)) for one in (BARE, space("mini")))
    assert whole.macs[0] - bare.macs[0] == 30 * 4096 * 128
    assert whole.params[0] - bare.params[0] == 4096 * 128
    half = space("mini").lower(space("mini").population(arch), context=Context(dtype="float16"))
    assert 2 * half.peak_activation_bytes[0] == whole.peak_activation_bytes[0]


def test_a_longer_span_costs_keys_and_memory() -> None:
    arch = hand_set(MINI, 128, (7, 15))
    wide = replace(arch, decoder=tuple(replace(one, span=3) for one in arch.decoder))  # of two layers: 2
    near, far = (BARE.lower(BARE.population(one)) for one in (arch, wide))
    assert far.params[0] == near.params[0]
    assert far.macs[0] - near.macs[0] == 2 * (30 * 128 * 2 * 128 + 2 * 30 * 30 * 128)
    assert far.peak_activation_bytes[0] > near.peak_activation_bytes[0]


def test_the_paper_network_is_in_the_space() -> None:
    one = TextSpace(replace(PAPER, vocabulary=0))
    arch = hand_set(PAPER, 496, (3, 7, 15, 31, 31, 31))
    assert one.lower(one.population(arch)).params.tolist() == [17_283_616]
