"""How fast this machine decodes and trains: with and without the decoder's state, against a plain PyTorch transformer.

Times are processor time of this process, the least of several runs, so a busy machine disturbs them little; with more
than one thread they are the sum over the threads.

    python -m models.lite_transformer.speed OUT.json [--run RUN] [--machine WORDS]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lite_transformer.batches import Batch, make_batch
from models.lite_transformer.config import ModelTable
from models.lite_transformer.counting import operators
from models.lite_transformer.decoding import pad
from models.lite_transformer.model import BEGIN, PAD, DecoderState, TextModel, sinusoids
from models.lite_transformer.training import summed_loss
from models.zoo.mac_rules import count
from sim.one_line import one_line_errors


class PlainTransformer(nn.Module):
    """`torch.nn.Transformer` with shared embeddings: what one writes in an afternoon."""

    def __init__(self, settings: ModelTable) -> None:
        super().__init__()
        self.embedding = nn.Embedding(settings.vocabulary, settings.width, padding_idx=PAD)
        self.inner = nn.Transformer(
            settings.width,
            settings.heads,
            settings.encoder_layers,
            settings.decoder_layers,
            settings.ratio * settings.width,
            settings.dropout,
            batch_first=True,
        )
        self.register_buffer("positions", sinusoids(settings.max_tokens, settings.width), persistent=False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits: (batch, length, vocabulary)."""
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        x = self.inner(self._embed(source), self._embed(target), tgt_mask=mask, tgt_is_causal=True)
        return functional.linear(x, self.embedding.weight)

    def _embed(self, tokens: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(tokens) + self.get_buffer("positions")[: tokens.shape[1]]
        return embedded


def decoding(model: TextModel, source: Sequence[int], tokens: int, repeats: int = 3) -> dict[str, float]:
    """Greedy decoding of `tokens` tokens at batch 1: tokens a second with the state, without it, and their ratio."""
    model.eval()
    memory, padding = model.encode(pad([source]))

    def with_state() -> None:
        state, last = DecoderState(len(model.decoder.layers)), torch.tensor([[BEGIN]])
        for _ in range(tokens):
            last = model.step(last, memory, padding, state).argmax(-1, keepdim=True)

    def without() -> None:
        row = torch.tensor([[BEGIN]])
        for _ in range(tokens):
            x = model.decoder(model.embed(row), memory, padding)
            row = torch.cat((row, model.logits(x[:, -1]).argmax(-1, keepdim=True)), dim=1)

    with torch.no_grad():
        fast, slow = least_s(with_state, repeats), least_s(without, repeats)
    rates = {"tokens_per_s": tokens / fast, "without_state_tokens_per_s": tokens / slow, "ratio": slow / fast}
    return {name: round(value, 3) for name, value in rates.items()}


def training_step(
    lite: ModelTable, plain: ModelTable, *, sentences: int, length: int, repeats: int = 3
) -> dict[str, Any]:
    """Forward and backward pass on one batch of both kinds: seconds, MACs at 30 tokens, and the plain one's time over
    ours for the network of equal MACs."""
    torch.manual_seed(0)
    rows = torch.randint(4, min(lite.vocabulary, plain.vocabulary), (sentences, length)).tolist()
    batch = make_batch([(row, row) for row in rows])
    ours, built, library = TextModel(lite), TextModel(plain), PlainTransformer(plain)
    times = {
        "lite_s": least_s(lambda: _pass(ours, batch), repeats),
        "transformer_s": least_s(lambda: _pass(built, batch), repeats),
        "torch_transformer_s": least_s(lambda: _pass(library, batch), repeats),
    }
    return {
        **{name: round(value, 5) for name, value in times.items()},
        "torch_over_lite": round(times["torch_transformer_s"] / times["lite_s"], 3),
        "lite_macs_30_tokens": count(operators(ours)),
        "transformer_macs_30_tokens": count(operators(built)),
    }


def _pass(model: nn.Module, batch: Batch) -> None:
    model.train()
    loss = summed_loss(model(batch.source, batch.inputs), batch.targets, 0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)


def least_s(run: Callable[[], None], repeats: int) -> float:
    """Least processor time of `repeats` runs after one more that warms up."""
    run()
    times = []
    for _ in range(max(1, repeats)):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times)


def measure(run: str | None = None, *, repeats: int = 5, sentences: int = 32, length: int = 30) -> dict[str, Any]:
    """Both figures of the mini networks of translation; decoding with the model of `run`, else with random weights,
    whose speed is the same. On one thread. Raises InputError."""
    from models.lite_transformer.checkpoint import load_model
    from models.lite_transformer.config import read_config
    from sim.mobile_cost.host_measure import limited_threads

    lite, plain = (read_config(f"mini-{kind}-translation").model for kind in ("lite", "transformer"))
    with limited_threads(1):
        torch.manual_seed(0)
        model = load_model(run)[0] if run is not None else TextModel(lite)
        source = torch.randint(4, model.settings.vocabulary, (length,)).tolist()
        decoded = decoding(model, source, length, repeats)
        step = training_step(lite, plain, sentences=sentences, length=length, repeats=repeats)
    return {
        "schema": "hwloop.text-speed/1",
        "threads": 1,
        "repeats": repeats,
        "decoding": {**decoded, "source": length, "tokens": length, "trained": run is not None},
        "training_step": {**step, "sentences": sentences, "length": length},
    }


def main() -> None:
    """The command of the docstring."""
    import json
    import platform
    from pathlib import Path

    import click

    from sim.files import write_text

    @click.command()
    @click.argument("out")
    @click.option("--run", metavar="DIR", help="A trained run, for decoding.")
    @click.option("--machine", metavar="WORDS", default=platform.machine(), help="Name of this machine.")
    def command(out: str, run: str | None, machine: str) -> None:
        """Measure; the record goes to the file OUT."""
        with one_line_errors():
            record = {**measure(run), "machine": machine}
            write_text(Path(out), json.dumps(record, indent=1) + "\n")
        click.echo(json.dumps(record, indent=1))

    command()


if __name__ == "__main__":
    main()
