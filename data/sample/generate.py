"""Word lists → train.csv, validation.csv, test.csv and the model folder of the sample.

`python data/sample/generate.py [--output data/sample]`

A fact (who did what to how many of what, where, when, how) is told twice in two frames, with words
replaced by synonyms. In half of the pairs the second telling also changes one thing that matters:
a verb, adverb, adjective or preposition becomes its opposite, a denial comes or goes, the number
or the roles change. Both halves replace as many words, so that counting shared words says nothing.
"""

import argparse
import csv
import itertools
import json
import random
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import lexicon

ROWS = {"train": 16000, "validation": 600, "test": 600}
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}  # of the frames
CHANGES = {  # what a pair that is not equivalent gets wrong, and how often
    "verb": 0.1,
    "adverb": 0.22,
    "size": 0.14,
    "amount": 0.12,
    "timing": 0.13,
    "placing": 0.13,
    "denial": 0.12,
    "number": 0.02,
    "roles": 0.02,
}
BIAS = 0.2  # how often a fact takes the second side; at even odds nothing is learned for long

TURNING = 12  # the first verbs of the lexicon are the ones that turn to their opposites

LEADS = (
    "",
    "it is said that",
    "witnesses recall that",
    "the newspaper wrote that",
    "according to a neighbour ,",
    "a letter confirms that",
    "we heard that",
    "records show that",
    "as far as anyone knows ,",
    "the radio announced that",
    "a friend told us that",
    "to nobody's surprise ,",
)
PATTERNS = (
    "{agent} {adverb} {verb} {object} {where} {when}",
    "{agent} {adverb} {verb} {object} {when} {where}",
    "{when} {agent} {adverb} {verb} {object} {where}",
    "{where} {agent} {adverb} {verb} {object} {when}",
    "{object} {was} {adverb} {verb} by {agent} {where} {when}",
    "{object} {was} {adverb} {verb} {where} by {agent} {when}",
    "{when} {object} {was} {adverb} {verb} by {agent} {where}",
    "{where} {object} {was} {adverb} {verb} by {agent} {when}",
)


def sides(text: str) -> list[list[list[str]]]:
    """Return rows of two sides of two words."""
    return [[side.split() for side in line.split("|")] for line in text.splitlines()]


VERBS = sides("\n".join(line.split(";")[0] for line in lexicon.VERBS.splitlines()))
KINDS = [line.split(";")[1].strip() for line in lexicon.VERBS.splitlines()]
OBJECTS: dict[str, list[str]] = {}
for _line in lexicon.OBJECTS.splitlines():
    OBJECTS.setdefault(_line.split(";")[0].strip(), []).extend(_line.split(";")[1].split())
WORDS = {
    "verb": VERBS,
    "adverb": sides(lexicon.ADVERBS),
    "size": sides(lexicon.SIZES),
    "amount": sides(lexicon.AMOUNTS),
    "timing": sides(lexicon.TIMING),
    "placing": sides(lexicon.PLACING),
    "denial": [[["", ""], ["never", "not once"]]],
}
PERSONAL = [row for row, kind in enumerate(KINDS) if kind == "workers"]
ADJECTIVES, ROLES, CITIES = (
    lexicon.ADJECTIVES.split(),
    lexicon.ROLES.split(),
    lexicon.CITIES.split(),
)
NUMBERS = lexicon.NUMBERS.split()
FIRST, LAST = lexicon.FIRST_NAMES.split(), lexicon.SURNAMES.split()
EVENTS = [
    e.strip()
    for line in lexicon.EVENTS.splitlines()
    for e in (line.split(";") if ";" in line else line.split())
    if e.strip()
]


@dataclass(frozen=True)
class Fact:
    """What happened. `told` maps a kind of word to its row and side in `WORDS`."""

    agent: str
    number: int  # 0: the thing is one person
    thing: str
    city: str
    event: str
    told: dict[str, tuple[int, int]]


def make_person(rng: random.Random) -> str:
    return rng.choice([f"{rng.choice(FIRST)} {rng.choice(LAST)}", f"the {rng.choice(ROLES)}"])


def make_fact(rng: random.Random, must: str) -> Fact:
    """Draw a fact that tells something of the kind `must`."""
    told = {}
    for kind, rows in WORDS.items():
        if kind in ("verb", must) or rng.random() < 0.3:
            row = rng.randrange(min(TURNING, len(rows)) if kind == must else len(rows))
            told[kind] = (row, int(rng.random() < BIAS))
    if "denial" in told and must != "adverb":
        told.pop("adverb", None)
    elif "denial" in told:
        told.pop("denial")
    if must == "roles":
        told["verb"] = (rng.choice(PERSONAL), told["verb"][1])
        told.pop("size", None)
        told.pop("amount", None)
        return Fact(
            make_person(rng), 0, make_person(rng), rng.choice(CITIES), rng.choice(EVENTS), told
        )
    noun = rng.choice(OBJECTS[KINDS[told["verb"][0]]])
    thing = noun if "size" in told else f"{rng.choice(ADJECTIVES)} {noun}"
    number, city = rng.randrange(2, 13), rng.choice(CITIES)
    return Fact(make_person(rng), number, thing, city, rng.choice(EVENTS), told)


def change(rng: random.Random, fact: Fact, kind: str) -> Fact:
    """Return the fact with one thing changed that makes it another fact."""
    if kind == "roles":
        return replace(fact, agent=fact.thing, thing=fact.agent)
    if kind == "number":
        return replace(fact, number=rng.choice([n for n in range(2, 13) if n != fact.number]))
    row, side = fact.told[kind]
    return replace(fact, told=fact.told | {kind: (row, 1 - side)})


def tell(fact: Fact, frame: tuple[str, str], words: dict[str, int], digits: bool) -> str:
    """Write a fact as a sentence.

    Args:
        fact: what happened.
        frame: a lead and a pattern.
        words: which of the two synonyms, by kind.
        digits: write the number as digits.
    """
    said = dict.fromkeys(WORDS, "")
    for kind, (row, side) in fact.told.items():
        said[kind] = WORDS[kind][row][side][words[kind]]
    number = "" if fact.number == 0 else NUMBERS[fact.number - 2]
    number = str(fact.number) if digits and number else number
    text = frame[1].format(
        agent=fact.agent,
        adverb=said["adverb"] or said["denial"],
        verb=said["verb"],
        was="were" if fact.number else "was",
        object=f"{said['amount']} {number} {said['size']} {fact.thing}",
        where=f"{said['placing'] or 'in'} {fact.city}",
        when=f"{said['timing']} {fact.event}" if said["timing"] else "",
    )
    text = " ".join(f"{frame[0]} {text}".split()).replace(" ,", ",")
    return text[0].upper() + text[1:] + "."


def make_pair(
    rng: random.Random, frames: list[tuple[str, str]], equivalent: bool
) -> tuple[str, str, str]:
    """Return two sentences and their label."""
    kind = rng.choices(list(CHANGES), list(CHANGES.values()))[0]
    fact = make_fact(rng, kind)
    other = fact if equivalent else change(rng, fact, kind)
    first, second = rng.sample(frames, 2)
    words = {name: rng.randrange(2) for name in WORDS}
    others = {name: rng.randrange(2) for name in WORDS} | {kind: 1 - words.get(kind, 0)}
    one = tell(fact, first, words, digits=rng.random() < 0.5)
    two = tell(other, second, others, digits=rng.random() < 0.5)
    return one, two, "equivalent" if equivalent else "not_equivalent"


def split_frames(rng: random.Random) -> dict[str, list[tuple[str, str]]]:
    """Return frames by split; none stands in two."""
    frames = list(itertools.product(LEADS, PATTERNS))
    rng.shuffle(frames)
    found, start = {}, 0
    for split, share in SHARES.items():
        stop = start + round(share * len(frames))
        found[split], start = frames[start:stop], stop
    return found


def make_split(rng: random.Random, frames: list, num_rows: int, seen: set[str]) -> list[tuple]:
    rows = []
    while len(rows) < num_rows:
        pair = make_pair(rng, frames, equivalent=len(rows) % 2 == 0)
        if pair[0] != pair[1] and not seen & set(pair[:2]):
            seen.update(pair[:2])
            rows.append(pair)
    rng.shuffle(rows)
    return rows


def write_model(folder: Path, sentences: list[str]) -> None:
    """Write a tokenizer of the sentences' words and letters, and a small config; no weights."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from transformers import BertConfig, BertTokenizerFast

    normalize, split = BertNormalizer().normalize_str, BertPreTokenizer().pre_tokenize_str
    words = Counter(word for text in sentences for word, _ in split(normalize(text)))
    letters = sorted(set("".join(words)) | set("abcdefghijklmnopqrstuvwxyz0123456789"))
    pieces = [*letters, *(f"##{letter}" for letter in letters)]
    frequent = sorted(
        (w for w in words if words[w] > 1 and len(w) > 1), key=lambda w: (-words[w], w)
    )
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {piece: i for i, piece in enumerate([*special, *pieces, *frequent])}
    fast = BertTokenizerFast(vocab=vocabulary, model_max_length=64)
    fast.save_pretrained(str(folder))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=128,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        initializer_range=0.1,
        attention_probs_dropout_prob=0.0,
        architectures=["BertForSequenceClassification"],
    )
    config.save_pretrained(str(folder))
    settings = json.loads((folder / "config.json").read_text())
    settings.pop("transformers_version", None)
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def main(output: Path) -> None:
    rng, seen = random.Random(20), set[str]()
    frames = split_frames(rng)
    train: list[tuple] = []
    for split, num_rows in ROWS.items():
        rows = make_split(rng, frames[split], num_rows, seen)
        train = train or rows
        with (output / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([("sentence1", "sentence2", "label"), *rows])
    write_model(output / "model", [text for row in train for text in row[:2]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    main(parser.parse_args().output)
