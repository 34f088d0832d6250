"""Rules across keys about models: their names and folders, and which parts are trained."""

from collections.abc import Iterator

from temper.core.errors import nearest
from temper.params.classification import UNSEEDED
from temper.params.schema import Params
from temper.params.train_rules import Conflict


def model_conflicts(p: Params) -> Iterator[Conflict]:
    """Yield names and revisions of no model, and what pairs, LoRA and new tokens rule out."""
    files, others = p.model.files, {m.name for key, m in p.models.items() if key != "model"}
    if set(files) - others and p.model.name not in files:
        message = f"name is {p.model.name!r} but files holds {sorted(files)}"
        message += f"{nearest(p.model.name, list(files))}: use one of those, or files: {{}} "
        yield "model", f"{message}for a Hub model"
    for key, model in p.models.items():
        if model.revision is not None and model.name in p.model.files:
            message = f"{model.revision!r} is of a Hub model, and {model.name!r} is a folder under "
            yield f"{key}.revision", f"{message}model.files; remove it"
    if p.task.medium == "audio" and (unseeded := [k for k in UNSEEDED if p.model.config.get(k)]):
        message = f"{', '.join(unseeded)} is always off: it draws at random without a step's seed; "
        yield "model.config", f"{message}remove it"
    augment, freeze = p.tokenize.augment, p.train.freeze
    if augment is not None and augment.exchange and len(p.task.texts) != 2:
        yield "tokenize.augment", "exchange is for pairs of texts; remove it"
    if p.model.lora is not None and (freeze.embeddings or freeze.layers):
        yield "model.lora", "already freezes everything but the head: remove train.freeze"
    if p.model.new_tokens and (freeze.embeddings or freeze.layers == "all"):
        yield (
            "model.new_tokens",
            "their embeddings are new, and train.freeze keeps them from being trained: remove "
            "train.freeze.embeddings, and give layers a number",
        )
