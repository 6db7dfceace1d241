"""`hwloop translate` and `hwloop compress` on a tiny trained model, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

for needed in ("torch", "safetensors", "tokenizers", "sacrebleu"):
    pytest.importorskip(needed)

from hwloop.cli import main  # noqa: E402
from hwloop.compress_command import compress  # noqa: E402
from hwloop.translate_command import translate  # noqa: E402
from models.lite_transformer.config import Config  # noqa: E402
from models.lite_transformer.train import train  # noqa: E402
from sim.errors import ConfigError, InputError  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text") / "run"
    model = {"width": 16, "vocabulary": 300, "kernels": [3], "heads": 4, "branch_heads": 2, "conv_heads": 2}
    shape = {"max_tokens": 32, "encoder_layers": 1, "decoder_layers": 1}
    training = {"steps": 3, "batch_tokens": 300, "warm_up": 1, "save_every": 3}
    tree = {"model": model | shape, "data": {"source": "generated"}, "training": training, "test": {"sentences": 4}}
    train(Config.model_validate(tree), folder)
    return folder


def test_translate(run: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "t.json")
    ran = CliRunner().invoke(translate, ["a red cat", "the dog", "--model", str(run), "--json", path, "--beam", "2"])
    assert ran.exit_code == 0, ran.output
    result = json.loads(Path(path).read_text(encoding="utf-8"))
    assert [one["text"] for one in result["translations"]] == ["a red cat", "the dog"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a cat", "--model", "/nowhere"], "no file /nowhere/model.safetensors"),
    ],
)
def test_translate_refuses(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(translate, arguments, catch_exceptions=False)


def test_compress_then_translate(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    arguments = [str(run), "--out", str(out), "--keep", "0.5", "--bits", "6", "--fine-tune", "2"]
    ran = CliRunner().invoke(compress, arguments, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    assert "without embeddings" in ran.output
    record = json.loads((out / "compress.json").read_text(encoding="utf-8"))
    assert record["file_bytes"]["after"] < record["file_bytes"]["before"]
    assert record["test"]["after"]["sentences"] == 4
    ran = CliRunner().invoke(translate, ["a red cat", "--model", str(out)], catch_exceptions=False)
    assert ran.exit_code == 0
    file = out / "compressed.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x77")
    with pytest.raises(InputError, match="is damaged"):
        CliRunner().invoke(translate, ["a red cat", "--model", str(out)], catch_exceptions=False)


def test_compress_refuses(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keep = 2"):
        CliRunner().invoke(compress, [str(run), "--out", str(tmp_path / "x"), "--keep", "2"], catch_exceptions=False)
    with pytest.raises(InputError, match="no file"):
        CliRunner().invoke(compress, [str(tmp_path), "--out", str(tmp_path / "x")], catch_exceptions=False)
    assert CliRunner().invoke(compress, [str(run)]).exit_code == 2


@pytest.mark.slow
def test_the_published_sizes() -> None:
    from models.lite_transformer.compressing import paper_sizes

    rows = paper_sizes()
    for row in rows:
        assert row["weights_alone_mb"] == pytest.approx(
            row["published_mb"], abs=0.6 if row["row"] == "transformer" else 0.1
        )
        assert row["stored_mb"] >= row["weights_alone_mb"]
    assert rows[0]["weights_alone_mb"] / rows[-1]["weights_alone_mb"] == pytest.approx(18.2, abs=0.1)


@pytest.mark.parametrize(
    "arguments", [["translate", "a cat", "--model", "/nowhere"], ["compress", "/nowhere", "--out", "/tmp/none/x"]]
)
def test_one_line_and_exit_code_2(arguments: list[str]) -> None:
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 2
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("\n") == 1
