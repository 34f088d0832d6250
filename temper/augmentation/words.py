"""A text's words → the same number of words, some of them changed; "" means deleted.

Words are separated by spaces and include their punctuation. Wei and Zou 2019 (EDA,
arXiv:1901.11196) replace, swap and delete words in this way; Belinkov and Bisk 2018
(arXiv:1711.02173) misspell them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from temper.core.errors import InputError

Change = Callable[[list[str], float, np.random.Generator], list[str]]

SPACE = re.compile(r"(\s+)")
PUNCTUATION = re.compile(r"^\W+|\W+\Z")  # around a word
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
REACH = 20  # code points to either side that replace a letter that is not on the keyboard


def rewrite(text: str, change: Change, share: float, rng: np.random.Generator) -> str:
    """Change a text's words and keep its spaces.

    A deleted word takes the space before it along.

    Args:
        change: from words, share and generator to the changed words.
    """
    parts = SPACE.split(text)
    positions = [i for i in range(0, len(parts), 2) if parts[i]]
    if not positions:
        return text
    changed = change([parts[i] for i in positions], share, rng)
    for i, word in zip(positions, changed, strict=True):
        parts[i] = word
        if not word and i:
            parts[i - 1] = ""
    return "".join(parts) if changed[0] else "".join(parts).lstrip()


def rewrite_all(
    change: Change, share: float, texts: Sequence[str], rngs: Sequence[np.random.Generator]
) -> list[str]:
    """Change each of some texts, with a generator of its own."""
    return [rewrite(text, change, share, rng) for text, rng in zip(texts, rngs, strict=True)]


def draw_positions(
    candidates: Sequence[int], num_words: int, share: float, rng: np.random.Generator
) -> list[int]:
    """Draw positions to change, ascending: a share of all words, at least one if possible."""
    count = min(max(1, round(share * num_words)), len(candidates))
    return sorted(rng.choice(candidates, count, replace=False).tolist()) if count else []


def swap(words: list[str], share: float, rng: np.random.Generator) -> list[str]:
    """Swap neighbours; no word moves twice."""
    swapped = list(words)
    if len(words) > 1:
        first = int(rng.integers(min(2, len(words) - 1)))
        pairs = np.arange(first, len(words) - 1, 2)
        count = min(max(1, round(share * len(words) / 2)), len(pairs))
        for i in rng.choice(pairs, count, replace=False).tolist():
            swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
    return swapped


def delete(words: list[str], share: float, rng: np.random.Generator) -> list[str]:
    """Delete words, but never all of them."""
    survivor = int(rng.integers(len(words)))
    candidates = [i for i in range(len(words)) if i != survivor]
    deleted = draw_positions(candidates, len(words), share, rng)
    return ["" if i in deleted else word for i, word in enumerate(words)]


def characters(words: list[str], share: float, rng: np.random.Generator) -> list[str]:
    """Misspell words that have letters."""
    candidates = [i for i, word in enumerate(words) if any(char.isalpha() for char in word)]
    misspelled = list(words)
    for i in draw_positions(candidates, len(words), share, rng):
        misspelled[i] = misspell(words[i], rng)
    return misspelled


def misspell(word: str, rng: np.random.Generator) -> str:
    """Swap a letter with the next, drop it, or add or replace one; the last letter is kept."""
    letters = [i for i, char in enumerate(word) if char.isalpha()]
    i = letters[int(rng.integers(len(letters)))]
    edits = ("add", "replace") if len(letters) == 1 else ("add", "replace", "drop", "swap")
    edit = edits[int(rng.integers(len(edits)))]
    if edit == "drop":
        return word[:i] + word[i + 1 :]
    if edit == "swap":
        index = min(letters.index(i), len(letters) - 2)
        a, b = letters[index : index + 2]
        return word[:a] + word[b] + word[a + 1 : b] + word[a] + word[b + 1 :]
    letter = neighbour(word[i], rng)
    return word[:i] + letter + word[i + (edit == "replace") :]


def neighbour(letter: str, rng: np.random.Generator) -> str:
    """Draw a letter next to this one, on the keyboard or else in Unicode, of the same case."""
    lower = letter.lower()
    row = next((row for row in KEYBOARD if lower in row), None)
    if row:
        index = row.index(lower)
        nearby = [row[i] for i in (index - 1, index + 1) if 0 <= i < len(row)]
    else:
        codes = (ord(lower[0]) + i for i in range(-REACH, REACH + 1) if i)
        letters = [char for char in map(chr, codes) if char.isalpha()]
        nearby = [char for char in letters if char.islower() == lower.islower()] or [letter]
    drawn = nearby[int(rng.integers(len(nearby)))]
    return drawn.upper() if letter.isupper() else drawn


def build_synonyms(synonyms: Mapping[str, Sequence[str]]) -> Change:
    """Return a change that replaces words by their synonyms.

    Args:
        synonyms: lower-case word → its synonyms.
    """

    def replace(words: list[str], share: float, rng: np.random.Generator) -> list[str]:
        """Replace listed words; punctuation around them and an initial capital are kept."""
        cores = [split_core(word) for word in words]
        candidates = [i for i, (_, core, _) in enumerate(cores) if core.lower() in synonyms]
        replaced = list(words)
        for i in draw_positions(candidates, len(words), share, rng):
            before, core, after = cores[i]
            options = synonyms[core.lower()]
            synonym = options[int(rng.integers(len(options)))]
            replaced[i] = before + (capitalize(synonym) if core[0].isupper() else synonym) + after
        return replaced

    return replace


def split_core(word: str) -> tuple[str, str, str]:
    """Divide a word into the punctuation before it, itself, and the punctuation after it."""
    core = PUNCTUATION.sub("", word)
    before, _, after = word.partition(core) if core else (word, "", "")
    return before, core, after


def capitalize(word: str) -> str:
    """Make the first letter upper case and keep the others, unlike `str.capitalize`."""
    return word[0].upper() + word[1:]


def read_synonyms(file: Path) -> dict[str, list[str]]:
    """Read a synonym file: a word, a tab, its synonyms separated by commas; # starts a comment.

    Raises:
        InputError: the file is missing, not UTF-8 or has no words, or a line is malformed.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; tokenize.synonym_files names it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as UTF-8 text: {error}") from None
    synonyms: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            word, options = parse_line(line, f"{file}:{number}")
            if word in synonyms:
                raise InputError(f"{file}:{number}: duplicate word {word!r}; join the two lines")
            synonyms[word] = options
    if not synonyms:
        raise InputError(f"{file}: no words; write one per line as word<TAB>synonym1,synonym2")
    return synonyms


def parse_line(line: str, where: str) -> tuple[str, list[str]]:
    """Split a line into the word in lower case and its synonyms.

    Raises:
        InputError: the line has another form.
    """
    word, tab, rest = line.partition("\t")
    word, options = word.strip().lower(), [part.strip() for part in rest.split(",")]
    if not tab or not word or "\t" in rest or not all(options):
        raise InputError(f"{where}: expected word<TAB>synonym1,synonym2, found {line!r}")
    if SPACE.search(word) or split_core(word)[1] != word:
        raise InputError(
            f"{where}: {word!r} would never match, as it is not a single word without punctuation "
            "at its ends; remove the line"
        )
    synonyms = [option for option in options if option.lower() != word]
    if not synonyms:
        raise InputError(f"{where}: {word!r} has no synonym but itself; remove the line")
    return word, synonyms
