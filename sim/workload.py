"""What networks ask of hardware: distinct operators x sparse counts, and the figures that no sum gives.

A batch of networks is a matrix of counts (networks x operators), so that an additive cost is one sparse product:
``cost = batch.total(cost of each operator)``. A search space repeats the same blocks in all its networks; such a batch
keeps its counts factored, (networks x blocks) @ (blocks x operators), and `total` multiplies from the right: the cost
of a block is computed once, however many networks hold it.

All totals are exact int64. Activations scale with the batch size of the context, weights do not.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sim.errors import WorkloadError, nearest
from sim.network import Network
from sim.operator import KINDS, Operator

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["DTYPE_BITS", "FEATURES", "KINDS", "Context", "Network", "Operator", "WorkloadBatch"]

FEATURES = ("peak_activation_bytes", "kernel_launches", "critical_path_operators", "serial_steps")
"""Columns that `WorkloadBatch.network_features` must have. Peak memory is for one sample. A column ``idle_params``
(parameters that no operator reads, such as a head that only training uses) may be left out where it is 0."""
_COLUMNS = (*FEATURES, "idle_params")
DTYPE_BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "int8": 8, "int4": 4}
Array = np.ndarray[Any, np.dtype[Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """How the networks run: samples at once, element type, CPU threads. Raises WorkloadError."""

    batch_size: int = 1
    dtype: str = "float32"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.dtype not in DTYPE_BITS:
            raise WorkloadError(f"no dtype {self.dtype!r}{nearest(str(self.dtype), DTYPE_BITS)}")
        if self.batch_size < 1 or self.threads < 1:
            raise WorkloadError(f"batch_size and threads are at least 1, got {self.batch_size} and {self.threads}")


class WorkloadBatch:
    """Networks by their counts of distinct operators.

    operators: distinct, in a fixed order. names: one for each network. network_features: column name (`FEATURES`) to an
    int64 array with a row for each network. context: how they run. Treat all of them as read-only.
    """

    def __init__(
        self,
        operators: Sequence[Operator],
        counts: csr_array,
        network_features: Mapping[str, Array],
        *,
        blocks: csr_array | None = None,
        context: Context | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """`counts` is networks x operators; with `blocks` (blocks x operators) it is networks x blocks.

        Raises WorkloadError where the sizes do not fit or a column is missing.
        """
        self.operators = tuple(operators)
        self.context = context or Context()
        self._left, self._blocks = counts, blocks
        self.network_features = {name: np.asarray(network_features[name], np.int64) for name in FEATURES}
        idle = network_features.get("idle_params", np.zeros(counts.shape[0]))
        self.network_features["idle_params"] = np.asarray(idle, np.int64)
        self._names = tuple(names) if names is not None else None
        inner = counts if blocks is None else blocks
        if inner.shape[1] != len(self.operators) or (blocks is not None and counts.shape[1] != blocks.shape[0]):
            raise WorkloadError(f"counts of shape {counts.shape} do not fit {len(self.operators)} operators")
        lengths = {name: len(column) for name, column in self.network_features.items()} | {"names": len(self.names)}
        for name, length in lengths.items():
            if length != len(self):
                raise WorkloadError(f"{name}: {length} rows for {len(self)} networks")

    @classmethod
    def of(
        cls,
        networks: Iterable[Network | Sequence[Operator]],
        *,
        context: Context | None = None,
        names: Sequence[str] | None = None,
    ) -> WorkloadBatch:
        """A batch of networks, or of plain lists of operators (then each takes from the one before it).

        Operators keep their own element widths, whatever `context` says: `with_context` changes them.
        """
        from scipy.sparse import csr_array

        nets = [one if isinstance(one, Network) else Network.chain(one) for one in networks]
        column: dict[Operator, int] = {}
        indices = [column.setdefault(op, len(column)) for net in nets for op in net.operators]
        indptr = np.concatenate([[0], np.cumsum([len(net) for net in nets], dtype=np.int64)]).astype(np.int64)
        counts = csr_array(
            (np.ones(len(indices), np.int64), np.array(indices, np.int64), indptr), (len(nets), len(column))
        )
        counts.sum_duplicates()
        features = {name: np.array([getattr(net, name) for net in nets], np.int64) for name in _COLUMNS}
        return cls(tuple(column), counts, features, context=context, names=names)

    def __len__(self) -> int:
        return int(self._left.shape[0])

    @property
    def names(self) -> Sequence[str]:
        """Names of the networks; their positions where none were given."""
        return self._names if self._names is not None else _Positions(len(self))

    @functools.cached_property
    def counts(self) -> csr_array:
        """Networks x operators, int64. A factored batch is multiplied out here, so ask `total` where that will do."""
        return self._left if self._blocks is None else (self._left @ self._blocks).tocsr()

    def total(self, values: Array) -> Array:
        """Sum over the operators of each network: `values` is (operators,) or (operators, k); exact for integers."""
        column = np.asarray(values)
        if column.shape[0] != len(self.operators):
            raise WorkloadError(f"{column.shape[0]} values for {len(self.operators)} operators")
        return self.sum_blocks(self.by_block(column))

    def by_block(self, values: Array) -> Array:
        """Sum of `values` over the operators of each block; `values` itself where the batch is not factored."""
        sums: Array = values if self._blocks is None else self._blocks @ values
        return sums

    def sum_blocks(self, sums: Array) -> Array:
        """Sum of what `by_block` gave over the blocks of each network."""
        product: Array = self._left @ sums
        return product

    def kept(self, owner: object, name: Hashable, compute: Callable[[], T]) -> T:
        """What follows from the operators, the context, `owner` (by identity) and `name` alone: computed once for all
        batches that `with_networks` makes of one another."""
        key = (id(owner), name)
        if key not in self._kept:
            self._kept[key] = (owner, compute())  # the owner stays alive, so that its id stays its own
        found: T = self._kept[key][1]
        return found

    def _sum_of(self, name: str) -> Array:
        return self.sum_blocks(self.kept(None, name, lambda: self.by_block(self.operator_values(name))))

    def largest(self, values: Array) -> Array:
        """Largest over the operators of each network: `values` is (operators,), none negative; 0 without operators."""
        column = np.asarray(values)
        for matrix in (self._left,) if self._blocks is None else (self._blocks, self._left):
            rows = np.flatnonzero(np.diff(matrix.indptr))
            found = np.zeros(matrix.shape[0], column.dtype)
            found[rows] = np.maximum.reduceat(column[matrix.indices], matrix.indptr[rows]) if len(rows) else 0
            column = found
        return column

    def operator_values(self, name: str) -> Array:
        """An integer property of `Operator` (macs, params, weight_bytes, input_bytes…) for each operator, kept."""
        if name not in self._columns:
            self._columns[name] = np.array([getattr(op, name) for op in self.operators], np.int64)
        return self._columns[name]

    @functools.cached_property
    def _columns(self) -> dict[str, Array]:
        return {}

    @functools.cached_property
    def _kept(self) -> dict[Hashable, tuple[object, Any]]:
        return {}

    @property
    def macs(self) -> Array:
        """Multiply-accumulates of each network, all samples of the batch."""
        macs: Array = self._sum_of("macs") * self.context.batch_size
        return macs

    @property
    def params(self) -> Array:
        """Trained parameters of each network, those that inference never reads included."""
        params: Array = self._sum_of("params") + self.network_features["idle_params"]
        return params

    @property
    def weight_bytes(self) -> Array:
        """Bytes of weights read: once for the whole batch."""
        weights: Array = self._sum_of("weight_bytes")
        return weights

    @property
    def bytes_read(self) -> Array:
        """Weights once, incoming activations for every sample."""
        read: Array = self.weight_bytes + self._sum_of("input_bytes") * self.context.batch_size
        return read

    @property
    def bytes_written(self) -> Array:
        """Activations written, all samples of the batch."""
        written: Array = self._sum_of("bytes_written") * self.context.batch_size
        return written

    @property
    def peak_activation_bytes(self) -> Array:
        """Peak of live activations, all samples of the batch."""
        return self.network_features["peak_activation_bytes"] * self.context.batch_size

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 of operators, counts, network features and context; not of the names."""
        digest = hashlib.sha256(repr((self.operators, asdict(self.context))).encode())
        for matrix in (self._left, self._blocks):
            if matrix is not None:
                for part in (matrix.data, matrix.indices, matrix.indptr):
                    digest.update(np.ascontiguousarray(part, np.int64).tobytes())
        for name in _COLUMNS:
            digest.update(np.ascontiguousarray(self.network_features[name]).tobytes())
        return digest.hexdigest()

    def select(self, rows: Any) -> WorkloadBatch:
        """Some of the networks: whatever indexes a NumPy array along its first axis."""
        index = np.atleast_1d(np.arange(len(self))[rows])
        features = {name: column[index] for name, column in self.network_features.items()}
        names = [self._names[row] for row in index] if self._names is not None else None
        chosen = WorkloadBatch(
            self.operators, self._left[index], features, blocks=self._blocks, context=self.context, names=names
        )
        chosen._columns.update(self._columns)
        return chosen

    def with_networks(self, counts: csr_array, network_features: Mapping[str, Array]) -> WorkloadBatch:
        """Other networks of the same operators (or blocks, where there are any), in the same context; what is `kept` is
        shared, so that pricing them costs no more than a sparse product."""
        others = WorkloadBatch(self.operators, counts, network_features, blocks=self._blocks, context=self.context)
        others.__dict__.update(_columns=self._columns, _kept=self._kept)
        return others

    def with_context(self, context: Context) -> WorkloadBatch:
        """The same networks under another batch size, dtype or thread count; a new dtype changes element widths."""
        features, operators = dict(self.network_features), self.operators
        if context.dtype != self.context.dtype:
            bits, before = DTYPE_BITS[context.dtype], DTYPE_BITS[self.context.dtype]
            operators = tuple(op.with_bits(bits, bits) for op in operators)
            features["peak_activation_bytes"] = -(-features["peak_activation_bytes"] * bits // before)
        return WorkloadBatch(operators, self._left, features, blocks=self._blocks, context=context, names=self._names)

    def with_names(self, names: Sequence[str]) -> WorkloadBatch:
        """The same networks under other names."""
        named = WorkloadBatch(
            self.operators, self._left, self.network_features, blocks=self._blocks, context=self.context, names=names
        )
        named._columns.update(self._columns)
        return named

    @staticmethod
    def concatenate(batches: Sequence[WorkloadBatch]) -> WorkloadBatch:
        """All networks of `batches`, in order. Raises WorkloadError where there are none or contexts differ."""
        from scipy.sparse import csr_array, vstack

        if not batches or any(one.context != batches[0].context for one in batches):
            raise WorkloadError("batches to join must exist and share one context")
        column: dict[Operator, int] = {}
        moved = []
        for one in batches:
            place = np.array([column.setdefault(op, len(column)) for op in one.operators], np.int64)
            moved.append((one.counts, place))
        stacked = [
            csr_array((part.data, place[part.indices], part.indptr), (part.shape[0], len(column)))
            for part, place in moved
        ]
        features = {name: np.concatenate([one.network_features[name] for one in batches]) for name in _COLUMNS}
        named = any(one._names is not None for one in batches)
        names = [name for one in batches for name in one.names] if named else None
        counts = csr_array(vstack(stacked, format="csr"))
        counts.sum_duplicates()
        return WorkloadBatch(tuple(column), counts, features, context=batches[0].context, names=names)

    def __repr__(self) -> str:
        return f"WorkloadBatch({len(self)} networks, {len(self.operators)} operators, {replace(self.context)})"


class _Positions(Sequence[str]):
    """``"0"``, ``"1"``… as names of networks without any, made when asked for."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: Any) -> Any:
        found = range(self._length)[position]
        return [str(one) for one in found] if isinstance(position, slice) else str(found)
