"""Keys and tokens of NATS in the form of its tools `nk` and `nsc`: nkeys are Ed25519 keys, which sign JWTs. openssl computes the keys."""

import base64
import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any

#: The kind of a key, in the first five bits of its text.
SEED, OPERATOR, ACCOUNT, USER = 18 << 3, 14 << 3, 0, 20 << 3


def openssl(*words: object, given: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *map(str, words)], input=given, check=True, capture_output=True, timeout=30).stdout


def checked(raw: bytes) -> str:
    """Encodes in base 32, with a CRC-16 (XMODEM) at the end."""
    crc = 0
    for byte in raw:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return base64.b32encode(raw + crc.to_bytes(2, "little")).decode().rstrip("=")


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Key:
    """An nkey of one kind, with its private half in a file."""

    def __init__(self, kind: int, file: Path) -> None:
        self.kind, self.file = kind, file
        openssl("genpkey", "-algorithm", "ed25519", "-out", file)
        # The last 32 bytes of either form are the key itself.
        self.raw = openssl("pkey", "-in", file, "-pubout", "-outform", "DER")[-32:]
        self.public = checked(bytes([kind]) + self.raw)

    @property
    def seed(self) -> str:
        raw = openssl("pkey", "-in", self.file, "-outform", "DER")[-32:]
        return checked(bytes([SEED | self.kind >> 5, (self.kind & 31) << 3]) + raw)

    def token(self, name: str, subject: "Key", claims: dict[str, Any]) -> str:
        """A JWT for the subject, signed with this key."""
        body = {"iat": int(time.time()), "iss": self.public, "name": name, "sub": subject.public, "nats": {"version": 2, **claims}}
        body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
        parts = [base64url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body)]
        text = self.file.with_suffix(".text")
        text.write_text(".".join(parts))
        signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in", text)
        return ".".join([*parts, base64url(signature)])


def operator(folder: Path) -> tuple[str, str]:
    """The configuration of a server with an operator and one account, and the credentials of a user of the account."""
    folder.mkdir()
    signer, account, user = (Key(kind, folder / f"{kind}.key") for kind in (OPERATOR, ACCOUNT, USER))
    limits = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
    own = signer.token("operator", signer, {"type": "operator"})
    ours = signer.token("account", account, {"type": "account", "limits": limits})
    bridge = account.token("bridge", user, {"type": "user", "subs": -1, "data": -1, "payload": -1})
    configuration = f"operator: {own}\nresolver: MEMORY\nresolver_preload: {{ {account.public}: {ours} }}\n"
    credentials = (
        f"-----BEGIN NATS USER JWT-----\n{bridge}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    return configuration, credentials
