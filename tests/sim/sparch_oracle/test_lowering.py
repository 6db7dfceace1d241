"""Lowered operators compute what the operator computes, and count the same MACs."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import WorkloadError
from sim.operator import Operator
from sim.sparch_oracle.lowering import lower, random_operands, unfold, weight_matrix, with_densities

CONV = Operator("conv2d", (4, 9, 8), 6, kernel=(3, 2), stride=(2, 1), padding=(1, 0, 2, 1), dilation=(1, 2))
OPERATORS = [
    Operator("linear", (7, 12), 5),
    CONV,
    Operator("conv2d", (16, 5, 5), 8, kernel=(1, 1)),
    Operator("conv2d", (12, 6, 6), 12, kernel=(3, 3), padding=(1, 1, 1, 1), groups=12),
    Operator("conv2d", (12, 6, 6), 8, kernel=(3, 3), padding=(1, 1, 1, 1), groups=4, bias=True),
    Operator("conv_transpose2d", (6, 4, 5), 9, kernel=(3, 3), stride=(2, 2), groups=3),
    Operator("matmul", (3, 7, 4), others=((3, 4, 5),)),
    Operator("attention", (10, 24), length=13, heads=3),
    Operator("fused", fused=(Operator("linear", (7, 12), 5), Operator("activation", (7, 5), function="relu"))),
]


def direct(images: np.ndarray, weights: np.ndarray, op: Operator) -> np.ndarray:
    """A convolution by its definition, output element by output element."""
    top, left, bottom, right = op.padding
    padded = np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)))
    result = np.zeros((images.shape[0], *op.output_shape))
    for y, x in np.ndindex(*op.output_shape[1:]):
        rows = y * op.stride[0] + np.arange(op.kernel[0]) * op.dilation[0]
        cols = x * op.stride[1] + np.arange(op.kernel[1]) * op.dilation[1]
        patch = padded[:, :, rows[:, None], cols[None, :]]
        result[:, :, y, x] = np.einsum("ncij,ocij->no", patch, weights)
    return result


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.kind)
@pytest.mark.parametrize("samples", [1, 3])
def test_dense_macs_are_exact(op: Operator, samples: int) -> None:
    assert sum(one.macs for one in lower(op, samples)) == op.macs * samples


@pytest.mark.parametrize("op", [CONV, *OPERATORS[2:5]])
def test_unfolded_convolution_is_the_convolution(op: Operator) -> None:
    rng = np.random.default_rng(3)
    shape = (2, *op.shape)
    images = rng.normal(size=shape) * (rng.random(shape) < 0.4)
    kernels = rng.normal(size=(op.out_channels, op.shape[0] // op.groups, *op.kernel))
    kernels *= rng.random(kernels.shape) < 0.3
    (layer,) = lower(op, 2)
    assert layer.window is not None
    for weights, part, whole in zip(
        weight_matrix(kernels, op), np.split(images, op.groups, axis=1), np.split(kernels, op.groups), strict=True
    ):
        unfolded = unfold(part, layer.window)
        assert weights.shape == (layer.rows, layer.inner)
        assert unfolded.shape == (layer.inner, layer.cols)
        product = (weights @ unfolded).toarray().reshape(layer.rows, 2, *op.output_shape[1:]).swapaxes(0, 1)
        np.testing.assert_allclose(product, direct(part, whole, layer.window), atol=1e-12)


def test_transposed_convolution_of_torch() -> None:
    torch = pytest.importorskip("torch")
    op = Operator("conv_transpose2d", (6, 4, 5), 9, kernel=(3, 3), stride=(3, 3), groups=3)
    generator = torch.Generator().manual_seed(5)
    image, kernel = torch.randn(1, 6, 4, 5, generator=generator), torch.randn(6, 3, 3, 3, generator=generator)
    expected = torch.nn.functional.conv_transpose2d(image, kernel, stride=3, groups=3)[0].numpy()
    parts = []
    for weights, pixels in zip(weight_matrix(kernel.numpy(), op), np.split(image[0].numpy(), 3), strict=True):
        taps = (weights @ pixels.reshape(2, 20)).reshape(3, 3, 3, 4, 5)  # stride = kernel: the taps do not overlap
        parts.append(taps.transpose(0, 3, 1, 4, 2).reshape(3, 12, 15))
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-4, atol=1e-5)


def test_linear_weights_are_as_torch_keeps_them() -> None:
    rng = np.random.default_rng(0)
    tokens, weights = rng.normal(size=(7, 12)), rng.normal(size=(5, 12))
    (matrix,) = weight_matrix(weights, OPERATORS[0])
    np.testing.assert_allclose((matrix @ tokens.T).T, tokens @ weights.T)


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 1.0])
def test_random_operands_have_the_densities_and_the_seed(density: float) -> None:
    op = Operator("conv2d", (32, 20, 20), 48, kernel=(1, 1), weight_density=0.25, activation_density=density)
    (layer,) = lower(op, 2)
    weights, activations = random_operands(layer, 7)
    again = random_operands(layer, 7)
    assert (abs(weights - again[0]).nnz, abs(activations - again[1]).nnz) == (0, 0)
    assert abs(weights - random_operands(layer, 8)[0]).nnz > 0
    total = layer.inner * layer.cols
    assert abs(activations.nnz - density * total) <= 4 * np.sqrt(total * density * (1 - density))
    assert weights.nnz == pytest.approx(0.25 * 32 * 48, rel=0.15)


def test_padding_thins_the_activations_as_coverage_says() -> None:
    op = Operator("conv2d", (16, 7, 7), 8, kernel=(3, 3), padding=(1, 1, 1, 1))
    (layer,) = lower(op)
    assert random_operands(layer)[1].nnz / (layer.inner * layer.cols) == pytest.approx(layer.coverage)
    assert layer.coverage == pytest.approx((19 / 21) ** 2)


def test_densities_reach_the_parts_of_a_fused_operator() -> None:
    changed = with_densities(OPERATORS[-1], 0.1, None)
    assert [part.weight_density for part in changed.parts] == [0.1, 0.1]
    assert [part.activation_density for part in changed.parts] == [1.0, 1.0]
    with pytest.raises(WorkloadError, match="within 0 and 1"):
        with_densities(CONV, 1.5, None)


def test_what_cannot_be_lowered_is_named() -> None:
    with pytest.raises(WorkloadError, match=r"cannot run light_conv of shape \(10, 8\)"):
        lower(Operator("light_conv", (10, 8), kernel=(3,), heads=2))
    assert lower(Operator("norm", (10, 8), function="layer")) == ()
    with pytest.raises(WorkloadError, match=r"weights of shape \(5, 11\), expected \(5, 12\)"):
        weight_matrix(np.ones((5, 11)), OPERATORS[0])
    with pytest.raises(WorkloadError, match="no weight matrix"):
        weight_matrix(np.ones((5, 11)), OPERATORS[6])
    with pytest.raises(WorkloadError, match=r"images of shape \(1, 4, 4, 4\)"):
        unfold(np.ones((1, 4, 4, 4)), CONV)
