"""Schemas that tolerate unknown keys, turned into ones that refuse them: a misspelled key must not pass in silence."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]


def strict(schema: Any) -> Any:
    """A copy of a CRD's openAPIV3Schema or of a pydantic JSON schema that forbids what it does not name.

    As the API server does, a field with a default need not be there, and ``nullable`` allows null.
    """
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # The keys under `properties` are names of fields: one of them may be called "properties" or "default" as well.
    named = ("properties", "$defs")
    found: Schema = {key: strict(value) for key, value in schema.items() if key not in (*named, "default", "enum")}
    found |= {key: schema[key] for key in ("default", "enum") if key in schema}
    found |= {key: {name: strict(each) for name, each in schema[key].items()} for key in named if key in schema}
    properties = schema.get("properties", {})
    keeps_unknown = schema.get("x-kubernetes-preserve-unknown-fields", False)
    if properties and "additionalProperties" not in schema and not keeps_unknown:
        found["additionalProperties"] = False
    if "required" in schema:
        found["required"] = [name for name in schema["required"] if "default" not in properties.get(name, {})]
    if schema.get("nullable") and "type" in schema:
        found["type"] = [schema["type"], "null"]
    return found


def problems(schema: Schema, value: Any) -> list[str]:
    """What is wrong with a value, each with its path."""
    errors = Draft202012Validator(schema).iter_errors(value)
    return sorted(f"{'.'.join(str(step) for step in error.absolute_path)}: {error.message}" for error in errors)
