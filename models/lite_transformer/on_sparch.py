"""A pruned text model on SpArch, linear layer by linear layer, against the dense layers on devices.

Every linear layer is the sparse product W · X of its pruned weights with the activations that real sentences of the
validation split make, all tokens of a sentence at once (decoders with the reference as their input). Zeros are counted
as they are: behind a ReLU there are many, a gate (GLU), a softmax, a norm or a residual sum leaves none, and there
density 1 is said. The sweep prunes the trained weights of each layer by magnitude to other densities and asks at which
one SpArch takes as long as the dense layer elsewhere: below this break-even it wins. Elsewhere is a device as its
framework runs the layer; the same without the time that starting an operator takes, which SpArch is not charged with
either; and `ARRAY`, a bound: SpArch's multipliers and memory, always busy, on dense operands of 4 B.

NOT modelled: attention, convolutions, norms, the embedding as output projection (never pruned), which SpArch does not
run here and which no figure holds; decoding token by token, where X is one column and weights are read at every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.compress.prune import keep_mask
from models.lite_transformer.batches import Encoded, encode_pairs, make_batch
from models.lite_transformer.compressing import _config
from models.lite_transformer.data import load_text
from models.lite_transformer.model import TextModel
from models.lite_transformer.translate import load_ready
from sim.cache import ResultCache
from sim.errors import ConfigError
from sim.mobile_cost.oracle import DeviceOracle
from sim.operator import Operator
from sim.sparch_oracle.pricing import LayerCost, price_layer
from sim.workload import Context, WorkloadBatch

SCHEMA = "hwloop.text-on-sparch/1"
DEVICES = ("raspberry-pi-4-torch", "xeon-hat")
"""Profiles that were fitted on transformers."""
ARRAY, BARE = "dense array", "{}, no launch"
DENSITIES = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
_FIGURES = ("cycles", "seconds", "energy_j", "dram_bytes")
Array = NDArray[np.float32]
Progress = Callable[[str, int, int], None]
Device = tuple[DeviceOracle, Context]


def on_sparch(
    run: str | Path,
    compressed: str | Path | None = None,
    *,
    devices: Sequence[Device],
    sentences: int = 2,
    measured: int = 64,
    densities: Sequence[float] = DENSITIES,
    fidelity: str = "event",
    pairs: Sequence[tuple[str, str]] = (),
    cache: ResultCache | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The record. run: a training run's folder. compressed: its compressed model (without it: the model of `run`).

    sentences: that are priced, spread over the lengths; figures are their means. measured: sentences whose activations
    are counted. densities: of the sweep, on the first of the priced sentences; empty for none. pairs: source and target
    text instead of the validation split. Raises InputError, ConfigError.
    """
    if sentences < 1 or measured < sentences or any(not 0 < one <= 1 for one in densities):
        raise ConfigError(f"{sentences} of {measured} sentences, densities {tuple(densities)}; nearest: 2 of 64, 0.1")
    dense, ready = load_ready(run), load_ready(compressed or run)
    coded = _sentences(pairs or load_text(_config(Path(run))).valid, ready.tokenizer, ready.model, measured)
    chosen = [coded[place] for place in _spread(len(coded), sentences)]
    inputs = [activations(ready.model, [one]) for one in chosen]
    counted = {name: float(np.mean(one != 0)) for name, one in activations(ready.model, coded).items()}
    layers, linears = [], _linears(ready.model)
    trained = _linears(dense.model)
    kept = cache if cache is not None else ResultCache()
    for place, (name, layer) in enumerate(linears.items()):
        row = _price(_weights(layer), [one[name] for one in inputs], fidelity, kept)
        row["activation_density"] = round(counted[name], 4)
        row["dense"] = _dense(layer, [len(one[name]) for one in inputs], devices)
        row["sweep"] = sweep(_weights(trained[name]), inputs[0][name], densities, fidelity, kept)
        first = _dense(layer, [len(inputs[0][name])], devices)
        row["break_even"] = {
            device: break_even(row["sweep"], cost["latency_s"]) for device, cost in first.items() if densities
        }
        layers.append({"layer": name, **row})
        if progress is not None:
            progress("layers", place + 1, len(linears))
    return {
        "schema": SCHEMA,
        "label": "simulated" if fidelity == "event" else "estimated, with an error measured against the simulator",
        "model": {"run": Path(run).name, "compressed": None if compressed is None else Path(compressed).name},
        "sentences": {
            "priced_tokens": [[len(source), len(target)] for source, target in chosen],
            "measured": len(coded),
        },
        "densities": list(densities),
        "layers": layers,
        "per_sentence": _totals(layers),
        "notes": [
            "Linear layers only, all tokens of a sentence at once; the output projection is not pruned and not here.",
            "SpArch: the published machine, simulated, without a host. Devices: the dense layer, predicted by the "
            "device model; 'no launch': without the time that starting an operator takes. Dense array: a bound, "
            "SpArch's multipliers and memory always busy on dense operands of 4 B.",
            "Break-even: the weight density at which both take equal time; below it SpArch is faster (1: at any).",
        ],
    }


def _sentences(pairs: Sequence[tuple[str, str]], tokenizer: Any, model: TextModel, most: int) -> list[Encoded]:
    """At most so many of `pairs`, evenly over them, by length."""
    some = list(pairs)[:: max(1, len(pairs) // most)][:most]
    coded, _ = encode_pairs(some, tokenizer, model.settings.max_tokens, truncate=True)
    return sorted(coded, key=lambda one: (len(one[1]), len(one[0])))


def _spread(count: int, chosen: int) -> list[int]:
    """Places at the middle of `chosen` equal parts, the median first."""
    places = [int((part + 0.5) * count / chosen) for part in range(chosen)]
    return sorted(places, key=lambda place: abs(place - count // 2))


def _linears(model: TextModel) -> dict[str, nn.Linear]:
    return {name: one for name, one in model.named_modules() if isinstance(one, nn.Linear)}


def _weights(layer: nn.Linear) -> Array:
    return np.asarray(layer.weight.detach().cpu().numpy())


@torch.no_grad()
def activations(model: TextModel, sentences: Sequence[Encoded]) -> dict[str, Array]:
    """What goes into each linear layer: (tokens of all sentences, inputs), one sentence after the other, no padding."""
    found: dict[str, list[Array]] = {name: [] for name in _linears(model)}

    def keep(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda module, inputs: found[name].append(inputs[0].reshape(-1, inputs[0].shape[-1]).numpy().copy())

    hooks = [one.register_forward_pre_hook(keep(name)) for name, one in _linears(model).items()]
    model.eval()
    try:
        for one in sentences:
            batch = make_batch([one])
            model(batch.source, batch.inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _price(weights: Array, inputs: Sequence[Array], fidelity: str, cache: ResultCache) -> dict[str, Any]:
    costs = [price(weights, one, fidelity, cache) for one in inputs]
    means = {name: float(np.mean([getattr(one, name) for one in costs])) for name in _FIGURES}
    return {
        "outputs": weights.shape[0],
        "inputs": weights.shape[1],
        "tokens": float(np.mean([len(one) for one in inputs])),
        "weight_density": round(float(np.mean(weights != 0)), 4),
        "order": costs[0].order,
        **means,
    }


def price(weights: Array, inputs: Array, fidelity: str = "event", cache: ResultCache | None = None) -> LayerCost:
    """weights (outputs, inputs) times inputs (tokens, inputs) transposed."""
    from scipy.sparse import csr_array

    return price_layer(csr_array(weights), csr_array(inputs.T), fidelity=fidelity, cache=cache)


def _dense(layer: nn.Linear, tokens: Sequence[int], devices: Sequence[Device]) -> dict[str, dict[str, Any]]:
    """Mean latency and energy of the dense layer elsewhere, of the operator alone."""
    ops = [Operator("linear", (one, layer.in_features), layer.out_features, bias=True) for one in tokens]
    found: dict[str, dict[str, Any]] = {}
    for oracle, context in devices:
        table = oracle.cost(WorkloadBatch.of([[op] for op in ops]).with_context(context), breakdown=True)
        costs = [row[0] for row in table.breakdown]
        work = sum(
            one.weight * one.kernel.operator_seconds(ops, context.batch_size)[0] for one in oracle.model.components
        )
        energy = float(np.mean([one.energy_j for one in costs]))
        found[oracle.name] = {
            "latency_s": float(np.mean([one.latency_s for one in costs])),
            "energy_j": energy if math.isfinite(energy) else None,
        }
        found[BARE.format(oracle.name)] = {"latency_s": float(np.mean(work)), "energy_j": None}
    found[ARRAY] = {"latency_s": float(np.mean([array_s(op) for op in ops])), "energy_j": None}
    return found


def array_s(op: Operator) -> float:
    """Least seconds of a dense operator on as many multipliers and as much bandwidth as SpArch has."""
    from sim.sparch.config import SpArchConfig

    machine = SpArchConfig()
    moved = op.weight_bytes + op.input_bytes + op.bytes_written
    multiply = op.macs / (machine.multipliers.groups * machine.multipliers.lanes)
    return max(multiply, moved / (machine.dram.channels * machine.dram.bytes_per_cycle)) / machine.clock_hz


def sweep(
    weights: Array, inputs: Array, densities: Sequence[float], fidelity: str = "event", cache: ResultCache | None = None
) -> list[dict[str, float]]:
    """Cost of a layer with its weights pruned by magnitude to each density."""
    rows = []
    for density in sorted(densities, reverse=True):
        cost = price(weights * keep_mask(weights, density), inputs, fidelity, cache)
        rows.append({"density": density, **{name: float(getattr(cost, name)) for name in _FIGURES}})
    return rows


def break_even(rows: Sequence[Mapping[str, float]], latency_s: float) -> float | None:
    """The largest density at which SpArch takes at most `latency_s`: 1 where nothing need be pruned, None where the
    smallest density is still too slow. Between two densities: a straight line in logarithms."""
    before = None
    for row in sorted(rows, key=lambda one: -one["density"]):
        if row["seconds"] <= latency_s:
            if before is None:
                return row["density"]
            low, high = math.log(row["seconds"]), math.log(before["seconds"])
            way = 0.0 if high <= low else (math.log(latency_s) - low) / (high - low)
            near, far = math.log(row["density"]), math.log(before["density"])
            return round(math.exp(near + way * (far - near)), 4)
        before = row
    return None


def _totals(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums over all layers: SpArch as pruned, at each density of the sweep, and the dense layers on the devices."""
    total: dict[str, Any] = {name: sum(row[name] for row in layers) for name in _FIGURES}
    total["dense"] = {}
    for device in layers[0]["dense"]:
        costs = [row["dense"][device] for row in layers]
        known = all(one["energy_j"] is not None for one in costs)
        total["dense"][device] = {
            "latency_s": sum(one["latency_s"] for one in costs),
            "energy_j": sum(one["energy_j"] for one in costs) if known else None,
        }
    swept = zip(*(row["sweep"] for row in layers), strict=True)
    total["sweep"] = [
        {"density": one[0]["density"], **{name: sum(row[name] for row in one) for name in _FIGURES}} for one in swept
    ]
    return total
