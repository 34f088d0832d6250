"""Sources, ids, revisions and licences that would be recorded wrongly, or cannot be found."""

from tests.promises.bad_input import ABSENT, BadInput, changed

COMMIT = "12040accade4e8a0f71eabdb258fecc2e7e948be"
FROM_HUB = {"data.source": "hub", "data.files": {}}
HUB_MODEL = {"model.files": {}, "model.from_scratch": False}
ZERO_SHOT = {"template": "This is {}."}


def zero_shot(**model: str) -> dict:
    return {"evaluate.zero_shot": {"nli": ZERO_SHOT | model}}


CASES = [
    changed(
        "data.hub",
        {"name": "nyu-mll/glue"},
        "params.yaml:",
        "data.hub: name has no effect with source: files",
        "remove data.hub",
    ),
    changed(
        "data.hub",
        {"config": "mrpc", "revision": COMMIT},
        "data.hub: config, revision has no effect with source: files",
    ),
    changed(
        "data.hub",
        {"splits": {"train": "train"}},
        "data.hub: splits has no effect with source: files",
    ),
    BadInput(
        name="glob_beside_hub",
        changes=FROM_HUB | {"data.hub": {"name": "nyu-mll/glue"}, "data.glob": "{split}-*.csv"},
        says=("data.glob: chooses among local files, and source is hub",),
    ),
    changed(
        "data.source",
        "huggingface",
        "data.source: Input should be 'files' or 'hub'; found 'huggingface'",
    ),
    changed("data.source", ABSENT, "data.source: missing; it has no default"),
    BadInput(
        name="hub_is_a_name",
        changes=FROM_HUB | {"data.hub": "nyu-mll/glue"},
        says=("data.hub: ", "found 'nyu-mll/glue'"),
    ),
    BadInput(
        name="hub_split_in_singular",
        changes=FROM_HUB | {"data.hub": {"name": "nyu-mll/glue", "split": {"train": "train"}}},
        says=("data.hub.split: unknown key (did you mean 'splits'?)", "config"),
    ),
    BadInput(
        name="hub_split_without_a_name",
        changes=FROM_HUB | {"data.hub": {"name": "nyu-mll/glue", "splits": {"train": None}}},
        says=("data.hub.splits.train: expected text; found null",),
    ),
    BadInput(
        name="data_id_is_an_address",
        changes=FROM_HUB | {"data.hub": {"name": "https://huggingface.co/datasets/nyu-mll/glue"}},
        says=("data.hub.name: 'https://huggingface.co/datasets/nyu-mll/glue' is no id on the Hub",),
    ),
    BadInput(
        name="data_revision_is_a_number",
        changes=FROM_HUB | {"data.hub": {"name": "nyu-mll/glue", "revision": 1234567}},
        says=("data.hub.revision: expected text; found 1234567", 'put it in quotes: "1234567"'),
    ),
    changed(
        "model.revision",
        COMMIT,
        "model.revision: ",
        f"'{COMMIT}' is of a Hub model",
        "'sample' is a folder",
    ),
    BadInput(
        name="model_revision_is_a_number",
        changes=HUB_MODEL | {"model.name": "bert-base-uncased", "model.revision": 12e3},
        says=("model.revision: expected text; found 12000.0",),
    ),
    BadInput(
        name="model_id_with_dots",
        changes=HUB_MODEL | {"model.name": "../bert"},
        says=("model.name: '../bert' is no id on the Hub",),
    ),
    BadInput(
        name="model_files_beside_a_hub_model",
        changes={"model.name": "distilbert/distilbert-base-uncased"},
        says=("model: name is 'distilbert/distilbert-base-uncased' but files holds ['sample']",),
    ),
    changed("model.name", "", "model.name: ", "at least 1 character"),
    changed("model.files", "data/sample/model", "model.files: ", "found 'data/sample/model'"),
    BadInput(
        name="zero_shot_revision_beside_a_folder",
        changes=zero_shot(name="sample", revision="main"),
        says=("evaluate.zero_shot.nli.revision: 'main' is of a Hub model", "remove it"),
    ),
    changed(
        "tokenize.translators",
        {"there": {"name": "sample", "revision": "v1"}},
        "tokenize.translators.there.revision: 'v1' is of a Hub model",
    ),
    changed(
        "data.license", 2.0, "data.license: expected text; found 2.0", 'put it in quotes: "2.0"'
    ),
    changed(
        "data.description",
        ["pairs", "of sentences"],
        "data.description: ",
        "valid string",
        "found ['pairs', 'of sentences']",
    ),
    changed("export.license", "", "export.license: ", "at least 1 character"),
    changed("export.licence", "mit", "export.licence: unknown key (did you mean 'license'?)"),
    changed("export.name", ABSENT, "export.name: missing; it has no default"),
]
