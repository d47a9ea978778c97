"""Schema-driven fuzzing of every REST endpoint: whatever fits or breaks the schema, no answer is a 5xx."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error

from ganggpt.domain.kinds import KINDS
from tests.support.bridge_rig import HEADERS, Rig

RIG = Rig(kinds=KINDS)
schema = schemathesis.openapi.from_asgi("/openapi.json", RIG.app)


@schema.parametrize()
@settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
    database=None,
)
@pytest.mark.timeout(120)
def test_no_request_made_from_the_schema_is_our_fault(case: schemathesis.Case) -> None:
    # A copy: schemathesis writes its own headers into the map it is given.
    case.call_and_validate(headers=dict(HEADERS), checks=[not_a_server_error])
