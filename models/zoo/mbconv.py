"""The inverted bottleneck that mobile networks are made of, as one record, and its lowering to operators.

1x1 expansion (left out where the middle is as wide as the input), depthwise convolution, squeeze-and-excite where asked
for, 1x1 projection without activation; the input is added where stride is 1 and widths agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.zoo.builder import Builder, Tensor


@dataclass(frozen=True, slots=True)
class MBConv:
    """One block. mid: channels of the depthwise convolution. squeezed: of squeeze-and-excite, 0 for none."""

    out: int
    mid: int
    kernel: int
    stride: int = 1
    function: str = "relu6"
    squeezed: int = 0
    squeeze_function: str = "relu"
    gate: str = "h_sigmoid"
    skip: bool = True

    def lower(self, to: Builder, x: Tensor) -> Tensor:
        """Add the operators of this block."""
        y = x
        if self.mid != x.shape[0]:
            y = to.conv_norm(y, self.mid, 1, function=self.function)
        y = to.conv_norm(y, self.mid, self.kernel, self.stride, function=self.function, groups=self.mid)
        if self.squeezed:
            y = to.squeeze_excite(y, self.squeezed, self.squeeze_function, self.gate)
        y = to.conv_norm(y, self.out, 1)
        if self.skip and self.stride == 1 and x.shape[0] == self.out:
            y = to.add(y, x)
        return y


def make_divisible(value: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `value`, at least `divisor`, and no less than 0.9 of `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded
