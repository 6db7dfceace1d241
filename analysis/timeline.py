"""Time line of a run in the Chrome trace-event format, which Perfetto and chrome://tracing open.

One thread (track) for each unit with complete events ("X") named after what the unit did and why it waited, counters
("C") below. Times are microseconds of simulated time, on a grid of 2^-20 us: sums of such numbers are exact, so
neighbours never overlap by a rounding error.

The file is bounded for any run. Neighbours of the same state are joined and idle time is left blank; if that is still
too much, each track is cut into bins, and a bin (joined with equal neighbours) shows its dominant state, with the
cycles of every state in ``args``. Counters are averaged over bins, so that their integral is kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.errors import InvariantError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]

Slices = Mapping[str, Sequence[tuple[str, float, float]]]
Counters = Mapping[str, Sequence[tuple[float, float]]]

STATES = ("busy", "starved", "blocked", "memory", "idle")
_IDLE = STATES.index("idle")
_GRID = 1 << 20
_EVENT_BYTES = 200
_COUNTER_SHARE = 0.2
_PROCESS = 1

_REASONS = {
    "busy": "working",
    "starved": "nothing to work on",
    "blocked": "no room downstream",
    "memory": "waiting for DRAM",
    "idle": "work of the round done",
}
_UNIT_REASONS = {
    ("column_fetchers", "blocked"): "look-ahead FIFO full",
    ("column_fetchers", "memory"): "fetch of A: DRAM queue full",
    ("prefetcher", "starved"): "no element of A to look up",
    ("prefetcher", "blocked"): "row buffer full of lines in use",
    ("prefetcher", "memory"): "fetch of B: DRAM queue full",
    ("multipliers", "starved"): "no element of A",
    ("multipliers", "blocked"): "leaf FIFOs of the merge tree full",
    ("multipliers", "memory"): "prefetch miss: line of B not there",
    ("partial_fetcher", "blocked"): "pool of partial elements full",
    ("partial_fetcher", "memory"): "fetch of partial matrices: DRAM queue full",
    ("writer", "starved"): "no merged element",
    ("writer", "memory"): "write back: DRAM queue full",
}
_TREE_REASONS = {"starved": "merge-tree bubble: inputs not there", "blocked": "FIFO of the next layer full"}


class _Track(NamedTuple):
    """Slices of one unit in time order. shares: cycles of each state, (slices, states)."""

    state: Codes
    begin: Floats
    end: Floats
    shares: Floats


def write_trace(
    path: str | Path,
    *,
    slices: Slices,
    counters: Counters,
    clock_hz: float,
    metadata: Mapping[str, object],
    max_bytes: int = 18_000_000,
) -> None:
    """Write the time line atomically to `path`, in at most `max_bytes` bytes.

    slices: for each unit (state, begin, end) in cycles, in time order, not overlapping; counters: for each name
    (time in cycles, value held from then on). Raises InvariantError for slices that overlap or have an unknown state,
    InputError where the file cannot be written.
    """
    from sim.files import atomic_path

    head, tail = _frame(metadata, clock_hz, slices)
    tracks = {unit: _track(unit, spans) for unit, spans in slices.items()}
    end = max([float(track.end[-1]) for track in tracks.values() if track.end.size] + [0.0])
    body = _fit(tracks, counters, end, clock_hz, max_bytes - len(head) - len(tail))
    with atomic_path(path) as fresh:
        fresh.write_bytes(head + body + tail)


def stall_reason(unit: str, state: str) -> str:
    """Why `unit` is in `state`, in a few words."""
    if unit.startswith("merge_"):
        return _TREE_REASONS.get(state, _REASONS[state])
    return _UNIT_REASONS.get((unit, state), _REASONS[state])


def _frame(metadata: Mapping[str, object], clock_hz: float, slices: Slices) -> tuple[bytes, bytes]:
    """Everything before and after the timed events."""
    about = {**metadata, "clock_hz": clock_hz, "timestamp_unit": "microseconds of simulated time"}
    about["cycle_us"] = 1e6 / clock_hz
    names = [_name("process_name", 0, {"name": str(metadata.get("name", "hwloop simulation"))})]
    for order, unit in enumerate(slices, 1):
        names.append(_name("thread_name", order, {"name": unit}))
        names.append(_name("thread_sort_index", order, {"sort_index": order}))
    head = {"displayTimeUnit": "ns", "otherData": about}
    text = json.dumps(head, default=str)[:-1] + ', "traceEvents": [\n' + ",\n".join(map(_text, names))
    return text.encode(), b"\n]}\n"


def _name(kind: str, thread: int, args: Mapping[str, object]) -> dict[str, object]:
    return {"ph": "M", "pid": _PROCESS, "tid": thread, "name": kind, "args": args}


def _text(event: Mapping[str, object]) -> str:
    return json.dumps(event, separators=(",", ":"))


def _track(unit: str, spans: Sequence[tuple[str, float, float]]) -> _Track:
    import numpy as np

    known = {state: code for code, state in enumerate(STATES)}
    unknown = {state for state, _, _ in spans} - set(known)
    if unknown:
        raise InvariantError(f"time line of {unit}: state {min(unknown)!r} is none of {', '.join(STATES)}")
    state = np.fromiter((known[one] for one, _, _ in spans), np.int64, len(spans))
    times = np.array([(begin, end) for _, begin, end in spans], float).reshape(-1, 2)
    late = np.flatnonzero(times[1:, 0] < times[:-1, 1] - 1e-6)
    if late.size:
        one = int(late[0])
        raise InvariantError(f"time line of {unit}: a slice begins at {times[one + 1, 0]} before {times[one, 1]}")
    keep = times[:, 1] > times[:, 0]
    state, times = state[keep], times[keep]
    shares = np.zeros((state.size, len(STATES)))
    shares[np.arange(state.size), state] = times[:, 1] - times[:, 0]
    return _joined(_Track(state, times[:, 0], times[:, 1], shares))


def _joined(track: _Track) -> _Track:
    """Neighbours of the same state that touch become one slice."""
    import numpy as np

    if not track.state.size:
        return track
    apart = (track.state[1:] != track.state[:-1]) | (track.begin[1:] > track.end[:-1] + 1e-6)
    first = np.concatenate([[0], np.flatnonzero(apart) + 1])
    last = np.concatenate([first[1:], [track.state.size]]) - 1
    return _Track(track.state[first], track.begin[first], track.end[last], np.add.reduceat(track.shares, first))


def _coarse(track: _Track, edges: Floats) -> _Track:
    """The track in bins: the dominant state of each, and the cycles of every state in it."""
    import numpy as np

    shares = np.zeros((edges.size - 1, len(STATES)))
    for code in range(len(STATES)):
        spans = track.state == code
        if spans.any():
            begin, end = track.begin[spans], track.end[spans]
            upto = np.concatenate([[0.0], np.cumsum(end - begin)])
            times = np.stack([begin, end], 1).ravel()
            passed = np.stack([upto[:-1], upto[1:]], 1).ravel()
            shares[:, code] = np.diff(np.interp(edges, times, passed))
    blank = np.maximum(np.diff(edges) - shares.sum(1), 0.0)
    shares[:, _IDLE] += blank
    return _joined(_Track(shares.argmax(1), edges[:-1], edges[1:], shares))


def _fit(tracks: Mapping[str, _Track], counters: Counters, end: float, clock_hz: float, max_bytes: int) -> bytes:
    """The timed events, as fine as `max_bytes` allows."""
    import numpy as np

    bins: int | None = None
    points = max(16, int(_COUNTER_SHARE * max_bytes / _EVENT_BYTES / max(len(counters), 1)))
    while True:
        shown = tracks
        if bins is not None:
            edges = np.linspace(0.0, end, bins + 1)
            shown = {unit: _coarse(track, edges) for unit, track in tracks.items()}
        if sum(track.state.size for track in shown.values()) * 60 <= max_bytes:  # no slice takes less than 60 bytes
            body = _events(shown, counters, clock_hz, bins is not None, points)
            if len(body) <= max_bytes or (bins is not None and bins <= 1):
                return body
            if bins is not None:
                points = max(1, points // 2)
        if bins is None:
            bins = max(1, int((1 - _COUNTER_SHARE) * max_bytes / _EVENT_BYTES / max(len(tracks), 1)) * 2)
        bins = max(1, bins // 2)


def _events(tracks: Mapping[str, _Track], counters: Counters, clock_hz: float, coarse: bool, points: int) -> bytes:
    timed: list[tuple[float, str]] = []
    for order, (unit, track) in enumerate(tracks.items(), 1):
        timed.extend(_slice_events(order, unit, track, clock_hz, coarse))
    for name, samples in counters.items():
        timed.extend(_counter_events(name, samples, clock_hz, points))
    timed.sort(key=lambda event: event[0])
    return "".join(",\n" + text for _, text in timed).encode()


def _microseconds(cycles: Floats, clock_hz: float) -> Floats:
    """Cycles as microseconds on the grid, never earlier than they are."""
    import numpy as np

    return np.ceil(cycles * (1e6 / clock_hz * _GRID) - 1e-3) / _GRID + 0.0  # no "-0.0"


def _slice_events(order: int, unit: str, track: _Track, clock_hz: float, coarse: bool) -> Iterator[tuple[float, str]]:
    begins, ends = _microseconds(track.begin, clock_hz), _microseconds(track.end, clock_hz)
    labels = [_label(unit, state) for state in STATES]
    for index, code in enumerate(track.state.tolist()):
        begin, duration = float(begins[index]), float(ends[index] - begins[index])
        if code == _IDLE or duration <= 0:
            continue
        state = STATES[code]
        args: dict[str, Any] = {"state": state, "reason": stall_reason(unit, state)}
        args["cycles"] = round(float(track.end[index] - track.begin[index]), 3)
        if coarse:
            shares = zip(STATES, track.shares[index].tolist(), strict=True)
            args["shares"] = {name: round(cycles, 1) for name, cycles in shares if cycles >= 0.05}
        event = {"ph": "X", "pid": _PROCESS, "tid": order, "name": labels[code], "ts": begin, "dur": duration}
        yield begin, _text({**event, "args": args})


def _label(unit: str, state: str) -> str:
    return state if state in ("busy", "idle") else f"{state}: {stall_reason(unit, state)}"


def _counter_events(
    name: str, samples: Sequence[tuple[float, float]], clock_hz: float, points: int
) -> Iterator[tuple[float, str]]:
    import numpy as np

    if not samples:
        return
    times, values = np.array(samples, float).reshape(-1, 2).T
    if np.any(np.diff(times) < 0):
        raise InvariantError(f"time line: samples of {name} go back in time")
    if times.size > points:
        times, values = _averaged(times, values, points)
    for time, value in zip(_microseconds(times, clock_hz).tolist(), values.tolist(), strict=True):
        if math.isfinite(value):
            event = {"ph": "C", "pid": _PROCESS, "name": name, "ts": time, "args": {"value": float(f"{value:.6g}")}}
            yield time, _text(event)


def _averaged(times: Floats, values: Floats, points: int) -> tuple[Floats, Floats]:
    """Mean value in each of `points` bins of equal length, each sample being held until the next."""
    import numpy as np

    edges = np.linspace(times[0], times[-1], points + 1)
    upto = np.concatenate([[0.0], np.cumsum(values[:-1] * np.diff(times))])
    width = max(float(edges[1] - edges[0]), 1e-12)
    return edges[:-1], np.diff(np.interp(edges, times, upto)) / width
