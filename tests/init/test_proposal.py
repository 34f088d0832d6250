"""Data as people have them → the task, columns and values of params.yaml."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from transformers import AutoTokenizer

from temper import params
from temper.check import data_checks
from temper.check.findings import Findings
from temper.cli.init import choose, refuse
from temper.core.errors import InputError
from temper.init import labels, proposal, source
from temper.init.profiles import ColumnProfile
from temper.init.roles import Wishes
from tests.helpers import own_data
from tests.helpers.workspace import ROOT

MODEL = str(ROOT / "data/sample/model")  # without weights
AUDIO_MODEL = str(ROOT / "data/sample/audio_classification/model")
IMAGE_MODEL = str(ROOT / "data/sample/image_classification/model")
DECODER = str(ROOT / "data/sample/causal_lm/model")
ASKED = Wishes(choose=refuse)
SINGLE = {"name": "sequence_classification", "problem_type": "single_label_classification"}
MULTI = SINGLE | {"problem_type": "multi_label_classification"}
TAGS = {"name": "token_classification", "scheme": "IOB2"}
TASKS = {
    "reviews.csv": SINGLE | {"text": ("review",), "label": "sentiment"},
    "stars.csv": SINGLE | {"text": ("review",), "label": "stars"},
    "sms.csv": SINGLE | {"text": ("v2",), "label": "v1"},
    "semicolon.csv": SINGLE | {"text": ("text",), "label": "label"},
    "cp1252.csv": SINGLE | {"text": ("text",), "label": "label"},
    "tickets.csv": SINGLE | {"text": ("body",), "label": "category"},
    "amounts.csv": SINGLE | {"problem_type": "regression", "label": "score"},
    "pairs.csv": SINGLE | {"text": ("sentence1", "sentence2"), "label": "label"},
    "nli.tsv": SINGLE | {"text": ("premise", "hypothesis"), "label": "label"},
    "separator.csv": MULTI | {"label": "emotions", "label_separator": "|"},
    "flags.csv": MULTI | {"label": ("joy", "fear", "anger")},
    "lists.jsonl": MULTI | {"label": "labels", "label_separator": None},
    "users.csv": SINGLE | {"text": ("comment",), "label": "toxic"},
    "minus.csv": SINGLE | {"label": "category", "labels": ("-1", "0", "1")},
    "splits": SINGLE | {"text": ("text",), "label": "label"},
    "splits/train.csv": SINGLE | {"text": ("text",), "label": "label"},
    "intents.parquet": SINGLE | {"text": ("text",), "label": "intent"},
    "plain.txt": {"name": "masked_lm", "text": "text"},
    "ner.jsonl": TAGS | {"words": "tokens", "tags": "ner_tags"},
    "tags.conll": TAGS | {"words": "words", "tags": "tags"},
    "squad.json": {"name": "question_answering", "answers": "answers"},
    "endings.jsonl": {"name": "multiple_choice", "choices": ("ending0", "ending1")},
    "options.jsonl": {"name": "multiple_choice", "choices": ("options",), "label": "answer"},
    "summaries.jsonl": {"name": "seq2seq_lm", "problem_type": "summarization"},
    "prompts.jsonl": {"name": "causal_lm", "prompt": "prompt", "text": "completion"},
    "triplets.jsonl": {"name": "embeddings", "anchor": "query", "negative": "negative"},
    "images": {"name": "image_classification", "image": "image", "label": "label"},
    "splits_of_images": {"name": "image_classification", "label": "label"},
    "clips": {"name": "audio_classification", "audio": "audio", "label": "label"},
    "listed_clips": {"name": "audio_classification", "audio": "clip", "label": "kind"},
}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return own_data.write_all(tmp_path_factory.mktemp("own") / "mydata")


@pytest.fixture
def propose(own, tmp_path, monkeypatch):
    """Return a function: a data set's name and wishes → the parameters and the facts."""
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    shutil.copytree(own, "mydata")

    def call(name, model=MODEL, **wishes):
        asked = Wishes(choose=refuse, **wishes)
        found = source.find_source(f"mydata/{name}", Path("copies"), asked)
        proposed = proposal.propose(found, asked, model, Path("models"))
        Path("params.yaml").write_text(proposed.text)
        return params.load(), dict(proposed.facts)

    return call


@pytest.mark.parametrize("name", TASKS)
def test_reads_the_task_and_its_columns_off_the_data(propose, name):
    """The parameters fit the schema and the data, as `temper check` finds."""
    model = IMAGE_MODEL if "images" in name else MODEL
    parameters, _ = propose(name, model)
    task = parameters.task.model_dump()
    assert {key: task[key] for key in TASKS[name]} == TASKS[name]
    findings = Findings(facts={})
    data_checks.check(parameters, findings)
    assert findings.mistakes == []


@pytest.mark.parametrize(
    ("name", "wishes", "options"),
    [
        ("splits/train.csv", {}, ""),
        ("splits", {"label": "label", "text": ("text",)}, "--text text --label label "),
        ("plain.txt", {"task": "masked_lm"}, "--task masked_lm "),
    ],
)
def test_the_command_in_the_file_writes_it_again(propose, name, wishes, options):
    """It names data and model in the repository, wherever they were copied from."""
    propose(name, **wishes)
    command = f"temper init mydata/{name} {options}--model models/model"
    assert Path("params.yaml").read_text().splitlines()[1] == f"# Written by `{command}`."


def test_splits_go_by_their_names_and_the_rest_is_cut_from_train(propose):
    """`dev` is validation, a README beside the data is not read, and no split is cut twice."""
    parameters, facts = propose("splits")
    assert parameters.data.files == {
        "train": "mydata/splits/train.csv",
        "validation": "mydata/splits/dev.csv",
        "test": "mydata/splits/test.csv",
    }
    assert facts["split"] == "test: mydata/splits/test.csv"


def test_a_missing_split_is_cut_from_train(propose):
    """Of folders of images too."""
    parameters, facts = propose("splits_of_images", IMAGE_MODEL)
    assert facts["split"] == "test: 10% of train"
    assert parameters.data.glob == "*/*"


@pytest.mark.parametrize(
    ("model", "padding"), [(AUDIO_MODEL, "dynamic"), (IMAGE_MODEL, "max_length")]
)
def test_max_seconds_is_the_99th_percentile_and_padding_the_models(propose, model, padding):
    """Clips of 0.1 to 0.119 s; where nothing says that padding does no harm, all are padded."""
    parameters, facts = propose("clips", model)
    assert parameters.tokenize.max_seconds == 0.2
    assert parameters.tokenize.padding == padding
    assert facts["max_seconds"] == "0.2: 99 % of 40 clips have at most 0.12 s"
    assert facts["ids"] == "file: kept beside the predictions"


def test_max_length_is_the_99th_percentile_of_the_lengths(propose):
    """Counted here with the tokenizer and numpy, rounded up to a multiple of 8."""
    parameters, _ = propose("semicolon.csv")
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    rows = Path("mydata/semicolon.csv").read_text().splitlines()[1:]
    lengths = [len(tokenizer(row.split(";")[0])["input_ids"]) for row in rows]
    assert 0 <= parameters.tokenize.max_length - np.percentile(lengths, 99) < 8
    parameters, facts = propose("tickets.csv")
    assert parameters.tokenize.max_length == 64
    assert "the model takes 64, longer rows are cut" in facts["max_length"]


def test_texts_of_embeddings_are_named_or_wished(propose):
    """Two texts are anchor and positive; with a label they are pairs with a score."""
    parameters, _ = propose("triplets.jsonl")
    assert (parameters.task.positive, parameters.train.batch_size) == ("positive", 32)
    assert parameters.train.metric_for_best_model == "ndcg_at_10"
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    rows = map(json.loads, Path("mydata/triplets.jsonl").read_text().splitlines())
    lengths = [len(tokenizer(row["positive"])["input_ids"]) for row in rows]
    assert 0 <= parameters.tokenize.max_length - np.percentile(lengths, 99) < 8
    wishes = {"task": "embeddings", "text": ("document", "summary")}
    parameters, _ = propose("summaries.jsonl", **wishes)
    assert (parameters.task.anchor, parameters.task.positive) == ("document", "summary")
    wishes = {"task": "embeddings", "text": ("review", "sentiment"), "label": "id"}
    parameters, _ = propose("reviews.csv", **wishes)
    assert (parameters.task.text, parameters.task.score) == (("review", "sentiment"), "id")
    assert parameters.train.metric_for_best_model == "spearman"


def write_table(file, **columns):
    """Write 40 rows; `{}` in a value becomes the row's number."""
    table = {name: [str(v).replace("{}", str(i)) for i in range(40)] for name, v in columns.items()}
    pd.DataFrame(table).to_csv(Path("mydata", file), index=False)


@pytest.mark.parametrize(
    ("first", "second", "model", "task"),
    [
        ("sentence1", "sentence2", MODEL, "embeddings"),
        ("query", "passage", DECODER, "embeddings"),
        ("question", "answer", MODEL, "embeddings"),
        ("question", "answer", DECODER, "causal_lm"),
    ],
)
def test_pairs_without_labels_find_each_other(propose, first, second, model, task):
    """Where their names say that they belong together; answers are written if the model can."""
    write_table("two.csv", **{first: "what is the price of {}", second: "it is {} in all"}, id="{}")
    found, facts = propose("two.csv", model)
    assert found.task.name == task
    if task == "embeddings":
        assert (found.task.anchor, found.task.positive) == (first, second)
        assert "pairs without labels" in facts["note"]
    found, _ = propose("two.csv", model, text=(second,), task="causal_lm")
    assert found.task.text == second


def test_other_pairs_are_told_how(propose):
    """Two texts may be anything; scores are amounts, or, if wished, similarities."""
    write_table("two.csv", title="the price of {}", body="it is {} in all, or a little more")
    found, facts = propose("two.csv")
    assert (found.task.name, found.task.text) == ("masked_lm", "body")
    assert facts["note"].endswith("--task embeddings --text title --text body")
    write_table("sts.csv", sentence1="the price of {}", sentence2="what {} costs", score="{}.5")
    found, facts = propose("sts.csv")
    assert found.task.problem_type == "regression"
    assert facts["note"].startswith("--task embeddings gives each text a vector")
    found, _ = propose("sts.csv", task="embeddings")
    assert (found.task.text, found.task.score) == (("sentence1", "sentence2"), "score")
    write_table("short.csv", query="the price of {}", pos="it is {} in all", neg="it rains in {}")
    found, _ = propose("short.csv")
    assert (found.task.anchor, found.task.positive, found.task.negative) == ("query", "pos", "neg")


def write_mail(file, subject, body):
    """Write 40 rows of two texts and a label."""
    rows = [(f"the price of {i}", f"it is {i} in all, or more", "abc"[i % 3]) for i in range(40)]
    pd.DataFrame(rows, columns=[subject, body, "Art"]).to_csv(Path("mydata", file), index=False)


def test_several_columns_make_one_text(propose):
    """They are named with a comma between, and --text given twice is a pair."""
    write_mail("mail.csv", "Betreff", "Nachricht")
    found, facts = propose("mail.csv", text=("Betreff, Nachricht",))
    assert (found.task.text, found.task.template) == (None, "{Betreff}\n{Nachricht}")
    assert 'template: "{Betreff}\\n{Nachricht}"\n' in Path("params.yaml").read_text()
    assert facts["model"].endswith("model has no weights: trained from scratch")
    assert facts["template"] == "one text of Betreff, Nachricht, each in a line"
    findings = Findings(facts={})
    data_checks.check(found, findings)
    assert findings.mistakes == []
    found, facts = propose("mail.csv", text=("Betreff", "Nachricht"))
    assert found.task.text == ("Betreff", "Nachricht")
    assert facts["note"].endswith("--text 'Betreff, Nachricht' makes one text of both")
    found, facts = propose("mail.csv", text=("Nachricht",))
    assert facts["note"].endswith("--text 'Betreff, Nachricht' makes one text of all")
    found, _ = propose("mail.csv", text=("Betreff,Nachricht",), task="masked_lm")
    assert (found.task.text, found.task.template) == (None, "{Betreff}\n{Nachricht}")
    for wrong, message in (
        ({"text": ("Betreff, Nachrich",)}, "--text: no column 'Nachrich' .did you mean"),
        ({"text": ("Betreff, Nachricht", "Art")}, "'a, b' for one text of several"),
        ({"text": ("Betreff, Nachricht",), "task": "embeddings"}, "found no embeddings in"),
    ):
        with pytest.raises(InputError, match=message):
            propose("mail.csv", **wrong)
    for odd in ("a:b", "a{b"):
        write_mail("odd.csv", odd, "c")
        with pytest.raises(InputError, match=r"^--text: .*(has a ! or :|'{')"):
            propose("odd.csv", text=(f"{odd}, c",))


def test_the_question_for_a_text_takes_several(monkeypatch, capsys):
    """Other questions take one answer, and a name that is none is asked for again."""
    answers = iter(["a, x", "a, b"])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    assert choose("which?", ["a", "b"], "a", "--text") == "a, b"
    assert "'a, x' is none of these" in capsys.readouterr().out
    answers = iter(["a, b", "b"])
    assert choose("which?", ["a", "b"], None, "--label") == "b"


def test_choices_may_have_a_context_and_a_question(propose):
    """No text is left out; an answer by letter or by its words is refused."""
    texts = {"article": "a long text {} about all", "question": "what is {} for you"}
    choices = {"option_a": "it is {}", "option_b": "none of them"}
    write_table("race.csv", **texts, **choices, answer="1")
    task = propose("race.csv")[0].task
    assert (task.context, task.stem, task.choices) == ("article", "question", (*choices,))
    task = propose("race.csv", text=("question",))[0].task
    assert (task.context, task.stem) == ("question", None)
    for answer in ("B", "none of them", "option_b"):
        write_table("race.csv", **texts, **choices, answer=answer)
        with pytest.raises(InputError, match=r"'answer' names the right choice .*counted from 0"):
            propose("race.csv")


def test_questions_about_one_text_stay_in_one_split(propose):
    """Else train would have most texts of test."""
    answers = {"text": ["here"], "answer_start": [0]}
    rows = [
        {"question": f"what {i}?", "context": f"here is text {i // 2}", "answers": answers}
        for i in range(40)
    ]
    Path("mydata/qa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert propose("qa.jsonl")[0].data.split.group == "context"


def test_uneven_labels_are_weighted_and_judged_by_f1(propose):
    """One label in five is spam; with even labels accuracy chooses the checkpoint."""
    parameters, facts = propose("sms.csv")
    assert parameters.train.class_weights == "balanced"
    assert parameters.train.metric_for_best_model == "f1"
    assert parameters.evaluate.positive_label == "spam"
    assert facts["labels"] == "ham 64, spam 16"
    parameters, _ = propose("pairs.csv")
    assert parameters.train.class_weights is None
    assert parameters.train.metric_for_best_model == "accuracy"
    assert parameters.evaluate.positive_label == "yes"


def test_groups_stay_together_and_ids_are_kept(propose):
    """By the columns' names, as the facts say; a date is used for nothing."""
    parameters, facts = propose("users.csv")
    assert parameters.data.split.group == "user_id"
    assert "user_id" in facts["group"]
    parameters, facts = propose("reviews.csv")
    assert parameters.data.extra_columns == ("id",)
    assert facts["not used"] == "date"


def test_how_a_file_is_read_is_said(propose):
    """Delimiter and encoding where they are not those of the format; whole numbers as classes."""
    assert "semicolons" in propose("semicolon.csv")[1]["read as"]
    assert "cp1252" in propose("cp1252.csv")[1]["read as"]
    assert "regression reads them as amounts" in propose("stars.csv")[1]["note"]


def read(values):
    column = ColumnProfile("tags")
    for value in values:
        column.add(value)
    return labels.read_labels(column)


@pytest.mark.parametrize("values", [["1", "2", "3", "1,2", "1,3"], ["3,1,2", "2,1", "1", "3", "2"]])
def test_numbers_with_commas_are_labels_where_they_can_be_lists(values):
    """Ascending, or three in a cell; the note says how else they could be read."""
    keys, _, notes = read(values)
    assert keys == {"problem_type": MULTI["problem_type"], "label_separator": ","}
    assert re.search(r"if \d,\d is a number with a decimal comma", notes[0])


@pytest.mark.parametrize(
    "values", [["3,5", "4,0", "4,5", "3,0", "5,0", "5"], ["12,99", "3,05"], ["1,2", "3", "1,3"]]
)
def test_other_numbers_with_commas_are_refused(values):
    """Ratings in steps of a half, prices, and too few mixtures to tell; both readings are named."""
    with pytest.raises(
        InputError, match=r"decimal commas, such as .*if the commas separate several"
    ):
        read(values)


def test_what_it_cannot_know_is_asked(propose):
    """Two columns could be the label; a wrong name gets the nearest one."""
    with pytest.raises(InputError, match="label\\? colour, shape: say so with --label"):
        propose("two_labels.csv")
    parameters, _ = propose("two_labels.csv", label="shape")
    assert parameters.task.label == "shape"
    parameters, _ = propose("tickets.csv", text=("subject",))
    assert parameters.task.text == ("subject",)
    with pytest.raises(InputError, match=r"no column 'color' .did you mean 'colour'"):
        propose("two_labels.csv", label="color")
    with pytest.raises(InputError, match="no task 'tagging'"):
        propose("two_labels.csv", task="tagging")


def test_weights_decide_about_training_from_scratch(propose, tmp_path):
    """A folder without weights is trained from scratch, which is said; one with weights is not."""
    parameters, facts = propose("pairs.csv")
    assert parameters.model.from_scratch
    assert "from scratch" in facts["model"]
    shutil.copytree(MODEL, tmp_path / "with_weights")
    (tmp_path / "with_weights/model.safetensors").write_bytes(b"")
    tuned, _ = propose("pairs.csv", str(tmp_path / "with_weights"))
    assert not tuned.model.from_scratch
    assert tuned.train.learning_rate < parameters.train.learning_rate


def test_data_from_outside_are_copied_once(own, tmp_path, monkeypatch):
    """The same data are taken again; other data of this name are not overwritten."""
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    for _ in range(2):
        found = source.find_source(str(own / "pairs.csv"), Path("mydata"), ASKED)
        assert found.files == {"train": "mydata/pairs.csv"}
    Path("mydata/pairs.csv").write_text("text,label\n")
    with pytest.raises(InputError, match="exists and differs"):
        source.find_source(str(own / "pairs.csv"), Path("mydata"), ASKED)
    assert Path("mydata/pairs.csv").read_text() == "text,label\n"


def test_a_folder_of_several_formats_is_refused(own, tmp_path, monkeypatch):
    """So is a path that does not exist."""
    monkeypatch.chdir(own.parent)
    with pytest.raises(InputError, match=r"mydata holds files of .*\.csv.*name one file"):
        source.find_source("mydata", Path("copies"), ASKED)
    with pytest.raises(InputError, match=r"no such file or folder: mydata/nothing\.csv"):
        source.find_source("mydata/nothing.csv", Path("copies"), ASKED)


def test_files_of_several_splits_are_never_taken_for_train(tmp_path, monkeypatch):
    """Two files of one split are refused; names in other languages' form are understood."""
    monkeypatch.chdir(tmp_path)
    for name in ("shards/train_1.csv", "shards/train_2.csv", "shards/test.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("text,label\n")
    with pytest.raises(InputError, match=r"train_1.csv, train_2.csv for the split train"):
        source.find_source("shards", Path("copies"), ASKED)
    for name in ("en/en.train.csv", "en/en.dev.csv", "en/sst.test.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("text,label\n")
    found = source.find_source("en/en.train.csv", Path("copies"), ASKED)
    assert found.files == {"train": "en/en.train.csv", "validation": "en/en.dev.csv"}
    assert found.title == "en.train"


def test_data_at_several_depths_are_refused(tmp_path, monkeypatch):
    """A pattern would leave some of them out."""
    monkeypatch.chdir(tmp_path)
    for name in ("deep/b.csv", "deep/2023/a.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("text,label\n")
    with pytest.raises(InputError, match=r"several depths.*deep/.*deep/"):
        source.find_source("deep", Path("copies"), ASKED)


def test_what_only_some_rows_have_is_neither_id_nor_group(propose):
    """Train alone says what the columns are; -1 in another split is no label."""
    rows = [f"{'' if i < 3 else f'u{i % 9}'},text {i} here,{i % 2}" for i in range(40)]
    Path("mydata/gaps.csv").write_text("\n".join(["user_id,text,label", *rows]))
    assert propose("gaps.csv")[0].data.split.group is None


@pytest.mark.parametrize(
    ("content", "message"),
    [("text,label\n", "train has no rows"), ("text,label\n,a\n,b\n,a\n,b\n", "no text")],
)
def test_nothing_to_read_is_one_error(propose, content, message):
    """Neither a header alone nor a column without texts ends in a traceback."""
    Path("mydata/empty.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        propose("empty.csv", text=("text",), label="label")


def test_wishes_are_obeyed_by_every_task(propose):
    """Or refused: none is left aside."""
    rows = '{"tokens": ["a", "b"], "pos_tags": ["X", "Y"], "ner_tags": ["O", "B-P"]}\n'
    Path("mydata/two.jsonl").write_text(rows * 20)
    assert propose("two.jsonl")[0].task.tags == "ner_tags"
    assert propose("two.jsonl", label="pos_tags")[0].task.tags == "pos_tags"
    parameters, _ = propose("tickets.csv", task="seq2seq_lm", text=("body",), label="subject")
    assert (parameters.task.source, parameters.task.target_text) == ("body", "subject")
    with pytest.raises(InputError, match="not that of --label"):
        propose("pairs.csv", text=("label",), label="label")


def test_many_whole_numbers_are_amounts_and_said_to_be(propose):
    """The note has the way to classes."""
    rows = [f"text {i} here,{i % 30}" for i in range(90)]
    Path("mydata/many.csv").write_text("\n".join(["text,label", *rows]))
    parameters, facts = propose("many.csv")
    assert parameters.task.problem_type == "regression"
    assert "single_label_classification reads them as classes" in facts["note"]


def test_a_model_that_is_not_there_is_refused(propose):
    """A mistyped path is not taken for an id on the Hub."""
    with pytest.raises(InputError, match=r"no such folder: \./modls/x"):
        propose("pairs.csv", "./modls/x")


@pytest.mark.parametrize(
    ("name", "header", "rows", "message"),
    [
        (
            "a.csv",
            "it broke after two days,bad",
            "it works {i} days,good\nit broke,bad",
            "a line of",
        ),
        (
            "b.csv",
            "0,it broke too soon",
            "1,it works {i} days\n0,it broke",
            "a line of names above",
        ),
        ("c.csv", "Word,Tag", "Rome,B-LOC\nis,O", r"a row for each word .*\.conll"),
        ("d.txt", "__label__a it works", "__label__b it broke", "begin with __label__"),
        ("e.csv", "text,score", 'it works {i} days,"3,5"', "decimal commas, such as 3,5"),
        ("f.csv", "file,label", "{i}.jpg,cat\n{i}.png,dog", "'file' names image files"),
        ("g.csv", "x" * 300, "1", r"in the columns x{40}…;"),
    ],
)
def test_data_that_would_be_misread_are_refused(propose, name, header, rows, message):
    """The error says in which form they can be read."""
    lines = [rows.replace("{i}", str(i)) for i in range(9)]
    Path("mydata", name).write_text("\n".join([header, *lines]))
    with pytest.raises(InputError, match=message):
        propose(name)


def test_an_ordinary_table_is_not_taken_for_one_without_a_header(propose):
    """Although the names of both columns are among their values."""
    rows = "".join(f"it works {i} days,ham\nit broke {i} times,spam\n" for i in range(20))
    Path("mydata/x.csv").write_text(f"text,spam\ntext,spam\n{rows}")
    assert propose("x.csv", label="spam")[0].task.label == "spam"
    rows = "".join(f"it works {i} days,{'ab'[i % 2]}\n" for i in range(20))
    Path("mydata/numbered.csv").write_text(f"0,1\n{rows}")  # as pandas writes it
    assert propose("numbered.csv")[0].task.text == ("0",)


def test_labels_that_hardly_recur_are_taken_if_told_so(propose):
    """A column's name alone does not make it the label."""
    rows = "".join(f"it works {i} times,SKU-{i % 80}\n" for i in range(160))
    Path("mydata/many.csv").write_text(f"text,label\n{rows}")
    with pytest.raises(InputError, match=r"80 different values in 160 rows.*--label label"):
        propose("many.csv")
    _, facts = propose("many.csv", label="label")
    assert facts["note"].startswith("80 of 80 labels have under 10 rows (SKU-0 2, ")


def test_folders_of_texts_are_not_read_without_their_labels(propose):
    """A task without labels may be asked for."""
    for folder in ("pos", "neg"):
        Path("mydata/mood", folder).mkdir(parents=True)
        for i in range(8):
            Path(f"mydata/mood/{folder}/{i}.txt").write_text(f"it is a {folder} text {i}\n")
    with pytest.raises(InputError, match=r"folders \(neg, pos\).*--task masked_lm"):
        propose("mood")
    assert propose("mood", task="masked_lm")[0].task.name == "masked_lm"


def test_images_of_one_folder_have_one_label(propose):
    """The error says where others would be."""
    shutil.move("mydata/images/red", "mydata/red")
    with pytest.raises(InputError, match="all images have the label red"):
        propose("red", IMAGE_MODEL)


def test_what_is_odd_in_a_column_is_noted(propose):
    """Spelling of labels, empty texts, a column of splits; each once."""
    lines = "".join(
        f",Yes,train\nit works {i},yes ,val\nit broke {i},No,train\n" for i in range(12)
    )
    Path("mydata/odd.csv").write_text(f"text,label,split\n{lines}")
    found = source.find_source("mydata/odd.csv", Path("copies"), ASKED)
    proposed = proposal.propose(found, ASKED, MODEL, Path("models"))
    assert [fact for name, fact in proposed.facts if name == "note"] == [
        "labels that differ in case or spaces alone: 'Yes'/'yes '",
        "12 of 36 rows have an empty 'text'",
        "'split' names the splits and is not read: write a file for each of them",
    ]


def test_a_test_set_without_labels_is_left_to_predict(propose):
    """As competitions have it; the one with labels is taken."""
    for split in ("train", "dev"):
        rows = "".join(f"it works {i} days,{'ab'[i % 2]}\n" for i in range(20))
        Path("mydata/quest").mkdir(exist_ok=True)
        Path(f"mydata/quest/{split}.csv").write_text(f"text,label\n{rows}")
    Path("mydata/quest/test.csv").write_text("id,text\n1,it broke\n")
    parameters, facts = propose("quest")
    assert [*parameters.data.files] == ["train", "validation"]
    assert facts["split"] == "test: 10% of train"
    assert facts["left out"].startswith("mydata/quest/test.csv: it has no labels")


def test_texts_without_spaces_between_words_are_texts(propose):
    """Chinese, Japanese and Thai have none."""
    rows = "".join(f"这个手机非常好用{i},{'好坏'[i % 2]}\n" for i in range(40))
    Path("mydata/zh.csv").write_text(f"文本,标签\n{rows}", encoding="utf-8")
    task = propose("zh.csv")[0].task
    assert (task.text, task.label) == (("文本",), "标签")


def test_translation_is_from_the_first_language(propose):
    """Languages go by their codes."""
    Path("mydata/it.csv").write_text("it,en\n" + "il gatto nero,the black cat\n" * 9)
    task = propose("it.csv", str(ROOT / "data/sample/seq2seq_lm/model"))[0].task
    assert (task.source, task.target_text) == ("it", "en")
    Path("mydata/named.csv").write_text("text,translation\n" + "il gatto nero,the black cat\n" * 9)
    task = propose("named.csv", str(ROOT / "data/sample/seq2seq_lm/model"))[0].task
    assert (task.problem_type, task.target_text) == ("translation", "translation")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """The sample's model with a file for weights, which only training would read."""
    folder = tmp_path_factory.mktemp("pretrained") / "tuned"
    shutil.copytree(MODEL, folder)
    (folder / "model.safetensors").write_bytes(b"")
    return str(folder)


def test_quick_is_the_recipe_of_what_helps(propose, pretrained):
    """benchmarks/time_to_quality.py measured these values, on 3 of 6 layers and 3 epochs' rows."""
    usual, facts = propose("pairs.csv", pretrained)
    assert "quality" not in facts
    assert usual.train.freeze == params.load().train.freeze
    quick, facts = propose("pairs.csv", pretrained, quality="quick")
    assert "not known" in facts["quality"]
    comment = " ".join(Path("params.yaml").read_text().split("\n\n")[0].split("\n# "))
    assert facts["quality"] in comment
    layers = yaml.safe_load(Path(pretrained, "config.json").read_text())["num_hidden_layers"]
    assert (quick.train.freeze.embeddings, quick.train.freeze.layers) == (True, layers // 2)
    assert quick.train.learning_rate == pytest.approx(1.5e-4)
    assert quick.train.head_learning_rate == pytest.approx(1e-3)
    assert quick.train.epochs == round(usual.train.epochs * 2 / 3)
    assert quick.model.config == {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0}
    assert quick.model.head.pooling == "pair"
    assert propose("semicolon.csv", pretrained, quality="quick")[0].model.head.pooling == "mean"


def test_a_checkpoints_prompts_are_those_of_the_texts(propose, pretrained, tmp_path):
    """`temper check` refuses such a checkpoint without task.prompts."""
    folder = shutil.copytree(pretrained, tmp_path / "e5")
    stored = {"prompts": {"query": "query: ", "passage": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(stored))
    found, facts = propose("triplets.jsonl", str(folder))
    wanted = {"query": "query: ", "document": "passage: "}
    assert found.task.prompts.model_dump() == wanted
    assert json.dumps(wanted) in facts["note"]


def test_best_is_for_pairs(propose, pretrained):
    """What nobody measured is refused, and says what is left."""
    best, facts = propose("pairs.csv", pretrained, quality="best")
    assert (best.train.model_soup_size, best.train.weight_averaging.decay) == (2, 0.99)
    assert "83.3 +- 1.1" in facts["quality"]
    for name, message in (("semicolon.csv", "pairs of texts alone"), ("amounts.csv", "one label")):
        with pytest.raises(InputError, match=message):
            propose(name, pretrained, quality="best")
    with pytest.raises(InputError, match="has no weights"):
        propose("pairs.csv", quality="best")


def test_numbers_of_the_presets_are_those_of_the_documentation():
    """They are repeated where a user reads them."""
    page = (ROOT / "docs/what-helps.md").read_text(encoding="utf-8")
    for number in ("−0.1 (−1.6 to +1.5", "**0.31**", "**83.3 ± 1.1**", "80.8 ± 1.2"):
        assert number in page
