"""The system's proxy on the way to a gateway."""

from __future__ import annotations

import inspect
import ipaddress
import urllib.parse
import urllib.request
from typing import Any, Dict, Optional, Tuple, Type

import websockets
from websockets.asyncio.client import connect

#: websockets before version 15 uses no proxy.
_HAS_PROXIES = "proxy" in inspect.signature(connect.__init__).parameters
#: Proxy errors of websockets; their names differ between releases.
PROXY_ERRORS: Tuple[Type[BaseException], ...] = tuple(
    kind for name in ("ProxyError", "InvalidProxy") if (kind := getattr(websockets.exceptions, name, None)) is not None
)


class Proxy:
    """The proxy for a gateway's address, if any."""

    def __init__(self, url: str) -> None:
        self._url = _proxy_of(url) if _HAS_PROXIES else None
        #: Keyword arguments of `websockets.connect`.
        self.options: Dict[str, Any] = {"proxy": self._url} if _HAS_PROXIES else {}

    def __bool__(self) -> bool:
        return self._url is not None

    def __str__(self) -> str:
        """The proxy without user and password."""
        scheme, _, rest = str(self._url).rpartition("://")
        return f"{scheme or 'http'}://{rest.rpartition('@')[2]}"


def _proxy_of(url: str) -> Optional[str]:
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(f"{host}:{parts.port or (443 if parts.scheme == 'wss' else 80)}"):
        return None
    proxies = urllib.request.getproxies()
    for scheme in (parts.scheme, "socks", "https", "http") if parts.scheme == "ws" else (parts.scheme, "socks", "https"):
        found = proxies.get(scheme)
        if found is not None:
            return found.replace("http://", "socks5h://", 1) if scheme == "socks" else found
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
