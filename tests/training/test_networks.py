"""The network that training starts with: heads, earlier models, new tokens."""

import logging
import shutil
from pathlib import Path

import pytest
import torch
from accelerate import PartialState
from accelerate.utils import clean_state_dict_for_safetensors
from safetensors.torch import load_file

from stages import train
from temper.core import arrow
from temper.core.errors import InputError
from temper.models import loading
from temper.models.config import wrap_config
from temper.params.task import TokenClassification
from temper.tasks.base import registry
from temper.training import lora, networks
from tests.helpers.training import BASE, MLP, assert_same, fit, resumed_and_whole, trained

LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.0, "target_modules": None}


def start(parameters):
    """Return the network as training starts with it."""
    features = arrow.load(Path("data/tokenized"))["train"].features
    train.determinism.configure(parameters.determinism, parameters.seed)
    task = registry.load(parameters, features)
    return networks.build(BASE, task, features, parameters)


@pytest.mark.slow
def test_tied_weights_are_saved_without_a_warning(prepare, caplog):
    """It asks to check by hand what the rehearsal checks: that they are read again."""
    PartialState()
    logger = logging.getLogger("accelerate.utils.other")
    tied = dict.fromkeys(("embeddings", "head"), torch.ones(3))
    logger.setLevel(logging.WARNING)
    clean_state_dict_for_safetensors(dict(tied))  # as Accelerator.save_state does
    assert "Removed shared tensor" in caplog.text
    start(prepare())
    caplog.clear()
    clean_state_dict_for_safetensors(dict(tied))
    assert caplog.text == ""


def earlier(prepare, **changes):
    """Train on the sample, keep the model as a checkpoint, and prepare to train on from it."""
    trained(prepare(train__epochs=1.0), "earlier")
    shutil.copytree("data/model", "saved")
    shutil.rmtree("data")
    return prepare(
        model__name="mine", model__files={"mine": "saved"}, model__from_scratch=False, **changes
    )


@pytest.mark.slow
@pytest.mark.parametrize("head", [MLP, {"kind": "linear", "dropout": 0.1}])
def test_pair_head_is_four_times_as_wide_and_starts_at_zero(prepare, head):
    """Its outputs are 0 before the first step, and its gradient is not."""
    network = start(prepare(model__head=head | {"pooling": "pair"})).eval()
    layers = [layer for layer in network.head if hasattr(layer, "weight")]
    assert layers[0].weight.shape[1] == 4 * 128
    batch = {name: torch.ones(2, 6, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    logits = network(**batch, token_type_ids=torch.tensor([[0, 0, 0, 1, 1, 1]] * 2)).logits
    assert logits.abs().sum() == 0
    logits[:, 0].sum().backward()
    assert layers[-1].weight.grad[0].abs().min() > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_pooled_head_is_on_the_checkpoints_backbone(prepare, kind):
    """Its size is the parameters', and the backbone has the checkpoint's weights."""
    head = {"kind": kind, "pooling": "max", "dropout": 0.1}
    head |= {"hidden_size": 24} if kind == "mlp" else {}
    network = start(earlier(prepare, model__head=head))
    shapes = [tuple(p.shape) for p in network.head.parameters()]
    assert shapes == ([(24, 128), (24,), (2, 24), (2,)] if kind == "mlp" else [(2, 128), (2,)])
    saved = load_file("saved/model.safetensors")
    for name, tensor in network.backbone.state_dict().items():
        assert torch.equal(tensor, saved[f"bert.{name}"]), name
    assert not any("pooler" in name for name in network.state_dict())


@pytest.mark.slow
def test_model_with_pooled_head_reloads_but_not_in_transformers(prepare):
    """It gives the trained logits; transformers' pipeline refuses the folder."""
    from transformers import pipeline

    session = trained(prepare(model__head=MLP, train__metric_for_best_model="loss"))
    loaded = loading.load(Path("data/model"), "")
    (folder,) = session.model_sources()
    best = load_file(folder / "model.safetensors")
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, best[name]), name
    with pytest.raises(ValueError, match="temper"):
        pipeline("text-classification", model="data/model")


@pytest.mark.slow
def test_new_head_replaces_only_the_checkpoints_head(prepare):
    """Without `kind: new` the classifier is the checkpoint's."""
    parameters = earlier(prepare)
    saved = load_file("saved/model.safetensors")
    kept = start(parameters).state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in saved.items())
    drawn = start(
        prepare(
            model__name="mine",
            model__files={"mine": "saved"},
            model__from_scratch=False,
            model__head={"kind": "new"},
        )
    ).state_dict()
    changed = {name for name, tensor in saved.items() if not torch.equal(drawn[name], tensor)}
    assert changed == {"classifier.weight", "classifier.bias"}


@pytest.mark.slow
def test_refuses_other_labels_for_a_trained_head(prepare):
    """The error has both names; another number of labels replaces the head."""
    parameters = earlier(prepare, task__labels=["equivalent", "not_equivalent"])
    with pytest.raises(
        InputError, match="head has the labels not_equivalent, equivalent; the data's"
    ):
        fit(parameters)
    base = loading.open_config(BASE / "weights")
    base.id2label = {0: "a", 1: "b", 2: "c"}
    base.save_pretrained(str(BASE / "weights"))
    assert fit(parameters, "replaced").model.classifier.out_features == 2


@pytest.mark.slow
def test_freezing_all_but_the_head_trains_the_head(prepare):
    """Pooler and classifier move, the rest does not."""
    network = fit(prepare(train__freeze={"embeddings": False, "layers": "all"})).model
    moved = {n for n, p in network.named_parameters() if p.requires_grad}
    assert moved == {n for n in moved if n.startswith(("classifier", "bert.pooler"))}
    assert moved


@pytest.mark.slow
def test_lora_trains_small_matrices_and_is_merged(prepare):
    """The saved model is a plain one that differs in linear layers alone and answers alike."""
    from transformers import AutoModelForSequenceClassification

    parameters = earlier(
        prepare, model__lora=LORA, train__keep_checkpoints="last", train__learning_rate=0.01
    )
    session = trained(parameters)
    trained_names = {n for n, p in session.model.named_parameters() if p.requires_grad}
    assert all(".lora_" in n or "classifier" in n or "pooler" in n for n in trained_names)
    assert sum(".lora_" in n for n in trained_names) == 2 * 6  # q, k, v, o and two of the MLP
    shutil.rmtree("data/model")
    shutil.copytree(session.folder / "last", "data/model")
    loaded = AutoModelForSequenceClassification.from_pretrained("data/model").eval()
    saved, after = load_file("saved/model.safetensors"), loaded.state_dict()
    moved = {name for name in saved if not torch.equal(saved[name], after[name])}
    assert {n for n in moved if "encoder" in n} == {
        n for n in saved if "encoder" in n and n.endswith("weight") and "LayerNorm" not in n
    }
    assert not any("embeddings" in n for n in moved)
    inputs = {"input_ids": torch.tensor([[2, 30, 40, 3]])}
    with torch.no_grad():
        torch.testing.assert_close(
            loaded(**inputs).logits, session.model.eval()(**inputs).logits, atol=1e-5, rtol=1e-4
        )


def with_lora(parameters):
    """Return a small GPT-2 with LoRA whose second matrices are no longer zero."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"vocab_size": 30, "n_layer": 1, "n_embd": 8, "n_head": 2, "n_positions": 16}
    torch.manual_seed(0)
    network = GPT2LMHeadModel(GPT2Config(**sizes))
    lora.add_lora(network, parameters.model)
    for name, parameter in network.named_parameters():
        if ".lora_B" in name:
            torch.nn.init.ones_(parameter)
    return network.eval()


def test_each_lora_parameter_has_an_effect(write_params):
    """GPT-2 holds its weights transposed; merged, it answers alike."""
    ids = torch.arange(6)[None]
    plain = with_lora(write_params(model__lora=LORA))
    answer = plain(ids).logits
    torch.testing.assert_close(lora.merge_lora(plain)(ids).logits, answer, atol=1e-5, rtol=1e-4)
    attention = plain.transformer.h[0].attn.c_attn
    assert attention.lora_A["default"].weight.shape == (2, 8)
    changes = {"rank": 3, "alpha": 9.0, "target_modules": ["c_attn"]}
    for name, value in changes.items():
        other = with_lora(write_params(model__lora=LORA | {name: value}))
        assert not torch.allclose(other(ids).logits, answer, atol=1e-4), name
    named = {n.split(".lora_")[0] for n, _ in other.named_parameters() if ".lora_" in n}
    assert named == {"transformer.h.0.attn.c_attn"}
    dropping = with_lora(write_params(model__lora=LORA | {"dropout": 0.5}))
    assert torch.equal(dropping(ids).logits, answer)
    inputs = torch.ones(4, 8)  # in training: four rows alike, but for what is dropped
    assert torch.equal(*attention.train()(inputs)[:2])
    dropped = dropping.transformer.h[0].attn.c_attn.train()(inputs)
    assert not torch.equal(dropped[0], dropped[1])


def test_names_layers_that_lora_does_not_find(prepare):
    """One mistyped name among others is named too, with those there are."""
    params = LORA | {"target_modules": ["query", "valeu"]}
    message = r"no linear layer is named valeu .did you mean 'value'\?.; there are dense, key"
    with pytest.raises(InputError, match=message):
        start(prepare(model__lora=params))


@pytest.mark.slow
def test_new_tokens_are_one_id_and_get_an_embedding(prepare):
    """A word of several tokens becomes one, and the model reads it."""
    plain = prepare()
    before = registry.load_processor(BASE / "processor", registry.load(plain))
    word = "zyxwv"
    assert len(before(word)["input_ids"]) > 3
    parameters = prepare(model__new_tokens=[word])
    after = registry.load_processor(BASE / "processor", registry.load(parameters))
    assert len(after(word)["input_ids"]) == 3
    network = fit(parameters).model
    assert network.get_input_embeddings().num_embeddings == len(before) + 1 == len(after)
    with pytest.raises(InputError, match="'the' is already in the vocabulary"):
        prepare(model__new_tokens=["the"])


@pytest.mark.slow
def test_resumed_equals_uninterrupted_with_a_pooled_head(prepare):
    """The Trainer checkpoints a module that is not transformers'."""
    parameters = prepare(model__head=MLP, train__save_every=4)
    assert_same(*resumed_and_whole(parameters))


@pytest.mark.parametrize(
    ("head", "changes", "message"),
    [
        (MLP, {}, None),
        (MLP, {"model__head": {"kind": "new"}, "model__from_scratch": False}, None),
        (MLP | {"crf": True}, {}, "crf is for token_classification"),
    ],
)
def test_checks_an_earlier_models_head_against_the_task(write_params, head, changes, message):
    """It was made for another training, whose parameters this one does not have."""
    parameters = write_params(**changes)
    config = wrap_config(loading.open_config(Path("data/sample/model")), head, None)
    if message is None:
        assert not networks.has_crf(config, parameters)
        assert networks.trained_head(config, parameters.model).hidden_size == 24
        return
    with pytest.raises(InputError, match=rf"model\.head: the head of sample: .*{message}"):
        networks.has_crf(config, parameters)


def test_refuses_loss_options_with_an_earlier_models_crf(write_params):
    """They would silently have no effect."""
    named = {"words": "tokens", "tags": "tags", "scheme": "IOB2", "labels": None}
    task = TokenClassification(name="token_classification", **named)
    parameters = write_params()
    train_params = parameters.train.model_copy(update={"label_smoothing": 0.1})
    parameters = parameters.model_copy(update={"task": task, "train": train_params})
    crf = {"kind": "linear", "dropout": 0.1, "crf": True}
    config = wrap_config(loading.open_config(Path("data/sample/model")), crf, None)
    with pytest.raises(InputError, match=r"does not read train\.label_smoothing: remove it"):
        networks.has_crf(config, parameters)


@pytest.mark.slow
def test_pooled_head_is_continued_or_replaced(prepare):
    """The same labels keep it; another kind of head or other labels keep only the backbone."""
    trained(prepare(train__epochs=1.0, model__head=MLP), "earlier")
    shutil.copytree("data/model", "saved")
    shutil.rmtree("data")
    base = {"model__name": "mine", "model__files": {"mine": "saved"}, "model__from_scratch": False}
    saved = load_file("saved/model.safetensors")
    kept = start(prepare(**base)).state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in saved.items())
    again = start(prepare(**base, model__head={"kind": "new"})).state_dict()
    moved = {n for n, tensor in saved.items() if not torch.equal(again[n], tensor)}
    assert moved == {f"head.{n}" for n in ("1.weight", "1.bias", "4.weight", "4.bias")}
    linear = {"kind": "linear", "pooling": "first", "dropout": 0.0}
    drawn = start(prepare(**base, model__head=linear)).state_dict()
    assert {n for n in drawn if not n.startswith("backbone.")} == {"head.1.weight", "head.1.bias"}
    lines = Path("tests/data/train.csv").read_text().splitlines(True)
    third = [line.replace("not_equivalent", "unrelated") for line in lines[-20:]]
    Path("tests/data/train.csv").write_text("".join(lines[:-20] + third))
    three = {"task__labels": ["not_equivalent", "equivalent", "unrelated"]}
    session = trained(prepare(**base, **three, evaluate__positive_label=None), "three")
    loaded = loading.load(Path("data/model"), "")
    assert loaded.config.num_labels == session.model.config.num_labels == 3
    assert loaded.head[-1].out_features == 3
    assert all(torch.isfinite(tensor).all() for tensor in loaded.state_dict().values())
