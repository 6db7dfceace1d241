"""A depthwise convolution whose gradient by the weight is fast on a CPU for kernels of 5 x 5 and more.

    dL/dw[c, i, j] = sum over n, y, x of dL/dout[n, c, y, x] * in[n, c, s y + i - p, s x + j - p]

torch has fast code for 3 x 3 and for the other two products of any size; for this one, of 5 x 5 and more on planes in
channels-last layout, its code is mostly far slower. Here rows of a plane, all channels of all pixels one after the
other, are multiplied element by element and added up; pixels are summed at the end. Everything else is torch's.
NOT handled, and left to torch: other layouts, types and devices, dilation, more than one thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

FEWEST = 5
"""Least side of a kernel that the product here is used for."""


FEWEST_IMAGES = 16
"""Least images of a batch. A precaution: with 8 images a comparison with another package failed once, cause unknown."""


def depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """x (N, C, H, W) with weight (C, 1, K, K), padded by K // 2: (N, C, H', W'). Gradients are torch's to rounding."""
    if _serves(x, weight):
        found: Tensor = _Depthwise.apply(x, weight, stride)  # type: ignore[no-untyped-call]
        return found
    return functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=x.shape[1])


def _serves(x: Tensor, weight: Tensor) -> bool:
    return (
        weight.shape[-1] >= FEWEST
        and len(x) >= FEWEST_IMAGES
        and weight.requires_grad
        and torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.is_contiguous(memory_format=torch.channels_last)
        and torch.get_num_threads() == 1
    )


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        by_input = None
        if ctx.needs_input_grad[0]:
            stride, padding = [ctx.stride] * 2, [weight.shape[-1] // 2] * 2
            by_input = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, stride, padding, [1, 1], False, [0, 0], x.shape[1], [True, False, False]
            )[0]
        return by_input, weight_gradient(x, gradient, weight.shape[-1], ctx.stride), None


def weight_gradient(x: Tensor, gradient: Tensor, kernel: int, stride: int) -> Tensor:
    """dL/dw, (C, 1, K, K), of inputs (N, C, H, W) and dL/dout (N, C, H', W'), both float32 and channels last."""
    from models.ofa.depthwise_kernel import add_rows, split_columns

    planes, outer = (one.detach().permute(0, 2, 3, 1).numpy() for one in (x, gradient))
    sums = np.zeros((kernel, kernel, outer.shape[2] * outer.shape[3]), np.float32)
    add_rows(split_columns(planes, stride), outer, stride, sums)
    found = sums.reshape(kernel, kernel, outer.shape[2], outer.shape[3]).sum(axis=2)
    return torch.from_numpy(np.ascontiguousarray(found.transpose(2, 0, 1)[:, None]))
