"""dvc.yaml that `dvc repro` refuses."""

from pathlib import Path

from tests.promises.bad_input import BadInput

ROWS = "sentence1,sentence2,label\na,b,equivalent\n"


def dvc_yaml(name: str, text: str, *says: str) -> BadInput:
    files = {"dvc.yaml": text, "stages/short.py": "def main(raw, target):\n    pass\n"}
    return BadInput(name=name, files=files, says=("dvc.yaml", *says))


def stage(name: str, fields: str, *says: str) -> BadInput:
    return dvc_yaml(name, f"stages:\n  a: {{{fields}}}\n", *says)


CASES = [
    dvc_yaml("not_yaml", "stages: {\n", ":2: not YAML"),
    dvc_yaml("empty", "", "expected keys and values"),
    dvc_yaml("list", "stages: [a]\n", ":1: DVC refuses this", "expected a dictionary"),
    dvc_yaml("merge", "x: &x {}\nstages:\n  a:\n    <<: *x\n", ":4: merge keys (<<)"),
    dvc_yaml(
        "circle",
        "stages:\n  a: {cmd: x, deps: [b], outs: [c]}\n  b: {cmd: x, deps: [c], outs: [b]}\n",
        "DVC refuses this",
        "both a dependency and an output in stages",
    ),
    dvc_yaml(
        "two_owners",
        "stages:\n  a: {cmd: x, outs: [c]}\n  b: {cmd: x, outs: [c]}\n",
        "DVC refuses this: output 'c' is specified in:",
    ),
    dvc_yaml(
        "twice",
        "stages:\n  a: {cmd: x, outs: [c]}\n  a: {cmd: x, outs: [d]}\n",
        ":3: duplicate key 'a'",
    ),
    stage("own_circle", "cmd: x, deps: [c], outs: [c]", "both a dependency and an output"),
    stage("overlap", "cmd: x, outs: [c, c/d]", "DVC refuses this", "overlap"),
    stage("unknown_key", "cmd: x, outz: [c]", ":2: DVC refuses", "extra keys not allowed", "outz"),
    stage("no_command", "outs: [c]", ":2: DVC refuses", "required key not provided", "cmd"),
    stage("deps_are_no_list", "cmd: x, deps: 3", ":2: DVC refuses this", "expected a list"),
    stage("foreach_number", "foreach: 3, do: {cmd: x}", ":2: DVC refuses this", "foreach"),
    stage("foreach_text", "foreach: '${seed}', do: {cmd: x}", "expected list/dictionary, got int"),
    stage(
        "unknown_parameter",
        "cmd: 'x ${train.lunch}'",
        ":2: params.yaml has no train.lunch (did you mean 'train.launch'?)",
    ),
    stage("unknown_params", "cmd: x, params: [sead]", ":2: params.yaml has no sead (did you mean"),
    stage("no_module", "cmd: python -m stages.trane", ":2: stages/trane.py does not exist"),
    stage("no_code", "cmd: x, deps: [temper/gone.py]", ":2: temper/gone.py does not exist"),
    stage(
        "no_dependency",
        "cmd: x, deps: [gone]",
        ":2: a depends on gone, which does not exist and which no stage writes",
    ),
    stage(
        "missing_argument",
        "cmd: python -m stages.short data/raw",
        ":2: stages.short takes 2 arguments (raw, target), not 1",
    ),
    stage(
        "one_argument_more",
        "cmd: python -m stages.short data/raw data/base data/model",
        ":2: stages.short takes 2 arguments (raw, target), not 3",
    ),
    BadInput(
        name="data_is_an_output",
        changes={"data.files.train": "made"},
        files={
            "dvc.yaml": "stages:\n  a:\n    foreach: ${data.files}\n    do:\n      cmd: x\n"
            "      deps: ['${item}']\n      outs: ['made/${key}']\n",
            "made/train.csv": lambda path: path.write_bytes(
                Path("tests/data/train.csv").read_bytes()
            ),
        },
        says=("dvc.yaml: DVC refuses this", "both a dependency and an output"),
    ),
    BadInput(name="absent", files={"dvc.yaml": Path.unlink}, says=("dvc.yaml: no such file",)),
    BadInput(
        name="no_dvc",
        files={".dvc": lambda path: path.rename("gone")},
        says=("there is no .dvc folder here", "dvc init"),
    ),
    BadInput(
        name="no_git",
        files={".dvc/config": ""},
        says=("DVC refuses this", "is not a git repository"),
    ),
]
