"""The address of a store → what may be written of it: no password, token or query."""

import re
from typing import NamedTuple
from urllib.parse import unquote

HIDDEN = "***"


class Address(NamedTuple):
    """The parts of a URI, cut so that nothing of a password with / @ or ? stands in `place`."""

    scheme: str  # with ://; "" for a path
    credentials: str
    place: str
    query: str  # with ? or #

    @property
    def is_http(self) -> bool:
        return self.scheme.startswith("http")


def split(uri: str) -> Address:
    """Cut a URI at the last @ and then at the first ? or #; a file's path stays whole."""
    scheme, separator, rest = uri.partition("://")
    if not separator or (rest.startswith("/") and scheme.startswith(("sqlite", "file"))):
        return Address("", "", uri, "")
    credentials, _, place = rest.rpartition("@")
    query = re.search(r"[?#].*", place)
    end = query.start() if query else len(place)
    return Address(scheme + separator, credentials, place[:end], place[end:])


def mask(uri: str) -> str:
    """Return a URI with *** for its password and query, and for the user of a web server.

    What stands before the @ of a web server may be a token; the user of a database is not secret.
    """
    scheme, credentials, place, query = address = split(uri)
    user, colon, _ = credentials.partition(":")
    if address.is_http or not user:
        user, colon = HIDDEN, ""
    shown = f"{user}{colon and ':' + HIDDEN}@" if credentials else ""
    return f"{scheme}{shown}{place}{query and '?' + HIDDEN}"


def without_secrets(uri: str) -> str:
    """Return the part of a URI that says where the server is."""
    scheme, _, place, _ = split(uri)
    return scheme + place


def hide(text: str, uri: str) -> str:
    """Replace what `mask` hides of a URI, and its pieces, in a text such as a library's error."""
    address = split(uri)
    user, _, password = address.credentials.partition(":")
    secrets = [password] + [address.credentials, user] * address.is_http
    secrets += [value.partition("=")[2] or value for value in re.split("[?#&;]", address.query)]
    pieces = {piece for secret in secrets for piece in (secret, *re.split("[:/@?#]", secret))}
    pieces |= {unquote(piece) for piece in pieces}
    for piece in sorted(pieces - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(piece)}(?!\w)", HIDDEN, text)
    return text


def mask_all(text: str) -> str:
    """Mask every URI in a text."""
    return re.sub(r"\S+://\S+", lambda match: mask(match[0]), text)
