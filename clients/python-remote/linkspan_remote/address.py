"""The address of a gateway. No text shows its secrets."""

from __future__ import annotations

import re
import urllib.parse
from typing import Optional

from . import errors


class Address:
    """The gateway's location, and the token if the address contains one."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            given = repr(text) if isinstance(text, (int, float, type(None))) else f"a {type(text).__name__}"
            raise errors.WrongType(f"address={given}: give the text that `linkspan gateway` prints, or ws://HOST:PORT or wss://HOST:PORT")
        try:
            parts = urllib.parse.urlsplit(text if "://" in text else f"ws://{text}")
            port, host = parts.port, parts.hostname
        except ValueError:  # its text may have all of the address
            parts, port, host = urllib.parse.urlsplit(""), None, None
        scheme = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}.get(parts.scheme)
        # Viewers use the form with the token in the query.
        query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        if scheme is None or not host or "@" in parts.netloc or query.keys() - {"token"}:
            raise errors.InvalidEndpoint(
                f"address={_without_secrets(text)!r}: give ws://HOST:PORT, wss://HOST:PORT, or the address that `linkspan gateway` prints"
            )
        folder = parts.path.rstrip("/")
        #: The URL without the token, because error texts contain it.
        self.url = f"{scheme}://{parts.netloc}{folder if folder.endswith('/linkspan') else folder + '/linkspan'}"
        self.is_tls = scheme == "wss"
        fields = {**query, **urllib.parse.parse_qs(parts.fragment)}
        self.token: Optional[str] = fields.get("token", [None])[0]


def _without_secrets(address: str) -> str:
    """Returns scheme, host and path of an address for texts. User info, query and fragment may be secrets."""
    found = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*://)?(.*)", address, re.DOTALL)
    scheme, rest = found.groups("") if found else ("", "")
    shown, *behind = re.split("[?#]", rest, maxsplit=1)
    if "@" in rest:  # a password may have the other marks, too
        shown = f"…@{shown.rpartition('@')[2]}" if "@" in shown else "…"
    return f"{scheme}{shown}{'…' if behind and shown != '…' else ''}"
