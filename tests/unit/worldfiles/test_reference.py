"""worlds/README.md has every field of the world files, with what it may be and an example that is accepted."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from ganggpt.worldfiles.reference import FIELDS, MODELS, README, with_fields


def test_the_readme_has_the_fields_as_they_are() -> None:
    page = README.read_text(encoding="utf-8")
    assert with_fields(page) == page, "write it anew: python -m ganggpt.worldfiles.reference"


@pytest.mark.parametrize("name", MODELS)
def test_every_field_is_explained_and_its_example_is_accepted(name: str) -> None:
    _, model = MODELS[name]
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    assert list(FIELDS[name]) == list(adapter.json_schema()["properties"])
    adapter.validate_python({field: _of_yaml(example) for field, (_, example) in FIELDS[name].items()})


def _of_yaml(value: Any) -> Any:
    """A value as the reader of YAML gives it: lists are tuples."""
    if isinstance(value, list):
        return tuple(map(_of_yaml, value))
    return {key: _of_yaml(part) for key, part in value.items()} if isinstance(value, dict) else value
