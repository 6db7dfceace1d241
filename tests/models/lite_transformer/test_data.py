"""Text: descriptions parsed and aligned, splits that share no group, tokenizers, token batches, bad files."""

from __future__ import annotations

import itertools
from pathlib import Path

import polib  # type: ignore[import-untyped]
import pytest

from models.lite_transformer import corpora, ddtp
from models.lite_transformer.batches import TokenBatches, encode_pairs
from models.lite_transformer.config import Config
from models.lite_transformer.data import load_text, split
from models.lite_transformer.model import BEGIN, PAD
from models.lite_transformer.tokenizer import Tokenizer
from sim.errors import ConfigError, InputError
from sim.settings import validate_config

PACKAGES = """Package: alpha
Source: aaa (1.0)
Version: 2

Package: beta
Version: 1
"""
ENGLISH = """Package: alpha
Description-md5: 11
Description-en: small tool for testing
 It reads a file. It writes another one.
 .
 Features:
  * a first thing that works
  * a second thing that works

Package: alpha-doc
Description-md5: 11
Description-en: small tool for testing
 It reads a file.

Package: beta
Description-md5: 22
Description-en: library without translation
 Nothing here is translated at all.
"""
FRENCH = """Package: alpha
Description-md5: 11
Description-fr: petit outil pour tester
 Il lit un fichier. Il en écrit un autre.
 .
 Fonctions :
  – sans puce
  - une première chose qui marche
  - une seconde chose qui marche
"""


@pytest.fixture
def descriptions(tmp_path: Path) -> list[ddtp.Description]:
    files = {}
    for name, text in (("packages", PACKAGES), ("english", ENGLISH), ("translated", FRENCH)):
        files[name] = tmp_path / name
        files[name].write_text(text, encoding="utf-8")
    return ddtp.read(files, "fr")


def test_descriptions_are_joined_on_their_hash(descriptions: list[ddtp.Description]) -> None:
    assert [(one.source, one.package) for one in descriptions] == [("aaa", "alpha"), ("beta", "beta")]
    assert descriptions[0].translated_synopsis == "petit outil pour tester"
    assert descriptions[1].translated_synopsis == ""


def test_sentences_are_paired_where_numbers_match(descriptions: list[ddtp.Description]) -> None:
    pairs = {(source, target) for _, source, target in corpora.translations(descriptions)}
    assert pairs == {
        ("small tool for testing", "petit outil pour tester"),
        ("It reads a file.", "Il lit un fichier."),
        ("It writes another one.", "Il en écrit un autre."),
    }  # the list has another number of items, so it is left out


def test_language_and_summaries(descriptions: list[ddtp.Description]) -> None:
    texts = [target for _, _, target in corpora.language(descriptions)]
    assert "It reads a file. It writes another one." in texts
    assert "Nothing here is translated at all." in texts
    long = ddtp.Description("s", "p", "tool that reads files", "It reads one file after the other and says so.")
    assert corpora.summaries([long, long]) == [
        ("s", "It reads one file after the other and says so.", "tool that reads files")
    ]


def test_templates_that_come_twice_are_left_out() -> None:
    rows = [
        ddtp.Description(name, name, f"This is {name} for Debian", "", f"Voici {name} pour elle", "") for name in "AB"
    ]
    assert corpora.translations(rows) == []
    assert len(corpora.translations(rows[:1])) == 1


def test_no_group_is_in_two_splits() -> None:
    pairs = [(f"g{number % 300}", f"s{number}", f"t{number}") for number in range(3000)]
    text = split(pairs, 0)
    where = {source: group for group, source, _ in pairs}
    groups = [{where[source] for source, _ in part} for part in (text.train, text.valid, text.test)]
    assert all(not one & two for one, two in itertools.combinations(groups, 2))
    assert len(text.train) + len(text.valid) + len(text.test) == 3000
    assert split(pairs, 0).digest == text.digest != split(pairs, 1).digest
    assert len(split(pairs, 0, most=100).train) == 100


def test_own_files(tmp_path: Path) -> None:
    pairs = corpora.generated(600)
    (tmp_path / "en").write_text("".join(f"{one}\n" for _, one, _ in pairs), encoding="utf-8")
    (tmp_path / "fr").write_text("".join(f"{one}\n" for _, _, one in pairs), encoding="utf-8")
    data = {"source": "files", "source_file": str(tmp_path / "en"), "target_file": str(tmp_path / "fr")}
    text = load_text(validate_config(Config, {"data": data}))
    assert sorted([*text.train, *text.valid, *text.test]) == sorted((one, two) for _, one, two in pairs)
    model = validate_config(Config, {"task": "language-model", "model": {"encoder_layers": 0}, "data": data})
    assert {source for source, _ in load_text(model).train} == {""}


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (b"one\ntwo\n", b"un\n", "has 2 lines, .* has 1"),
        (b"", b"un\n", "is empty"),
        (b"one\n", b"\n\n", "is empty"),
        (b"one\n\xff\xfe\n", b"un\ndeux\n", "is not UTF-8: byte 0xff in line 2"),
        (b"one\n", b"un\n", "1 pairs are too few"),
        (None, b"un\n", "cannot read .*: No such file"),
    ],
)
def test_bad_files(tmp_path: Path, source: bytes | None, target: bytes, message: str) -> None:
    if source is not None:
        (tmp_path / "en").write_bytes(source)
    (tmp_path / "fr").write_bytes(target)
    data = {"source": "files", "source_file": str(tmp_path / "en"), "target_file": str(tmp_path / "fr")}
    with pytest.raises(InputError, match=message) as found:
        load_text(validate_config(Config, {"data": data}))
    assert "\n" not in str(found.value)


def test_missing_settings() -> None:
    with pytest.raises(ConfigError, match="needs source text"):
        load_text(validate_config(Config, {"data": {"source": "files", "target_file": "x"}}))
    with pytest.raises(InputError, match=r"needs data\.target_file"):
        corpora.from_files("", "")
    with pytest.raises(ConfigError, match="messages have no summaries"):
        load_text(validate_config(Config, {"task": "summary", "data": {"source": "gettext"}}))


def test_gettext_catalogues(tmp_path: Path) -> None:
    folder = tmp_path / "fr" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "demo.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        'msgid "_Open the <b>next</b> file"\nmsgstr "Ouvrir le fichier suivant"\n\n'
        '#, fuzzy\nmsgid "Close the last file"\nmsgstr "Fermer le fichier"\n',
        encoding="utf-8",
    )
    assert corpora.from_gettext(str(tmp_path), "fr") == [("demo", "Open the next file", "Ouvrir le fichier suivant")]
    compiled = tmp_path / "compiled" / "fr" / "LC_MESSAGES"
    compiled.mkdir(parents=True)
    polib.pofile(str(folder / "demo.po")).save_as_mofile(str(compiled / "other.mo"))
    found = corpora.from_gettext(str(tmp_path / "compiled"), "fr")
    assert found == [("other", "Open the next file", "Ouvrir le fichier suivant")]
    with pytest.raises(InputError, match="no de catalogues below"):
        corpora.from_gettext(str(tmp_path), "de")


def test_no_apt_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no apt-get here"):
        ddtp.fetch("http://nowhere.invalid", "bookworm", "fr")


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "apt-get"
    lists = 'for one in "$@"; do case $one in Dir::State::lists=*) to=${one#*=};; esac; done\n'
    made = "".join(
        f"/bin/echo 'x: y' > $to/host_debian_dists_bookworm_main_{name}\n"
        for name in ("binary-amd64_Packages", "i18n_Translation-en", "i18n_Translation-fr")
    )
    program.write_text(f"#!/bin/sh\n{lists}{made}", encoding="utf-8")
    program.chmod(0o755)
    first = ddtp.fetch("http://nowhere.invalid", "bookworm", "fr")
    program.write_text("#!/bin/sh\necho 'E: no such mirror' >&2\nexit 100\n", encoding="utf-8")
    assert ddtp.fetch("http://nowhere.invalid", "bookworm", "fr") == first
    assert set(first) == {"packages", "english", "translated"}
    with pytest.raises(InputError, match=r"from http://other\.invalid bookworm: E: no such"):
        ddtp.fetch("http://other.invalid", "bookworm", "fr")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train((text for _, *both in corpora.generated(500) for text in both), 400)


def test_any_text_comes_back(tokenizer: Tokenizer) -> None:
    for text in ("the red cat", "l'oiseau déjà vu … 漢字 🙂", "a  b"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode_all(["the red cat", "a"]) == [tokenizer.encode("the red cat"), tokenizer.encode("a")]


def test_a_tokenizer_is_known_by_what_it_does(tmp_path: Path, tokenizer: Tokenizer) -> None:
    tokenizer.save(tmp_path / "t.json")
    assert Tokenizer.load(tmp_path / "t.json").fingerprint == tokenizer.fingerprint
    other = Tokenizer.train(["some other text"], 300)
    assert other.fingerprint != tokenizer.fingerprint
    (tmp_path / "bad.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is no tokenizer"):
        Tokenizer.load(tmp_path / "bad.json")
    with pytest.raises(InputError, match="cannot read tokenizer"):
        Tokenizer.load(tmp_path / "none.json")
    with pytest.raises(InputError, match="nearest: 260"):
        Tokenizer.train(["x"], 100)


def test_batches_hold_every_sentence_once_within_the_limit(tokenizer: Tokenizer) -> None:
    pairs = [(one, two) for _, one, two in corpora.generated(500)]
    sentences, left_out = encode_pairs(pairs, tokenizer, 64)
    assert left_out == 0
    batches = TokenBatches(sentences, 200, seed=3)
    for number in (0, 1):
        epoch = batches.epoch(number)
        assert sorted(itertools.chain(*epoch)) == list(range(500))
        assert len(epoch) == len(batches)
    assert batches.epoch(0) != batches.epoch(1)
    for place in range(len(batches)):
        batch = batches.at(place)
        assert batch.source is not None
        assert max(batch.source.numel(), batch.targets.numel()) <= 200
        assert batch.tokens == int((batch.targets != PAD).sum())
        assert bool((batch.inputs[:, 0] == BEGIN).all())
        assert bool((batch.inputs[:, 1:] == batch.targets[:, :-1])[batch.targets[:, 1:] != PAD].all())


def test_long_sentences_are_left_out_or_cut(tokenizer: Tokenizer) -> None:
    pairs = [("the cat", "le chat"), ("the cat " * 20, "le chat")]
    kept, left_out = encode_pairs(pairs, tokenizer, 10)
    assert (len(kept), left_out) == (1, 1)
    cut, left_out = encode_pairs(pairs, tokenizer, 10, truncate=True)
    assert (len(cut), left_out, len(cut[1][0])) == (2, 0, 10)
    with pytest.raises(InputError, match="does not fit into batches of 8"):
        TokenBatches(cut, 8)
    with pytest.raises(InputError, match="no sentence"):
        TokenBatches([], 8)
