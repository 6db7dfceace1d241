"""Shares of the channels against cases worked out by hand: bursts of 4 cycles, reads answered 100 later."""

from __future__ import annotations

import numpy as np
import pytest

from sim.hbm import Hbm


def loads(*bursts: int) -> np.ndarray:
    return np.array(bursts, np.int32)


def test_one_unit_alone() -> None:
    hbm = Hbm(2, 4, (32, 32), 100)
    assert hbm.transfer(0, 0.0, loads(2, 1)) == (4.0, 8.0)
    assert hbm.free.tolist() == [8.0, 4.0]
    assert hbm.bursts == 3
    assert hbm.latency == 100
    # a burst more in channel 0 waits for the unit's own; channel 1 is free since long at 20
    assert hbm.transfer(0, 2.0, loads(1, 0)) == (12.0, 12.0)
    assert hbm.transfer(0, 20.0, loads(0, 3)) == (24.0, 32.0)
    assert hbm.free.tolist() == [12.0, 32.0]


def test_nothing_to_transfer() -> None:
    hbm = Hbm(3, 4, (32,), 100)
    assert hbm.transfer(0, 5.0, loads(0, 0, 0)) == (5.0, 5.0)
    assert hbm.bursts == 0
    assert hbm.free.tolist() == [0.0, 0.0, 0.0]


def test_short_request_does_not_wait_for_all_of_a_long_one() -> None:
    """Unit 0 has 400 cycles to go; unit 1 waits for a full queue of 128 of them, and for one of its bursts to each."""
    hbm = Hbm(1, 4, (32, 32), 100)
    assert hbm.transfer(0, 0.0, loads(100)) == (4.0, 400.0)
    first, last = hbm.transfer(1, 0.0, loads(10))
    assert first == 128 + 4
    assert last == 128 + 40 + 40
    assert hbm.free.tolist() == [440.0]


def test_channel_never_does_more_than_it_can() -> None:
    """Three bursts that wait: unit 1 is done when the channel is, not a queue later."""
    hbm = Hbm(1, 4, (32, 32), 100)
    hbm.transfer(0, 0.0, loads(3))
    assert hbm.transfer(1, 0.0, loads(2)) == (16.0, 20.0)
    assert hbm.free.tolist() == [20.0]


@pytest.mark.parametrize(("other", "waits"), [(32, 128 + 40), (16, 64 + 20), (4, 16 + 10), (1, 4 + 10)])
def test_shares_follow_the_queues(other: int, waits: int) -> None:
    """Of the other's work a full queue, and then the ratio of the queues, at least a quarter."""
    hbm = Hbm(1, 4, (other, 32), 100)
    hbm.transfer(0, 0.0, loads(1000))
    assert hbm.transfer(1, 0.0, loads(10))[1] == waits + 40


def test_larger_queue_of_the_other_takes_at_most_four_times() -> None:
    hbm = Hbm(1, 4, (128, 8), 100)
    hbm.transfer(0, 0.0, loads(1000))
    assert hbm.transfer(1, 0.0, loads(10))[1] == 512 + 4 * 40 + 40


def test_what_the_other_had_transferred_before_does_not_count() -> None:
    hbm = Hbm(1, 4, (32, 32), 100)
    hbm.transfer(0, 0.0, loads(10))
    assert hbm.transfer(1, 30.0, loads(1)) == (44.0, 44.0)  # 10 of its 40 cycles are left
    assert hbm.transfer(1, 500.0, loads(1)) == (504.0, 504.0)


def test_channels_are_independent() -> None:
    hbm = Hbm(2, 4, (32, 32), 100)
    hbm.transfer(0, 0.0, loads(50, 0))
    assert hbm.transfer(1, 0.0, loads(0, 1)) == (4.0, 4.0)


def test_work_is_conserved() -> None:
    """Whatever is asked for at once, each channel is busy for as long as its bursts take, and no unit ends later."""
    rng = np.random.default_rng(5)
    hbm = Hbm(4, 3, (4, 32, 8, 32), 0)
    total = np.zeros(4)
    for _ in range(50):
        asked = rng.integers(0, 20, 4).astype(np.int32)
        total += asked * 3
        first, last = hbm.transfer(int(rng.integers(4)), 0.0, asked)
        assert first <= last <= hbm.free.max()
        np.testing.assert_array_equal(hbm.free, total)
    assert hbm.bursts * 3 == total.sum()
