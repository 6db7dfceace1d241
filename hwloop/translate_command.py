"""`hwloop translate`: sentences through a trained translation model. Thin: the work is in `models.lite_transformer`."""

from __future__ import annotations

from importlib.util import find_spec

import click

from hwloop.json_output import deliver, json_option


@click.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option(
    "--model",
    "folder",
    metavar="DIR",
    help="A folder of 'hwloop train lite-transformer' or 'hwloop compress' (default: the model that ships).",
)
@click.option("--beam", type=click.IntRange(1, 64), default=4, show_default=True, help="Hypotheses kept at each step.")
@click.option("--length-penalty", type=click.FloatRange(0), default=0.6, show_default=True, help="Larger: longer.")
@click.option("--truncate", is_flag=True, help="Cut sentences that are longer than the model takes.")
@json_option
def translate(
    texts: tuple[str, ...], folder: str | None, beam: int, length_penalty: float, truncate: bool, json_path: str | None
) -> None:
    """Translate each TEXT, one sentence each. The model that ships knows package descriptions, English to French.

    Try: hwloop translate "This package contains the documentation."
    """
    from sim.errors import InputError

    if find_spec("torch") is None:
        raise InputError("translating needs torch; nearest: pip install 'hwloop[nas]'")
    from models.lite_transformer.runs import TRANSLATION, require_shipped

    place = folder if folder is not None else str(require_shipped(TRANSLATION))
    from models.lite_transformer.translate import load_ready

    outputs = load_ready(place)(texts, beam=beam, penalty=length_penalty, truncate=truncate)
    pairs = [{"text": text, "translation": output} for text, output in zip(texts, outputs, strict=True)]
    deliver({"schema": "hwloop.translate/1", "model": place, "translations": pairs}, json_path, lambda: _show(outputs))


def _show(outputs: list[str]) -> None:
    for output in outputs:
        click.echo(output)
