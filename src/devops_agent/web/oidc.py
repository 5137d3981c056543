"""Signing in through an identity provider: OpenID Connect Core 1.0, code flow with PKCE (RFC 7636), state and nonce.

Authlib speaks to the provider, joserfc checks what it signed. Both are loaded when somebody signs in so.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from devops_agent.config.secrets import SecretError, read_secret
from devops_agent.model.account import Role
from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devops_agent.config.settings import Oidc
    from devops_agent.ports import Clock

BACK = "/login/oidc/back"
"""Where the provider sends people back to; it has to know this address."""
COOKIE = "devops_agent_oidc"
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Only those with a key that the provider alone has: neither `none` nor HS256, whose key could be its public one."""
_KEY_TYPES = ("RSA", "EC", "OKP")
_WITHIN = 10.0
_BEGUN_AT_MOST = 1_000
_BEGUN_FROM_ONE = 100
"""From one address; who begins more often loses their own first ones, and nobody else's."""
_BEGUN_FOR = 600.0
"""Seconds that somebody may take at the provider."""
_REMEMBERED = 3_600.0
_AGAIN_AFTER = 10.0
"""Seconds after which keys are fetched again for a signature by one that is not among them."""
_LEEWAY = 60
"""Seconds by which clocks may differ."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Somebody whom the provider vouches for."""

    subject: str
    """Issuer and subject, which never change."""
    name: str
    role: Role


@dataclass(frozen=True, kw_only=True, slots=True)
class _Begun:
    cookie: bytes
    """Digest of what the browser holds."""
    nonce: str
    verifier: str
    back: str
    next_: str
    place: str
    until: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What the provider says of itself."""

    issuer: str
    """As the settings had it."""
    document: Mapping[str, Any]
    keys: Any
    at: float


class Provider:
    """The identity provider of the settings; remembers who has been sent there, each for one return."""

    def __init__(self, settings: Callable[[], Oidc], *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._begun: OrderedDict[str, _Begun] = OrderedDict()
        self._known: _Known | None = None

    async def begin(self, *, back: str, next_: str, place: str) -> tuple[str, str]:
        """Return where to send somebody at `place`, and what their browser has to hold until they come `back`.

        Raises:
            ProblemError: 404 there is no provider, 502 it cannot be reached or says nonsense, 503 Authlib is missing.

        """
        known = await self._look()
        state, cookie, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(4))
        moment = self._clock.monotonic()
        for old in [name for name, begun in self._begun.items() if begun.until < moment]:
            del self._begun[old]
        theirs = [name for name, begun in self._begun.items() if begun.place == place]
        for old in theirs[: max(0, len(theirs) + 1 - _BEGUN_FROM_ONE)]:
            del self._begun[old]
        while len(self._begun) >= _BEGUN_AT_MOST:
            self._begun.popitem(last=False)
        self._begun[state] = _Begun(
            cookie=_digest(cookie),
            nonce=nonce,
            verifier=verifier,
            back=back,
            next_=next_,
            place=place,
            until=moment + _BEGUN_FOR,
        )
        url: str = _load().address(
            _endpoint(known.document, "authorization_endpoint"),
            client_id=self._settings().client_id,
            response_type="code",
            redirect_uri=back,
            scope=_scope(known.document),
            state=state,
            nonce=nonce,
            code_challenge=_load().challenge(verifier),
            code_challenge_method="S256",
        )
        return url, cookie

    async def finish(self, *, code: str, state: str, cookie: str) -> tuple[Identity, str]:
        """Return whom the provider vouches for, and where they wanted to go.

        Raises:
            ProblemError: 403 this was not begun here, what the provider signed does not hold, or it gives no role;
                502 or 503 as for `begin`.

        """
        begun = self._begun.pop(state, None)
        if begun is None or begun.until < self._clock.monotonic() or not code:
            raise ProblemError(403, "this sign-in was not begun here, is over, or took too long; begin again")
        if not hmac.compare_digest(begun.cookie, _digest(cookie)):
            raise ProblemError(403, "this sign-in was begun in another browser; begin again")
        known = await self._look()
        token = await self._redeem(known, code, begun)
        claims = await self._read(known, token.get("id_token"), nonce=begun.nonce)
        settings = self._settings()
        if settings.role_claim not in claims or settings.name_claim not in claims:
            claims = {**await self._ask_more(known, token, claims, begun.back), **claims}
        return _identity(claims, settings), begun.next_

    async def _look(self) -> _Known:
        """Return what the provider says of itself, asked at most once an hour."""
        moment, known = self._clock.monotonic(), self._known
        if known is None or known.issuer != self._settings().issuer or moment - known.at > _REMEMBERED:
            self._known = known = await self._fetch()
        return known

    async def _fetch(self) -> _Known:
        issuer = self._settings().issuer
        if not issuer:
            raise ProblemError(404, "no identity provider is configured (agent.yaml: accounts.oidc.issuer)")
        _see_safe(issuer, "accounts.oidc.issuer of agent.yaml")
        document = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if str(document.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
            said = str(document.get("issuer", ""))[:200]
            raise ProblemError(502, f"the identity provider calls itself {said!r}, agent.yaml calls it {issuer!r}")
        jwks = await self._get(_endpoint(document, "jwks_uri"))
        return _Known(issuer=issuer, document=document, keys=_keys(jwks), at=self._clock.monotonic())

    async def _get(self, url: str) -> Mapping[str, Any]:
        """Return a JSON object."""
        errors = _load().errors
        try:
            async with _load().httpx2.AsyncClient(timeout=_WITHIN) as client:
                answer = await client.get(url, headers={"Accept": "application/json"})
                answer.raise_for_status()
                found = answer.json()
        except errors as error:
            raise _unreachable(error) from error
        if not isinstance(found, dict):
            raise ProblemError(502, f"the identity provider answers {url} with something that is no JSON object")
        return found

    def _client(self, document: Mapping[str, Any], back: str) -> Any:  # noqa: ANN401 — Authlib has no types
        settings = self._settings()
        try:
            secret = read_secret(settings.client_secret_file) if settings.client_secret_file else ""
        except SecretError as error:
            raise ProblemError(503, str(error)) from error
        methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        by = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        return _load().AsyncOAuth2Client(
            client_id=settings.client_id,
            client_secret=secret or None,
            token_endpoint_auth_method=by if secret else "none",
            scope=_scope(document),
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=_WITHIN,
        )

    async def _redeem(self, known: _Known, code: str, begun: _Begun) -> Mapping[str, Any]:
        """Return the tokens that a code is exchanged for."""
        try:
            async with self._client(known.document, begun.back) as client:
                token: Mapping[str, Any] = await client.fetch_token(
                    _endpoint(known.document, "token_endpoint"),
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=begun.verifier,
                )
        except _load().OAuthError as error:
            raise ProblemError(403, f"the identity provider refuses the code: {str(error)[:200]}") from error
        except _load().errors as error:
            raise _unreachable(error) from error
        return token

    async def _read(self, known: _Known, id_token: object, *, nonce: str) -> dict[str, Any]:
        """Return the claims of an ID token whose signature and claims hold (OpenID Connect Core 1.0, 3.1.3.7)."""
        from joserfc.errors import JoseError
        from joserfc.jwt import JWTClaimsRegistry, decode

        if not isinstance(id_token, str):
            raise ProblemError(502, "the identity provider sent no ID token")
        if not _has_key(known, id_token) and self._clock.monotonic() - known.at > _AGAIN_AFTER:
            self._known = known = await self._fetch()
        client = self._settings().client_id
        registry = JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": known.document["issuer"]},
            aud={"essential": True, "value": client},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = decode(id_token, known.keys, algorithms=list(_ALGORITHMS)).claims
            registry.validate(claims)
        except (JoseError, ValueError) as error:
            raise ProblemError(403, f"what the identity provider signed does not hold: {str(error)[:200]}") from error
        if claims.get("azp", client) != client:
            raise ProblemError(403, "what the identity provider signed is for another service (azp)")
        return dict(claims)

    async def _ask_more(
        self, known: _Known, token: Mapping[str, Any], claims: Mapping[str, Any], back: str
    ) -> Mapping[str, Any]:
        """Return what the provider tells about somebody beside the ID token."""
        if not known.document.get("userinfo_endpoint"):
            return {}
        errors = _load().errors
        try:
            async with self._client(known.document, back) as client:
                client.token = token
                answer = await client.get(_endpoint(known.document, "userinfo_endpoint"))
                answer.raise_for_status()
                found = answer.json()
        except (_load().OAuthError, *errors) as error:
            raise _unreachable(error) from error
        if not isinstance(found, dict) or found.get("sub") != claims["sub"]:
            raise ProblemError(403, "what the identity provider tells is about somebody else (sub)")
        return found


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What is used of Authlib."""

    AsyncOAuth2Client: Any
    OAuthError: type[Exception]
    httpx2: Any
    errors: tuple[type[Exception], ...]
    address: Callable[..., str]
    challenge: Callable[[str], str]
    """Both without a client, whose certificates take long to load: anybody may ask for an address."""


def _load() -> _Loaded:
    try:
        import httpx2
        from authlib.integrations.httpx_client import (  # type: ignore[import-untyped]
            AsyncOAuth2Client,
            OAuthError,
        )
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        says = "signing in through an identity provider needs `pip install 'devops-ai-agent[oidc]'`"
        raise ProblemError(503, says) from error
    return _Loaded(
        AsyncOAuth2Client,
        OAuthError,
        httpx2,
        (httpx2.HTTPError, httpx2.InvalidURL, ValueError),
        prepare_grant_uri,
        create_s256_code_challenge,
    )


def _scope(document: Mapping[str, Any]) -> str:
    """Return what the provider is asked to tell of somebody."""
    offered = document.get("scopes_supported") or []
    return " ".join(["openid", "profile", *(scope for scope in ("email", "groups") if scope in offered)])


def _keys(jwks: Mapping[str, Any]) -> Any:  # noqa: ANN401 — joserfc's own
    """Return the keys by which the provider may sign."""
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    listed = jwks.get("keys")
    usable = [
        one
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict) and one.get("kty") in _KEY_TYPES and one.get("use", "sig") == "sig"
    ]
    if not usable:
        raise ProblemError(502, "the identity provider names no key by which it signs")
    try:
        return KeySet.import_key_set({"keys": usable})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ProblemError(502, f"the identity provider's keys cannot be read: {str(error)[:200]}") from error


def _has_key(known: _Known, id_token: str) -> bool:
    """Whether the key that a token names is known; one that names none is tried with what there is."""
    import base64
    import binascii
    import json

    head = id_token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return True
    named = header.get("kid") if isinstance(header, dict) else None
    return named is None or any(key.kid == named for key in known.keys.keys)


def _identity(claims: Mapping[str, Any], settings: Oidc) -> Identity:
    said = claims.get(settings.role_claim)
    values = said if isinstance(said, list) else [said]
    roles = [Role(settings.roles[value]) for value in values if isinstance(value, str) and value in settings.roles]
    name = claims.get(settings.name_claim)
    if not isinstance(name, str) or not name:
        raise ProblemError(
            403, f"the identity provider tells no {settings.name_claim!r} (agent.yaml: accounts.oidc.name_claim)"
        )
    if not roles:
        raise ProblemError(
            403,
            f"the identity provider knows you as {name[:100]}, but none of your {settings.role_claim!r} gives you"
            " a role here; ask an administrator (agent.yaml: accounts.oidc.roles)",
        )
    subject = f"{claims['iss']} {claims['sub']}"
    return Identity(subject=subject, name=name, role=max(roles, key=list(Role).index))


def _endpoint(document: Mapping[str, Any], name: str) -> str:
    url = document.get(name)
    if not isinstance(url, str):
        raise ProblemError(502, f"the identity provider names no {name}")
    _see_safe(url, f"the identity provider's {name}")
    return url


def _see_safe(url: str, what: str) -> None:
    """See that nobody on the way can read along: HTTPS, or this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ProblemError(502, f"{what} is no address: {url[:200]!r}") from None
    if not (parts.scheme == "https" and host) and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ProblemError(502, f"{what} has to begin with https://, it is {url[:200]!r}")


def _unreachable(error: Exception) -> ProblemError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    says = f"cannot ask the identity provider: {reason}"
    return ProblemError(502, f"{says}; sign in with a password, a token or `devops-agent login` meanwhile")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
