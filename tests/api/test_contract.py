"""schemathesis over the whole published document: whatever is sent, no 5xx, and every answer is one that was published.

Valid and broken requests are made from the document itself; ids in a path are those of real things half of the time, so that
the use cases behind the schemas are reached.
"""

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as openapi

from courier.store.tables import Staff
from tests.api.conftest import hashed, sign
from tests.api.test_role_matrix import belongings
from tests.examples import examples

CHECKS = [
    not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
    openapi.negative_data_rejection,
    openapi.unsupported_method,
]
# It would end the session of the walk.
LEFT_OUT = {"/api/v1/sessions/current"}

pytestmark = pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")

# Parts of a photo are bytes like any others.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


def asking(operation, mode, *, headers, ids, examples):
    """A test of one operation in one way of making requests; `asked` counts them."""

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), real=hypothesis.strategies.booleans())
    def ask(case, real):
        if real and mode is GenerationMode.POSITIVE:
            case.path_parameters.update({name: ids[name] for name in case.path_parameters if name in ids})
        ask.asked += 1
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKS, headers=headers)

    ask.asked = 0
    return ask


def walk(app, token, ids, *, examples):
    """Every operation, both ways; gives what was wrong and how many requests were made."""
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    wrong, asked = [], 0
    # The test client does not unpack what it is sent.
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in LEFT_OUT:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            ask = asking(operation, mode, headers=headers, ids=ids, examples=examples)
            try:
                ask()
            except Unsatisfiable:
                # Nothing in this operation can be made wrong.
                assert mode is GenerationMode.NEGATIVE, operation.label
            except (AssertionError, BaseExceptionGroup) as fault:
                faults = fault.exceptions if isinstance(fault, BaseExceptionGroup) else [fault]
                wrong += [f"{operation.label} ({mode.value}): {one}"[:600] for one in faults]
            asked += ask.asked
    return wrong, asked


@pytest.mark.once
@pytest.mark.parametrize(
    "role",
    [
        "admin",
        *(
            pytest.param(role, marks=pytest.mark.slow)
            for role in ("postman", "dispatcher", "cashier", "clerk", "agency")
        ),
    ],
)
def test_whatever_is_sent_the_document_holds(app, town, database, role):
    with database.write() as session:
        session.query(Staff).filter_by(password_hash="-").update({"password_hash": hashed()})
    ids = belongings(database, town.here, agency=town.agency)
    tries = examples(2, of=5)
    wrong, asked = walk(app, sign(database, town.of(role).caller), ids, examples=tries)
    assert not wrong, "\n".join(wrong)
    assert asked > 60 * tries
