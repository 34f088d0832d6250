"""Every launch file is what accelerate makes of it, and starts the processes it says."""

import json
import subprocess

import pytest
import yaml

from tests.helpers import servers
from tests.helpers.waiting import LIMIT_S
from tests.helpers.workspace import ROOT, environment

LAUNCH = ROOT / "launch"
FILES = sorted(LAUNCH.glob("*.yaml"))
WORKER = """
import json, os, sys
import torch
from accelerate import PartialState

state = PartialState(cpu=True)
total = torch.tensor(1.0)
if state.num_processes > 1:
    torch.distributed.all_reduce(total)
facts = {"world": state.num_processes, "backend": state.backend, "sum": int(total)}
facts["precision"] = os.environ["ACCELERATE_MIXED_PRECISION"]
with open(f"{sys.argv[1]}/{state.process_index}.json", "w") as file:
    json.dump(facts, file)
state.destroy_process_group()
"""


def start(folder, name, *options):
    """Start accelerate with a launch file on a worker that writes down what it is part of."""
    worker = folder / "worker.py"
    worker.write_text(WORKER)
    command = ["accelerate", "launch", "--config_file", str(LAUNCH / f"{name}.yaml"), *options]
    return subprocess.Popen(
        [*command, str(worker), str(folder)],
        env=environment(OMP_NUM_THREADS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(folder, *processes):
    """Return what each rank wrote, in order, once every process has ended well."""
    for process in processes:
        out, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, out[-2000:]
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_accelerate_reads_every_launch_file(file):
    """Its own loader refuses unknown keys; the files hold topology only."""
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(file))
    given = yaml.safe_load(file.read_text())
    assert config.num_processes == given["num_processes"]
    assert config.num_machines == given["num_machines"]
    assert config.distributed_type.value == given["distributed_type"]
    assert config.mixed_precision is None
    assert config.gpu_ids is None


def test_accelerate_refuses_unknown_keys(tmp_path):
    """So the test above would notice a misspelt key."""
    from accelerate.commands.config.config_args import load_config_from_file

    file = tmp_path / "odd.yaml"
    file.write_text((LAUNCH / "single.yaml").read_text() + "num_proceses: 2\n")
    with pytest.raises(ValueError, match="num_proceses"):
        load_config_from_file(str(file))


def test_every_launch_file_is_named_in_the_readme():
    """Nobody would use a file that is not mentioned."""
    text = (ROOT / "README.md").read_text()
    assert all(f"`{file.stem}`" in text for file in FILES)


@pytest.mark.slow
def test_single_starts_one_process(tmp_path):
    """There is no process group."""
    (facts,) = finished(tmp_path, start(tmp_path, "single"))
    assert facts == {"world": 1, "backend": None, "sum": 1, "precision": "no"}


@pytest.mark.slow
def test_cpu_2_starts_two_processes_that_talk_over_gloo(tmp_path):
    """MULTI_CPU would silently start one."""
    found = finished(tmp_path, start(tmp_path, "cpu_2"))
    assert found == [{"world": 2, "backend": "gloo", "sum": 2, "precision": "no"}] * 2


@pytest.mark.slow
def test_multi_node_joins_two_machines(tmp_path):
    """Two launchers on loopback start a process each."""
    options = ["--num_processes", "2", "--main_process_port", str(servers.free_port())]
    machines = [start(tmp_path, "multi_node", *options, "--machine_rank", r) for r in "01"]
    assert [facts["world"] for facts in finished(tmp_path, *machines)] == [2, 2]
