"""From an operator to sparse products: weights (rows x inner) times activations (inner x cols), `copies` of them.

linear: out x in times in x positions. conv2d: im2col, out x (in · taps) times (in · taps) x output positions, one
product a group. conv_transpose2d: (out · taps) x in times in x input positions. matmul: the second operand plays the
weights. attention: scores and weighted values of each head, the latter with dense probabilities, since a softmax
gives no zeros. A batch makes more columns where all samples share the weights, and more copies where they do not.
Dense MACs are exact: ``rows · inner · cols · copies`` is `Operator.macs` times the batch, taps on padding included.

Where only densities are known, a seeded pair of random operands stands for the layer: each element is there or not by
itself, and the activations of a convolution are drawn as an image and then unfolded, so that padding and repeated
pixels are as they are. NOT modelled: im2col itself (SpArch reads the unfolded matrix), the overlapping sums of a
transposed convolution, bias, and that real zeros cluster: give real matrices to `price_layer`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import WorkloadError
from sim.operator import Operator
from sim.operator_counts import volume

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LOWERED = ("linear", "conv2d", "conv_transpose2d", "matmul", "attention")
"""Kinds of operators that are sparse products. Others with MACs cannot run on SpArch; those without are not priced."""

_MAX_SIDE = 2**31 - 1


@dataclass(frozen=True)
class LayerProduct:
    """`copies` products of weights (rows x inner) and activations (inner x cols), one after another.

    window: the convolution of one group whose unfolded input the activations are, for `samples` images; else None.
    """

    rows: int
    inner: int
    cols: int
    weight_density: float
    activation_density: float
    copies: int = 1
    window: Operator | None = None
    samples: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the dense products, all copies."""
        return self.rows * self.inner * self.cols * self.copies

    @property
    def coverage(self) -> float:
        """Share of the activations that are no padding."""
        if self.window is None:
            return 1.0
        inside = [_inside(self.window, axis) for axis in (0, 1)]
        return float(inside[0].mean() * inside[1].mean())


def lower(op: Operator, samples: int = 1) -> tuple[LayerProduct, ...]:
    """Products of one operator for a batch of `samples`; none for kinds without MACs. A fused one: those of its parts.

    Raises WorkloadError for a kind with MACs that is no sparse product, or for a side over 2^31 - 1.
    """
    products: list[LayerProduct] = []
    for part in op.parts:
        if part.kind in LOWERED:
            products += globals()[f"_lower_{part.kind}"](part, samples)
        elif part.macs:
            raise WorkloadError(f"SpArch cannot run {part.kind} of shape {part.shape}; it runs {', '.join(LOWERED)}")
    for one in products:
        if max(one.rows, one.inner, one.cols) > _MAX_SIDE:
            raise WorkloadError(f"{op.kind}: side {max(one.rows, one.inner, one.cols)} is over {_MAX_SIDE}")
    return tuple(products)


def _lower_linear(op: Operator, samples: int) -> list[LayerProduct]:
    cols = volume(op.shape[:-1]) * samples
    return [LayerProduct(op.out_channels, op.shape[-1], cols, op.weight_density, op.activation_density)]


def _lower_conv2d(op: Operator, samples: int) -> list[LayerProduct]:
    groups, taps = op.groups, volume(op.kernel)
    window = Operator(
        "conv2d", (op.shape[0] // groups, *op.shape[1:]), op.out_channels // groups, kernel=op.kernel,
        stride=op.stride, padding=op.padding, dilation=op.dilation,
    )  # fmt: skip
    inner, cols = op.shape[0] // groups * taps, volume(op.output_shape[1:]) * samples
    rows, densities = op.out_channels // groups, (op.weight_density, op.activation_density)
    return [LayerProduct(rows, inner, cols, *densities, groups, window, samples)]


def _lower_conv_transpose2d(op: Operator, samples: int) -> list[LayerProduct]:
    rows, cols = op.out_channels // op.groups * volume(op.kernel), volume(op.shape[1:]) * samples
    return [LayerProduct(rows, op.shape[0] // op.groups, cols, op.weight_density, op.activation_density, op.groups)]


def _lower_matmul(op: Operator, samples: int) -> list[LayerProduct]:
    rows, density = op.others[0][-1], op.activation_density
    return [LayerProduct(rows, op.shape[-1], op.shape[-2], density, density, volume(op.shape[:-2]) * samples)]


def _lower_attention(op: Operator, samples: int) -> list[LayerProduct]:
    queries, width, density, copies = op.shape[0], op.shape[1] // op.heads, op.activation_density, op.heads * samples
    return [
        LayerProduct(op.length, width, queries, density, density, copies),
        LayerProduct(width, op.length, queries, density, 1.0, copies),
    ]


def unfold(images: Any, window: Operator) -> csr_array:
    """im2col: images (samples, channels, height, width) -> (channels · taps, samples · positions), zeros dropped.

    Rows are ordered as the weights of `window` (channel, then tap), columns as its output (sample, then position).
    Raises WorkloadError where the images do not have the shape that `window` takes.
    """
    from scipy.sparse import csr_array

    dense = np.asarray(images)
    if dense.ndim != 4 or dense.shape[1:] != window.shape:
        raise WorkloadError(f"images of shape {dense.shape}; the convolution takes (samples, *{window.shape})")
    at = np.nonzero(dense)
    return csr_array(_unfold(at, dense[at], dense.shape[0], window))


def _unfold(at: tuple[np.ndarray[Any, Any], ...], values: Any, samples: int, window: Operator) -> Any:
    from scipy.sparse import coo_array

    (sample, channel, *place), taps = at, volume(window.kernel)
    out_h, out_w = window.output_shape[1:]
    rows, cols, data = [], [], []
    for tap in range(taps):
        offset = divmod(tap, window.kernel[1])
        target, fits = [], np.ones(values.size, bool)
        for axis, size in ((0, out_h), (1, out_w)):
            ahead = place[axis] + window.padding[axis] - offset[axis] * window.dilation[axis]
            to = ahead // window.stride[axis]
            fits &= (ahead % window.stride[axis] == 0) & (to >= 0) & (to < size)
            target.append(to)
        rows.append(channel[fits] * taps + tap)
        cols.append((sample[fits] * out_h + target[0][fits]) * out_w + target[1][fits])
        data.append(values[fits])
    shape = (window.shape[0] * taps, samples * out_h * out_w)
    return coo_array((np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))), shape=shape).tocsr()


def weight_matrix(weights: Any, op: Operator) -> list[csr_array]:
    """Weights of a linear, conv2d or conv_transpose2d, as torch lays them out, as one matrix (rows x inner) a group.

    Zeros are dropped. Raises WorkloadError for another kind, or where the shape is not that of `op`.
    """
    from scipy.sparse import csr_array

    dense, groups = np.asarray(weights), op.groups
    expected: tuple[int, ...] = (op.out_channels, op.shape[-1])
    if op.kind == "conv2d":
        expected = (op.out_channels, op.shape[0] // groups, *op.kernel)
    elif op.kind == "conv_transpose2d":
        expected = (op.shape[0], op.out_channels // groups, *op.kernel)
    elif op.kind != "linear":
        raise WorkloadError(f"{op.kind} has no weight matrix; nearest: linear")
    if dense.shape != expected:
        raise WorkloadError(f"{op.kind}: weights of shape {dense.shape}, expected {expected}")
    parts = np.split(dense, groups)
    return [csr_array(p.reshape(p.shape[0], -1).T if op.kind == "conv_transpose2d" else p.reshape(p.shape[0], -1))
            for p in parts]  # fmt: skip


def activation_matrices(inputs: Any, op: Operator) -> list[csr_array]:
    """Inputs of an operator as one matrix (inner x cols) a group: (…, channels) for linear, else images.

    Zeros are dropped. Raises WorkloadError for another kind, or where the shape is not what `op` takes.
    """
    from scipy.sparse import csr_array

    dense = np.asarray(inputs)
    if op.kind == "linear":
        if dense.ndim < 1 or dense.shape[-1] != op.shape[-1]:
            raise WorkloadError(f"linear: inputs of shape {dense.shape}, expected (…, {op.shape[-1]})")
        return [csr_array(dense.reshape(-1, op.shape[-1]).T)]
    if op.kind not in ("conv2d", "conv_transpose2d"):
        raise WorkloadError(f"{op.kind} has no weight matrix; nearest: linear")
    if dense.ndim != 4 or dense.shape[1:] != op.shape:
        raise WorkloadError(f"{op.kind}: inputs of shape {dense.shape}, expected (samples, *{op.shape})")
    parts = np.split(dense, op.groups, axis=1)
    if op.kind == "conv2d":
        window = _lower_conv2d(op, 1)[0].window
        assert window is not None  # a convolution has one
        return [unfold(part, window) for part in parts]
    return [csr_array(part.swapaxes(0, 1).reshape(part.shape[1], -1)) for part in parts]


def random_operands(product: LayerProduct, seed: int = 0) -> tuple[csr_array, csr_array]:
    """Weights and activations of one copy at the densities of `product`; the same seed gives the same matrices."""
    from scipy.sparse import csr_array

    rng = np.random.default_rng([seed, product.rows, product.inner, product.cols])
    weights = _random_matrix(product.rows, product.inner, product.weight_density, rng)
    if product.window is None:
        return weights, _random_matrix(product.inner, product.cols, product.activation_density, rng)
    shape = (product.samples, *product.window.shape)
    at = np.unravel_index(_random_places(volume(shape), product.activation_density, rng), shape)
    values = rng.random(at[0].size) + 0.5
    return weights, csr_array(_unfold(at, values, product.samples, product.window))


def _random_matrix(rows: int, cols: int, density: float, rng: np.random.Generator) -> csr_array:
    from scipy.sparse import csr_array

    places = _random_places(rows * cols, density, rng)
    starts = np.searchsorted(places, np.arange(rows + 1, dtype=np.int64) * cols)
    return csr_array((rng.random(places.size) + 0.5, places % cols, starts), shape=(rows, cols))


def _random_places(total: int, density: float, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Ascending places below `total`, each taken with probability `density`: gaps are geometric."""
    if density >= 1.0:
        return np.arange(total, dtype=np.int64)
    expected = total * density
    if expected < 1e-6:
        return np.zeros(0, np.int64)
    gaps = rng.geometric(density, int(expected + 8 * np.sqrt(expected) + 16)).astype(np.float64)
    places = np.cumsum(gaps) - 1
    return places[places < total].astype(np.int64)


def _inside(window: Operator, axis: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(taps, outputs) of one axis: whether a tap falls on the image."""
    taps = np.arange(window.kernel[axis])[:, None] * window.dilation[axis] - window.padding[axis]
    source = np.arange(window.output_shape[1 + axis])[None, :] * window.stride[axis] + taps
    return (source >= 0) & (source < window.shape[1 + axis])


def with_densities(op: Operator, weights: float | None, activations: float | None) -> Operator:
    """`op`, its parts included, at other densities; None keeps what it has. Raises WorkloadError outside 0 and 1."""
    parts = tuple(with_densities(part, weights, activations) for part in op.fused)
    changed = {"weight_density": weights, "activation_density": activations}
    return replace(op, fused=parts, **{name: value for name, value in changed.items() if value is not None})  # type: ignore[arg-type]
