"""Tagging schemes: which tag may follow which, and which continues an entity."""

OUTSIDE = "O"
PREFIXES = {"IOB1": "BI", "IOB2": "BI", "BIOES": "BIES"}  # scheme → of tags inside an entity
PREDECESSORS = {  # scheme → prefixes allowed before a tag that continues an entity
    "IOB1": {"B": "BI"},
    "IOB2": {"I": "BI"},
    "BIOES": {"I": "BI", "E": "BI"},
}
UNFINISHED = {"BIOES": "BI"}  # prefixes after which the entity has to continue


def is_allowed(tag: str | None, before: str | None, scheme: str) -> bool:
    """Say whether a scheme allows a tag after another; None is the edge of the sentence."""
    prefix, _, entity_type = (tag or OUTSIDE).partition("-")
    prefix_before, _, type_before = (before or OUTSIDE).partition("-")
    allowed_before = PREDECESSORS[scheme].get(prefix)
    if allowed_before is not None:
        return prefix_before in allowed_before and type_before == entity_type
    return prefix_before == OUTSIDE or prefix_before not in UNFINISHED.get(scheme, ())


def continuation(tag: str) -> str:
    """Return the tag of a word that continues the entity of the word before, outside after none."""
    prefix, _, entity_type = tag.partition("-")
    return f"I-{entity_type}" if prefix in ("B", "I") else OUTSIDE
