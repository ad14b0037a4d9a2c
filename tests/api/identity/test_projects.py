"""Projects and domains: fields, the tree, tags, closing and deleting."""

import itertools

import pytest

V3 = "/identity/v3"
NUMBERS = itertools.count(1)


async def make(cloud, kind, **members):
    """A new record of a kind, as the administrator."""
    if kind in ("project", "user", "group", "domain", "role", "service"):
        members = {"name": f"{kind}-{next(NUMBERS)}", **members}
    answer = await cloud.admin.post(f"{V3}/{kind}s", {kind: members})
    assert answer.status == 201, answer.content
    return answer.body[kind]


async def refused(answer, status, *words):
    assert answer.status == status, answer.content
    error = answer.body["error"]
    assert error["code"] == status and error["title"]
    assert all(word in error["message"] for word in words), error["message"]


async def test_a_project_has_all_its_members(cloud):
    project = await make(cloud, "project", name="whole", email="a@b", tags=["x"])
    key = project["id"]
    assert project == {"id": key, "name": "whole", "description": "", "enabled": True, "is_domain": False, "tags": ["x"],
                       "domain_id": "default", "parent_id": "default", "options": {}, "email": "a@b",
                       "links": {"self": f"{cloud.url}/identity/v3/projects/{key}"}}
    assert (await cloud.admin.get(f"{V3}/projects/{key}")).body == {"project": project}
    assert len(key) == 32 and "-" not in key
    changed = await cloud.admin.patch(f"{V3}/projects/{key}",
            {"project": {"description": "d", "phone": "1", "domain_id": "default"}})
    assert changed.body["project"] == {**project, "description": "d", "phone": "1"}


@pytest.mark.parametrize("members, status", [
    ({}, 400), ({"name": ""}, 400), ({"name": " "}, 400), ({"name": "x" * 65}, 400), ({"name": 5}, 400),
    ({"name": "x", "enabled": "yes"}, 400), ({"name": "x", "parent_id": "nowhere"}, 400),
    ({"name": "x", "domain_id": "nowhere"}, 400),
    ({"name": "x", "tags": ["a/b"]}, 400), ({"name": "x", "tags": ["a", "a"]}, 400), ({"name": "x", "options": {"what": 1}}, 400),
    ({"name": "admin"}, 409), ({"name": "Default"}, 409), ({"name": "Default", "is_domain": True}, 409)])
async def test_bad_projects_are_refused(cloud, members, status):
    await refused(await cloud.admin.post(f"{V3}/projects", {"project": members}), status)


async def test_the_words_of_a_conflict_are_keystones(cloud):
    answer = await cloud.admin.post(f"{V3}/projects", {"project": {"name": "admin"}})
    await refused(answer, 409, "Conflict occurred attempting to store project",
            "Duplicate entry found with name admin at domain ID "
                                                                                "default")


async def test_nobody_names_a_column_by_an_unknown_member(cloud):
    project = await make(cloud, "project", tag_rows=[], is_admin=True)
    assert project["tag_rows"] == [] and project["tags"] == []
    user = await make(cloud, "user", password_hash="mine")
    answer = await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"id": user["id"], "password": "mine"}}}}})
    assert answer.status == 401


async def test_the_tree_is_shown_both_ways(cloud):
    top = await make(cloud, "project")
    middle = await make(cloud, "project", parent_id=top["id"])
    leaf = await make(cloud, "project", parent_id=middle["id"])

    async def show(key, what):
        return (await cloud.admin.get(f"{V3}/projects/{key}?{what}")).body["project"]
    assert (await show(leaf["id"], "parents_as_ids"))["parents"] == {middle["id"]: {top["id"]: {"default": None}}}
    assert (await show(top["id"], "subtree_as_ids"))["subtree"] == {middle["id"]: {leaf["id"]: None}}
    assert (await show(leaf["id"], "subtree_as_ids"))["subtree"] is None
    role = (await cloud.admin.get(f"{V3}/roles?name=member")).body["roles"][0]["id"]
    await cloud.admin.put(f"{V3}/projects/{middle['id']}/users/{cloud.admin.user_id}/roles/{role}")
    assert [row["project"]["id"] for row in (await show(top["id"], "subtree_as_list"))["subtree"]] == [middle["id"]]
    assert [row["project"]["id"] for row in (await show(leaf["id"], "parents_as_list"))["parents"]] == [middle["id"]]
    await refused(await cloud.admin.get(f"{V3}/projects/{top['id']}?subtree_as_ids&subtree_as_list"), 400)
    await refused(await cloud.admin.delete(f"{V3}/projects/{top['id']}"), 403, top["id"], "leaf")
    listed = (await cloud.admin.get(f"{V3}/projects?parent_id={top['id']}")).body["projects"]
    assert [row["id"] for row in listed] == [middle["id"]]


async def test_a_tree_has_a_greatest_depth(cloud):
    parent = (await make(cloud, "project"))["id"]
    for _ in range(4):
        parent = (await make(cloud, "project", parent_id=parent))["id"]
    await refused(await cloud.admin.post(f"{V3}/projects", {"project": {"name": "deep", "parent_id": parent}}), 403, "depth")


async def test_closing_goes_from_the_leaves_up(cloud):
    top = await make(cloud, "project")
    leaf = await make(cloud, "project", parent_id=top["id"])

    async def enable(project, value):
        return await cloud.admin.patch(f"{V3}/projects/{project['id']}", {"project": {"enabled": value}})
    await refused(await enable(top, False), 403, top["id"])
    assert (await enable(leaf, False)).body["project"]["enabled"] is False
    assert (await enable(top, False)).status == 200
    await refused(await enable(leaf, True), 403, top["id"])
    await refused(await cloud.admin.post(f"{V3}/projects", {"project": {"name": "late", "parent_id": top["id"]}}), 403, top["id"])


@pytest.mark.parametrize("member, status", [("domain_id", 400), ("is_domain", 400), ("parent_id", 403)])
async def test_a_projects_place_is_fixed(cloud, member, status):
    project = await make(cloud, "project")
    value = True if member == "is_domain" else "elsewhere"
    await refused(await cloud.admin.patch(f"{V3}/projects/{project['id']}", {"project": {member: value}}), status, member)


async def test_an_immutable_project_changes_only_by_being_made_mutable(cloud):
    project = await make(cloud, "project", options={"immutable": True})
    path = f"{V3}/projects/{project['id']}"
    await refused(await cloud.admin.patch(path, {"project": {"name": "other"}}), 403, "immutable")
    await refused(await cloud.admin.delete(path), 403, "immutable")
    answer = await cloud.admin.patch(path, {"project": {"options": {"immutable": None}}})
    assert answer.body["project"]["options"] == {}
    assert (await cloud.admin.delete(path)).status == 204


async def test_tags(cloud):
    project = await make(cloud, "project", tags=["a", "b"])
    path = f"{V3}/projects/{project['id']}/tags"
    assert (await cloud.admin.get(path)).body["tags"] == ["a", "b"]
    assert (await cloud.admin.put(f"{path}/c")).status == 201
    await refused(await cloud.admin.put(f"{path}/c"), 400, "tags")
    assert (await cloud.admin.get(f"{path}/c")).status == 204
    assert (await cloud.admin.delete(f"{path}/a")).status == 204
    await refused(await cloud.admin.get(f"{path}/a"), 404, "a")
    await refused(await cloud.admin.delete(f"{path}/a"), 404)
    await refused(await cloud.admin.put(f"{path}/{'x' * 256}"), 400)
    assert (await cloud.admin.put(path, {"tags": ["n", "m"]})).body["tags"] == ["m", "n"]
    assert (await cloud.admin.delete(path)).status == 204
    assert (await cloud.admin.get(f"{V3}/projects/{project['id']}")).body["project"]["tags"] == []


async def test_lists_filter_by_tags(cloud):
    one, two, none = [await make(cloud, "project", tags=tags) for tags in (["f1"], ["f1", "f2"], [])]

    async def found(query):
        ids = {row["id"] for row in (await cloud.admin.get(f"{V3}/projects?{query}")).body["projects"]}
        return [project["name"] for project in (one, two, none) if project["id"] in ids]
    assert await found("tags=f1,f2") == [two["name"]]
    assert await found("tags-any=f1,f2") == [one["name"], two["name"]]
    assert await found("not-tags=f1,f2") == [one["name"], none["name"]]
    assert await found("not-tags-any=f1,f2") == [none["name"]]


async def test_lists_filter_and_page(cloud):
    projects = [await make(cloud, "project", name=f"Paged-{number}", enabled=number != 2) for number in range(3)]

    async def names(query):
        return [row["name"] for row in (await cloud.admin.get(f"{V3}/projects?{query}")).body["projects"]]
    assert await names("name=Paged-1") == ["Paged-1"]
    assert sorted(await names("name__startswith=Paged-")) == ["Paged-0", "Paged-1", "Paged-2"]
    assert sorted(await names("name__icontains=aged-1")) == ["Paged-1"]
    assert await names("name__contains=%25") == []
    assert await names("name__startswith=Paged-&enabled=false") == ["Paged-2"]
    assert "Default" in await names("is_domain=true") and "Default" not in await names("")
    seen, path = [], f"{V3}/projects?name__startswith=Paged-&limit=2"
    while path:
        page = (await cloud.admin.get(path)).body
        seen += [row["id"] for row in page["projects"]]
        path = (page["links"]["next"] or "").removeprefix(cloud.url)
    assert sorted(seen) == sorted(row["id"] for row in projects)
    await refused(await cloud.admin.get(f"{V3}/projects?limit=x"), 400, "x")
    await refused(await cloud.admin.get(f"{V3}/projects?marker=none"), 400, "none")


async def test_the_number_of_queries_does_not_grow_with_the_list(cloud):
    async def once(query):
        before = cloud.parts.database.queries
        await cloud.admin.get(f"{V3}/projects?{query}")
        return cloud.parts.database.queries - before

    async def cost(query):                                     # the bus may be telling of what went before
        return min([await once(query) for _ in range(5)])
    for _ in range(3):
        await make(cloud, "project", tags=["q"])
    await cost("")
    assert await cost("limit=1") == await cost("") <= 3


async def test_deleting_a_project_takes_what_hangs_on_it(cloud):
    client = await cloud.project_user("hangs-on")
    path = f"{V3}/projects/{client.project_id}"
    await cloud.admin.patch(f"{V3}/users/{client.user_id}", {"user": {"default_project_id": client.project_id}})
    assert (await cloud.admin.delete(path)).status == 204
    assert (await client.get(f"{V3}/auth/projects")).status == 401
    assert "default_project_id" not in (await cloud.admin.get(f"{V3}/users/{client.user_id}")).body["user"]
    assigned = await cloud.admin.get(f"{V3}/role_assignments?scope.project.id={client.project_id}")
    assert assigned.body["role_assignments"] == []
    await refused(await cloud.admin.get(path), 404, f"Could not find project: {client.project_id}.")


async def test_a_domain_has_all_its_members(cloud):
    domain = await make(cloud, "domain", name="Whole")
    assert domain == {"id": domain["id"], "name": "Whole", "description": "", "enabled": True, "tags": [], "options": {},
                      "links": {"self": f"{cloud.url}/identity/v3/domains/{domain['id']}"}}
    shown = (await cloud.admin.get(f"{V3}/projects/{domain['id']}")).body["project"]
    assert shown["is_domain"] is True and shown["domain_id"] is None and shown["parent_id"] is None
    await refused(await cloud.admin.post(f"{V3}/domains", {"domain": {"name": "Whole"}}), 409, "Whole")
    named = (await cloud.admin.get(f"{V3}/domains?name=Whole")).body["domains"]
    assert [row["id"] for row in named] == [domain["id"]]


async def test_a_domain_is_deleted_with_all_that_is_in_it_once_it_is_disabled(cloud):
    domain = await make(cloud, "domain")
    inside = {"domain_id": domain["id"]}
    project = await make(cloud, "project", **inside)
    below = await make(cloud, "project", parent_id=project["id"], **inside)
    user, group = await make(cloud, "user", **inside), await make(cloud, "group", **inside)
    role = await make(cloud, "role", **inside)
    path = f"{V3}/domains/{domain['id']}"
    await refused(await cloud.admin.delete(path), 403, "disable")
    assert (await cloud.admin.patch(path, {"domain": {"enabled": False}})).body["domain"]["enabled"] is False
    assert (await cloud.admin.delete(path)).status == 204
    for kind, row in (("domain", domain), ("project", project), ("project", below), ("user", user),
    ("group", group), ("role", role)):
        assert (await cloud.admin.get(f"{V3}/{kind}s/{row['id']}")).status == 404
    await cloud.admin.patch(f"{V3}/domains/default", {"domain": {"description": "The default domain"}})
    await refused(await cloud.admin.delete(f"{V3}/domains/default"), 403)


async def test_projects_and_parents_share_a_domain(cloud):
    domain = await make(cloud, "domain")
    top = await make(cloud, "project", domain_id=domain["id"])
    assert (await make(cloud, "project", parent_id=top["id"]))["domain_id"] == domain["id"]
    body = {"project": {"name": "x", "parent_id": top["id"], "domain_id": "default"}}
    await refused(await cloud.admin.post(f"{V3}/projects", body), 400, top["id"])
    await make(cloud, "project", name=top["name"])
