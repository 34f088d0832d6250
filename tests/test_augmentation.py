"""More training rows of those there are: what each method does, and that nothing else changes."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import download, evaluate, tokenize
from temper import augmentation, params
from temper.augmentation import back_translation, words
from temper.cli import check
from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.params import rules
from temper.params.tokenize import BackTranslation
from tests.helpers.evaluation import untrained
from tests.helpers.workspace import ROOT, TOKENIZED, load_data

TEXT = "Anna, who left Oslo early,\n  opened eleven heavy boxes."
HALF = {"rate": 0.5, "share": 0.2}
BACK = {
    "rate": 1.0,
    "there": "there",
    "back": "back",
    "there_prefix": "",
    "back_prefix": "",
    "source_lang": None,
    "target_lang": None,
    "max_new_tokens": 8,
    "num_beams": 1,
    "batch_size": 4,
}


def draws(count=200):
    return [np.random.default_rng((1, i)) for i in range(count)]


def changed(change, text=TEXT, share=0.2):
    return [words.rewrite(text, change, share, draw) for draw in draws()]


def test_spaces_stay_as_they_are():
    """Line breaks and indents are no words; the space before a deleted word goes with it."""
    assert words.rewrite(TEXT, lambda found, *_: found, 0.1, draws()[0]) == TEXT

    def without(*gone):
        return lambda found, *_: ["" if i in gone else word for i, word in enumerate(found)]

    assert words.rewrite(" a b\nc", without(0), 0.1, draws()[0]) == "b\nc"
    assert words.rewrite(" a b\nc", without(1), 0.1, draws()[0]) == " a\nc"
    assert words.rewrite("a b\nc", without(0, 1), 0.1, draws()[0]) == "c"
    assert words.rewrite("", words.delete, 0.1, draws()[0]) == ""


def test_neighbours_are_swapped():
    """The words stay the same; two of nine change places, and with a share of 1 all but one."""
    for share, moved in ((0.2, {2}), (1.0, {8})):
        for text in changed(words.swap, share=share):
            assert sorted(text.split()) == sorted(TEXT.split())
            pairs = zip(text.split(), TEXT.split(), strict=True)
            assert {sum(a != b for a, b in pairs)} == moved
    assert set(changed(words.swap, "a b", 1.0)) == {"b a"}
    assert set(changed(words.swap, "alone", 1.0)) == {"alone"}


def test_words_are_deleted_and_one_is_left():
    """A share of the words is gone, in order; never the last."""
    for text in changed(words.delete, share=0.4):
        assert len(text.split()) == 5
        rest = iter(TEXT.split())
        assert all(word in rest for word in text.split())
    assert set(changed(words.delete, "a b c", 1.0)) == {"a", "b", "c"}
    assert set(changed(words.delete, "alone", 1.0)) == {"alone"}


def distance(a: str, b: str) -> int:
    """Return the edits between two words, a swap of neighbours one of them."""
    d = {(i, j): max(i, j) for i in range(len(a) + 1) for j in range(len(b) + 1) if not i * j}
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            found = [d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1])]
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                found.append(d[i - 2, j - 2] + 1)
            d[i, j] = min(found)
    return d[len(a), len(b)]


def test_letters_are_noise_of_the_words_own_alphabet():
    """One edit per chosen word; case, punctuation and numbers stay, other scripts get their own."""
    lengths = set()
    for text in changed(words.characters, "Oslo, 1905: Straße"):
        pairs = list(zip(text.split(), ("Oslo,", "1905:", "Straße"), strict=True))
        assert sorted(distance(*pair) for pair in pairs) in ([0, 0, 0], [0, 0, 1])
        assert pairs[0][0].endswith(",")
        lengths.add(len(text))
    assert lengths == {17, 18, 19}
    for text in changed(words.characters, "привет"):
        assert all("а" <= sign <= "џ" for sign in text)
    assert all(sign >= "一" for text in changed(words.characters, "中") for sign in text)
    assert set(changed(words.characters, "12 :")) == {"12 :"}
    shared = changed(words.characters, TEXT, 1.0)
    pairs = [zip(text.split(), TEXT.split(), strict=True) for text in shared]
    assert np.mean([a != b for pair in pairs for a, b in pair]) > 0.9
    near = {words.neighbour("A", draw) for draw in draws()}
    assert near == {"S"}
    assert {words.neighbour("g", draw) for draw in draws()} == {"f", "h"}


def test_synonyms_keep_capital_and_punctuation():
    """Only words of the list change, as many as the share says."""
    change = words.build_synonyms({"anna": ["eve"], "opened": ["unpacked", "had a look at"]})
    assert set(changed(change, share=0.1)) == {
        TEXT.replace("Anna", "Eve"),
        TEXT.replace("opened", "unpacked"),
        TEXT.replace("opened", "had a look at"),
    }
    assert set(changed(change, share=1.0)) == {
        TEXT.replace("Anna", "Eve").replace("opened", "unpacked"),
        TEXT.replace("Anna", "Eve").replace("opened", "had a look at"),
    }
    assert set(changed(change, "no word of it")) == {"no word of it"}


def test_a_word_list_is_read():
    """Comments and empty lines are none of it, nor a byte-order mark; case does not matter."""
    Path("list.tsv").write_text("\ufeff# words\n\nRed\tcrimson, Scarlet\nold\taged,old\n")
    found = words.read_synonyms(Path("list.tsv"))
    assert found == {"red": ["crimson", "Scarlet"], "old": ["aged"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("red crimson\n", "list.tsv:1: expected word<TAB>synonym1,synonym2, found 'red crimson'"),
        ("# a\nred\t\n", "list.tsv:2: expected word<TAB>"),
        ("red\ta,,b\n", "list.tsv:1: expected word<TAB>"),
        ("red\ta\tb\n", "list.tsv:1: expected word<TAB>"),
        ("dark red\ta\n", "list.tsv:1: 'dark red' is no single word"),
        ("red\ta\n\nRed\tb\n", "list.tsv:3: 'red' stands twice; join the two lines"),
        ("red\tRed\n", "list.tsv:1: 'red' has no synonym but itself"),
        ("# nothing\n", "list.tsv: no word in it"),
    ],
)
def test_a_malformed_word_list_is_named_with_its_line(text, message):
    """File, line, what was found."""
    Path("list.tsv").write_text(text)
    with pytest.raises(InputError) as caught:
        words.read_synonyms(Path("list.tsv"))
    assert message in str(caught.value)


def test_a_word_list_that_is_no_text_is_named():
    """Missing, or of other bytes."""
    with pytest.raises(
        InputError, match=r"list.tsv: no such file; tokenize.synonym_files names it"
    ):
        words.read_synonyms(Path("list.tsv"))
    Path("list.tsv").write_bytes(b"caf\xe9\ta\n")
    with pytest.raises(InputError, match=r"list.tsv: no word list in UTF-8"):
        words.read_synonyms(Path("list.tsv"))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def made_of(rows, **rates):
    """Return the made rows of a table with two texts, by method."""
    methods = {"swap": words.swap, "delete": words.delete}
    one = augmentation.Augmentation(
        columns=("a", "b"),
        seed=3,
        methods=[
            augmentation.Method(
                name=name,
                rate=rate,
                rewrite=lambda texts, found, change=methods[name]: [
                    words.rewrite(text, change, 0.2, draw)
                    for text, draw in zip(texts, found, strict=True)
                ],
            )
            for name, rate in rates.items()
        ],
    )
    from datasets import Dataset

    batches = list(augmentation.batches(Dataset.from_list(rows), one))
    return [
        dict(zip(b, row, strict=True)) for b in batches for row in zip(*b.values(), strict=True)
    ], one


def rows_of(count):
    return [
        {"id": i, "a": f"row {i} has some words", "b": f"and {i} has others too"}
        for i in range(count)
    ]


def test_originals_come_first_and_made_rows_change_one_text():
    """Everything but the text is the original's; the mark tells which is which."""
    found, one = made_of(rows_of(50), swap=1, delete=1)
    assert [row["augmented"] for row in found] == [False] * 50 + [True] * 100
    assert found[:50] == [row | {"augmented": False} for row in rows_of(50)]
    for row in found[50:]:
        origin = rows_of(50)[row["id"]]
        assert (row["a"] == origin["a"]) != (row["b"] == origin["b"])
    assert {row["a"] == f"row {row['id']} has some words" for row in found[50:]} == {True, False}
    assert one.report() == {m: {"wanted": 50, "made": 50} for m in ("swap", "delete")}


def test_a_row_depends_on_no_other():
    """Fewer rows, another method beside: the same made rows."""
    few, _ = made_of(rows_of(30), swap=0.5)
    many, _ = made_of(rows_of(1500), delete=1, swap=0.5)
    kept = [row for row in many[3000:] if row["id"] < 30]
    assert few[30:] == kept
    assert 5 < len(kept) < 25


def test_the_rate_is_the_share_of_rows():
    """Half of them; or two each and a third for half of them."""
    for rate in (0.5, 2.5):
        _, one = made_of(rows_of(1000), delete=rate)
        assert one.report()["delete"]["wanted"] == pytest.approx(1000 * rate, abs=50)


def test_what_is_no_new_text_is_dropped():
    """One word cannot be swapped; two have one order besides; nothing is made of nothing."""
    rows = [{"a": "alone", "b": ""}] * 20 + [{"a": "two words", "b": "two words"}] * 20
    found, one = made_of([{"id": i} | row for i, row in enumerate(rows)], swap=5)
    assert one.report()["swap"]["wanted"] == 200
    made = [(row["id"], row["a"]) for row in found[40:]]
    assert len(made) == len(set(made)) == one.report()["swap"]["made"]
    assert {row["id"] for row in found[40:]} == set(range(20, 40))


def augment(**methods):
    return {"seed": 5} | methods


def tokenized(prepare, **changes):
    """Return the tokenized splits and the report of changed parameters."""
    prepare(**changes)
    folder = Path("data/tokenized")
    return arrow.load(folder), artifacts.read_json(folder / "report.json")


def test_off_leaves_every_byte_as_it_is(prepare):
    """Absent, null: the same; on, validation and test and the first rows of train stay."""
    tokenized(prepare)
    plain = artifacts.sha256_tree(Path("data/tokenized"))
    assert "augmented" not in arrow.load(Path("data/tokenized"))["train"].features
    shutil.copytree("data/tokenized", "plain")
    tokenized(prepare, tokenize__augment=None)
    assert artifacts.sha256_tree(Path("data/tokenized")) == plain
    data, report = tokenized(prepare, tokenize__augment=augment(swap=HALF))
    for name, digest in artifacts.sha256_tree(Path("data/tokenized")).items():
        assert (digest == plain[name]) == name.startswith(("validation", "test", "dataset_dict"))
    before = arrow.load(Path("plain"))["train"]
    rows = list(before)
    assert [{k: row[k] for k in before.features} for row in data["train"]][: len(rows)] == rows
    made = report["augmented"]["swap"]["made"]
    assert 0 < made == sum(data["train"]["augmented"]) == len(data["train"]) - len(rows)
    assert report["train"]["rows"] == len(data["train"])


def test_two_runs_give_the_same_bytes_and_another_seed_does_not(prepare, capsys):
    """The console says what was made."""
    both = {"swap": HALF, "characters": {"rate": 1.5, "share": 0.1}, "delete": HALF}
    digests = []
    for seed in (5, 5, 6):
        _, report = tokenized(prepare, tokenize__augment=augment(**both) | {"seed": seed})
        digests.append(artifacts.sha256_tree(Path("data/tokenized")))
        counts = report["augmented"]["characters"]
        line = f"augmented by characters: {counts['made']} rows of {counts['wanted']} wanted"
        assert line in capsys.readouterr().out
    assert digests[0] == digests[1] != digests[2]


def test_synonyms_come_from_the_list(prepare):
    """Texts of the made rows hold a synonym; labels are the originals'."""
    Path("words.tsv").write_text("the\tthy\na\tone\n")
    data, report = tokenized(
        prepare,
        tokenize__synonym_files={"mine": "words.tsv"},
        tokenize__augment=augment(synonyms={"rate": 1.0, "share": 0.1, "file": "mine"}),
    )
    assert Path("data/files/tokenize/mine.json").exists()
    assert report["augmented"]["synonyms"]["made"] > 10
    raw = arrow.load(Path("data/raw"))["train"]
    found, one = list(data["train"])[len(raw) :], params.load()
    made_by = augmentation.build_augmentation(
        one.tokenize, ("sentence1", "sentence2"), Path("none")
    )
    assert made_by is not None
    batches = list(augmentation.batches(raw, made_by))[1:]
    rows = [row for b in batches for row in zip(*b.values(), strict=True)]
    labels = list(batches[0]).index("label")
    assert [row[labels] for row in rows] == [row["labels"] for row in found]
    assert all({"thy", "one", "Thy", "One"} & set(" ".join(map(str, row)).split()) for row in rows)


def test_windows_of_made_rows_have_numbers_of_their_own(prepare):
    """`example_id` goes on after the originals; each window carries the mark."""
    long = {
        "tokenize__overflow": "window",
        "tokenize__stride": 4,
        "tokenize__window_pooling": "mean",
    }
    data, _ = tokenized(
        prepare, **long, tokenize__max_length=32, tokenize__augment=augment(swap=HALF)
    )
    train, rows = data["train"], len(arrow.load(Path("data/raw"))["train"])
    ids, marks = np.array(train["example_id"]), np.array(train["augmented"])
    assert (np.diff(ids) >= 0).all()
    np.testing.assert_array_equal(ids >= rows, marks)
    assert len(ids) > ids.max() + 1


def test_stale_hashes_of_word_lists_go(prepare):
    """As in a fresh clone; the folder's hash would cover them."""
    prepare()
    Path("data/files/tokenize").mkdir()
    Path("data/files/tokenize/old.json").write_text("{}")
    tokenize.main(*(Path("data") / name for name in TOKENIZED))
    assert not Path("data/files/tokenize/old.json").exists()


def seq2seq(name: str, seed: int):
    """Write a T5 of random weights to a folder."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    shutil.copytree(ROOT / "data/sample/seq2seq_lm/model", name)
    torch.manual_seed(seed)
    vocabulary = artifacts.read_json(Path(name) / "config.json")["vocab_size"]
    small = {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    config = T5Config(vocab_size=vocabulary, decoder_start_token_id=0, **small)
    T5ForConditionalGeneration(config).save_pretrained(name)


def by_hand(text: str, *ways) -> str:
    """Translate a text alone, greedily, by each way's folder and prefix."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    for folder, prefix in ways:
        model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
        processor = AutoTokenizer.from_pretrained(folder)
        ids = model.generate(
            **{
                name: value
                for name, value in processor(prefix + text, return_tensors="pt").items()
                if name != "token_type_ids"
            },
            max_new_tokens=8,
            do_sample=False,
        )
        text = processor.decode(ids[0], skip_special_tokens=True).strip()
    return text


def test_texts_go_there_and_back(write_params):
    """Through both fetched models, with their prefixes, as each text alone would."""
    write_params()
    seq2seq("one", 1), seq2seq("two", 2)
    named = {"sample": "data/sample/model", "one": "one", "two": "two"}
    mine = {"there_prefix": "we meet ", "back_prefix": "day "}
    parameters = write_params(
        model__files=named,
        tokenize__translators={
            n: {"name": m, "revision": None} for n, m in (("there", "one"), ("back", "two"))
        },
        tokenize__augment=augment(back_translation=BACK | mine | {"rate": 0.1}),
    )
    for name in ("there", "back"):
        target = Path("data/translators") / name
        download.main("translator", Path("data/files/model"), target)
        assert (target / "model.safetensors").exists()
    load_data(parameters)
    report = artifacts.read_json(Path("data/tokenized/report.json"))["augmented"]
    assert report["back_translation"]["made"] > 2
    texts = ["we meet at ten", "a ticket for day two of June", "", "the shop closes at nine"]
    p = BackTranslation.model_validate(BACK | mine | {"batch_size": 3})
    found = back_translation.build_back_translation(p, Path("data/translators"))(texts, [])
    assert found == [by_hand(text, ("one", "we meet "), ("two", "day ")) for text in texts]
    assert found != texts
    swapped = BackTranslation.model_validate(p.model_dump() | {"there": "back", "back": "there"})
    assert (
        back_translation.build_back_translation(swapped, Path("data/translators"))(texts, [])
        != found
    )


@pytest.fixture
def multilingual():
    """A model for several languages, with random weights and an NLLB tokenizer."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    tokens = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁we", "▁meet", "w", "e", "m", "t"]
    processor = NllbTokenizer(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=[],
        extra_special_tokens=["eng_Latn", "deu_Latn"],
    )
    torch.manual_seed(2)
    config = M2M100Config(
        vocab_size=len(processor),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=32,
        decoder_start_token_id=2,
    )
    model = M2M100ForConditionalGeneration(config)
    folder = Path("translators/both")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


LANGUAGES = {"there": "both", "back": "both", "source_lang": "eng_Latn", "target_lang": "deu_Latn"}


def test_one_multilingual_model_is_told_the_languages(multilingual):
    """The source's code stands in what it reads, the target's comes first in what it writes."""
    model, processor = back_translation.open_model(multilingual)
    calls = []

    def generate(**options):
        calls.append(options)
        return type(model).generate(model, **options)

    p = BackTranslation.model_validate(BACK | LANGUAGES)
    codes = {c: processor.convert_tokens_to_ids(c) for c in ("eng_Latn", "deu_Latn")}
    for source, target in (("eng_Latn", "deu_Latn"), ("deu_Latn", "eng_Latn")):
        write = back_translation.build_translator(model, processor, "", (source, target), p)
        model.generate = generate
        write(["we meet"])
        assert codes[source] in calls[-1]["input_ids"]
        assert codes[target] not in calls[-1]["input_ids"]
        assert calls[-1]["forced_bos_token_id"] == codes[target]
    both = back_translation.build_back_translation(p, multilingual.parent)
    assert both(["we meet", "we"], []) == both(["we meet", "we"], [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_lang": "deu_Lat"}, "has no language 'deu_Lat' (did you mean 'deu_Latn'?)"),
        ({"max_new_tokens": 32}, "max_new_tokens is 32, but the model has positions for 32"),
        ({"there": "absent"}, "absent does not exist; run dvc repro"),
        ({"there": "plain"}, "needs a sequence-to-sequence model with its tokenizer"),
        ({"there": "t5", "back": "t5"}, "has no language codes; set source_lang and target_lang"),
    ],
)
def test_models_that_do_not_fit_are_refused(multilingual, change, message):
    """Languages, positions, folders."""
    shutil.copytree(ROOT / "data/sample/model", "translators/plain")
    seq2seq("translators/t5", 1)
    with pytest.raises(InputError) as caught:
        back_translation.build_back_translation(
            BackTranslation.model_validate(BACK | LANGUAGES | change), Path("translators")
        )
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": augment()}, "augment names no method; there are synonyms, swap, delete"),
        ({"augment": augment(swap=HALF | {"rate": 0})}, "greater than 0"),
        ({"augment": augment(swap=HALF | {"share": 1.5})}, "less than or equal to 1"),
        ({"augment": augment(swap={"rate": 1.0})}, "tokenize.augment.swap.share: missing"),
        ({"augment": augment(swop=HALF)}, "unknown key (did you mean 'swap'?)"),
        ({"augment": {"swap": HALF}}, "tokenize.augment.seed: missing"),
        (
            {
                "augment": augment(synonyms=HALF | {"file": "min"}),
                "synonym_files": {"mine": "words.tsv"},
            },
            "augment.synonyms.file is 'min', which tokenize.synonym_files does not name (did you "
            "mean 'mine'?): it has mine",
        ),
        (
            {"augment": augment(back_translation=BACK)},
            "augment.back_translation.there is 'there', which tokenize.translators does not name: "
            "it is {}",
        ),
        ({"augment": augment(back_translation=BACK | {"rate": 2})}, "less than or equal to 1"),
        (
            {"augment": augment(back_translation=BACK | {"source_lang": "en"})},
            "target_lang is null and the other language is not",
        ),
    ],
)
def test_mistakes_are_said_first(write_params, changes, message):
    """Before anything runs, with the key."""
    with pytest.raises(InputError) as caught:
        write_params(**{f"tokenize__{name}": value for name, value in changes.items()})
    assert message in str(caught.value)


def test_the_pages_example_can_be_copied(write_params):
    """docs/augmentation.md's group beside the sample's other keys; its table's rows can be made."""
    text = (ROOT / "docs/augmentation.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    group = yaml.safe_load(example)["tokenize"]
    parameters = write_params(**{f"tokenize__{name}": value for name, value in group.items()})
    assert parameters.tokenize.augment is not None
    assert tuple(parameters.tokenize.augment.methods) == augmentation.METHODS
    (lines,) = re.findall(r"```\n(shop\t.*?)```", text, re.DOTALL)
    Path("list.tsv").write_text(lines)
    known = words.build_synonyms(words.read_synonyms(Path("list.tsv")))
    (origin,) = re.findall(r"\*(The shop .*?)\* becomes", text)
    changes = {"swap": words.swap, "delete": words.delete, "characters": words.characters}
    for name, change in (changes | {"synonyms": known}).items():
        (shown,) = re.findall(rf"\| `{name}` \| (.*) \|", text)
        assert shown.replace("*", "") in changed(change, origin, 0.1), name


@pytest.mark.parametrize("task", sorted(set(params.TASKS) - set(rules.AUGMENTED)))
def test_tasks_whose_labels_belong_to_words_refuse_it(task):
    """So do images, which have an augmentation of their own."""
    tree = yaml.safe_load((ROOT / f"recipes/sample-{task}.yaml").read_text())
    tree["tokenize"] |= {"augment": augment(swap=HALF), "synonym_files": {"mine": "words.tsv"}}
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(InputError) as caught:
        params.load()
    text = str(caught.value)
    assert (
        f"tokenize.augment: has no effect here with {task} (only with sequence_classification and "
        "seq2seq_lm; images: train.augmentation); remove it"
    ) in text
    assert f"tokenize.synonym_files: has no effect here with {task}; remove it" in text


def test_only_the_source_of_a_writing_task_changes(tmp_path):
    """The text to write stays."""
    from tests.helpers.samples import prepare_sample as prepare

    changes = {"tokenize.augment": augment(delete={"rate": 1.0, "share": 0.3})}
    prepare(tmp_path, "recipes/sample-seq2seq_lm.yaml", changes)
    data, rows = arrow.load(Path("data/tokenized"))["train"], 200
    assert len(data) > 1.9 * rows
    labels = [tuple(ids) for ids in data["labels"]]
    assert set(labels[rows:]) <= set(labels[:rows])
    sources = [tuple(ids) for ids in data["input_ids"]]
    assert not set(sources[rows:]) & set(sources[:rows])


def test_check_reads_the_word_list_and_counts_the_rows(write_params):
    """`temper check` names the line; the steps are those of the longer split."""
    write_params()
    Path("words.tsv").write_text("red\tcrimson\nold aged\n")
    parameters = write_params(
        tokenize__synonym_files={"mine": "words.tsv"},
        tokenize__augment=augment(synonyms={"rate": 1.0, "share": 0.1, "file": "mine"}, swap=HALF),
    )
    Path("dvc.yaml").write_text("stages: {}\n")
    (mistake,), facts = check.examine(parameters)
    assert (
        "tokenize.synonym_files.mine: words.tsv:2: expected word<TAB>synonym1,synonym2" in mistake
    )
    assert facts["steps"] == "about 15 per epoch, about 30 in total"


def test_check_names_a_translator_that_cannot_be_loaded(write_params):
    """A local folder without weights."""
    parameters = write_params(tokenize__translators={"there": {"name": "sample", "revision": None}})
    Path("dvc.yaml").write_text("stages: {}\n")
    (mistake,), _ = check.examine(parameters)
    assert "weights must be safetensors, found none in data/sample/model" in mistake


def test_a_made_row_is_in_no_score(prepare, monkeypatch):
    """evaluate's gap and its thresholds are of the data's own training rows."""
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    scores = []
    for one in (None, augment(delete={"rate": 2.0, "share": 0.3})):
        untrained(prepare(tokenize__augment=one, evaluate__bootstrap_samples=20))
        folders = (Path("data") / n for n in ("model", "tokenized", "raw", "zero_shot"))
        evaluate.main(*folders, Path("data/evaluation"))
        scores.append(artifacts.read_json(Path("data/evaluation/metrics.json")))
    assert scores[0] == scores[1]
    assert "train_accuracy" in scores[0]["gap"]


def test_collators_pass_the_mark_by(prepare):
    """A batch of made rows has the columns of any other."""
    parameters = prepare(tokenize__augment=augment(swap=HALF))
    from temper.tasks.base import registry
    from tests.helpers.samples import Config

    task = registry.load(parameters)
    collate = task.collator(registry.load_processor(Path("data/base/processor"), task), Config())
    rows = arrow.load(Path("data/tokenized"))["train"]
    assert set(collate([rows[0], rows[len(rows) - 1]])) == {
        "input_ids",
        "token_type_ids",
        "attention_mask",
        "labels",
    }


def test_what_was_appended_is_left_out():
    """Thresholds that come from train need the features of its raw rows."""
    from datasets import Dataset

    marked = Dataset.from_dict({"length": [1, 2, 3], "augmented": [False, False, True]})
    assert arrow.drop_augmented(marked)["length"] == [1, 2]
    plain = Dataset.from_dict({"length": [1]})
    assert arrow.drop_augmented(plain) is plain


def test_the_texts_of_a_pair_change_places(write_params):
    """A half of the rows, their label along; equal texts make none, and single texts refuse it."""
    from datasets import Dataset

    parameters = write_params(tokenize__augment=augment(exchange={"rate": 1.0}))
    rows = {"sentence1": ["a b", "same"], "sentence2": ["c", "same"], "label": [1, 0]}
    made_by = augmentation.build_augmentation(
        parameters.tokenize, ["sentence1", "sentence2"], Path()
    )
    assert made_by is not None
    (made,) = list(augmentation.batches(Dataset.from_dict(rows), made_by))[1:]
    assert made == {"sentence1": ["c"], "sentence2": ["a b"], "label": [1], "augmented": [True]}
    assert made_by.report() == {"exchange": {"wanted": 2, "made": 1}}
    with pytest.raises(InputError, match=r"tokenize\.augment: exchange is for pairs"):
        write_params(task__text=["sentence1"], tokenize__augment=augment(exchange={"rate": 1.0}))
