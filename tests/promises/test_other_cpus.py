"""evaluate and export give the same bytes on another CPU, and the environment says which it was."""

import ast
import json
import os
import shutil
import subprocess
import sys

import pytest

from temper.core import artifacts
from tests.helpers.workspace import ROOT

# Other kernels of numpy and the C library: those that this CPU would take, and the oldest.
CPUS = {
    "widest": {"numpy": "", "libc": ""},
    "oldest": {
        "numpy": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "libc": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-FMA",
    },
}
STAGES = """
import json, sys
from pathlib import Path
from temper import params
from temper.core import determinism
determinism.PORTABLE_VARIABLES["NPY_DISABLE_CPU_FEATURES"] = sys.argv[1]
determinism.prepare(params.load().determinism)
from stages import evaluate, export
from temper.evaluation import baselines
baselines.MAX_FEATURES = 100  # so that terms tie at the limit
data = Path("data")
names = ("model", "history", "tokenized", "raw", "zero_shot", "evaluation")
evaluate.main(*(data / name for name in names))
names = ("model", "evaluation", "tokenized", "raw/summary.json", "export")
export.main(*(data / name for name in names))
print(json.dumps(determinism.environment()))
"""


@pytest.mark.slow
def test_evaluate_and_export_do_not_depend_on_the_vector_width(
    exported_workspace, tmp_path, untracked
):
    """ONNX Runtime cannot be told which kernels to take: no output holds its numbers."""
    found = {}
    for name, cpu in CPUS.items():
        folder = shutil.copytree(exported_workspace, tmp_path / name)
        command = [sys.executable, "-c", STAGES, cpu["numpy"]]
        env = os.environ | {"PYTHONPATH": str(ROOT), "GLIBC_TUNABLES": cpu["libc"]}
        done = subprocess.run(
            command, cwd=folder, env=env, check=True, stdout=subprocess.PIPE, text=True
        )
        environment = json.loads(done.stdout.splitlines()[-1])
        outputs = [artifacts.sha256_tree(folder / "data" / n) for n in ("evaluation", "export")]
        found[name] = (environment["numpy.cpu_features"], outputs)
    assert found["oldest"][0] == ""
    assert found["widest"][0] != ""
    assert found["oldest"][1] == found["widest"][1]


def test_every_argsort_is_stable():
    """The order of equals is that of their places, whatever the CPU's vector width."""
    unstable = []
    for file in [*ROOT.glob("temper/**/*.py"), *ROOT.glob("stages/*.py")]:
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                options = {keyword.arg for keyword in call.keywords}
                if call.func.attr in ("argpartition", "topk") or (
                    call.func.attr == "argsort" and not options & {"kind", "stable"}
                ):
                    unstable.append(f"{file.relative_to(ROOT)}:{call.lineno}")
    assert unstable == []
