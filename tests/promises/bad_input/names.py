"""Names that would become paths, stages or words of a command, and paths that are not there."""

from tests.promises.bad_input import BadInput, changed

ZERO_SHOT = {"name": "sample", "template": "{}"}
PLACES = {  # group → a value that fits
    "data.files": "tests/data/test.csv",
    "model.files": "data/sample/model",
    "code": "mine.py",
    "tokenize.synonym_files": "words.tsv",
    "tokenize.translators": {"name": "sample"},
    "evaluate.zero_shot": ZERO_SHOT,
}
ODD = {
    "parent": "..",
    "folders": "../../kept",
    "space": "my test",
    "command": "a; touch made",
    "slash": "a/b",
    "accent": "prüfung",
}
GIVEN = {
    "data.files": {"train": "tests/data/train.csv"},
    "model.files": {"sample": "data/sample/model"},
}


def hub_id(name: str, changes: dict, *says: str) -> BadInput:
    return BadInput(name=f"hub_id_{name}", changes=changes, says=("params.yaml:", *says))


def missing(key: str, changes: dict, path: str = "gone") -> BadInput:
    return BadInput(
        name=f"no_{key.split('.')[-2]}_{key.split('.')[-1]}",
        changes=changes,
        says=("params.yaml:", key, f"no such file or folder: {path}"),
    )


CASES = [
    *(
        BadInput(
            name=f"{group}_{kind}",
            changes={group: GIVEN.get(group, {}) | {name: value}},
            says=("params.yaml:", f"{group}.{name}: {name!r} is not allowed as a name", "letters"),
        )
        for group, value in PLACES.items()
        for kind, name in ODD.items()
        if kind in ("folders", "command") or group == "data.files"
    ),
    changed("train.launch", "../launch/single", "'../launch/single' is not allowed as a name"),
    changed("train.launch", "$(touch made)", "'$(touch made)' is not allowed as a name"),
    BadInput(
        name="hub_split",
        changes={
            "data.source": "hub",
            "data.files": {},
            "data.hub": {"name": "a/b", "splits": {"../x": "train"}},
        },
        says=("params.yaml:", "data.hub.splits.../x: '../x' is not allowed as a name"),
    ),
    missing("code.unused", {"code": {"unused": "gone"}}),
    missing("tokenize.synonym_files.unused", {"tokenize.synonym_files": {"unused": "gone"}}),
    missing("model.files.unused", {"model.files.unused": "gone"}),
    missing("data.files.test", {"data.files.test": "gone"}),
    changed("data.files.test", "tests/data/*.csv", "a pattern goes into data.glob"),
    BadInput(
        name="not_pulled",
        changes={"data.files.test": "big.csv"},
        files={"big.csv.dvc": "outs: []\n"},
        says=("params.yaml:", "data.files.test", "`dvc pull` fetches big.csv.dvc"),
    ),
    changed("code", {"mine": "launch"}, "code.mine", "launch is no file"),
    hub_id(
        "space",
        {"model.name": "my model", "model.files": {}, "model.from_scratch": False},
        "model.name: 'my model' is no id on the Hub, nor a key of model.files (none)",
    ),
    hub_id(
        "data",
        {"data.source": "hub", "data.files": {}, "data.hub": {"name": "my data"}},
        "data.hub.name: 'my data' is no id on the Hub",
    ),
    hub_id(
        "zero_shot",
        {"evaluate.zero_shot": {"nli": ZERO_SHOT | {"name": "a b"}}},
        "evaluate.zero_shot.nli.name: 'a b' is no id on the Hub",
    ),
    hub_id(
        "translator",
        {"tokenize.translators": {"there": {"name": "a//b"}}},
        "tokenize.translators.there.name: 'a//b' is no id on the Hub",
    ),
]
