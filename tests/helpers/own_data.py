"""Small data sets as people have them: one file or folder for each way to hold rows."""

import csv
import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from temper.tasks.base import audio

WORDS = ("good", "bad", "fine", "poor", "quick", "slow", "phone", "screen", "price", "camera")
NUM_ROWS = 80


def write_all(folder: Path) -> Path:
    """Write every data set below a folder; return it."""
    folder.mkdir()
    drawn = random.Random(1)
    flags = [i % 2 == 0 for i in range(NUM_ROWS)]

    def text(flag=None, longest=9):
        words = [drawn.choice(WORDS) for _ in range(drawn.randint(3, longest))]
        if flag is not None:
            words.insert(drawn.randrange(len(words)), "lovely" if flag else "dreadful")
        return " ".join(words)

    def table(name, row, delimiter=",", encoding="utf-8", count=NUM_ROWS):
        rows = [row(i, flag) for i, flag in enumerate(flags[:count])]
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)

    def lines(name, row):
        rows = [json.dumps(row(i, flag)) for i, flag in enumerate(flags)]
        (folder / name).write_text("\n".join(rows), encoding="utf-8")

    def either(yes, no):
        return lambda flag: yes if flag else no

    mood = either("positive", "negative")
    table(
        "reviews.csv",
        lambda i, f: {"id": i, "date": "02.01.2024 10:15", "review": text(f), "sentiment": mood(f)},
    )
    table("stars.csv", lambda i, f: {"review": text(f), "stars": (4 if f else 1) + i // 2 % 2})
    table("sms.csv", lambda i, f: {"v1": "ham" if i % 5 else "spam", "v2": text(not i % 5)})
    table("semicolon.csv", lambda i, f: {"text": text(f), "label": int(f)}, delimiter=";")
    table(
        "cp1252.csv", lambda i, f: {"text": f"{text(f)} façade", "label": i % 3}, encoding="cp1252"
    )
    table(
        "tickets.csv",
        lambda i, f: {
            "ticket_id": f"T{i}",
            "subject": text(longest=4),
            "body": text(f, longest=30),
            "category": ("billing", "login", "crash")[i % 3],
        },
    )
    table("amounts.csv", lambda i, f: {"text": text(f), "score": round(drawn.random() * 5, 2)})
    table(
        "pairs.csv",
        lambda i, f: {"sentence1": text(), "sentence2": text(f), "label": "yes" if f else "no"},
    )
    table(
        "nli.tsv",
        lambda i, f: {"premise": text(), "hypothesis": text(f), "label": "enc"[i % 3]},
        delimiter="\t",
    )
    moods = ("joy", "fear", "anger")
    table(
        "separator.csv",
        lambda i, f: {"text": text(f), "emotions": "|".join(drawn.sample(moods, 1 + i % 2))},
    )
    table(
        "flags.csv", lambda i, f: {"text": text(f), **{m: int(drawn.random() < 0.5) for m in moods}}
    )
    table(
        "users.csv",
        lambda i, f: {"user_id": f"u{i % 20}", "comment": text(f), "toxic": str(f).lower()},
    )
    table("minus.csv", lambda i, f: {"clean_text": text(f), "category": i % 3 - 1})
    table("two_labels.csv", lambda i, f: {"note": text(f), "colour": "rb"[f], "shape": "of"[i % 2]})
    for split, count in (("train", 60), ("dev", 20), ("test", 20)):
        table(f"splits/{split}.csv", lambda i, f: {"text": text(f), "label": mood(f)}, count=count)
    (folder / "splits/README.md").write_text("about")
    (folder / "plain.txt").write_text("\n".join(text(longest=20) for _ in flags))
    lines("lists.jsonl", lambda i, f: {"text": text(f), "labels": drawn.sample(moods, 1 + i % 2)})
    sentences = (["Anna", "met", "Bob"], ["Rain", "in", "Rome"])
    tags = (["B-PER", "O", "B-PER"], ["O", "O", "B-LOC"])
    lines("ner.jsonl", lambda i, f: {"tokens": sentences[f], "ner_tags": tags[f]})
    blocks = [
        "".join(f"{word} {tag}\n" for word, tag in zip(sentences[f], tags[f], strict=True))
        for f in flags
    ]
    (folder / "tags.conll").write_text("\n".join(blocks))
    paragraphs = [
        {
            "context": f"{name} lives in {city}.",
            "qas": [
                {
                    "id": f"{name}{i}",
                    "question": f"Where does {name} live?",
                    "answers": [{"text": city, "answer_start": len(name) + 10}],
                }
            ],
        }
        for i, (name, city) in enumerate([("Ann", "Rome"), ("Bo", "Oslo")] * 20)
    ]
    squad = {"version": "1", "data": [{"title": "homes", "paragraphs": paragraphs}]}
    (folder / "squad.json").write_text(json.dumps(squad))
    lines(
        "endings.jsonl",
        lambda i, f: {
            "context": text(),
            "ending0": text(f),
            "ending1": text(not f),
            "label": i % 2,
        },
    )
    lines(
        "options.jsonl",
        lambda i, f: {"question": text(), "options": [text(f), text()], "answer": i % 2},
    )
    lines("summaries.jsonl", lambda i, f: {"document": text(longest=40), "summary": text()})
    lines("prompts.jsonl", lambda i, f: {"prompt": text(), "completion": text()})
    rows = [{"text": text(f), "intent": ("buy", "ask", "quit")[i % 3]} for i, f in enumerate(flags)]
    pd.DataFrame(rows).to_parquet(folder / "intents.parquet")
    lines(
        "triplets.jsonl",
        lambda i, f: {"query": text(longest=4), "positive": text(longest=5), "negative": "bad"},
    )
    for path, color in (("red", (200, 20, 20)), ("blue", (20, 20, 200))):
        for split in ("images", "splits_of_images/train", "splits_of_images/val"):
            (folder / split / path).mkdir(parents=True)
            for i in range(20):
                noise = np.random.default_rng(i).integers(0, 40, (16, 16, 3))
                pixels = (noise + np.array(color)).astype("uint8")
                Image.fromarray(pixels).save(folder / split / path / f"{split[:2]}{i}.png")
        for i in range(20):
            tone = audio.encode(np.sin(np.arange(800 + 8 * i) / (4 + len(path))), 8000)
            for clip in (f"clips/{path}/{i}.wav", f"listed_clips/wav/{path}{i}.wav"):
                (folder / clip).parent.mkdir(parents=True, exist_ok=True)
                (folder / clip).write_bytes(tone)
            with (folder / "listed_clips/table.csv").open("a") as table:
                table.write("clip,kind\n" * (path == "red" and i == 0))
                table.write(f"wav/{path}{i}.wav,{path}\n")
    return folder
