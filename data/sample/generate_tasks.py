"""Word lists → the small data sets of the other tasks, one folder each, and their models' configs.

`python data/sample/generate_tasks.py [--output data/sample]`, after generate.py: the texts of
masked_lm and causal_lm and the vocabulary of most tasks are the sample's own.

token_classification: who, which firm, where; surnames stand in names, firms and streets alike, so a
word alone does not tell. question_answering: three facts and a question about one, some about none.
multiple_choice: what could be done to what. seq2seq_lm: times, dates and amounts, from words to
digits. image_classification: shapes of any place, size and colour. audio_classification: what a
tone's pitch does, which its mean spectrum hardly tells. embeddings: a fact told twice, in other
words, and another fact in the words of the first.
"""

import argparse
import io
import json
import math
import random
import wave
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import generate
import lexicon
from generate import CITIES, FIRST, LAST, OBJECTS

SPLITS = ("train", "validation", "test")


def write_rows(folder: Path, split: str, rows: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


# -- token_classification ------------------------------------------------------------------------

NAMED = (
    "{PER} left {LOC} in {PLAIN}",
    "{ORG} hired {PER}",
    "the {ROLE} {PER} met {PER} near {LOC}",
    "{PER} bought {ORG} for {NUMBER} million",
    "a {ROLE} from {LOC} sued {ORG}",
    "{ORG} and {ORG} opened offices in {LOC}",
    "in {LOC} , {PER} praised the {ROLE}",
    "the {ROLE} of {ORG} , {PER} , lives in {LOC}",
    "nobody in {LOC} knew the {ROLE}",
    "{NUMBER} people of {ORG} moved to {LOC}",
)
FIRMS = ("Bank", "Brothers", "Motors", "Press", "Steel", "Foods", "Airways")
STREETS = ("Street", "Square", "Park", "Avenue", "Bridge")


def entity(rng: random.Random, kind: str) -> list[str]:
    name = rng.choice(LAST)
    if kind == "PER":
        return [rng.choice(FIRST), name] if rng.random() < 0.7 else [name]
    if kind == "ORG":
        return [name, rng.choice(FIRMS)]
    return [name, rng.choice(STREETS)] if rng.random() < 0.5 else [rng.choice(CITIES)]


def tagged(rng: random.Random) -> dict:
    words, tags = [], []
    for part in rng.choice(NAMED).split():
        kind = part.strip("{}")
        if kind in ("PER", "ORG", "LOC"):
            found = entity(rng, kind)
            tags += [f"B-{kind}", *[f"I-{kind}"] * (len(found) - 1)]
        else:
            plain = {"ROLE": lexicon.ROLES, "NUMBER": lexicon.NUMBERS, "PLAIN": lexicon.EVENTS}
            drawn = rng.choice(plain.get(kind, part).replace(";", " ").split())
            found = [drawn if kind in plain else part]
            tags += ["O"] * len(found)
        words += found
    return {"words": words, "tags": tags}


# -- question_answering --------------------------------------------------------------------------


def question(rng: random.Random) -> dict:
    """Return three facts, a question and its answer in SQuAD's form; one in six has none."""
    people = [f"{a} {b}" for a, b in zip(rng.sample(FIRST, 4), rng.sample(LAST, 4), strict=True)]
    places = rng.sample(CITIES, 3)
    facts = [f"{who} went to {where}." for who, where in zip(people, places, strict=False)]
    asked = rng.randrange(3)
    context = " ".join(facts)
    text = f"Where did {people[asked]} go?"
    if rng.random() < 1 / 6:
        return {
            "question": f"Where did {people[3]} go?",
            "context": context,
            "answers": {"text": [], "answer_start": []},
        }
    start = context.index(facts[asked]) + facts[asked].index(places[asked])
    answers = {"text": [places[asked]], "answer_start": [start]}
    return {"question": text, "context": context, "answers": answers}


# -- multiple_choice -----------------------------------------------------------------------------

FITTING = [
    (verb, kind)
    for row, kind in zip(generate.VERBS, generate.KINDS, strict=True)
    for side in row
    for verb in side
]


def choice(rng: random.Random) -> dict:
    """Return the beginning of a sentence and four things, one of which it can be about."""
    verb, kind = rng.choice(FITTING)
    others = rng.sample([k for k in OBJECTS if k != kind], 3)
    label = rng.randrange(4)
    kinds = [*others[:label], kind, *others[label:]]
    things = [f"the {rng.choice(generate.ADJECTIVES)} {rng.choice(OBJECTS[k])}" for k in kinds]
    who = generate.make_person(rng)
    row = {"context": f"{who[0].upper()}{who[1:]} was busy in {rng.choice(CITIES)}."}
    row["stem"] = f"The visitor {verb}"
    return row | {f"ending{i}": f"{thing}." for i, thing in enumerate(things)} | {"label": label}


# -- seq2seq_lm ----------------------------------------------------------------------------------

MONTHS = lexicon.MONTHS.split()
ONES, TENS = lexicon.ONES.split(), lexicon.TENS.split()
TRIPS = (
    "the train leaves on {date} at {time} and costs {price}",
    "pay {price} before {time} on {date}",
    "a ticket for {date} is {price}",
    "we meet at {time} on {date}",
    "the shop closes at {time}",
)
CURRENCIES = {"dollars": "$", "euros": "€", "pounds": "£", "yen": "¥"}


def spoken(number: int) -> str:
    """Return a number below 10,000 in words."""
    if number < 20:
        return ONES[number]
    if number < 100:
        rest = number % 10
        return TENS[number // 10] + (f" {ONES[rest]}" if rest else "")
    size, word = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = number % size
    return f"{spoken(number // size)} {word}" + (f" {spoken(rest)}" if rest else "")


def written(rng: random.Random) -> dict:
    hour, minute, day = rng.randrange(24), rng.randrange(1, 60), rng.randrange(1, 29)
    month, amount = rng.choice(MONTHS), rng.randrange(1, 1000)
    name, sign = rng.choice(sorted(CURRENCIES.items()))
    said = {
        "time": f"{spoken(minute)} past {spoken(hour)}",
        "date": f"day {spoken(day)} of {month}",
        "price": f"{spoken(amount)} {name}",
    }
    put = {"time": f"{hour}:{minute:02}", "date": f"{month} {day}", "price": f"{sign}{amount}"}
    frame = rng.choice(TRIPS)
    return {"spoken": frame.format(**said), "written": frame.format(**put)}


# -- embeddings ----------------------------------------------------------------------------------

FRAMES = [(lead, pattern) for lead in generate.LEADS for pattern in generate.PATTERNS]


def triplet(rng: random.Random) -> dict:
    """Return a fact, the same one in other words, and one with a thing changed in its words."""
    kind = rng.choices(list(generate.CHANGES), list(generate.CHANGES.values()))[0]
    fact, frames = generate.make_fact(rng, kind), rng.sample(FRAMES, 3)
    words = {name: rng.randrange(2) for name in generate.WORDS}
    synonyms = {name: 1 - number for name, number in words.items()}
    told = (fact, words), (fact, synonyms), (generate.change(rng, fact, kind), words)
    texts = [
        generate.tell(what, frame, which, digits=rng.random() < 0.5)
        for (what, which), frame in zip(told, frames, strict=True)
    ]
    return dict(zip(("anchor", "positive", "negative"), texts, strict=True))


# -- image_classification ------------------------------------------------------------------------

SHAPES = ("circle", "cross", "square", "triangle")
SIDE = 32


def inside(shape: str, x: float, y: float) -> bool:
    """Tell whether a point of the unit circle belongs to a shape."""
    if shape == "circle":
        return x * x + y * y < 0.8
    if shape == "cross":
        return abs(x) < 0.28 or abs(y) < 0.28
    if shape == "square":
        return max(abs(x), abs(y)) < 0.72
    return y > -0.8 and abs(x) < (0.9 - y) * 0.55


def picture(rng: random.Random, shape: str) -> bytes:
    """Return a PNG of a turned shape before a noisy ground."""
    from PIL import Image

    size, turn = rng.uniform(7, 13), rng.uniform(-0.3, 0.3)
    middle = [rng.uniform(size, SIDE - size) for _ in range(2)]
    colours = [[rng.randrange(256) for _ in range(3)] for _ in range(2)]
    while sum(abs(a - b) for a, b in zip(*colours, strict=True)) < 200:
        colours = [[rng.randrange(256) for _ in range(3)] for _ in range(2)]
    image = Image.new("RGB", (SIDE, SIDE))
    for row in range(SIDE):
        for column in range(SIDE):
            a, b = (column - middle[0]) / size, (row - middle[1]) / size
            x, y = (
                a * math.cos(turn) - b * math.sin(turn),
                a * math.sin(turn) + b * math.cos(turn),
            )
            near = abs(x) < 1 and abs(y) < 1
            base = colours[int(near and inside(shape, x, y))]
            noise = rng.randrange(-3, 4) * 8
            pixel = tuple(max(0, min(255, (value + noise) // 16 * 16)) for value in base)
            image.putpixel((column, row), pixel)
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return target.getvalue()


def write_files(folder: Path, split: str, column: str, names: tuple, make: Callable, count: int):
    """Write a table of files, which `make` makes of a label, and of these labels in turn."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    labels = [names[i % len(names)] for i in range(count)]
    table = pa.table({column: [make(label) for label in labels], "label": labels})
    pq.write_table(table, folder / f"{split}.parquet")


# -- audio_classification ------------------------------------------------------------------------

PITCHES = ("falling", "rising", "steady", "warble")
RATE = 4000  # Hz


def tone(rng: random.Random, pitch: str) -> bytes:
    """Return a WAV file of 8 bits: a tone in noise, of any length, pitch and loudness."""
    count = round(rng.uniform(0.15, 0.3) * RATE)
    low, ratio = rng.uniform(200, 900), rng.uniform(1.3, 1.9)
    waves, start = rng.uniform(1.5, 3), rng.random()
    angle, loudness, noise = rng.uniform(0, math.tau), rng.uniform(25, 75), rng.uniform(3, 15)
    samples = bytearray()
    for i in range(count):
        shares = {
            "falling": 1 - i / count,
            "rising": i / count,
            "steady": 0.5,
            "warble": 0.5 + 0.5 * math.sin(math.tau * (waves * i / count + start)),
        }
        angle += math.tau * low * ratio ** shares[pitch] / RATE
        value = round(128 + loudness * math.sin(angle) + rng.gauss(0, noise))
        samples.append(max(0, min(255, value)))
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE)
        file.writeframes(samples)
    return target.getvalue()


# -- models --------------------------------------------------------------------------------------


def save(folder: Path, config) -> None:
    config.save_pretrained(str(folder))
    settings = json.loads((folder / "config.json").read_text())
    settings.pop("transformers_version", None)
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def write_seq2seq_model(folder: Path, rows: list[dict]) -> None:
    """Write a tokenizer of words and characters that gives texts back as they were, and a T5."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config

    words = Counter(f"▁{word}" for row in rows for word in row["spoken"].split())
    letters = sorted({c for row in rows for text in row.values() for c in text} - {" "})
    pieces = [*sorted(words), "▁", *letters]
    ids = dict.fromkeys(("<pad>", "</s>", "<unk>"), 0.0)
    scores = list(ids.items()) + [(p, -1.0 if p in words else -5.0) for p in dict.fromkeys(pieces)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=2, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
    )
    fast.save_pretrained(str(folder))
    save(
        folder,
        T5Config(
            vocab_size=len(scores),
            d_model=128,
            d_kv=32,
            d_ff=256,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            decoder_start_token_id=0,
            pad_token_id=0,
            eos_token_id=1,
            architectures=["T5ForConditionalGeneration"],
        ),
    )


def write_causal_model(folder: Path, sample: Path) -> None:
    """Write the sample's vocabulary without frames around a text, and a GPT-2."""
    from tokenizers import Tokenizer
    from transformers import GPT2Config, PreTrainedTokenizerFast

    tree = json.loads((sample / "tokenizer.json").read_text())
    tree["post_processor"] = None
    fast = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(tree)),
        pad_token="[PAD]",
        unk_token="[UNK]",
        eos_token="[SEP]",
        model_max_length=128,
    )
    fast.save_pretrained(str(folder))
    vocabulary = len(fast)
    end = fast.convert_tokens_to_ids("[SEP]")
    save(
        folder,
        GPT2Config(
            vocab_size=vocabulary,
            n_positions=128,
            n_embd=128,
            n_layer=2,
            n_head=4,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=end,
            eos_token_id=end,
            architectures=["GPT2LMHeadModel"],
        ),
    )


def write_image_model(folder: Path) -> None:
    from transformers import ConvNextConfig

    save(
        folder,
        ConvNextConfig(
            num_channels=3,
            patch_size=2,
            num_stages=3,
            hidden_sizes=[24, 48, 96],
            depths=[1, 1, 1],
            image_size=SIDE,
            initializer_range=0.05,
            layer_scale_init_value=1.0,
            architectures=["ConvNextForImageClassification"],
        ),
    )
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
    }
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    (folder / "preprocessor_config.json").write_text(text)


def write_audio_model(folder: Path) -> None:
    from transformers import Wav2Vec2Config

    save(
        folder,
        Wav2Vec2Config(
            conv_dim=[32] * 4,
            conv_kernel=[16, 4, 4, 4],
            conv_stride=[4, 2, 2, 2],
            feat_extract_norm="layer",
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            classifier_proj_size=64,
            initializer_range=0.05,
            layerdrop=0.0,
            mask_time_prob=0.0,
            attention_dropout=0.0,
            hidden_dropout=0.0,
            feat_proj_dropout=0.0,
            final_dropout=0.0,
            activation_dropout=0.0,
            architectures=["Wav2Vec2ForSequenceClassification"],
        ),
    )
    settings = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "sampling_rate": RATE,
        "do_normalize": True,
        "return_attention_mask": True,
    }
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    (folder / "preprocessor_config.json").write_text(text)


def main(output: Path) -> None:
    rng = random.Random(21)
    makers = {
        "token_classification": (tagged, (2000, 300, 300)),
        "question_answering": (question, (8000, 400, 400)),
        "multiple_choice": (choice, (4000, 400, 400)),
        "seq2seq_lm": (written, (8000, 300, 300)),
    }
    found: dict[str, list[dict]] = {}
    for task, (make, counts) in makers.items():
        seen: set[str] = set()
        for split, count in zip(SPLITS, counts, strict=True):
            rows: list[dict] = []
            while len(rows) < count:
                row = make(rng)
                key = json.dumps({k: v for k, v in row.items() if k not in ("label", "answers")})
                if key not in seen:
                    seen.add(key)
                    rows.append(row)
            found.setdefault(task, rows)
            write_rows(output / task, split, rows)
    for split, count in zip(SPLITS, (1200, 240, 240), strict=True):
        make = partial(picture, rng)
        write_files(output / "image_classification", split, "image", SHAPES, make, count)
    rng = random.Random(22)
    for split, count in zip(SPLITS, (2000, 300, 300), strict=True):
        write_rows(output / "embeddings", split, [triplet(rng) for _ in range(count)])
    make = partial(tone, random.Random(23))
    for split, count in zip(SPLITS, (460, 80, 80), strict=True):
        write_files(output / "audio_classification", split, "audio", PITCHES, make, count)
    write_image_model(output / "image_classification" / "model")
    write_audio_model(output / "audio_classification" / "model")
    write_seq2seq_model(output / "seq2seq_lm" / "model", found["seq2seq_lm"])
    write_causal_model(output / "causal_lm" / "model", output / "model")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    main(parser.parse_args().output)
