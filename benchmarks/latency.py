"""Architectures of well-known checkpoints → parameters and CPU milliseconds per text.

Weights are random: neither their number nor the time depends on their values.
`python benchmarks/latency.py` prints the table of docs/which-model.md.
"""

import argparse
import time

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
MINILM = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
DEBERTA = {
    "vocab_size": 128100, "relative_attention": True, "position_buckets": 256,
    "norm_rel_ebd": "layer_norm", "share_att_key": True, "pos_att_type": "p2c|c2p",
    "position_biased_input": False, "max_relative_positions": -1, "type_vocab_size": 0,
}  # fmt: skip
MODELS = {  # name → model type, config
    "google/electra-small-discriminator": (
        "electra",
        {"embedding_size": 128, "hidden_size": 256, "num_attention_heads": 4,
         "intermediate_size": 1024, "num_hidden_layers": 12},
    ),
    "sentence-transformers/all-MiniLM-L6-v2": ("bert", MINILM | {"num_hidden_layers": 6}),
    "distilbert/distilbert-base-uncased": ("distilbert", {}),
    "google-bert/bert-base-uncased": ("bert", {}),
    "FacebookAI/roberta-base": (
        "roberta", {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}
    ),
    "microsoft/deberta-v3-xsmall": (
        "deberta-v2",
        DEBERTA | MINILM | {"num_attention_heads": 6, "num_hidden_layers": 12},
    ),
    "microsoft/deberta-v3-small": ("deberta-v2", DEBERTA | BASE | {"num_hidden_layers": 6}),
    "microsoft/deberta-v3-base": ("deberta-v2", DEBERTA | BASE | {"num_hidden_layers": 12}),
    "answerdotai/ModernBERT-base": ("modernbert", {}),
    "distilbert/distilbert-base-multilingual-cased": ("distilbert", {"vocab_size": 119547}),
    "google-bert/bert-base-multilingual-cased": ("bert", {"vocab_size": 119547}),
    "FacebookAI/xlm-roberta-base": (
        "xlm-roberta", {"vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1}
    ),
}  # fmt: skip


def cpu_ms(model: torch.nn.Module, num_tokens: int, repeats: int) -> float:
    """Return the least CPU time of one text's forward pass on one thread, in milliseconds."""
    ids = torch.full((1, num_tokens), 7)
    times = []
    with torch.inference_mode():
        for _ in range(repeats + 2):
            start = time.process_time()
            model(input_ids=ids, attention_mask=torch.ones_like(ids))
            times.append(1000 * (time.process_time() - start))
    return min(times[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| checkpoint | parameters |", " | ".join(f"CPU ms, {n} tokens" for n in args.tokens), "|"
    )
    print("| --- " * (2 + len(args.tokens)) + "|")
    for name, (model_type, config) in MODELS.items():
        torch.manual_seed(0)
        settings = AutoConfig.for_model(model_type, num_labels=2, **config)
        model = AutoModelForSequenceClassification.from_config(settings).eval()
        size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        times = [f"{cpu_ms(model, n, args.repeats):.0f}" for n in args.tokens]
        print(f"| {name} | {size:.1f} M |", " | ".join(times), "|", flush=True)


if __name__ == "__main__":
    main()
