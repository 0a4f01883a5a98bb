"""An Auth server as far as the edge knows one: it publishes keys and signs access tokens."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

Claims = dict[str, Any]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class SigningKey:
    """A private key with the id and algorithm under which its public half is published."""

    def __init__(self, private: PrivateKey) -> None:
        self.private = private
        self.id = uuid.uuid4().hex
        self.algorithm = "ES256" if isinstance(private, ec.EllipticCurvePrivateKey) else "RS256"

    @property
    def public_jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        jwk = (
            ECAlgorithm.to_jwk(public, as_dict=True)
            if isinstance(public, ec.EllipticCurvePublicKey)
            else RSAAlgorithm.to_jwk(public, as_dict=True)
        )
        return {**jwk, "kid": self.id, "alg": self.algorithm, "use": "sig"}

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, claims: Claims, **header: object) -> str:
        return jwt.encode(claims, self.private, self.algorithm, {"kid": self.id, **header})


def elliptic_key() -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def rsa_key(bits: int = 2048) -> SigningKey:
    return SigningKey(rsa.generate_private_key(65537, bits))


class AuthServer:
    """What tests change: the current key, what is published, and whether the server answers at all."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = elliptic_key()
        self.published: list[dict[str, Any]] = [self.key.public_jwk]
        self.answers = True
        self.fetches = 0

    @property
    def issuer(self) -> str:
        return f"{self.url}/auth/v1"

    @property
    def jwks_url(self) -> str:
        return f"{self.issuer}/.well-known/jwks.json"

    def rotate(self, key: SigningKey) -> None:
        """Publish `key` and nothing else, and sign with it from now on."""
        self.key = key
        self.published = [key.public_jwk]

    def claims(self, user_id: uuid.UUID | str, **changes: object) -> Claims:
        """The claims of an access token; a change to None removes a claim."""
        now = int(time.time())
        claims: Claims = {
            "iss": self.issuer,
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(user_id),
            "iat": now,
            "exp": now + 600,
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, user_id: uuid.UUID | str, **changes: object) -> str:
        """An access token of this server."""
        return self.key.sign(self.claims(user_id, **changes))


@contextmanager
def auth_server() -> Iterator[AuthServer]:
    """Serve on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.fetches += 1
            body = json.dumps({"keys": server.published}).encode()
            self.send_response(200 if server.answers else 500)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server = AuthServer(f"http://127.0.0.1:{listener.server_port}")
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        listener.shutdown()
