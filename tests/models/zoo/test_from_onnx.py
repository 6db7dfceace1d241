"""ONNX files read as operators: the counts and operators of the networks written down by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402

from models.zoo import registry  # noqa: E402
from models.zoo.builder import Builder  # noqa: E402
from models.zoo.from_onnx import from_onnx  # noqa: E402
from sim.errors import InputError, WorkloadError  # noqa: E402
from sim.fusion import fuse  # noqa: E402


class Model:
    """Collects nodes and weights; `save` writes the file."""

    def __init__(self, *shape: int | str, dtype: Any = np.float32) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.dtype = dtype
        self.shape = shape
        self.last = "x"

    def weight(self, *shape: int, dtype: Any = None) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.zeros(shape, dtype or self.dtype), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        self.last = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [self.last], **attributes))
        return self.last

    def save(self, folder: Path) -> Path:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        inputs = [helper.make_tensor_value_info("x", kind, self.shape)]
        given = kind if np.dtype(self.dtype).kind == "f" else helper.np_dtype_to_tensor_dtype(np.dtype(np.float32))
        outputs = [helper.make_tensor_value_info(self.last, given, None)]
        graph = helper.make_graph(self.nodes, "net", inputs, outputs, self.weights)
        path = folder / "net.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
        return path


def mobile(dtype: Any = np.float32, batch: int | str = "N") -> Model:
    """Stem, depthwise, squeeze-and-excite, projection with a residual sum, head."""
    m = Model(batch, 3, 32, 32, dtype=dtype)
    x = m.add("Conv", "x", m.weight(8, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    x = m.add("BatchNormalization", x, *(m.weight(8) for _ in range(4)))
    x = m.add("HardSwish", x)
    y = m.add("Conv", x, m.weight(8, 1, 5, 5), pads=[2] * 4, group=8)
    y = m.add("Clip", y, m.weight(), m.weight())
    s = m.add("GlobalAveragePool", y)
    s = m.add("Relu", m.add("Conv", s, m.weight(2, 8, 1, 1), m.weight(2)))
    s = m.add("HardSigmoid", m.add("Conv", s, m.weight(8, 2, 1, 1), m.weight(8)))
    y = m.add("Conv", m.add("Mul", y, s), m.weight(8, 8, 1, 1))
    x = m.add("Flatten", m.add("GlobalAveragePool", m.add("Add", y, x)))
    m.add("Gemm", x, m.weight(10, 8), m.weight(10), transB=1)
    return m


def test_a_mobile_network_is_what_is_written_down(tmp_path: Path) -> None:
    net = Builder(3, 32, 32)
    x = net.activation(net.norm(net.conv(net.input, 8, 3, 2)), "h_swish")
    y = net.activation(net.conv(x, 8, 5, groups=8), "relu6")
    y = net.conv(net.squeeze_excite(y, 2, "relu", "h_sigmoid"), 8, 1)
    net.linear(net.pool_to(net.add(y, x)), 10)
    written, read = net.build(), from_onnx(mobile().save(tmp_path))
    assert read == written
    assert fuse(read) == fuse(written)


def test_the_registry_takes_a_file_for_a_name(tmp_path: Path) -> None:
    path = mobile().save(tmp_path)
    assert registry.lower(str(path)) == from_onnx(path)


def test_a_fixed_batch_of_one_and_a_free_one_are_the_same(tmp_path: Path) -> None:
    free = from_onnx(mobile(batch="N").save(tmp_path))
    assert free == from_onnx(mobile(batch=1).save(tmp_path))


def test_half_precision_files_have_half_the_bytes(tmp_path: Path) -> None:
    wide, half = (from_onnx(mobile(dtype).save(tmp_path)) for dtype in (np.float32, np.float16))
    assert half.macs == wide.macs
    assert [2 * op.bytes_read for op in half.operators] == [op.bytes_read for op in wide.operators]
    assert 2 * half.peak_activation_bytes == wide.peak_activation_bytes


def test_quantised_files_have_narrow_weights_and_activations(tmp_path: Path) -> None:
    m = Model(1, 4, 8, 8)
    scale, zero = m.weight(), m.weight(dtype=np.uint8)
    narrow = m.add("DequantizeLinear", m.add("QuantizeLinear", "x", scale, zero), scale, zero)
    weight = m.add("DequantizeLinear", m.weight(6, 4, 3, 3, dtype=np.int8), scale, m.weight(dtype=np.int8))
    m.add("Relu", m.add("Conv", narrow, weight))
    conv, relu = from_onnx(m.save(tmp_path)).operators
    assert (conv.weight_bits, conv.activation_bits, conv.weight_bytes) == (8, 8, 6 * 4 * 9)
    assert relu.activation_bits == 8


def test_attention_of_products(tmp_path: Path) -> None:
    m = Model(1, 10, 64)
    parts = [
        m.add("Transpose", m.add("Reshape", m.add("MatMul", "x", m.weight(64, 64)), shape(m)), perm=[0, 2, 1, 3])
        for _ in "qv"
    ]
    key = m.add("Transpose", m.add("Reshape", m.add("MatMul", "x", m.weight(64, 64)), shape(m)), perm=[0, 2, 3, 1])
    scores = m.add("Softmax", m.add("Div", m.add("MatMul", parts[0], key), m.weight()))
    m.add("MatMul", scores, parts[1])
    network = from_onnx(m.save(tmp_path))
    assert network.macs == 3 * 10 * 64 * 64 + 2 * 10 * 10 * 64
    assert network.params == 3 * 64 * 64


def shape(m: Model) -> str:
    name = f"s{len(m.weights)}"
    m.weights.append(numpy_helper.from_array(np.array([1, 10, 4, 16]), name))
    return name


@pytest.mark.parametrize(("mode", "out"), [("SAME_UPPER", 4), ("SAME_LOWER", 4), ("VALID", 3), ("NOTSET", 3)])
def test_automatic_padding(tmp_path: Path, mode: str, out: int) -> None:
    m = Model(1, 2, 8, 8)
    m.add("Conv", "x", m.weight(2, 2, 3, 3), strides=[2, 2], auto_pad=mode)
    (op,) = from_onnx(m.save(tmp_path)).operators
    assert op.output_shape == (2, out, out)
    assert op.padding[:2] == ((1, 1) if mode == "SAME_LOWER" else (0, 0))


def test_weights_used_twice_and_tables(tmp_path: Path) -> None:
    m = Model(1, 4, 8, 8)
    weight = m.weight(4, 4, 3, 3)
    m.add("Conv", m.add("Conv", "x", weight, pads=[1] * 4), weight, pads=[1] * 4)
    network = from_onnx(m.save(tmp_path))
    assert [op.tied for op in network.operators] == [False, True]
    assert (network.params, network.idle_params) == (144, 0)


def test_pools_joins_and_tables(tmp_path: Path) -> None:
    m = Model(1, 4, 9, 9)
    left = m.add("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    right = m.add("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2])
    tall = m.add("Concat", m.add("Concat", left, right, axis=1), m.add("Concat", right, left, axis=1), axis=2)
    m.weights.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    m.add("ReduceMean", m.add("Softmax", m.add("Pad", tall, axes_of(m))), "axes")
    network = from_onnx(m.save(tmp_path))
    assert [(op.kind, op.function) for op in network.operators] == [
        ("pool", "max_ceil"),
        ("pool", "avg"),
        ("concat", ""),
        ("concat", ""),
        ("elementwise", "copy"),
        ("elementwise", "copy"),
        ("softmax", ""),
        ("pool", "mean"),
    ]
    assert [op.output_shape for op in network.operators][-2:] == [(8, 10, 6), (8, 1, 1)]
    m = Model(1, 5, dtype=np.int64)
    m.add("LayerNormalization", m.add("Gather", m.weight(50, 8, dtype=np.float32), "x"), m.weight(8, dtype=np.float32))
    table, norm = from_onnx(m.save(tmp_path)).operators
    assert (table.kind, table.params, table.output_shape) == ("embedding", 400, (5, 8))
    assert (norm.function, norm.affine) == ("layer", True)


def axes_of(m: Model) -> str:
    """Padding of one pixel left and right."""
    m.weights.append(numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads"))
    return "pads"


def test_transposed_and_resized(tmp_path: Path) -> None:
    m = Model(1, 8, 5, 5)
    x = m.add("ConvTranspose", "x", m.weight(8, 4, 3, 3), strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])
    m.weights.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))
    m.add("Resize", x, "", "scales", mode="nearest")
    up, resize = from_onnx(m.save(tmp_path)).operators
    assert (up.kind, up.output_shape, up.macs) == ("conv_transpose2d", (4, 10, 10), 25 * 8 * 4 * 9)
    assert (resize.kind, resize.size) == ("resize", (20, 20))


def test_refusals(tmp_path: Path) -> None:
    m = Model(1, 4, 8, 8)
    m.add("NonMaxSuppression", "x", "x")
    with pytest.raises((WorkloadError, InputError), match="NonMaxSuppression"):
        from_onnx(m.save(tmp_path))
    m = Model(1, 4, "height", 8)
    m.add("Relu", "x")
    with pytest.raises(WorkloadError, match="the shape of 'x' is not fixed"):
        from_onnx(m.save(tmp_path))
    m = Model(8, 4, 8, 8)
    m.add("Relu", "x")
    with pytest.raises(WorkloadError, match="fixed to a batch of 8"):
        from_onnx(m.save(tmp_path))
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"bad\.onnx' is no ONNX model"):
        from_onnx(tmp_path / "bad.onnx")
    with pytest.raises(InputError, match=r"cannot read .*none\.onnx"):
        from_onnx(tmp_path / "none.onnx")
