"""Generation parameters change what a model writes."""

import numpy as np
import pytest
import torch
import transformers

from temper import inference
from temper.core.errors import InputError
from temper.export import onnx
from temper.params import schema
from temper.prediction import generation
from temper.tasks.base.arrays import as_rows
from tests.helpers.samples import SEQ2SEQ, load

SPOKEN = ["we meet at ten past three on day nine of May", "a ticket for day two of June"]


def greedy(max_new_tokens: int) -> schema.Generation:
    return schema.Generation(
        max_new_tokens=max_new_tokens, num_beams=1, length_penalty=1.0, no_repeat_ngram_size=0
    )


@pytest.fixture(scope="module")
def writer():
    """Return a function from generation parameters to what a T5 of random weights writes."""
    task, processor, config = load(SEQ2SEQ)
    torch.manual_seed(2)
    model = transformers.AutoModelForSeq2SeqLM.from_config(config)
    columns = task.encode({"spoken": SPOKEN}, processor, mode="predict")
    rows = as_rows(columns)

    def write(ends: list[int] | None = None, **changes) -> list[list[int]]:
        model.generation_config.eos_token_id = ends
        defaults = {"num_beams": 1, "length_penalty": 1.0, "no_repeat_ngram_size": 0}
        settings = schema.Generation(**{"max_new_tokens": 12} | defaults | changes)
        write = generation.torch_generate(model, settings, processor)
        found = inference.row_outputs(
            lambda r: write(task.prompts(r, processor)), inference.RowList(rows), 2
        )
        return [row.tolist() for row in found]

    return write


def test_generation_parameters_change_what_is_written(writer):
    """Length, search and repetition have an effect."""
    assert [len(row) for row in writer(max_new_tokens=5)] == [5, 5]
    plain = writer()
    assert all(len(row) > len(set(row)) for row in plain)  # random weights repeat themselves
    assert all(len(row) == len(set(row)) for row in writer(no_repeat_ngram_size=1))
    assert writer(num_beams=4) != plain


def test_length_penalty_chooses_among_beams(writer):
    """Below 0 it prefers short texts, above 0 long ones."""
    short, long = (writer(num_beams=6, max_new_tokens=20, length_penalty=p) for p in (-9.0, 9.0))
    assert sum(map(len, short)) < sum(map(len, long))


def test_greedy_graph_refuses_beams(writer):
    """The error says what to use instead."""
    settings = schema.Generation(
        max_new_tokens=5, num_beams=2, length_penalty=1.0, no_repeat_ngram_size=0
    )

    class Session:
        def get_inputs(self):
            return []

    with pytest.raises(ValueError, match="use --engine torch"):
        generation.onnx_generate(Session(), None, settings, None)


def test_padding_changes_nothing_that_is_written():
    """BART's decoder takes no positions, so padding would move its prompts."""
    import torch
    from transformers import BartConfig, BartForCausalLM

    task, processor, _ = load("recipes/sample-causal_lm.yaml")
    torch.manual_seed(3)
    sizes = dict.fromkeys(("decoder_ffn_dim", "d_model", "max_position_embeddings"), 64)
    config = BartConfig(vocab_size=1606, decoder_layers=1, decoder_attention_heads=2, **sizes)
    model = BartForCausalLM(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    settings = greedy(8)
    write = generation.torch_generate(model, settings, processor)
    prompts = [{"input_ids": [5, 6, 7, 8, 9, 10, 11], "length": 7}, {"input_ids": [9], "length": 1}]
    together = write(task.prompts(prompts, processor))
    alone = [write(task.prompts([prompt], processor))[0] for prompt in prompts]
    assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))


def test_generates_with_a_cache_though_the_checkpoint_says_not():
    """The Trainer of transformers saves checkpoints that say so; each step then reads one token."""
    task, processor, config = load(SEQ2SEQ)
    config.use_cache = False
    torch.manual_seed(2)
    model, lengths = transformers.AutoModelForSeq2SeqLM.from_config(config), []

    def note_length(module, args, kwargs):
        lengths.append(kwargs["input_ids"].shape[1])

    model.get_decoder().register_forward_pre_hook(note_length, with_kwargs=True)
    settings = greedy(5)
    write = generation.torch_generate(model, settings, processor)
    rows = as_rows(task.encode({"spoken": SPOKEN}, processor, mode="predict"))
    write(task.prompts(rows, processor))
    assert lengths == [1] * 5


def test_a_start_token_that_is_padding_has_no_place_among_the_tokens():
    """M2M100 would give the tokens after it other places with a cache than in training."""
    torch.manual_seed(0)
    model = transformers.M2M100ForConditionalGeneration(
        transformers.M2M100Config(
            vocab_size=116, d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=32,
            decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2,
            pad_token_id=0, decoder_start_token_id=0, eos_token_id=1, init_std=0.1,
            scale_embedding=False,
        )
    ).eval()  # fmt: skip
    task, processor, _ = load(SEQ2SEQ)
    rows = as_rows(task.encode({"spoken": SPOKEN[:1]}, processor, mode="predict"))
    batch = task.prompts(rows, processor)
    settings = greedy(8)
    (found,) = generation.torch_generate(model, settings, processor)(batch)
    inputs = {name: torch.from_numpy(values) for name, values in batch.items()}
    ids = [0]
    for _ in range(8):
        logits = model(**inputs, decoder_input_ids=torch.tensor([ids])).logits
        ids.append(int(logits[0, -1].argmax()))
    assert found.tolist() == ids[1:]


CAUSAL = "recipes/sample-causal_lm.yaml"
TOKENS = {"forced_eos_token_id": 1}  # and those that random weights would write, forbidden


@pytest.mark.parametrize(
    ("recipe", "tokens"),
    [
        (SEQ2SEQ, {}),
        (SEQ2SEQ, TOKENS),
        (SEQ2SEQ, TOKENS | {"forced_bos_token_id": 7, "begin_suppress_tokens": [20, 21]}),
        (CAUSAL, TOKENS | {"begin_suppress_tokens": [20, 21]}),
    ],
)
def test_onnx_forces_and_forbids_the_tokens_that_torch_does(recipe, tokens, tmp_path):
    """A graph writes what torch does, with random weights that would write those forbidden."""
    prompts = {"task__prompt": "spoken", "task__text": "written"} if recipe == CAUSAL else {}
    task, processor, config = load(recipe, **prompts)
    torch.manual_seed(1)
    model = getattr(transformers, task.auto_model).from_config(config)
    columns = {"spoken": SPOKEN, "written": ["one", "two"]}
    rows = as_rows(task.encode(columns, processor, mode="train"))
    settings = greedy(12)

    def written(generate):
        return [ids.tolist() for ids in generate(task.prompts(rows, processor))]

    free = written(generation.torch_generate(model, settings, processor))
    usual = sorted({token for ids in free for token in ids})
    if tokens:
        tokens = tokens | {"suppress_tokens": usual[:2], "bad_words_ids": [usual[-1:]]}
    for name, value in tokens.items():
        setattr(model.generation_config, name, value)
    model.config.save_pretrained(tmp_path)
    model.generation_config.save_pretrained(tmp_path)
    batch = task.collator(processor, config)([row | {"draw": (0, i)} for i, row in enumerate(rows)])
    onnx.write(model, task, batch, tmp_path / "model.onnx")
    session = inference.onnx_session(str(tmp_path / "model.onnx"), 1)
    expected = written(generation.torch_generate(model, settings, processor))
    assert written(generation.onnx_generate(session, tmp_path, settings, processor)) == expected
    assert (expected != free) == bool(tokens)


def test_a_further_end_of_a_checkpoint_ends_texts(writer):
    """As the list of a chat model's generation_config.json does."""
    free = writer()[0]
    assert writer(ends=[free[3]])[0] == free[: free.index(free[3])]


def test_forced_and_forbidden_tokens_at_their_edges():
    """One step alone, several forced ends, and an end that torch does not forbid either."""
    settings = greedy(1)
    logits = np.arange(4.0)[None]

    def chosen(**tokens):
        config = transformers.GenerationConfig(**tokens)
        choose = generation.token_chooser(config, settings, [3], is_seq2seq=True)
        return choose(0, logits.copy())

    assert chosen(forced_bos_token_id=2) == [2]
    assert chosen(forced_bos_token_id=2, forced_eos_token_id=[3, 1]) == [1]
    assert chosen(bad_words_ids=[[3], [2]]) == [3]


def test_onnx_refuses_to_forbid_sequences_of_tokens():
    """It would have to look back; torch does."""
    tokens = transformers.GenerationConfig(bad_words_ids=[[3], [4, 5]])
    settings = greedy(5)
    with pytest.raises(
        InputError, match=r"bad_words_ids in generation_config.json\): use --engine"
    ):
        generation.token_chooser(tokens, settings, [1], is_seq2seq=True)
