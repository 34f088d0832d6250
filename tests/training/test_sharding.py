"""Sharded weights are gathered whole, and whole ones sharded; here by a process group of one."""

from copy import deepcopy

import pytest
import torch
from torch import distributed as dist
from torch.distributed.tensor import DTensor
from transformers import BertConfig, BertForMaskedLM, ResNetConfig, ResNetForImageClassification

from temper.core.errors import InputError
from temper.params.train import WeightAveraging
from temper.training import distributed, networks, setup, sharding
from temper.training.optimizer import build_optimizer

SIZES = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
CPU = torch.device("cpu")


@pytest.fixture
def _group(tmp_path, monkeypatch):
    """Be one process of a launch file of type FSDP."""
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("TEMPER_FSDP", "")  # put back after the test
    monkeypatch.delenv("TEMPER_FSDP")
    distributed.take_over_sharding()
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def language_model():
    """Return a network whose input and output embeddings are tied."""
    torch.manual_seed(1)
    return BertForMaskedLM(BertConfig(**SIZES, **NO_DROPOUT, intermediate_size=8))


def make_step(network, optimizer):
    ids = torch.arange(10).reshape(2, 5)
    network(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.usefixtures("_group")
def test_sharded_network_trains_and_is_saved_as_a_whole_one(write_params, tmp_path):
    """Each layer is sharded; the weights of a step, and the files, are those of a whole network."""
    params, network, whole = write_params().train, language_model(), language_model()
    empty = sharding.shard_network(network, params, CPU)
    assert all(isinstance(p, DTensor) for p in network.parameters())
    assert len([m for m in network.modules() if type(m).__name__.startswith("FSDP")]) == 3
    for one in (network, whole):
        make_step(one, build_optimizer(one, params))
    gathered = sharding.gather_network(network, empty)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(gathered.state_dict()[name], tensor, rtol=0, atol=1e-6)
    for name, one in (("gathered", gathered), ("whole", whole)):
        networks.save(one, tmp_path / name)
    sizes = [(tmp_path / n / "model.safetensors").stat().st_size for n in ("gathered", "whole")]
    assert sizes[0] == sizes[1]


@pytest.mark.usefixtures("_group")
def test_checkpoints_of_sharded_and_of_whole_weights_are_read_by_both(write_params, tmp_path):
    """The optimizer's state has whole tensors under the same numbers."""
    params, network, whole = write_params().train, language_model(), language_model()
    sharding.shard_network(network, params, CPU)
    sharded_optimizer, optimizer = build_optimizer(network, params), build_optimizer(whole, params)
    sharding.keep_state_whole(sharded_optimizer)
    make_step(network, sharded_optimizer)
    optimizer.load_state_dict(deepcopy(sharded_optimizer.state_dict()))  # as through a file
    whole.load_state_dict(sharding.gather_weights(network))
    make_step(whole, optimizer)
    sharded_optimizer.load_state_dict(deepcopy(optimizer.state_dict()))
    whole.save_pretrained(tmp_path)
    sharding.load_weights([network], str(tmp_path))
    for one, step in ((network, sharded_optimizer), (whole, optimizer)):
        make_step(one, step)
    for name, tensor in sharding.gather_weights(network).items():
        torch.testing.assert_close(tensor, whole.state_dict()[name], rtol=0, atol=1e-6)


@pytest.mark.usefixtures("_group")
def test_what_is_not_sharded_is_refused(write_params):
    """The message has the key, and the launch file that can do it."""
    params = write_params().train
    ema = {"weight_averaging": WeightAveraging(kind="ema", decay=0.9)}
    for update in (ema, {"optimizer": "adamw_8bit"}, {"precision": "fp16"}):
        with pytest.raises(InputError, match=rf"train\.{next(iter(update))}: .*multi_gpu"):
            sharding.shard_network(language_model(), params.model_copy(update=update), CPU)
    images = ResNetForImageClassification(ResNetConfig(hidden_sizes=[8], depths=[1]))
    with pytest.raises(InputError, match="has batch normalization"):
        sharding.shard_network(images, params, CPU)


def test_processes_that_do_not_find_each_other_are_refused(write_params, monkeypatch, tmp_path):
    """On XLA each would train by itself, on its share of the rows."""
    params = write_params()
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    with pytest.raises(InputError, match="starts 2 processes, which torch takes for 1 on cpu"):
        setup.training_arguments(params, 0, tmp_path)


def test_lost_process_is_one_line(monkeypatch):
    """gloo's error names its own source file; an error of another kind stays."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    gloo = "[/pytorch/gloo/transport/tcp/pair.cc:553] Connection closed by peer [10.0.0.1]:1. See"
    closed = r"of this training failed: Connection closed by peer \[10.0.0.1\]:1; if"
    with pytest.raises(InputError, match=closed), distributed.explaining_lost_processes():
        raise RuntimeError(gloo)
    with pytest.raises(RuntimeError, match="another"), distributed.explaining_lost_processes():
        raise RuntimeError("another")
    full = "gloo: CUDA out of memory."
    with pytest.raises(RuntimeError, match=full), distributed.explaining_lost_processes():
        raise RuntimeError(full)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(SystemExit), distributed.explaining_lost_processes():
        raise RuntimeError(gloo)
