"""Optimizer groups, layer rates, frozen layers and learning-rate schedules."""

import sys
from pathlib import Path

import pytest
import torch

from stages import train
from temper.core import arrow
from temper.core.errors import InputError
from temper.params.train import Freeze, SchedulerKwargs
from temper.tasks.base import registry
from temper.training import custom_functions, networks, optimizer, resume
from tests.helpers.training import BASE, fit

SCHEDULES = [
    ("linear", None),
    ("cosine", None),
    ("cosine", {"num_cycles": 1.5}),
    ("cosine_with_restarts", {"num_cycles": 2}),
    ("polynomial", {"power": 2.0, "lr_end": 1e-5}),
    ("constant", None),
    ("constant_with_warmup", None),
    ("inverse_sqrt", None),
    ("inverse_sqrt", {"timescale": 9}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
    ("cosine_with_min_lr", {"min_lr": 5e-4}),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1, "warmup_lr_rate": 0.3}),
    ("warmup_stable_decay", {"num_decay_steps": 4}),
    ("warmup_stable_decay", {"num_decay_steps": 4, "min_lr_ratio": 0.2, "decay_type": "1-sqrt"}),
]


def tiny_bert(**config):
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=50, num_hidden_layers=3, max_position_embeddings=32, **sizes, **config
        )
    )


def test_decay_skips_biases_and_norms_and_rates_fall_towards_the_bottom(write_params):
    """The head has the full rate, layer i of n decay^(n - i) of it, embeddings the least."""
    network = tiny_bert()
    parameters = write_params(train__layer_decay=0.5, train__weight_decay=0.1).train
    groups = optimizer.parameter_groups(network, parameters)
    group_of = {id(p): g for g in groups for p in g["params"]}
    assert len(group_of) == sum(1 for _ in network.parameters())
    for name, parameter in network.named_parameters():
        group = group_of[id(parameter)]
        assert group["weight_decay"] == (0.0 if "bias" in name or "LayerNorm" in name else 0.1)
        depth = 4
        if "embeddings" in name:
            depth = 0
        elif "encoder.layer." in name:
            depth = int(name.split("encoder.layer.")[1].split(".")[0]) + 1
        assert group["lr"] == pytest.approx(parameters.learning_rate * 0.5 ** (4 - depth)), name


def test_head_has_its_own_learning_rate(write_params):
    """It applies to the classifier alone, whatever the rates of the layers."""
    network = tiny_bert()
    params = write_params(train__head_learning_rate=0.5, train__layer_decay=0.5).train
    groups = optimizer.parameter_groups(network, params)
    rates = {id(p): g["lr"] for g in groups for p in g["params"]}
    fast = [name for name, p in network.named_parameters() if rates[id(p)] == 0.5]
    assert fast == ["classifier.weight", "classifier.bias"]
    assert max(rates[id(p)] for p in network.bert.parameters()) == params.learning_rate
    with pytest.raises(InputError, match="BertModel has no head besides its backbone"):
        optimizer.parameter_groups(network.bert, params)


def test_8_bit_adamw_needs_a_gpu(write_params, monkeypatch):
    """The error comes before a step; with a GPU it names what to install, or uses bitsandbytes."""
    p = write_params(train__optimizer="adamw_8bit").train
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="adamw_8bit needs a GPU, and there is none"):
        optimizer.build_optimizer(tiny_bert(), p)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match="pip install bitsandbytes"):
        optimizer.build_optimizer(tiny_bert(), p)


@pytest.mark.parametrize(
    ("model_type", "sizes", "count"),
    [
        ("t5", {"num_layers": 2, "num_decoder_layers": 3, "d_model": 8, "d_ff": 8}, 5),
        ("convnext", {"depths": [1, 1, 4, 1], "hidden_sizes": [4, 4, 4, 4]}, 4),
        ("gpt2", {"n_layer": 3, "n_embd": 12, "n_head": 2}, 3),
        ("albert", {"num_hidden_layers": 4}, 1),  # shared
        ("xlm", {"n_layers": 2, "emb_dim": 8, "n_heads": 2}, "4 lists of layers \\(attentions, "),
    ],
)
def test_layers_are_those_of_the_stack(model_type, sizes, count):
    """Encoder comes before decoder, vision models have stages, lists in a layer do not count."""
    from transformers import AutoConfig, AutoModel

    with torch.device("meta"):
        network = AutoModel.from_config(AutoConfig.for_model(model_type, **sizes))
    if isinstance(count, str):
        with pytest.raises(InputError, match=f"XLMModel has {count}"):
            optimizer.layers(network)
        return
    layers = optimizer.layers(network)
    assert len(layers) == count
    if model_type == "t5":
        assert layers == [*network.encoder.block, *network.decoder.block]


def test_refuses_more_frozen_layers_than_there_are():
    """The error has both numbers."""
    with pytest.raises(InputError, match="layers is 9; the model has 3"):
        optimizer.freeze(tiny_bert(), Freeze(layers=9))


def test_refuses_to_freeze_everything():
    """A head that shares the embedding table has no weights besides it."""
    from transformers import GPT2Config, GPT2LMHeadModel

    network = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_layer=1, n_embd=12, n_head=2))
    with pytest.raises(InputError, match=r"train\.freeze leaves nothing to train"):
        optimizer.freeze(network, Freeze(layers="all"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "train__lr_scheduler_type": "warmup_stable_decay",
                "train__lr_scheduler_kwargs": {"num_decay_steps": 999},
            },
            "999 of decay are more than the 12",
        ),
        ({"train__optimizer": "adamw_8bit"}, "adamw_8bit needs a GPU"),
    ],
)
def test_a_session_is_not_built_for_an_impossible_optimizer(prepare, monkeypatch, changes, message):
    """The error comes before the rehearsal, which takes a while."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(resume, "rehearse", lambda _: pytest.fail("rehearsed"))
    with pytest.raises(InputError, match=message):
        fit(prepare(**changes))


@pytest.mark.slow
def test_frozen_tensors_do_not_move(prepare):
    """Embeddings and layers stay, the head does not."""
    parameters = prepare(train__freeze={"embeddings": True, "layers": 1})
    session = fit(parameters)
    torch.manual_seed(0)
    moved = {n for n, p in session.model.named_parameters() if p.requires_grad}
    assert moved == {
        n for n, _ in session.model.named_parameters() if "classifier" in n or "pooler" in n
    }
    data = arrow.load(Path("data/tokenized"))
    train.determinism.configure(parameters.determinism, parameters.seed)
    features = data["train"].features
    task = registry.load(parameters, features)
    start = networks.build(BASE, task, features, parameters)
    after = dict(session.model.named_parameters())
    for name, before in start.named_parameters():
        assert torch.equal(before, after[name]) is (name not in moved), name


def test_frozen_batch_normalizations_learn_nothing():
    """A step in training mode leaves the frozen stage as it is; the stage above it learns."""
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    model = ResNetForImageClassification(config)
    optimizer.freeze(model, Freeze(embeddings=True, layers=1))
    networks.keep_frozen_statistics(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.randn(4, 3, 9, 9)
    frozen = torch.nn.Sequential(model.resnet.embedder, model.resnet.encoder.stages[0])
    torch.testing.assert_close(frozen.train()(images), frozen.eval()(images))
    model.train()(images).logits.sum().backward()
    after = model.state_dict()
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    statistics = {name for name, _ in model.named_buffers()}
    assert moved == {name for name in statistics if "stages.1" in name}


def rates(scheduler, num_steps=12):
    """Return the learning rate of each step."""
    learning_rates = []
    for _ in range(num_steps):
        learning_rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return learning_rates


def transformers_rates(name, options):
    """Return the rates of transformers' schedule, a quarter of the steps warm-up, peak 1e-3."""
    from transformers import get_scheduler

    adamw = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    return rates(get_scheduler(name, adamw, 3, 12, scheduler_specific_kwargs=options))


def test_every_schedule_is_transformers_own_and_each_option_changes_it(write_params):
    """The rate that the optimizer was made with does not matter."""
    seen = []
    for name, options in SCHEDULES:
        changes = {"train__lr_scheduler_type": name, "train__lr_scheduler_kwargs": options}
        changes |= {"train__warmup_ratio": 0.0 if name == "constant" else 0.25}
        p = write_params(**changes, train__learning_rate=1e-3).train
        sgd = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 1e-3}], lr=9)
        scheduled = rates(optimizer.build_lr_scheduler(sgd, p, 12))
        assert scheduled == pytest.approx(transformers_rates(name, options), rel=1e-5, abs=1e-9), (
            name
        )
        assert scheduled not in seen
        seen.append(scheduled)
    p = p.model_copy(update={"lr_scheduler_kwargs": SchedulerKwargs(num_decay_steps=10)})
    with pytest.raises(InputError, match="3 steps of warm-up and 10 of decay are more than the 12"):
        optimizer.build_lr_scheduler(sgd, p, 12)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_history_has_the_rates_of_the_schedule(prepare, engine):
    """Both engines record them."""
    options = {"num_cycles": 2}
    changes = {
        "train__lr_scheduler_type": "cosine_with_restarts",
        "train__lr_scheduler_kwargs": options,
    }
    changes |= {"train__warmup_ratio": 0.25, "train__learning_rate": 1e-3, "train__engine": engine}
    found = [row["learning_rate"] for row in fit(prepare(**changes)).history.train]
    expected = transformers_rates("cosine_with_restarts", options)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_products_of_decimals_are_exact(write_params):
    """1.1 epochs of 100 steps are 110, and 0.29 of them 31; a part of a step is one more."""
    p = write_params(train__epochs=1.1, train__warmup_ratio=0.29).train
    assert [optimizer.num_steps(p, n) for n in (100, 7, 3, 1)] == [110, 8, 4, 2]
    assert [optimizer.check_decay(p, n) for n in (100, 200, 110, 7)] == [29, 58, 31, 2]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_engines_make_as_many_steps(prepare, monkeypatch, engine):
    """The Trainer alone would make those of its own product, 111 for 1.1 x 100."""
    monkeypatch.setattr(optimizer, "num_steps", lambda *_: 4)
    session = fit(prepare(train__epochs=1.0, train__engine=engine))
    assert session.steps_per_epoch == 6
    assert [row["step"] for row in session.history.train] == [1, 2, 3, 4]
    assert [row["step"] for row in session.history.validation] == [4]


def test_warmup_may_be_given_in_steps(write_params):
    """It is as long as the share that makes as many; longer than the training is an error."""
    p = write_params(train__warmup_ratio=0.0, train__warmup_steps=3, train__learning_rate=1e-3)
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    scheduled = rates(optimizer.build_lr_scheduler(sgd, p.train, 12))
    assert scheduled == pytest.approx(transformers_rates("linear", None), rel=1e-5, abs=1e-9)
    with pytest.raises(InputError, match=r"train\.warmup_steps: 3 .* more than the 2 there are"):
        optimizer.build_lr_scheduler(sgd, p.train, 2)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_a_custom_schedule_makes_the_rates(mine, engine):
    """They are the function's factors of the learning rate, in both engines."""
    schedule = {"train__lr_scheduler_type": "mine.halving", "train__warmup_ratio": 0.0}
    p = mine(**schedule, train__learning_rate=1e-3, train__engine=engine)
    found = [row["learning_rate"] for row in fit(p).history.train]
    expected = [1e-3 * 0.5**step for step in range(len(found) - 1)]
    assert found == pytest.approx([*expected, 0.0], rel=1e-5, abs=1e-12)


@pytest.mark.parametrize(
    ("body", "message"), [("None", "number; found None"), ("-1", "from 0; found -1 at step 0 of 9")]
)
def test_a_custom_schedule_returns_a_factor(write_params, body, message):
    """Anything else is named with the function."""
    write_params()
    Path("mine.py").write_text(f"def f(step, num_steps):\n    return {body}\n")
    schedule = {"train__lr_scheduler_type": "mine.f", "train__warmup_ratio": 0.0}
    function = custom_functions.lr_schedule(write_params(code={"mine": "mine.py"}, **schedule))
    assert function is not None
    with pytest.raises(InputError, match=f"mine.f must return .*{message}"):
        function(0, 9)


def test_a_network_without_layers_is_named():
    """Freezing and decaying layer by layer need a list of them."""

    class Flat(torch.nn.Module):
        config = None

        @property
        def base_model(self):
            return self

    with pytest.raises(InputError, match=r"Flat has no list of layers: set train\.freeze\.layers"):
        optimizer.layers(Flat())
