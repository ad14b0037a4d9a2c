"""/OS-OAUTH2/token: OAuth 2.0's client credentials; the client is an application credential, the answer a token of ours."""

import base64
import binascii
from urllib.parse import parse_qsl

from cloudd.core.errors import BadRequest, Unauthorized
from cloudd.core.http import Reply, Request
from cloudd.core.http import types as t
from cloudd.core.http.body import read_bytes
from cloudd.identity.api import API
from cloudd.identity.passwords import Hasher
from cloudd.identity.tokens.authentication import log_in
from cloudd.identity.tokens.methods import Login
from cloudd.identity.tokens.tokens import Tokens

GRANTED = t.Record({"access_token": t.Text(), "token_type": t.Text(), "expires_in": t.Int()})
REFUSED = t.Record({"error": t.Text(), "error_description": t.Text()})
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def refused(error: str, words: str, status: int = 400) -> Reply:
    """RFC 6749's form of errors."""
    headers = {**NO_STORE, **({"WWW-Authenticate": "Basic"} if status == 401 else {})}
    return Reply({"error": error, "error_description": words}, status=status, headers=headers)


def _client(request: Request) -> tuple[str, str]:
    """The client's id and secret, from the Authorization header. Raises ValueError."""
    kind, _, text = request.raw.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        raise ValueError("client_id and client_secret are sent by HTTP Basic")
    try:
        client, colon, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise ValueError("the Authorization header is not base64") from exc
    if not client or not colon:
        raise ValueError("the Authorization header is not ID:SECRET")
    return client, secret


@API.resource("/OS-OAUTH2").post("/token", auth=False, live=True, answer=t.Either(GRANTED, REFUSED))
async def token(request):
    """A bearer token for an application credential."""
    sent = dict(parse_qsl((await read_bytes(request.raw, request.settings, known=False)).decode(errors="replace")))
    if sent.get("grant_type") != "client_credentials":
        return refused("unsupported_grant_type", "The only grant type is client_credentials.")
    try:
        client, secret = _client(request)
    except ValueError as exc:
        return refused("invalid_client", f"{exc}.", 401)
    identity = {"methods": ["application_credential"], "application_credential": {"id": client, "secret": secret}}
    tokens = request.service(Tokens)
    try:
        text, subject = await log_in(Login(tokens, identity, request.service(Hasher), request.context), None)
    except Unauthorized:
        return refused("invalid_client", "Client authentication failed.", 401)
    except BadRequest as exc:
        return refused("invalid_request", exc.message)
    seconds = int((subject.payload.expires_at - subject.payload.issued_at).total_seconds())
    return Reply({"access_token": text, "token_type": "Bearer", "expires_in": seconds}, headers=NO_STORE)
