"""The pages: server-rendered, Vietnamese first, whole without scripts. They call the use cases directly."""

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

from api.auth import public
from api.conventions import desk
from api.problems import problem
from api.web import (
    admin,
    agency,
    board,
    calendar,
    cashier,
    citizen,
    clerk,
    crew,
    dispatcher,
    house,
    imports,
    live,
    messages,
    page,
    petitions,
    phone,
    plan_papers,
    postman,
    reports,
    rights,
    sign_in,
)

_BLUEPRINTS = (
    house.blueprint,
    sign_in.blueprint,
    postman.blueprint,
    dispatcher.blueprint,
    board.blueprint,
    imports.blueprint,
    crew.blueprint,
    reports.blueprint,
    plan_papers.blueprint,
    live.blueprint,
    cashier.blueprint,
    clerk.blueprint,
    admin.blueprint,
    agency.blueprint,
    calendar.blueprint,
    citizen.blueprint,
    rights.blueprint,
    petitions.blueprint,
    messages.blueprint,
)


def install(app: Flask) -> None:
    """Give the application its pages; what goes wrong on one is told as a page."""
    page.install(app)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    phone.install(app)
    app.add_url_rule("/sketch.json", "sketch", _sketch)
    app.register_error_handler(NotFound, _not_found)


def _not_found(_fault: NotFound) -> Response:
    if request.path.startswith("/api/"):
        return problem(404, "not-found", "There is no such address.")
    return page.trouble_page(404)


@public
def _sketch() -> Response:
    """Our own drawing of communes and rivers, for the map."""
    content = (desk().settings.data_dir / "gazetteer" / "map.json").read_bytes()
    return Response(content, mimetype="application/json", headers={"Cache-Control": "public, max-age=3600"})
