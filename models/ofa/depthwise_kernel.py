"""The compiled part of `models.ofa.depthwise`."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.jit import njit

Array = np.ndarray[Any, np.dtype[np.float32]]


@njit
def split_columns(x: Array, stride: int) -> Array:
    """(N, H, W, C) to (N, H, stride, columns x C): columns r, r + stride, r + 2 stride … side by side, then zeros."""
    count, height, width, channels = x.shape
    columns = (width + stride - 1) // stride
    if stride == 1:
        return x.reshape(count, height, 1, width * channels)
    out = np.zeros((count, height, stride, columns * channels), np.float32)
    for n in range(count):
        for row in range(height):
            for column in range(width):
                place = column // stride * channels
                out[n, row, column % stride, place : place + channels] = x[n, row, column]
    return out


@njit
def add_rows(x: Array, gradient: Array, stride: int, sums: Array) -> None:
    """Add to sums (K, K, W' x C) what each output pixel and channel gives to each weight.

    x: as of `split_columns`. gradient: (N, H', W', C).
    """
    count, height, _, length = x.shape
    _, rows, columns, channels = gradient.shape
    kernel = sums.shape[0]
    pad, split = kernel // 2, length // channels
    for i in range(kernel):
        for n in range(count):
            for y in range(rows):
                row = stride * y + i - pad
                if row < 0 or row >= height:
                    continue
                outer = gradient[n, y].reshape(columns * channels)
                for j in range(kernel):
                    shift, phase = (j - pad) // stride, (j - pad) % stride  # towards minus infinity
                    first = max(0, -shift) * channels
                    last = max(first, min(columns, split - shift) * channels)  # none where the kernel is wider
                    begin = first + shift * channels
                    total, one = sums[i, j, first:last], outer[first:last]
                    other = x[n, row, phase, begin : begin + last - first]
                    for place in range(total.size):
                        total[place] += one[place] * other[place]
