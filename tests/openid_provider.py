"""An OpenID provider built on Authlib, in a thread: every grant that keystoneauth1's v3oidc plugins use, and what tests must be
able to turn wrong (keys, claims, its own silence). No provider from PyPI that runs without Java has all of these grants."""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant
from authlib.oidc.core import OpenIDCode
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "cloudd", "s3cret-of.the_client"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class Client(ClientMixin):
    client_id: str
    secret: str

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return True

    def check_client_secret(self, client_secret):
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method in ("client_secret_basic", "client_secret_post", "none")

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type != "refresh_token"


@dataclass
class Person:
    sub: str
    password: str
    claims: dict[str, Any] = field(default_factory=dict)

    def get_user_id(self):
        return self.sub


@dataclass
class Code:
    """An authorization code, or a device's."""

    client_id: str
    scope: str
    user: Person | None = None
    redirect_uri: str | None = None
    nonce: str | None = None
    code: str = ""
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    user_code: str = ""

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return None

    get_acr = get_amr = get_auth_time

    def get_client_id(self):
        return self.client_id

    def get_user_code(self):
        return self.user_code

    def is_expired(self):
        return False


@dataclass
class Token:
    client_id: str
    user: Person | None
    scope: str
    revoked: bool = False

    def is_expired(self):
        return False

    def is_revoked(self):
        return self.revoked


@dataclass
class OpenIdProvider:
    """The provider's state. `opaque`: access tokens are random text; `wrong`: claims that its ID tokens get instead of the right
    ones; `asked`: how often each page was wanted; `broken`: every page answers 500."""

    port: int
    opaque: bool = False
    broken: bool = False
    wrong: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    keys: list[RSAKey] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)

    def __post_init__(self):
        self.rotate()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def discovery(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    def rotate(self) -> None:
        """Sign with a new key from now on, and show no other."""
        self.keys = [RSAKey.generate_key(2048, {"kid": uuid.uuid4().hex, "use": "sig", "alg": "RS256"})]

    def sign(self, claims: dict[str, Any], key: Any = None, **header: Any) -> str:
        key = key or self.keys[0]
        head = {"alg": "RS256", "kid": self.keys[0].kid, **header}
        return jwt.encode(head, claims, key, algorithms=[head["alg"]])

    def access_claims(self, user: Person | None, client_id: str, scope: str = "openid", **more: Any) -> dict[str, Any]:
        now = int(time.time())
        return {"iss": self.url, "sub": user.sub if user else f"client-{client_id}", "aud": client_id, "client_id": client_id,
                "iat": now, "exp": now + 600, "jti": uuid.uuid4().hex, "scope": scope, **more}

    def metadata(self) -> dict[str, Any]:
        return {"issuer": self.url, "authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/userinfo", "introspection_endpoint": f"{self.url}/introspect",
                "device_authorization_endpoint": f"{self.url}/device", "jwks_uri": f"{self.url}/keys",
                "grant_types_supported": ["authorization_code", "password", "client_credentials", DEVICE],
                "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"]}


def _grants(provider: OpenIdProvider) -> list[Any]:
    class Password(grants.ResourceOwnerPasswordCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

        def authenticate_user(self, username, password):
            person = provider.people.get(username)
            return person if person and person.password == password else None

    class AuthorizationCode(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]

        def save_authorization_code(self, code, request):
            data = request.payload.data
            provider.codes[code] = Code(request.client.client_id, request.scope, request.user, request.payload.redirect_uri,
                                        data.get("nonce"), code, data.get("code_challenge"), data.get("code_challenge_method"))

        def query_authorization_code(self, code, client):
            found = provider.codes.get(code)
            return found if found and found.client_id == client.client_id else None

        def delete_authorization_code(self, authorization_code):
            del provider.codes[authorization_code.code]

        def authenticate_user(self, authorization_code):
            return authorization_code.user

    class Device(DeviceCodeGrant):
        def query_device_credential(self, device_code):
            return provider.codes.get(device_code)

        def query_user_grant(self, user_code):
            found = next(code for code in provider.codes.values() if code.user_code == user_code)
            return (found.user, True) if found.user else None

        def should_slow_down(self, credential):
            return False

    return [(Password, []), (grants.ClientCredentialsGrant, []), (AuthorizationCode, [_id_tokens(provider), CodeChallenge(True)]),
            (Device, [])]


def _id_tokens(provider: OpenIdProvider) -> OpenIDCode:
    class IdToken(OpenIDCode):
        def exists_nonce(self, nonce, request):
            return False

        def generate_user_info(self, user, scope):
            return {"sub": user.sub}

        def encode_id_token(self, token, request):
            claims = provider.access_claims(request.user, request.client.client_id, nonce=request.authorization_code.nonce)
            return provider.sign({**claims, **provider.wrong})
    return IdToken()


def _endpoints(provider: OpenIdProvider) -> list[Any]:
    class Introspection(IntrospectionEndpoint):
        def check_permission(self, token, client, request):
            return True

        def query_token(self, token_string, token_type_hint):
            return provider.tokens.get(token_string)

        def introspect_token(self, token):
            return provider.access_claims(token.user, token.client_id, token.scope, **provider.wrong)

    class Devices(DeviceAuthorizationEndpoint):
        INTERVAL = 1

        def get_verification_uri(self):
            return f"{provider.url}/activate"

        def save_device_credential(self, client_id, scope, data):
            provider.codes[data["device_code"]] = Code(client_id, scope, user_code=data["user_code"])
    return [Introspection, Devices]


def application(provider: OpenIdProvider) -> flask.Flask:
    app = flask.Flask("openid")
    clients = {name: Client(name, secret) for name, secret in ((CLIENT, SECRET), ("other", "other"))}

    def new_token(client, grant_type, user, scope):
        return uuid.uuid4().hex if provider.opaque else provider.sign(
            provider.access_claims(user, client.client_id, scope), typ="at+jwt")

    def save_token(token, request):
        provider.tokens[token["access_token"]] = Token(request.client.client_id, request.user, token.get("scope", ""))
    app.config["OAUTH2_ACCESS_TOKEN_GENERATOR"] = new_token
    server = AuthorizationServer(app, clients.get, save_token)
    for grant, extensions in _grants(provider):
        server.register_grant(grant, extensions)
    for endpoint in _endpoints(provider):
        server.register_endpoint(endpoint)
    _pages(app, provider, server)
    return app


def _pages(app: flask.Flask, provider: OpenIdProvider, server: AuthorizationServer) -> None:
    @app.before_request
    def count():
        path = flask.request.path
        provider.asked[path] = provider.asked.get(path, 0) + 1
        return ("broken", 500) if provider.broken else None

    def authorize():
        request = flask.request
        user = provider.people.get(request.args.get("login_as", "")) or next(iter(provider.people.values()))
        return server.create_authorization_response(grant=server.get_consent_grant(user), grant_user=user)

    def userinfo():
        token = provider.tokens.get(flask.request.headers.get("Authorization", "").removeprefix("Bearer "))
        if token is None or token.user is None or token.revoked:
            return {"error": "invalid_token"}, 401
        return {"sub": token.user.sub, **token.user.claims}

    def activate():
        code = next(code for code in provider.codes.values() if code.user_code == flask.request.args["user_code"])
        code.user = provider.people[flask.request.args["login_as"]]
        return "thanks"
    for path, method, answer in (
            ("/.well-known/openid-configuration", "GET", provider.metadata), ("/authorize", "GET", authorize),
            ("/keys", "GET", lambda: {"keys": [key.as_dict(private=False) for key in provider.keys]}),
            ("/token", "POST", server.create_token_response), ("/userinfo", "GET", userinfo), ("/activate", "GET", activate),
            ("/introspect", "POST", lambda: server.create_endpoint_response("introspection")),
            ("/device", "POST", lambda: server.create_endpoint_response("device_authorization"))):
        app.add_url_rule(path, path, answer, methods=[method])


@contextmanager
def running(port: int = 0) -> Iterator[OpenIdProvider]:
    """The provider, listening on loopback."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"              # Authlib's own switch: loopback without TLS
    provider = OpenIdProvider(port)
    server = make_server("127.0.0.1", port, application(provider), threaded=True)
    provider.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
