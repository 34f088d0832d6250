"""A Hub that accepts a connection and says nothing ends a command, in one line."""

import socket
from pathlib import Path

import pytest
from huggingface_hub import set_client_factory
from huggingface_hub.utils._http import default_client_factory

from temper.cli import push
from temper.core.errors import InputError
from temper.ingest import hub, hub_client
from temper.init import proposal
from temper.params.data import HubDataset


@pytest.fixture
def silent(monkeypatch):
    """A server whose connections are never answered, as the Hub's address."""
    monkeypatch.setattr(hub_client, "WAIT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", url)
        yield
    hub_client.limit_waits.cache_clear()
    set_client_factory(default_client_factory)


@pytest.mark.usefixtures("silent")
def test_a_download_ends():
    """huggingface_hub itself waits for ever."""
    message = r"^{} me/x at its main branch: the connection failed \(ReadTimeout: .*run the command"
    with pytest.raises(InputError, match=message.format("model")):
        hub.fetch_model("me/x", None)
    with pytest.raises(InputError, match=message.format("dataset")):
        hub.open_dataset(HubDataset(name="me/x"))


@pytest.mark.usefixtures("silent")
def test_temper_init_goes_on_without_the_hub():
    assert proposal.check_model_id("me/x") is False


@pytest.mark.usefixtures("silent")
def test_temper_push_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_the_tests")
    with pytest.raises(InputError, match=r"cannot be reached \(.*\); rerun the command"):
        push.upload("me/x", tmp_path, is_space=False, private=False)


def test_offline_mode_is_named(monkeypatch):
    """It is no failed connection, which would be worth another try."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set, and the Hub is asked; unset it"):
        hub.fetch_model("me/x", None)
    assert not Path("me").exists()
