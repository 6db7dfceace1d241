"""What compressed weights weigh: codes, index, codebooks and what stays float32, with and without embeddings; and the
published chain of the Lite Transformer, computed by the same code. Megabytes are 10**6 bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from models.compress.packing import Packed, raw
from models.compress.pipeline import Settings, compress

PUBLISHED_MB = {"transformer": 176.0, "lite": 69.2, "8 bit": 17.3, "8 bit, pruned": 9.7}
"""Wu et al., ICLR 2020 (figure): sizes without embeddings; published."""
PAPER_KEEP = 0.56
"""9.7 / 17.3: the share of weights that the published sizes imply, if no index was counted."""


def account(tensors: Mapping[str, Packed], embeddings: Sequence[str] = ()) -> dict[str, Any]:
    """Bytes by what they are, in all and without embeddings, and against float32."""
    body = {name: one for name, one in tensors.items() if name not in embeddings}
    return {"whole": _account(tensors), "without_embeddings": _account(body)}


def _account(tensors: Mapping[str, Packed]) -> dict[str, Any]:
    packed = [one for one in tensors.values() if one.form != "raw"]
    weights = sum(int(np.prod(one.shape, dtype=np.int64)) for one in tensors.values())
    found: dict[str, Any] = {
        "weights": weights,
        "float32_bytes": 4 * weights,
        "code_bytes": sum(one.value_bytes for one in packed),
        "index_bytes": sum(one.index_bytes for one in packed),
        "codebook_bytes": sum(one.codebook_bytes for one in packed),
        "raw_bytes": sum(one.bytes for one in tensors.values() if one.form == "raw"),
    }
    found["bytes"] = sum(found[part] for part in ("code_bytes", "index_bytes", "codebook_bytes", "raw_bytes"))
    found["ratio"] = round(found["float32_bytes"] / max(1, found["bytes"]), 3)
    return found


def paper_chain(transformer: nn.Module, lite: nn.Module, embeddings: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the published chain for these two networks: megabytes published, computed as weights alone (every
    parameter at its bits, nothing else), and computed as stored. Sizes only: the weights are random, no quality is
    behind them; where weights are pruned has the pattern of random weights."""
    rows = []
    for name, model, settings in (
        ("transformer", transformer, None),
        ("lite", lite, None),
        ("8 bit", lite, Settings(method="linear")),
        ("8 bit, pruned", lite, Settings(method="linear", keep=PAPER_KEEP)),
    ):
        if settings is None:
            tensors = {key: raw(one.detach().numpy()) for key, one in model.named_parameters()}
        else:
            tensors = compress(model, settings, embeddings=embeddings).tensors
        stored = account(tensors, embeddings)["without_embeddings"]
        bare = stored["float32_bytes"] / 4 * (1 if settings else 4) * (settings.keep if settings else 1)
        rows.append(
            {
                "row": name,
                "published_mb": PUBLISHED_MB[name],
                "weights_alone_mb": round(bare / 1e6, 2),
                "stored_mb": round(stored["bytes"] / 1e6, 2),
                **{part: stored[part] for part in ("code_bytes", "index_bytes", "codebook_bytes", "raw_bytes")},
            }
        )
    return rows
