"""Checks that are not "fit on some networks, predict others of the same set".

Ten-shot: known devices, ten measured networks of a new one. Family out: real CNNs of a family that no fit has seen.
Resolutions: networks at 176 and 208 pixels composed from Note10's table, by a fit at 160, 192 and 224. Released: whole
networks by a fit on a table of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sim.mobile_cost import few_shot
from sim.mobile_cost.calibrate import calibrate
from sim.mobile_cost.oracle import DeviceOracle
from sim.mobile_cost.profile import DeviceProfile, tables
from sim.mobile_cost.profiles import profile_of
from sim.mobile_cost.tables import Measurements, split

Array = np.ndarray[Any, np.dtype[Any]]

KNOWN = (
    "1080ti_1",
    "1080ti_32",
    "1080ti_256",
    "silver_4114",
    "silver_4210r",
    "samsung_a50",
    "pixel3",
    "essential_ph_1",
    "samsung_s7",
)
"""The devices that HELP learns from; the targets are none of them."""
TARGETS = ("titan_rtx_256", "gold_6226", "pixel2", "raspi4", "eyeriss", "fpga")
_DRAWS = 3
_KNOWN_ROWS = 900
_NETWORKS = 400
_STAGES = ((3, 24), (3, 32), (3, 48), (3, 96), (3, 136), (3, 192))


def run(
    train: Sequence[Measurements], test: Sequence[Measurements] | None, seed: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The rows that the sets of the folders allow."""
    rows: list[dict[str, Any]] = []
    by_key = {(one.set, one.device): one for one in train}
    unseen = {(one.set, one.device): one for one in test or ()}
    if all(("help_nb201", name) in by_key for name in (*KNOWN, *TARGETS)):
        rows += ten_shot(by_key, unseen, seed)
        say("ten-shot")
    for device in ("pixel4-1large-float", "pixel4-1large-int8"):
        one = by_key.get(("mobileml_tflite_cnn", device))
        if one is not None:
            rows.append(family_out(one, unseen.get((one.set, one.device)), seed))
            say(f"family out {device}")
    table = by_key.get(("note10_ofa_mbv3_w12", "note10"))
    if table is not None:
        rows.append(resolutions(table, seed))
        say("resolutions")
    for set_name, device in (("note10_ofa_mbv3_w12", "note10"), ("pixel1_proxyless_mobilenetv2", "pixel1")):
        blocks, networks = by_key.get((set_name, device)), by_key.get(("ofa_specialized", device))
        if blocks is not None and networks is not None:
            rows.append(released(blocks, unseen.get(("ofa_specialized", device), networks), seed))
            say(f"released networks {device}")
    return rows


def ten_shot(
    train: dict[tuple[str, str], Measurements], test: dict[tuple[str, str], Measurements], seed: int
) -> list[dict[str, Any]]:
    """A row for each target, mean of some draws of the pool, and their mean."""
    from sim.mobile_cost.validate import Scored

    first = train["help_nb201", KNOWN[0]]
    seen, unseen = split(first.group, 0.25, seed)
    if test:
        seen = np.arange(len(first))
    rng = np.random.default_rng(seed)
    known = []
    for name in KNOWN:
        rows = np.sort(rng.permutation(seen)[:_KNOWN_ROWS])
        known.append(calibrate([train["help_nb201", name].select(rows)], seed).model)
    pool = first.select(seen)
    seconds = few_shot.predicted(known, pool)
    listed = []
    for target in TARGETS:
        data = train["help_nb201", target]
        held_out = (test["help_nb201", target] if test else data.select(unseen)).usable()
        scored = Scored()
        for draw in range(_DRAWS):
            measurable = np.flatnonzero(np.isfinite(data.latency_s[seen]))
            chosen = measurable[few_shot.choose(seconds[measurable], seed=seed + draw)]
            combined = few_shot.weights(seconds, chosen, data.latency_s[seen][chosen])
            model = few_shot.adapt(known, combined)
            context = first.batch.context  # the one that the pool was priced in
            variants = {key: one.with_context(context) for key, one in held_out.variants.items()}
            profile = DeviceProfile(name=target, label="adapted", batch_sizes=[context.batch_size], **tables(model))
            costs = DeviceOracle(profile).cost(held_out.batch.with_context(context), variants=variants)
            scored.add(held_out.latency_s, costs, "latency", "s")
        listed.append(_mean_of_draws(scored, target))
    mean = {
        key: float(np.mean([row[key] for row in listed]))
        for key in ("mape", "median_ape", "within_5", "within_10", "spearman", "coverage_90")
    }
    total = {
        "check": "ten-shot",
        "set": "help_nb201",
        "device": "mean of six targets",
        "n": sum(row["n"] for row in listed),
        **mean,
        "calibrated_on": None,
    }
    return [*listed, {**total, "baselines": {"macs_only": None, "linear_counts": None, "constant_power": None}}]


def _mean_of_draws(scored: Any, target: str) -> dict[str, Any]:
    from sim.mobile_cost.validate import scores

    draws = [
        scores(truth, value, low, high)
        for truth, value, low, high in zip(scored.truth, scored.value, scored.low, scored.high, strict=True)
    ]
    row = {key: float(np.mean([one[key] for one in draws])) for key in draws[0]}
    row["n"] = draws[0]["n"]
    beside = {"macs_only": None, "linear_counts": None, "constant_power": None}
    return {
        "check": "ten-shot-target",
        "set": "help_nb201",
        "device": target,
        **row,
        "calibrated_on": few_shot.MEASUREMENTS,
        "baselines": beside,
    }


def family_out(data: Measurements, test: Measurements | None, seed: int) -> dict[str, Any]:
    """Each family of CNNs predicted by a fit on the others (with a test folder: the families of its networks)."""
    from sim.mobile_cost.validate import Scored

    usable = data.usable()
    asked = test.usable() if test is not None else usable
    families, wanted = np.array(usable.family), np.array(asked.family)
    scored = Scored()
    for name in sorted(set(asked.family)):
        fitted = usable.select(families != name)
        oracle = DeviceOracle(profile_of(data.device, calibrate([fitted], seed), [fitted]))
        left = asked.select(wanted == name)
        scored.add(left.latency_s, oracle.cost(left.batch), "latency", "s")
    return scored.row("real-cnns-family-out", data.set, data.device)


def released(blocks: Measurements, networks: Measurements, seed: int) -> dict[str, Any]:
    """Released networks, measured whole, by a fit on a table of blocks alone (latencies in whole milliseconds)."""
    from sim.mobile_cost.validate import Scored

    fitted = blocks.usable()
    oracle = DeviceOracle(profile_of(blocks.device, calibrate([fitted], seed), [fitted]))
    scored = Scored()
    scored.add(networks.latency_s, oracle.cost(networks.batch), "latency", "s")
    return scored.row("released-networks", networks.set, networks.device)


def resolutions(table: Measurements, seed: int) -> dict[str, Any]:
    """Networks at 176 and 208 composed from the table, predicted by a fit on the other resolutions."""
    from sim.mobile_cost.validate import Scored

    usable = table.usable()
    fitted = usable.select(np.isin(usable.resolution, (160, 192, 224)))
    oracle = DeviceOracle(profile_of(table.device, calibrate([fitted], seed), [fitted]))
    scored = Scored()
    for resolution in (176, 208):
        asked = usable.select(usable.resolution == resolution)
        counts = compose(asked, seed + resolution)
        networks = _summed(asked, counts)
        scored.add(counts @ asked.latency_s, oracle.cost(networks), "latency", "s")
    return scored.row("note10-resolutions", table.set, table.device)


def compose(blocks: Measurements, seed: int) -> Array:
    """(networks, rows): random sub-networks of the table's super-net, as counts of its rows."""
    shapes: dict[tuple[int, int, int, int], list[int]] = {}
    fixed = []
    for row, (name, op) in enumerate(zip(blocks.batch.names, blocks.family, strict=True)):
        parts = [int(part) for part in name.split(":")[2:]]
        if op != "expanded_conv" or parts[1] == parts[3] == parts[4]:  # stem, head, and the first block
            fixed.append(row)
        else:
            shapes.setdefault((parts[1], parts[3], parts[6], parts[0]), []).append(row)
    chosen = np.zeros((_NETWORKS, len(blocks)))
    chosen[:, fixed] = 1.0
    rng = np.random.default_rng(seed)
    for (before, after, _, _), rows in sorted(shapes.items()):
        repeated = before == after
        times = rng.integers(1, 4, _NETWORKS) if repeated else np.ones(_NETWORKS, int)
        for network, count in enumerate(times):
            for row in rng.choice(rows, int(count)):
                chosen[network, row] += 1.0
    return chosen


def _summed(blocks: Measurements, counts: Array) -> Any:
    """The networks of `compose` as a batch of operators."""
    from scipy.sparse import csr_array

    from sim.workload import WorkloadBatch

    whole = counts.astype(np.int64)
    features = {
        "peak_activation_bytes": np.max(
            np.where(whole > 0, blocks.batch.network_features["peak_activation_bytes"], 0), axis=1
        ),
        "kernel_launches": whole @ blocks.batch.network_features["kernel_launches"],
        "critical_path_operators": whole @ blocks.batch.network_features["critical_path_operators"],
        "serial_steps": np.ones(len(whole), np.int64),
    }
    inner = blocks.batch.counts
    return WorkloadBatch(blocks.batch.operators, csr_array(whole), features, blocks=inner, context=blocks.batch.context)
