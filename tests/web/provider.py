"""A small identity provider that speaks OpenID Connect, and lies when it is told to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from devops_agent.config.settings import Oidc
from tests.web.serving import SETTINGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from devops_agent.config.settings import Settings

CLIENT = "devops-agent"
SECRET = "the-client-secret"
ASKS = '<!doctype html><link rel="icon" href="data:,"><form method="post"><button>Yes</button></form>'
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})


@dataclass(kw_only=True)
class Provider:
    """What it says, and what it was asked."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"preferred_username": "grace", "groups": ["ops"]})
    """Of the ID token, over the right ones; None leaves one out."""
    userinfo: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any]], str] = field(default_factory=lambda: signed)
    document: dict[str, Any] = field(default_factory=dict)
    """Members of the discovery document that are others."""
    broken: str = ""
    """Path that answers 500 with no JSON."""
    keys: list[Any] = field(default_factory=lambda: [RSA, EC])
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def enter(self, url: str) -> str:
        """Sign somebody in who was sent to `url`; return the query with which they are sent back."""
        asked = {name: values[0] for name, values in parse_qs(url.partition("?")[2]).items()}
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert asked["client_id"] == CLIENT
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return urlencode({"code": code, "state": asked["state"]})

    async def discover(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "scopes_supported": ["openid", "profile", "groups"],
                **self.document,
            }
        )

    async def ask(self, request: web.Request) -> web.Response:
        """Ask somebody in a browser, as providers do."""
        return web.Response(text=ASKS, content_type="text/html")

    async def send_back(self, request: web.Request) -> web.Response:
        return web.Response(
            status=303, headers={"Location": f"{request.query['redirect_uri']}?{self.enter(str(request.url))}"}
        )

    async def show_keys(self, request: web.Request) -> web.Response:
        public = [key.as_dict(private=False) for key in self.keys]
        return web.json_response({"keys": [*public, {"kty": "oct", "k": "c2VjcmV0", "kid": "oct-1"}]})

    async def give_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.pop(str(form["code"]), None)
        challenge = _base64(hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest())
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if request.headers.get("Authorization") != f"Basic {basic}":
            return web.json_response({"error": "invalid_client"}, status=401)
        now = int(time.time())
        right = {"iss": self.url, "aud": CLIENT, "sub": "7", "exp": now + 300, "iat": now, "nonce": asked["nonce"]}
        claims = {name: value for name, value in {**right, **self.claims}.items() if value is not None}
        token = {"access_token": "access", "token_type": "Bearer", "id_token": self.sign(claims)}
        return web.json_response(token)

    async def tell_more(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer access"
        return web.json_response(self.userinfo)


def signed(claims: dict[str, Any], key: Any = RSA, algorithm: str = "RS256") -> str:  # noqa: ANN401 — a key of any kind
    return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token of the algorithm `none`."""
    return f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{_encoded(claims)}."


def confused(claims: dict[str, Any]) -> str:
    """Return a token that is signed with the public key, taken for a shared secret."""
    text = f"{_encoded({'alg': 'HS256', 'kid': 'rsa-1'})}.{_encoded(claims)}"
    return f"{text}.{_base64(hmac.digest(RSA.as_pem(private=False), text.encode(), 'sha256'))}"


def _encoded(part: object) -> str:
    return _base64(json.dumps(part).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@asynccontextmanager
async def providing(host: str = "127.0.0.1") -> AsyncIterator[Provider]:
    """Serve a provider on loopback until the block ends, under the name `host`."""
    made = Provider()

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ANN401 — aiohttp's own
        made.asked.append(request.path)
        if request.path == made.broken:
            return web.Response(status=500, text="<html>")
        answer: web.StreamResponse = await handler(request)
        return answer

    app = web.Application(middlewares=[note])
    app.router.add_get("/.well-known/openid-configuration", made.discover)
    app.router.add_get("/authorize", made.ask)
    app.router.add_post("/authorize", made.send_back)
    app.router.add_get("/keys", made.show_keys)
    app.router.add_post("/token", made.give_token)
    app.router.add_get("/userinfo", made.tell_more)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://{host}:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def settings_for(provider: Provider, folder: Path) -> Settings:
    """Return the settings of a page that lets people in whom the provider vouches for."""
    secret = folder / "secret"
    secret.write_text(SECRET)
    oidc = Oidc(
        issuer=provider.url,
        client_id=CLIENT,
        client_secret_file=str(secret),
        roles={"ops": "operator", "boss": "admin", "all": "viewer"},
    )
    return SETTINGS.with_(accounts=SETTINGS.accounts.with_(oidc=oidc))
