"""Errors in the form that each service's upstream gives to each `Accept`."""

import json

import pytest

NOBODY = "00000000-0000-4000-8000-000000000000"
ACCEPTS = {"anything": "*/*", "nothing said": None, "JSON": "application/json", "HTML": "text/html", "XML": "application/xml",
           "JSON before all": "application/json, */*;q=0.5", "a browser": "text/html,application/xhtml+xml,*/*;q=0.8"}
CHOSEN = {"anything": "text/html", "nothing said": "text/plain", "JSON": "application/json", "HTML": "text/html", "XML": "text/plain",
          "JSON before all": "application/json", "a browser": "text/html"}
ALWAYS = dict.fromkeys(ACCEPTS, "application/json")
TABLE = [                               # path, status, what each Accept is answered, the members of the JSON
    (f"/image/v2/images/{NOBODY}", 404, CHOSEN, {"message", "code", "title"}),
    ("/image/v2/nothing", 404, CHOSEN, {"message", "code", "title"}),
    ("/image/v2/images?limit=x", 400, CHOSEN, {"message", "code", "title"}),
    (f"/compute/v2.1/servers/{NOBODY}", 404, ALWAYS, {"itemNotFound"}),
    ("/compute/v2.1/servers?limit=x", 400, ALWAYS, {"badRequest"}),
    ("/compute/v2.1/nothing", 404, CHOSEN, {"itemNotFound"}),
    (f"/networking/v2.0/networks/{NOBODY}", 404, ALWAYS, {"NeutronError"}),
    ("/networking/v2.0/nothing", 404, ALWAYS, {"NeutronError"}),
    (f"/identity/v3/users/{NOBODY}", 404, ALWAYS, {"error"}),
    (f"/key-manager/v1/secrets/{NOBODY}", 404, ALWAYS, {"code", "title", "description"}),
    ("/key-manager/v1/nothing", 404, ALWAYS, {"code", "title", "description"}),
    ("/identity/v3/nothing", 404, ALWAYS, {"error"}),
]


@pytest.mark.parametrize("said", ACCEPTS)
@pytest.mark.parametrize(("path", "status", "forms", "members"), TABLE, ids=[row[0] for row in TABLE])
async def test_an_error_comes_as_upstream_gives_it_to_each_accept(cloud, path, status, forms, members, said):
    accept = ACCEPTS[said]
    skipped = {} if accept else {"skip_auto_headers": ["Accept"]}
    async with cloud.admin.session.get(cloud.admin.url + path, headers={**cloud.admin.headers, **({"Accept": accept} if accept else {})},
                                       **skipped) as answer:
        text = await answer.text()
    assert (answer.status, answer.content_type) == (status, forms[said]), text
    if forms[said] == "application/json":
        assert json.loads(text).keys() == members
    else:
        assert text.startswith("<html>" if forms[said] == "text/html" else f"{status} ")


@pytest.mark.parametrize(("path", "forms"), [("/image/v2/images", CHOSEN), ("/compute/v2.1/servers", ALWAYS),
                                             ("/networking/v2.0/networks", ALWAYS), ("/identity/v3/users", ALWAYS)])
@pytest.mark.parametrize("said", ["anything", "JSON", "HTML"])
async def test_who_has_no_token_is_told_so_as_upstream_tells_it(cloud, path, forms, said):
    answer = await cloud.anonymous.get(path, headers={"Accept": ACCEPTS[said]})
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (401, forms[said])
    assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
    if path != "/image/v2/images":
        assert answer.body["error"]["code"] == 401


async def test_errors_of_images_do_not_crash_clients_that_ask_for_anything(cloud):
    """Such a client looks for a mapping in each member of a JSON error; it takes what is not JSON as words."""
    answer = await cloud.demo.get(f"/image/v2/images/{NOBODY}", headers={"Accept": "*/*"})
    try:
        body = json.loads(answer.content)
    except ValueError:
        body = {}
    assert [one.get("message") for one in body.values()] == [] and NOBODY in answer.content.decode()
