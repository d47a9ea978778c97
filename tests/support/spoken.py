"""What a fake model says in the tests of whole worlds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LINES = "The docks were quiet tonight. A grey van came twice. I would not go there alone."


def spoken(body: Mapping[str, Any]) -> str:
    """What the fake model says: JSON where it was asked for it."""
    wants = "follow me" in json.dumps(body["messages"])
    return json.dumps({"say": LINES, "actions": [{"do": "follow"}] if wants else []})
