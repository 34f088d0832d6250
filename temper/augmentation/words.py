"""A list of words and a draw → the same number of words, some of them changed; "" is left out.

Words are what stands between spaces, with their punctuation. Wei and Zou 2019 (EDA,
arXiv:1901.11196) replace, swap and delete words like this; Belinkov and Bisk 2018
(arXiv:1711.02173) misspell them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from temper.core.errors import InputError

Draw = np.random.Generator
Change = Callable[[list[str], float, Draw], list[str]]

SPACE = re.compile(r"(\s+)")
CORE = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
REACH = 20  # how far a letter without a place on the keyboard may be from its stand-in


def rewrite(text: str, change: Change, share: float, draw: Draw) -> str:
    """Return a text with its words changed and its spaces kept.

    A word that is left out takes the space before it along.
    """
    parts = SPACE.split(text)
    places = [i for i in range(0, len(parts), 2) if parts[i]]
    if not places:
        return text
    changed = change([parts[i] for i in places], share, draw)
    for i, word in zip(places, changed, strict=True):
        parts[i] = word
        if not word and i:
            parts[i - 1] = ""
    return "".join(parts) if changed[0] else "".join(parts).lstrip()


def chosen(able: Sequence[int], num_words: int, share: float, draw: Draw) -> list[int]:
    """Return the words to change, in order: a share of all, at least one, from those able to."""
    count = min(max(1, round(share * num_words)), len(able))
    return sorted(draw.choice(able, count, replace=False).tolist()) if count else []


def swap(words: list[str], share: float, draw: Draw) -> list[str]:
    """Swap neighbours; no word moves twice."""
    found = list(words)
    if len(words) > 1:
        first = int(draw.integers(min(2, len(words) - 1)))
        pairs = np.arange(first, len(words) - 1, 2)
        count = min(max(1, round(share * len(words) / 2)), len(pairs))
        for i in draw.choice(pairs, count, replace=False).tolist():
            found[i], found[i + 1] = found[i + 1], found[i]
    return found


def delete(words: list[str], share: float, draw: Draw) -> list[str]:
    """Leave words out, and never all of them."""
    kept = int(draw.integers(len(words)))
    gone = chosen([i for i in range(len(words)) if i != kept], len(words), share, draw)
    return ["" if i in gone else word for i, word in enumerate(words)]


def characters(words: list[str], share: float, draw: Draw) -> list[str]:
    """Misspell words that have letters."""
    able = [i for i, word in enumerate(words) if any(sign.isalpha() for sign in word)]
    found = list(words)
    for i in chosen(able, len(words), share, draw):
        found[i] = misspell(words[i], draw)
    return found


def misspell(word: str, draw: Draw) -> str:
    """Swap a letter with the next, drop it, add one or replace it; a word of one keeps a letter."""
    letters = [i for i, sign in enumerate(word) if sign.isalpha()]
    i = letters[int(draw.integers(len(letters)))]
    kinds = ("add", "replace") if len(letters) == 1 else ("add", "replace", "drop", "swap")
    kind = kinds[int(draw.integers(len(kinds)))]
    if kind == "drop":
        return word[:i] + word[i + 1 :]
    if kind == "swap":
        at = min(letters.index(i), len(letters) - 2)
        a, b = letters[at : at + 2]
        return word[:a] + word[b] + word[a + 1 : b] + word[a] + word[b + 1 :]
    near = neighbour(word[i], draw)
    return word[:i] + near + word[i + (kind == "replace") :]


def neighbour(letter: str, draw: Draw) -> str:
    """Return a letter beside this one: on the keyboard, else in its alphabet; case is kept."""
    low = letter.lower()
    row = next((row for row in KEYBOARD if low in row), None)
    if row:
        at = row.index(low)
        near = [row[i] for i in (at - 1, at + 1) if 0 <= i < len(row)]
    else:
        codes = (ord(low[0]) + i for i in range(-REACH, REACH + 1) if i)
        signs = [sign for sign in map(chr, codes) if sign.isalpha()]
        near = [sign for sign in signs if sign.islower() == low.islower()] or [letter]
    found = near[int(draw.integers(len(near)))]
    return found.upper() if letter.isupper() else found


def build_synonyms(known: Mapping[str, Sequence[str]]) -> Change:
    """Return a change that replaces words by what a list gives for them.

    Args:
        known: lower-case word → its synonyms.
    """

    def synonyms(words: list[str], share: float, draw: Draw) -> list[str]:
        """Replace words of the list; punctuation around them and a capital stay."""
        cores = [CORE.match(word).groups() for word in words]  # type: ignore[union-attr]
        able = [i for i, (_, core, _) in enumerate(cores) if core.lower() in known]
        found = list(words)
        for i in chosen(able, len(words), share, draw):
            before, core, after = cores[i]
            among = known[core.lower()]
            other = among[int(draw.integers(len(among)))]
            found[i] = before + (capital(other) if core[0].isupper() else other) + after
        return found

    return synonyms


def capital(word: str) -> str:
    """Return a word with its first letter in upper case, the others as they are."""
    return word[0].upper() + word[1:]


def read_synonyms(file: Path) -> dict[str, list[str]]:
    """Read a word list: a word, a tab, its synonyms between commas; # begins a comment line.

    Raises:
        InputError: no such file, no UTF-8, no word in it, or a line of another form.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; tokenize.synonym_files names it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: no word list in UTF-8: {error}") from None
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            word, synonyms = read_line(line, f"{file}:{number}")
            if word in found:
                raise InputError(f"{file}:{number}: {word!r} stands twice; join the two lines")
            found[word] = synonyms
    if not found:
        raise InputError(f"{file}: no word in it; a line is word<TAB>synonym1,synonym2")
    return found


def read_line(line: str, where: str) -> tuple[str, list[str]]:
    """Return a line's word in lower case and its synonyms.

    Raises:
        InputError: it is no word, tab and synonyms.
    """
    word, tab, rest = line.partition("\t")
    word, synonyms = word.strip().lower(), [part.strip() for part in rest.split(",")]
    if not tab or not word or "\t" in rest or not all(synonyms):
        raise InputError(f"{where}: expected word<TAB>synonym1,synonym2, found {line!r}")
    if SPACE.search(word) or CORE.match(word).group(2) != word:  # type: ignore[union-attr]
        raise InputError(
            f"{where}: {word!r} is no single word without punctuation at its ends, so it would "
            "never be found; take it out"
        )
    others = [synonym for synonym in synonyms if synonym.lower() != word]
    if not others:
        raise InputError(f"{where}: {word!r} has no synonym but itself; take the line out")
    return word, others
