"""A module of custom functions and classes."""

CODE = '''
import torch
from transformers import TrainerCallback

steps = []


def loss(logits, labels):
    """Twice the cross-entropy."""
    kept = labels >= 0
    return 2 * torch.nn.functional.cross_entropy(logits[kept], labels[kept], reduction="sum")


def optimizer(groups, params):
    return torch.optim.SGD(groups, lr=params.learning_rate)


def halving(step, num_steps):
    """The rate halves with every step, and is 0 in the last one."""
    return 0.5**step if step < num_steps - 1 else 0


def collator(rows, collate):
    """Hide every third token."""
    batch = collate(rows)
    batch["input_ids"][:, 3::3] = 4
    return batch


class Counter(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        steps.append(state.global_step)


class Quitter(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == 2


class Judge(TrainerCallback):
    def on_evaluate(self, args, state, control, **kwargs):
        control.should_training_stop = True


def misses(predictions, references):
    return sum(p != r for p, r in zip(predictions, references))


misses.greater_is_better = False


def shout(examples, processor, encode):
    """Encode texts without their last word."""
    cut = {n: [" ".join(v.split()[:-1]) for v in values] if n != "label" else values
           for n, values in examples.items()}
    return encode(cut)


class Bag(torch.nn.Module):
    """Mean of embeddings under a linear layer."""

    def __init__(self, config):
        super().__init__()
        self.embeddings = torch.nn.Embedding(config.vocab_size, 16)
        self.classifier = torch.nn.Linear(16, config.num_labels)

    def forward(self, input_ids, attention_mask, **_):
        mask = attention_mask[..., None].float()
        mean = (self.embeddings(input_ids) * mask).sum(1) / mask.sum(1)
        return self.classifier(mean)
'''
