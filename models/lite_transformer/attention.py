"""Multi-head attention with bias, for whole sentences and step by step.

In a decoder the keys and values of what came before are kept in a `State`, those of the source are projected once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sim.errors import ConfigError

State = dict[str, Tensor]
"""What one part of a layer keeps between steps: tensors with the sentence (or hypothesis) as first axis."""


class Attention(nn.Module):
    """Queries, keys, values and output at one width. Raises ConfigError where `heads` does not divide `width`."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            close = max(d for d in range(1, max(1, min(heads, width)) + 1) if width % d == 0)
            raise ConfigError(f"{heads} heads do not divide a width of {width}; nearest: {close}")
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        for one in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(one.weight, gain=2**-0.5)
        nn.init.xavier_uniform_(self.out.weight)
        for one in (self.query, self.key, self.value, self.out):
            nn.init.zeros_(one.bias)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        *,
        padding: Tensor | None = None,
        causal: bool = False,
        state: State | None = None,
    ) -> Tensor:
        """x: (batch, length, width). memory: what is attended to (x itself if None). padding: (batch, positions), True
        where there is no token. state: of this part; x is then what comes after it."""
        query = self._split(self.query(x))
        key, value = self._keys_values(x, memory, state)
        causal = causal and x.shape[1] > 1
        mask = None if padding is None else ~padding[:, None, None, :]
        if causal and (mask is not None or key.shape[2] != x.shape[1]):
            ones = torch.ones(x.shape[1], key.shape[2], dtype=torch.bool, device=x.device)
            ahead = ones.tril(key.shape[2] - x.shape[1])
            mask, causal = ahead if mask is None else mask & ahead, False
        rate = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, mask, rate, is_causal=causal)
        result: Tensor = self.out(attended.transpose(1, 2).reshape(x.shape))
        return result

    def _keys_values(self, x: Tensor, memory: Tensor | None, state: State | None) -> tuple[Tensor, Tensor]:
        """Keys and values by head; those of a memory come from the state once they are there."""
        if memory is not None and state and "key" in state:
            return state["key"], state["value"]
        source = x if memory is None else memory
        key, value = self._split(self.key(source)), self._split(self.value(source))
        if state is not None:
            if memory is None and "key" in state:
                key, value = torch.cat((state["key"], key), dim=2), torch.cat((state["value"], value), dim=2)
            state["key"], state["value"] = key, value
        return key, value

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)
