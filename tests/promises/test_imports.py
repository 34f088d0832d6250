"""A process imports what it uses: the large packages take seconds each."""

import subprocess
import sys

from tests.helpers.workspace import ROOT, TOKENIZED, environment

LARGE = {  # package → a module that is imported if it is, and does not only wait to be
    "accelerate": "accelerate",
    "datasets": "datasets",
    "dvc": "dvc.repo",
    "mlflow": "mlflow",
    "onnxruntime": "onnxruntime",
    "pandas": "pandas",
    "sklearn": "sklearn",
    "torch": "torch._C",
    "transformers": "transformers",
}
IMPORTED = f"""
import sys
print("imported:", *[name for name, module in {LARGE}.items() if module in sys.modules])
"""
STAGE = "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"


def imported(code: str, *arguments: str) -> set[str]:
    """Return the large packages that a process has imported once it has run some code."""
    code = f"import sys\n{code}\n{IMPORTED}"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("imported:")[2].split())


def test_a_module_that_starts_a_process_imports_nothing_large():
    """A stage that starts without `temper.core.run` imports its modules twice."""
    stages = (f"stages.{path.stem}" for path in ROOT.glob("stages/[a-z]*.py"))
    modules = (*stages, "temper.training.launcher", "temper.cli.check")
    assert imported("\n".join(f"import {module}" for module in modules)) == set()


def test_what_starts_a_stage_knows_no_schema():
    """It reads one group of params.yaml, and the stage all of it."""
    code = "import temper.core.run\nassert not {'pydantic', 'numpy'} & set(sys.modules)"
    assert imported(code) == set()


def test_help_imports_nothing_large():
    """Neither do the other commands' libraries."""
    code = "from temper.cli.main import main\ntry: main()\nexcept SystemExit: pass"
    assert imported(code, "--help") == set()


def test_one_process_starts_without_accelerate():
    """The launcher only has to wait for it."""
    code = "from temper.training import launcher\nlauncher.launch(sys.argv[1], ['-m', 'platform'])"
    assert imported(code, str(ROOT / "launch/single.yaml")) == set()


def test_torch_is_not_imported_before_train(prepare):
    """Rows are written by datasets, a tokenizer is read by transformers; neither needs torch."""
    prepare()
    dataset = ("stages.download", "dataset", "data/files/dataset", "data/raw")
    model = ("stages.download", "model", "data/files/model", "data/base")
    tokenize = ("stages.tokenize", *(f"data/{name}" for name in TOKENIZED))
    assert imported(STAGE, *dataset) == {"datasets", "pandas"}
    assert imported(STAGE, *model) == {"transformers"}
    assert imported(STAGE, *tokenize) == {"datasets", "pandas", "transformers"}


def test_scores_of_classes_need_no_scikit_learn():
    """Train computes them after each evaluation."""
    code = """
import numpy as np
from temper import metrics
for name, labels in (("classification", np.arange(4) % 2), ("multi_label", np.eye(4)[:, :2])):
    metrics.compute_from_logits(name, np.random.randn(4, 2), labels)
"""
    assert imported(code) == set()
