"""params.yaml as a whole: every key with its type, range and one line of description.

`temper.params.load` reads the file; `temper.params.rules` holds which keys have an effect with
which task. docs/parameters.md and params.schema.json are generated from here.
"""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from temper.core.errors import InputError
from temper.params.data import DataParams
from temper.params.decisions import Abstain, OperatingPoint, Probability
from temper.params.group import (
    Columns,
    Count,
    Examples,
    FileName,
    Group,
    Name,
    Positive,
    Seed,
    Tokens,
    Unit,
)
from temper.params.model import HubModel, ModelParams
from temper.params.task import TaskParams
from temper.params.tokenize import TokenizeParams
from temper.params.train import TrainParams


class Determinism(Group):
    num_threads: Annotated[Positive, Unit("threads")]
    """Threads of torch, ONNX Runtime and BLAS; results depend on their number."""
    portable: bool
    """Use AVX2 kernels everywhere, so that different x86-64 machines agree."""
    deterministic: bool
    """Use deterministic kernels on a GPU."""


class SpanDecoding(Group):
    n_best: Positive
    """Best start and end positions that are combined into spans."""
    max_answer_length: Tokens
    """Longest answer."""
    no_answer_threshold: Annotated[float, Unit("logits")] | None = None
    """Margin by which no answer must beat the best span. Absent: always answer."""


class Generation(Group):
    max_new_tokens: Tokens
    """Longest generated text."""
    num_beams: Positive
    """Beams; 1 is greedy search."""
    length_penalty: float
    """Exponent of the length; above 0 favours long texts."""
    no_repeat_ngram_size: Annotated[Count, Unit("tokens")] = 0
    """No n-gram of this size occurs twice. Absent: 0, off."""

    def options(self) -> dict[str, Any]:
        """Return the arguments of transformers' `generate`."""
        options = self.model_dump(exclude={"length_penalty"} if self.num_beams == 1 else None)
        return options | {"do_sample": False}


class ZeroShot(HubModel):
    template: Name
    """A sentence in which {} stands for a label's phrase."""
    phrases: dict[Name, Name] | None = None
    """Label → phrase. Absent: the labels' names, underscores as spaces."""

    @model_validator(mode="after")
    def _check_template(self) -> Self:
        check_phrase_template(self.template)
        return self


def check_phrase_template(template: str) -> None:
    """Check that a sentence has one {} for a label's phrase, and no other braces.

    Raises:
        ValueError: it has none, several, or one with a name or a format.
    """
    try:
        fields = [tuple(field) for _, *field in Formatter().parse(template) if field[0] is not None]
    except ValueError:  # a brace alone
        fields = []
    if fields != [("", "", None)]:
        raise ValueError(
            f"template {template!r} needs one {{}} for the phrase, with nothing between the "
            "braces; a brace that is text is written twice"
        )


def label_phrases(phrases: Mapping[str, str] | None, labels: Sequence[str]) -> list[str]:
    """Return the phrase of each label, of `ZeroShot.phrases` or its name.

    Raises:
        InputError: two labels have the same one, which scores could not tell apart.
    """
    found = [(phrases or {}).get(label, label.replace("_", " ")) for label in labels]
    for i, phrase in enumerate(found):
        if phrase in found[:i]:
            first = labels[found.index(phrase)]
            raise InputError(
                f"the labels {first!r} and {labels[i]!r} have the same phrase, {phrase!r}; "
                "give each its own under phrases"
            )
    return found


class EvaluateParams(Group):
    batch_size: Examples
    """Examples per batch."""
    positive_label: Name | None
    """Binary classification: the class that precision, recall and F1 refer to; null elsewhere."""
    threshold: Probability | dict[Name, Probability] | Literal["tuned"] | None = None
    """Probability from which a label is predicted, one for all or one per label; tuned: maximizes
    each label's F1 on validation."""
    temperature: Annotated[float, Field(gt=0)] | Literal["tuned"] | None = None
    """Number that logits are divided by before they become probabilities; tuned: minimizes the
    log loss on validation, and is left out where cross-validation does not confirm that. Absent:
    none."""
    operating_point: OperatingPoint | None = None
    """A threshold for one label's probability that reaches a target on validation. Absent: none."""
    abstain: Abstain | None = None
    """A confidence below which a row gets no prediction. Absent: every row gets one."""
    span_decoding: SpanDecoding | None = None
    """How answers are read from start and end logits."""
    generation: Generation | None = None
    """How texts are generated."""
    zero_shot: dict[FileName, ZeroShot]
    """Models that score the same rows without training; {} for none."""
    bootstrap_samples: Positive
    """Resamples behind the 95 % intervals."""
    slices: Columns = ()
    """Columns whose values are scored separately. Absent: none."""
    metrics: tuple[Name, ...] | None = None
    """Custom metrics: `module.function` of a file under `code`, called with (predictions,
    references). Absent: only the task's."""
    num_worst_examples: Annotated[Count, Unit("examples")]
    """Examples with the highest loss that the report lists."""


class ExportParams(Group):
    name: Name
    """Title of the model card, and name in the model registry."""
    license: Name | None = None
    """SPDX id of the model. Absent: none."""
    onnx: Literal["auto", "required", "off"] = "auto"
    """required: the stage fails where the model has no ONNX export that agrees with it; auto: then
    the export is without ONNX, and says why; off: no ONNX. Absent: auto."""
    int8: bool = False
    """Also export a quantized ONNX model. Absent: false."""
    max_score_drop: float | None = Field(default=None, ge=0, le=1)
    """Largest loss of the int8 model's validation score, and of those of an operating point and of
    abstention; above it the stage fails. int8: true needs it. Absent: no int8 model."""
    data_profile: bool = True
    """Keep counts of the rows of validation and of what the model predicts of them, and the ids of
    the commonest tokens of train, in profile.json: `temper predict` compares new rows with them.
    Absent: true."""


class Settings(Group):
    """What a task needs to know, in training and in `temper predict`."""

    task: TaskParams
    tokenize: TokenizeParams
    evaluate: EvaluateParams
    code: dict[FileName, Name]
    """Custom code by module name → Python file; {} for none. DVC watches each."""


class Params(Settings):
    """Everything a run depends on besides code, data and library versions."""

    seed: Seed
    """Seed of initial weights, batch order and dropout."""
    determinism: Determinism
    data: DataParams
    model: ModelParams
    train: TrainParams
    export: ExportParams

    @property
    def models(self) -> dict[str, ModelParams | HubModel]:
        """Every model by the key of its group."""
        models: dict[str, ModelParams | HubModel] = {"model": self.model}
        models |= {f"evaluate.zero_shot.{k}": m for k, m in self.evaluate.zero_shot.items()}
        models |= {f"train.teachers.{k}": m for k, m in self.train.teachers.items()}
        return models | {
            f"tokenize.translators.{k}": m for k, m in self.tokenize.translators.items()
        }
