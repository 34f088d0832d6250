"""What one clone made, another takes from a DVC remote: nothing runs twice, nothing downloads."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import servers
from tests.helpers.repository import clone, hashes, ran, run, set_params
from tests.helpers.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("untracked")]
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "none"}


@pytest.fixture(scope="module")
def s3():
    """Serve S3 on loopback; yield the address."""
    port = servers.free_port()
    moto = str(Path(sys.executable).with_name("moto_server"))
    server = subprocess.Popen(
        [moto, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


def test_clone_pulls_and_runs_nothing(origin, tmp_path, s3):
    """`dvc pull` with `dvc repro` and `dvc repro --pull` both skip every stage."""
    import boto3

    first = clone(origin, tmp_path / "first", cache=True)
    account = {"region_name": "us-east-1", "aws_access_key_id": "test"}
    account["aws_secret_access_key"] = "test"
    boto3.client("s3", endpoint_url=s3, **account).create_bucket(Bucket="store")
    run(first, "dvc remote add -d store s3://store/temper")
    run(first, f"dvc remote modify store endpointurl {s3}")
    run(first, "dvc push", **KEYS)
    run(first, "git commit -qam remote")
    second = clone(first, tmp_path / "second")
    run(second, "dvc pull", **KEYS)
    assert ran(run(second, "dvc repro", **KEYS)) == []
    assert (second / "data/export/onnx/model.onnx").exists()
    third = clone(first, tmp_path / "third")
    assert ran(run(third, "dvc repro --pull", **KEYS)) == []
    assert hashes(third) == hashes(origin)


def test_emptied_outputs_come_back_from_the_cache(origin, tmp_path):
    """The source is not asked again."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    for name in ("raw", "base", "tokenized", "model"):
        shutil.rmtree(folder / "data" / name)
    done = run(folder, "dvc repro")
    assert ran(done) == []
    assert (folder / "data/raw/train").is_dir()


def test_the_run_cache_remembers_parameters_tried_before(origin, tmp_path):
    """Going back runs nothing, and gc keeps what the workspace uses."""
    folder = clone(origin, tmp_path / "clone", cache=True)
    set_params(folder, evaluate__num_worst_examples=4)
    assert ran(run(folder, "dvc repro")) == ["evaluate", "export"]
    tried = hashes(folder)
    set_params(folder, evaluate__num_worst_examples=5)
    assert ran(run(folder, "dvc repro")) == []
    set_params(folder, evaluate__num_worst_examples=4)
    assert ran(run(folder, "dvc repro")) == []
    assert hashes(folder) == tried
    before = {path.name for path in (folder / ".dvc/cache/files/md5").rglob("*")}
    run(folder, "dvc gc --workspace --force")
    after = {path.name for path in (folder / ".dvc/cache/files/md5").rglob("*")}
    assert after < before
    shutil.rmtree(folder / "data/evaluation")
    assert ran(run(folder, "dvc repro")) == []
