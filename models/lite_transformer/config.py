"""Settings of a model, its text and its training: typed, validated, read from TOML.

Files by name ship in `configs` (``mini-lite-translation``, ``wmt-en-fr-c496`` …). Sources of the paper's figures: the
released code of Lite Transformer (Wu et al., ICLR 2020).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sim.errors import ConfigError, nearest
from sim.settings import Table, load_config, validate_config

Rate = Annotated[float, Field(ge=0, lt=1)]
Kernels = Annotated[tuple[int, ...], Field(strict=False)]


class ModelTable(Table):
    """The network. kernels: taps of each layer's convolution, 0 for plain self-attention. heads: of plain and
    cross-attention; branch_heads: of attention on half of the channels. ratio: hidden over outer width of the
    feed-forward part. encoder_layers 0: a language model. max_tokens: positions, end mark included."""

    width: int = Field(default=128, ge=2, le=8192)
    kernels: Kernels = (7, 15)
    encoder_layers: int = Field(default=2, ge=0, le=64)
    decoder_layers: int = Field(default=2, ge=1, le=64)
    ratio: int = Field(default=1, ge=1, le=16)
    heads: int = Field(default=8, ge=1)
    branch_heads: int = Field(default=4, ge=1)
    conv_heads: int = Field(default=4, ge=1)
    dynamic: bool = True
    glu: bool = True
    pre_norm: bool = False
    vocabulary: int = Field(default=4096, ge=8, le=1_000_000)
    max_tokens: int = Field(default=128, ge=4, le=65536)
    dropout: Rate = 0.1
    attention_dropout: Rate = 0.1
    weight_dropout: Rate = 0.1

    @model_validator(mode="after")
    def _fits(self) -> Self:
        layers = max(self.encoder_layers, self.decoder_layers)
        if len(self.kernels) < layers:
            raise ValueError(
                f"{len(self.kernels)} kernels for {layers} layers; nearest: one kernel a layer, 0 for none"
            )
        for taps in self.kernels:
            if taps < 0 or (taps and taps % 2 == 0):
                raise ValueError(f"a kernel of {taps} taps has no middle; nearest: {max(1, taps - 1)} or {taps + 1}")
        wants: list[tuple[str, int, int]] = []
        if not all(self.kernels[:layers]) or self.encoder_layers:
            wants.append(("heads", self.heads, self.width))
        if any(self.kernels):
            if self.width % 2:
                raise ValueError(f"width {self.width} has no halves; nearest: {self.width + 1}")
            half = self.width // 2
            wants += [("branch_heads", self.branch_heads, half), ("conv_heads", self.conv_heads, half)]
        for name, heads, width in wants:
            if width % heads:
                raise ValueError(
                    f"{name} = {heads} does not divide a width of {width}; nearest: {_divisor(width, heads)}"
                )
        return self


class DataTable(Table):
    """The text. source: ``ddtp`` (Debian's package descriptions, fetched by apt), ``gettext`` (translations of
    programs that are installed), ``files`` (source_file and target_file, one sentence a line) or
    ``generated`` (a toy grammar)."""

    source: Literal["ddtp", "gettext", "files", "generated"] = "ddtp"
    source_file: str = ""
    target_file: str = ""
    language: str = Field(default="fr", pattern="^[a-z]{2}(_[A-Z]{2})?$")
    mirror: str = "http://deb.debian.org/debian"
    suite: str = "bookworm"
    folder: str = ""
    sentences: int = Field(default=0, ge=0, description="at most so many pairs of the training split; 0 for all")
    split_seed: int = Field(default=0, ge=0)


class TrainingTable(Table):
    """The optimisation: Adam with betas (0.9, 0.98). batch_tokens: of one process in one forward pass, padding counted.
    average: how many of the last checkpoints the final weights are the mean of."""

    steps: int = Field(default=1000, ge=1)
    batch_tokens: int = Field(default=4096, ge=8)
    accumulate: int = Field(default=1, ge=1)
    schedule: Literal["cosine", "inverse_sqrt"] = "cosine"
    learning_rate: float = Field(default=1e-3, gt=0)
    final_learning_rate: float = Field(default=1e-9, ge=0)
    warm_up: int = Field(default=500, ge=0)
    label_smoothing: Rate = 0.1
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=0.0, ge=0, description="largest norm of the gradient; 0 for none")
    bf16: bool = False
    save_every: int = Field(default=500, ge=1)
    average: int = Field(default=1, ge=1, le=100)
    seed: int = Field(default=0, ge=0)


class TestTable(Table):
    """How the test split is decoded."""

    __test__ = False  # not a test of pytest

    beam: int = Field(default=4, ge=1, le=64)
    length_penalty: float = Field(default=0.6, ge=0)
    sentences: int = Field(default=0, ge=0, description="at most so many of the test split; 0 for all")


class Config(Table):
    """Everything that a training run follows from."""

    task: Literal["translation", "language-model", "summary"] = "translation"
    about: str = ""
    model: ModelTable = ModelTable()
    data: DataTable = DataTable()
    training: TrainingTable = TrainingTable()
    test: TestTable = TestTable()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.task == "language-model") != (self.model.encoder_layers == 0):
            raise ValueError(
                f"task {self.task!r} with {self.model.encoder_layers} encoder layers; a language model has 0"
            )
        return self


def names() -> list[str]:
    """The configurations that ship."""
    return sorted(one.name.removesuffix(".toml") for one in _folder().iterdir() if one.name.endswith(".toml"))


def read_config(name: str | Path, settings: Mapping[str, Any] | None = None) -> Config:
    """A configuration by its name in `names`, or from a TOML file; then `settings`, dotted. Raises ConfigError."""
    text = str(name)
    if "/" in text or text.endswith(".toml"):
        return load_config(Config(), text, settings)
    if text not in names():
        raise ConfigError(f"no configuration {text!r}{nearest(text, names())}")
    tree: dict[str, Any] = tomllib.loads((_folder() / f"{text}.toml").read_text(encoding="utf-8"))
    return load_config(validate_config(Config, tree), None, settings)


def _folder() -> Any:
    return files("models.lite_transformer") / "configs"


def _divisor(width: int, wanted: int) -> int:
    return min((one for one in range(1, width + 1) if width % one == 0), key=lambda one: (abs(one - wanted), one))
