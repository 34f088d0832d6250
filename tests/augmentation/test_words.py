"""Words are swapped, deleted, misspelt or replaced; everything else stays."""

from pathlib import Path

import numpy as np
import pytest

from temper.augmentation import words
from temper.core.errors import InputError
from tests.helpers.augmentation import TEXT, changed, draws


def test_keeps_spaces_and_line_breaks():
    """Line breaks and indents stay; the space before a deleted word goes with it."""
    assert words.rewrite(TEXT, lambda found, *_: found, 0.1, draws()[0]) == TEXT

    def without(*gone):
        return lambda found, *_: ["" if i in gone else word for i, word in enumerate(found)]

    assert words.rewrite(" a b\nc", without(0), 0.1, draws()[0]) == "b\nc"
    assert words.rewrite(" a b\nc", without(1), 0.1, draws()[0]) == " a\nc"
    assert words.rewrite("a b\nc", without(0, 1), 0.1, draws()[0]) == "c"
    assert words.rewrite("", words.delete, 0.1, draws()[0]) == ""


def test_swaps_neighbours():
    """The words stay the same; with a share of 1 all but at most one change places."""
    for share, moved in ((0.2, {2}), (1.0, {8})):
        for text in changed(words.swap, share=share):
            assert sorted(text.split()) == sorted(TEXT.split())
            pairs = zip(text.split(), TEXT.split(), strict=True)
            assert {sum(a != b for a, b in pairs)} == moved
    assert set(changed(words.swap, "a b", 1.0)) == {"b a"}
    assert set(changed(words.swap, "alone", 1.0)) == {"alone"}


def test_deletes_words_but_never_the_last():
    """A share of the words goes, the others keep their order."""
    for text in changed(words.delete, share=0.4):
        assert len(text.split()) == 5
        rest = iter(TEXT.split())
        assert all(word in rest for word in text.split())
    assert set(changed(words.delete, "a b c", 1.0)) == {"a", "b", "c"}
    assert set(changed(words.delete, "alone", 1.0)) == {"alone"}


def distance(a: str, b: str) -> int:
    """Return the edits between two words, a swap of neighbours one of them."""
    d = {(i, j): max(i, j) for i in range(len(a) + 1) for j in range(len(b) + 1) if not i * j}
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            found = [d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1])]
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                found.append(d[i - 2, j - 2] + 1)
            d[i, j] = min(found)
    return d[len(a), len(b)]


def test_misspells_with_letters_of_the_same_script():
    """A selected word gets one edit; case, punctuation and numbers stay."""
    lengths = set()
    for text in changed(words.characters, "Oslo, 1905: Straße"):
        pairs = list(zip(text.split(), ("Oslo,", "1905:", "Straße"), strict=True))
        assert sorted(distance(*pair) for pair in pairs) in ([0, 0, 0], [0, 0, 1])
        assert pairs[0][0].endswith(",")
        lengths.add(len(text))
    assert lengths == {17, 18, 19}
    for text in changed(words.characters, "привет"):
        assert all("а" <= sign <= "џ" for sign in text)
    assert all(sign >= "一" for text in changed(words.characters, "中") for sign in text)
    assert set(changed(words.characters, "12 :")) == {"12 :"}
    shared = changed(words.characters, TEXT, 1.0)
    pairs = [zip(text.split(), TEXT.split(), strict=True) for text in shared]
    assert np.mean([a != b for pair in pairs for a, b in pair]) > 0.9
    near = {words.neighbour("A", draw) for draw in draws()}
    assert near == {"S"}
    assert {words.neighbour("g", draw) for draw in draws()} == {"f", "h"}


def test_synonyms_keep_capital_and_punctuation():
    """Only words of the list are replaced, as many as the share says."""
    change = words.build_synonyms({"anna": ["eve"], "opened": ["unpacked", "had a look at"]})
    assert set(changed(change, share=0.1)) == {
        TEXT.replace("Anna", "Eve"),
        TEXT.replace("opened", "unpacked"),
        TEXT.replace("opened", "had a look at"),
    }
    assert set(changed(change, share=1.0)) == {
        TEXT.replace("Anna", "Eve").replace("opened", "unpacked"),
        TEXT.replace("Anna", "Eve").replace("opened", "had a look at"),
    }
    assert set(changed(change, "no word of it")) == {"no word of it"}


def test_reads_a_word_list():
    """Comments, empty lines, a byte-order mark and case do not matter."""
    Path("list.tsv").write_text("\ufeff# words\n\nRed\tcrimson, Scarlet\nold\taged,old\n")
    found = words.read_synonyms(Path("list.tsv"))
    assert found == {"red": ["crimson", "Scarlet"], "old": ["aged"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("red crimson\n", "list.tsv:1: expected word<TAB>synonym1,synonym2, found 'red crimson'"),
        ("# a\nred\t\n", "list.tsv:2: expected word<TAB>"),
        ("red\ta,,b\n", "list.tsv:1: expected word<TAB>"),
        ("red\ta\tb\n", "list.tsv:1: expected word<TAB>"),
        ("dark red\ta\n", "list.tsv:1: 'dark red' would never match"),
        ("red\ta\n\nRed\tb\n", "list.tsv:3: duplicate word 'red'; join the two lines"),
        ("red\tRed\n", "list.tsv:1: 'red' has no synonym but itself"),
        ("# nothing\n", "list.tsv: no words; write one per line"),
    ],
)
def test_names_the_line_of_a_malformed_word_list(text, message):
    """The error has the file, the line and what it holds."""
    Path("list.tsv").write_text(text)
    with pytest.raises(InputError) as caught:
        words.read_synonyms(Path("list.tsv"))
    assert message in str(caught.value)


def test_names_a_word_list_that_is_not_text():
    """A missing file and one that is not UTF-8 are named."""
    with pytest.raises(
        InputError, match=r"list.tsv: no such file; tokenize.synonym_files names it"
    ):
        words.read_synonyms(Path("list.tsv"))
    Path("list.tsv").write_bytes(b"caf\xe9\ta\n")
    with pytest.raises(InputError, match=r"list.tsv: cannot be read as UTF-8"):
        words.read_synonyms(Path("list.tsv"))
