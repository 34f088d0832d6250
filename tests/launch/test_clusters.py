"""The jobs for Slurm and Kubernetes start each machine with the options that accelerate takes."""

import subprocess
import sys

import pytest
import yaml

from temper.core import yaml_file
from temper.training import launcher
from tests.helpers.waiting import LIMIT_S
from tests.helpers.workspace import ROOT, environment

CLUSTERS = ROOT / "launch/clusters"
TRAIN = ["-m", "stages.train", *(f"data/{name}" for name in ("tokenized", "base", "model"))]
RECORD = """#!/bin/bash
[ "$1" = - ] && exec {python} -
echo "$(basename $0) $* $MASTER_ADDR $MASTER_PORT $NODE_RANK" >> {log}
[ "$*" != "status -q train" ] || [ -e trained ]
"""


@pytest.fixture
def recorded(tmp_path, write_params):
    """Return a repository whose commands are written down, and the environment that has them.

    Its training is finished where there is a file `trained`.
    """
    write_params(train__launch="multi_node")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").touch()
    commands = tmp_path / "bin"
    commands.mkdir()
    scripts = {"dvc": RECORD.format(log=tmp_path / "log", python=sys.executable)}
    scripts["python"] = scripts["dvc"]
    scripts["scontrol"] = '#!/bin/bash\n[ "$*" = "show hostnames n[7-8]" ] && printf "n7\\nn8\\n"\n'
    scripts["srun"] = '#!/bin/bash\nshift\nfor i in 0 1; do SLURM_NODEID=$i "$@"; done\n'
    for name, text in scripts.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    variables = {"SLURM_SUBMIT_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    return tmp_path, variables | {"PATH": f"{commands}:/usr/bin:/bin"}


def test_slurm_job_starts_the_pipeline_and_its_other_machine(recorded):
    """The first node runs DVC, the second joins the training of the first, at the job's port."""
    folder, variables = recorded
    variables |= {"SLURM_JOB_NODELIST": "n[7-8]", "SLURM_JOB_ID": "123456"}
    subprocess.run(["bash", CLUSTERS / "slurm.sbatch"], env=variables, cwd="/", check=True)
    *first, second = (folder / "log").read_text().splitlines()
    commands = ("repro tokenize download@model", "status -q train", "repro --no-run-cache")
    assert first == [f"dvc {command} n7 23456 0" for command in commands]
    assert second.startswith("python -m temper.training.launcher -m stages.train data/tokenized ")
    assert second.endswith(" data/history n7 23456 1")
    assert (folder / ".dvc/tmp/prepared-123456-0").exists()
    directives = [
        line for line in (CLUSTERS / "slurm.sbatch").read_text().splitlines() if "--nodes" in line
    ]
    assert (
        f"#SBATCH --nodes={yaml_file.load(ROOT / 'launch/multi_node.yaml')['num_machines']}"
        in directives
    )


def test_kubernetes_job_has_a_pod_per_machine(recorded):
    """Its names fit together, and its command runs with the variables that it sets."""
    service, job = yaml.safe_load_all((CLUSTERS / "kubernetes.yaml").read_text())
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {v["name"]: v.get("value", "1") for v in container["env"]}
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert service["spec"]["clusterIP"] == "None"
    assert pod["subdomain"] == service["metadata"]["name"]
    assert variables["MASTER_ADDR"] == f"{job['metadata']['name']}-0.{pod['subdomain']}"
    machines = yaml_file.load(ROOT / "launch/multi_node.yaml")["num_machines"]
    assert spec["completions"] == spec["parallelism"] == machines
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    folder, recorder = recorded
    prepared = folder / f".dvc/tmp/prepared-{variables['JOB_ID']}"
    prepared.parent.mkdir(parents=True)
    prepared.write_text("train")
    subprocess.run(container["command"], env=recorder | variables, cwd=folder, check=True)
    assert (folder / "log").read_text().endswith("data/history temper-0.temper 29500 1\n")


def machine(folder, variables, rank):
    """Start a machine of a job."""
    job = {"MASTER_ADDR": "n7", "MASTER_PORT": "9", "JOB_ID": "5", "NODE_RANK": str(rank)}
    command = ["bash", CLUSTERS / "machine.sh"]
    return subprocess.Popen(
        command, env=variables | job, cwd=folder, stderr=subprocess.PIPE, text=True
    )


def test_other_machines_wait_for_the_data_and_leave_a_finished_training(recorded):
    """The job of another attempt tells them nothing; nobody would wait for them."""
    folder, variables = recorded
    (folder / "trained").touch()
    earlier = folder / ".dvc/tmp/prepared-4"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("train")
    second = machine(folder, variables, 1)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(timeout=2)
    first = machine(folder, variables, 0)
    for started in (first, second):
        assert started.communicate(timeout=LIMIT_S) == (None, "")
        assert started.returncode == 0
    assert "python" not in (folder / "log").read_text()
    assert [path.name for path in earlier.parent.iterdir()] == ["prepared-5"]


def test_launch_file_of_one_machine_is_refused(recorded, write_params):
    """Each machine would train by itself, in the same folder."""
    folder, variables = recorded
    write_params(train__launch="cpu_2")
    first = machine(folder, variables, 0)
    _, errors = first.communicate(timeout=LIMIT_S)
    assert first.returncode == 1
    assert "launch/cpu_2.yaml is of one machine; set it to multi_node" in errors
    assert not (folder / "log").exists()


def test_machine_without_an_address_is_refused(recorded):
    """The line names the variable that is missing."""
    folder, variables = recorded
    done = subprocess.run(
        ["bash", CLUSTERS / "machine.sh"], env=variables, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "MASTER_ADDR: the address of the first machine" in done.stderr
    assert not (folder / "log").exists()


def test_variables_of_a_cluster_become_options_of_accelerate(monkeypatch):
    """They override the launch file of several machines, and leave that of one alone."""
    from accelerate.commands import launch

    parsed = []
    monkeypatch.setattr(launch, "launch_command", parsed.append)
    for name, value in {"MASTER_ADDR": "n7", "MASTER_PORT": "23456", "NODE_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(launcher, "interface_to", lambda host: None)
    monkeypatch.setattr(launcher, "leave_interrupts", lambda: None)
    for name in ("multi_node", "cpu_2"):
        assert launcher.launch(str(ROOT / f"launch/{name}.yaml"), TRAIN) == 0
    launcher.logging.disable(launcher.logging.NOTSET)
    several, one = [launch._validate_launch_command(options)[0] for options in parsed]
    assert (several.main_process_ip, several.main_process_port) == ("n7", 23456)
    assert (several.machine_rank, several.num_machines, several.num_processes) == (1, 2, 2)
    assert (one.main_process_ip, one.main_process_port, one.num_machines) == (None, 0, 1)


@pytest.mark.slow
def test_machine_that_finds_no_other_is_one_line(tmp_path):
    """The launcher has no traceback of its own, and says what it waited for."""
    options = ["--machine_rank", "1", "--main_process_port", "9", "--rdzv_conf", "timeout=1"]
    command = ["python", "-m", "temper.training.launcher", str(ROOT / "launch/multi_node.yaml")]
    done = subprocess.run(
        [*command, *options, *TRAIN],
        env=environment(PYTHONPATH=str(ROOT)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "multi_node.yaml: the machines do not find each other" in line
    assert "Traceback" not in done.stderr
