"""The published document: valid, complete, and true about errors, rights, versions and keys."""

import re

import pytest
from openapi_spec_validator import validate

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document(tmp_path_factory, sqlite_template):
    """Read once: it does not depend on the database."""
    import shutil  # noqa: PLC0415

    from api.app import create_app  # noqa: PLC0415
    from courier.store.session import open_database  # noqa: PLC0415
    from tests.api.conftest import desk_for, settings_for  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("document")
    shutil.copy(sqlite_template, folder / "courier.db")
    database = open_database(f"sqlite:///{folder / 'courier.db'}")
    app = create_app(desk_for(database, settings_for(database, folder)))
    answer = app.test_client().get("/api/openapi.json")
    yield app, answer.json
    database.close()


def operations(document):
    for path, methods in document["paths"].items():
        for method in METHODS & set(methods):
            yield path, method, methods[method]


def test_it_is_valid_openapi_3_1(document):
    _, found = document
    assert found["openapi"] == "3.1.1"
    validate(found)


def test_every_route_of_the_api_is_in_it_and_nothing_else(document):
    app, found = document
    routes = {
        (re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in operations(found)} == routes


def test_every_operation_says_what_it_does(document):
    _, found = document
    silent = [f"{method} {path}" for path, method, told in operations(found) if not told.get("summary")]
    assert silent == []


def test_errors_are_published_as_problems(document):
    _, found = document
    problem = {"$ref": "#/components/responses/Problem"}
    assert list(found["components"]["responses"]["Problem"]["content"]) == ["application/problem+json"]
    wrong = [
        f"{method} {path} {status}"
        for path, method, told in operations(found)
        for status, answer in told["responses"].items()
        if status >= "400" and answer != problem and not (path.endswith(("/readyz", "/optimize", "/token")))
    ]
    assert wrong == []


def test_rights_versions_and_keys_are_published_where_they_are_asked_for(document):
    app, found = document
    views = {
        (re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule), method.lower()): app.view_functions[rule.endpoint]
        for rule in app.url_map.iter_rules()
        for method in rule.methods
    }
    for path, method, told in operations(found):
        view = views[path, method]
        headers = {part["name"] for part in told.get("parameters", []) if part.get("in") == "header"}
        assert ("security" in told) is not view.access.public, path
        assert ("If-Match" in headers) is hasattr(view, "needs_if_match"), path
        assert ("Idempotency-Key" in headers) is hasattr(view, "takes_idempotency_key"), path


def test_bodies_publish_that_unknown_fields_are_refused(document):
    _, found = document
    schemas = found["components"]["schemas"]
    for path, method, told in operations(found):
        content = told.get("requestBody", {}).get("content", {})
        reference = content.get("application/json", {}).get("schema", {}).get("$ref")
        if reference and not path.endswith("/optimize"):
            assert schemas[reference.rpartition("/")[2]].get("additionalProperties") is False, (method, path)


def test_the_page_of_the_document_has_a_policy_without_eval(client):
    answer = client.get("/api/docs")
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200
    assert "unsafe-eval" not in policy
    assert "script-src 'self';" in policy
    assert "<script>" not in answer.text
    assert client.get("/api/docs/start.js").headers["Content-Type"].startswith("text/javascript")
