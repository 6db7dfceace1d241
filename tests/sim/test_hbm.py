"""Queues of the channels against cases worked out by hand: bursts of 4 cycles, reads answered 100 later."""

from __future__ import annotations

import numpy as np

from sim.hbm import Hbm

QUEUE = 32 * 4.0


def loads(*bursts: int) -> np.ndarray:
    return np.array(bursts, np.int32)


def test_one_unit_alone() -> None:
    hbm = Hbm(2, 4, 2, 100)
    assert hbm.queue(0, 0.0, loads(2, 1), QUEUE) == (4.0, 8.0, -1.0)
    assert hbm.free.tolist() == [8.0, 4.0]
    assert hbm.bursts == 3
    assert hbm.latency == 100
    # a burst more in channel 0 waits for the unit's own; channel 1 is free since long at 20
    assert hbm.queue(0, 2.0, loads(1, 0), QUEUE) == (12.0, 12.0, -1.0)
    assert hbm.queue(0, 20.0, loads(0, 3), QUEUE) == (24.0, 32.0, -1.0)
    assert hbm.free.tolist() == [12.0, 32.0]


def test_nothing_to_transfer() -> None:
    hbm = Hbm(3, 4, 1, 100)
    assert hbm.queue(0, 5.0, loads(0, 0, 0), QUEUE) == (5.0, 5.0, -1.0)
    assert hbm.bursts == 0
    assert hbm.free.tolist() == [0.0, 0.0, 0.0]


def test_what_does_not_fit_waits_with_the_unit() -> None:
    """32 of 40 bursts fit; the next goes when the unit's last is less than 128 cycles away."""
    hbm = Hbm(1, 4, 1, 100)
    rest = loads(40)
    assert hbm.queue(0, 0.0, rest, QUEUE) == (4.0, 128.0, 0.0)
    assert rest.tolist() == [8]
    assert hbm.queue(0, 0.0, rest, QUEUE) == (132.0, 132.0, 4.0)
    assert hbm.queue(0, 3.0, rest, QUEUE)[::2] == (-1.0, 4.0)
    assert rest.tolist() == [7]


def test_first_come_first_served() -> None:
    """Unit 1 waits for what unit 0 has queued, and not for what it still holds."""
    hbm = Hbm(1, 4, 2, 100)
    rest = loads(100)
    hbm.queue(0, 0.0, rest, QUEUE)
    assert hbm.queue(1, 0.0, loads(1), QUEUE) == (132.0, 132.0, -1.0)
    assert hbm.queue(0, 10.0, rest, QUEUE)[0] == 136.0  # behind unit 1


def test_units_with_equal_queues_take_turns() -> None:
    hbm = Hbm(1, 4, 2, 0)
    rest, ends, again = [loads(500), loads(500)], [0.0, 0.0], [0.0, 0.0]
    while max(again) >= 0:
        unit = min((time, unit) for unit, time in enumerate(again) if time >= 0)[1]
        _, ends[unit], again[unit] = hbm.queue(unit, again[unit], rest[unit], QUEUE)
    assert max(ends) == 4000.0
    assert min(ends) > 3800.0


def test_small_queue_gets_little() -> None:
    """Unit 1 may have but 4 bursts waiting: one for each of the others' full queue."""
    hbm = Hbm(1, 4, 2, 0)
    rest, passed, again = [loads(1000), loads(1000)], [0, 0], [0.0, 0.0]
    while again[0] >= 0:
        unit = 0 if again[0] <= again[1] else 1
        before = int(rest[unit][0])
        _, _, again[unit] = hbm.queue(unit, again[unit], rest[unit], (128.0, 16.0)[unit])
        passed[unit] += before - int(rest[unit][0])
    assert passed[0] == 1000
    assert 20 <= passed[1] <= 60


def test_longer_turns_queue_more_at_once() -> None:
    hbm = Hbm(1, 4, 1, 0)
    hbm.turn_bursts = 50
    assert hbm.queue(0, 0.0, loads(60), QUEUE) == (4.0, 200.0, 72.0)


def test_channels_go_together() -> None:
    """Half of the bursts fit in channel 0; of channel 1 half is queued too, as addresses come in order."""
    hbm = Hbm(2, 4, 2, 100)
    rest = loads(64, 2)
    assert hbm.queue(0, 0.0, rest, QUEUE)[:2] == (4.0, 128.0)
    assert rest.tolist() == [32, 1]
    assert hbm.queue(1, 0.0, loads(0, 1), QUEUE) == (8.0, 8.0, -1.0)


def test_work_is_conserved() -> None:
    """Whatever is asked for at once, each channel is busy for as long as its bursts take."""
    rng = np.random.default_rng(5)
    hbm = Hbm(4, 3, 4, 0)
    total = np.zeros(4)
    for _ in range(50):
        asked = rng.integers(0, 20, 4).astype(np.int32)
        total += asked * 3
        first, last, again = hbm.queue(int(rng.integers(4)), 0.0, asked, 1e9)
        assert first <= last <= hbm.free.max()
        assert again == -1
        np.testing.assert_array_equal(hbm.free, total)
    assert hbm.bursts * 3 == total.sum()
