"""Any torch module as operators: it is run once on an example input, and every operation that torch carries out is
written down with its shapes.

The run is on meta tensors, which have shapes and no values; a module whose control flow asks for values is run for
real. What torch fuses or decomposes is seen as torch carries it out. Views cost nothing and are left out. Whether
something was a module or a function of its own is not seen, so rules that depend on it (`thop`, `ptflops`) are
approximate here, and means over a plane count as means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from models.zoo.aten import ATEN, COMPUTE, FREE, Call, attention
from sim.errors import WorkloadError, nearest
from sim.network import INPUT, Network
from sim.operator import Operator

if TYPE_CHECKING:
    import torch


def from_torch(module: torch.nn.Module, *examples: torch.Tensor) -> Network:
    """The operators that `module` runs on `examples`, tensors for one sample (first axis 1), in inference.

    Parameters used twice count once; those that no operator holds (a positional table, an unused head) are
    `idle_params`. Raises WorkloadError naming an operation that has no operator, or the example that is no single
    sample.
    """
    import torch

    for example in examples:
        if example.ndim < 1 or example.shape[0] != 1:
            raise WorkloadError(f"an example must be one sample, first axis 1; got shape {tuple(example.shape)}")
    training = [one for one in module.modules() if one.training]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    module.eval()
    try:
        with torch.no_grad():
            tape = _run_on_meta(module, examples) or _run(module, list(module.parameters()), module, examples)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for one in training:
            one.training = True
    held = sum(op.params for op in tape.operators)
    total = sum(parameter.numel() for parameter in module.parameters())
    return Network(tuple(tape.operators), tuple(tape.inputs), idle_params=max(0, total - held))


class _Tape:
    """Operators so far; which of them each tensor comes from; which parameter each weight is, or is a view of."""

    def __init__(self, parameters: Iterable[Any]) -> None:
        self.operators: list[Operator] = []
        self.inputs: list[tuple[int, ...]] = []
        self._roots = {id(parameter): id(parameter) for parameter in parameters}
        self._used: set[int] = set()
        self._kept: list[Any] = []  # so that an identity stays a tensor's own
        self._sources: dict[int, int] = {}
        self.muted = False

    def see(self, tensor: Any, source: int = INPUT) -> None:
        """`tensor` comes from operator `source`."""
        self._kept.append(tensor)
        self._sources[id(tensor)] = source

    def source(self, tensor: Any) -> int | None:
        """The operator that gave `tensor`; None for parameters and constants."""
        return self._sources.get(id(tensor))

    def alias(self, view: Any, base: Any) -> None:
        """`view` shows what `base` holds."""
        self._kept.append(view)
        if id(base) in self._roots:
            self._roots[id(view)] = self._roots[id(base)]
        if id(base) in self._sources:
            self._sources[id(view)] = self._sources[id(base)]

    def use(self, weight: Any) -> bool:
        """Whether this parameter was used before; it is now. Constants never were."""
        root = self._roots.get(id(weight))
        before = root in self._used
        if root is not None:
            self._used.add(root)
        return before

    def add(self, op: Operator, tensors: Iterable[Any], result: Any) -> None:
        """`op` takes from `tensors` and gives `result`."""
        sources = [source for tensor in tensors if (source := self.source(tensor)) is not None]
        self.operators.append(op)
        self.inputs.append(tuple(dict.fromkeys(sources)))
        for one in result if isinstance(result, tuple | list) else (result,):
            self.see(one, len(self.operators) - 1)


def _run_on_meta(module: Any, examples: tuple[Any, ...]) -> _Tape | None:
    """A run without values, or None where the module needs them."""
    import torch

    def empty(tensor: Any) -> Any:
        return torch.empty_like(tensor, device="meta")

    moved: dict[int, Any] = {}
    state: dict[str, Any] = {}
    for name, tensor in (
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ):
        state[name] = moved.setdefault(id(tensor), empty(tensor))
    parameters = [moved[id(parameter)] for parameter in module.parameters()]

    def call(*inputs: Any) -> Any:
        return torch.func.functional_call(module, state, inputs, tie_weights=False)

    try:
        return _run(module, parameters, call, tuple(empty(example) for example in examples))
    except WorkloadError:
        raise
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return None


def _run(module: Any, parameters: list[Any], call: Callable[..., Any], examples: tuple[Any, ...]) -> _Tape:
    from torch.nn import functional
    from torch.utils._python_dispatch import TorchDispatchMode

    tape = _Tape(parameters)
    for example in examples:
        tape.see(example)

    class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if not tape.muted:
                record(tape, func, args, kwargs or {}, result)
            return result

    decomposed = functional.scaled_dot_product_attention

    def whole(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        tape.muted = True
        result = decomposed(query, key, value, *args, **kwargs)
        tape.muted = False
        tape.add(attention(query, key), (query, key, value), result)
        return result

    functional.scaled_dot_product_attention = whole  # attention is one operator, however this device decomposes it
    try:
        with Recorder():  # type: ignore[no-untyped-call]
            call(*examples)
    finally:
        functional.scaled_dot_product_attention = decomposed
    return tape


def record(tape: _Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """Write one operation down. Raises WorkloadError naming an operation that has no operator."""
    import torch

    name = func.overloadpacket.__name__
    tensors = [one for arg in args for one in (arg if isinstance(arg, list | tuple) else (arg,))]
    tensors = [one for one in tensors if isinstance(one, torch.Tensor)]
    results = [one for one in (result if isinstance(result, tuple | list) else (result,)) if torch.is_tensor(one)]
    constant = name not in COMPUTE and all(tape.source(tensor) is None for tensor in tensors)
    if constant or func.is_view or name.rstrip("_") in FREE:
        for one in results if tensors else ():
            tape.alias(one, tensors[0])
        return
    make = ATEN.get(name) or ATEN.get(name.rstrip("_"))
    if make is None:
        raise WorkloadError(f"torch operation {name!r} has no operator{nearest(name, ATEN)}")
    op = make(Call(func, args, kwargs, results[0], tape))
    if results[0].is_floating_point() and results[0].element_size() != 4:
        op = op.with_bits(8 * results[0].element_size(), 8 * results[0].element_size())
    tape.add(op, tensors, result)
