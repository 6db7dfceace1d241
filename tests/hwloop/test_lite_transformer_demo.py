"""The demo ``lite-transformer`` and what takes shipped models: one line where nothing ships. The whole demo runs in
tests/models/lite_transformer/test_text_demo.py."""

from __future__ import annotations

from pathlib import Path

import pytest

for needed in ("torch", "safetensors", "tokenizers", "sacrebleu"):
    pytest.importorskip(needed)

from hwloop.cli import main  # noqa: E402
from hwloop.lite_transformer_demo import KEEPS, MORE, SENTENCES, SIMULATED  # noqa: E402
from models.lite_transformer import runs  # noqa: E402


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demo", "lite-transformer"), "no translation model ships with this hwloop yet; nearest: --model DIR"),
        (("translate", "a cat"), "no translation model ships with this hwloop yet; nearest: --model DIR"),
        (
            ("search", "lite-transformer", "--device", "xeon-hat", "--max-latency-ms", "50%"),
            "nothing scores the networks of 'mini'; nearest: --space DIR",
        ),
    ],
)
def test_what_does_not_ship_yet_is_one_line(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "shipped_root", lambda: tmp_path / "none")
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as stop:
        main([*arguments])
    told = capsys.readouterr()
    assert (stop.value.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith(f"error: {message}")
    assert not (tmp_path / "cache" / "profiles").exists()  # nothing was measured first


def test_the_sentences_are_different_and_what_is_simulated_is_made() -> None:
    sentences = (*SENTENCES, *MORE)
    assert len(SENTENCES) == 3
    assert len(set(sentences)) == len(sentences)
    assert set(SIMULATED) <= set(KEEPS)
