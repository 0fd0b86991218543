# SPDX-License-Identifier: MIT
"""Documents against the schemas of OpenAI's published API description."""
import functools
import json

import jsonschema

from process import ROOT

FILE = ROOT / "tests/data/openai/openapi-gateway-subset.json"


def nullable(schema):
    """The description's "nullable" is of an older dialect: written as JSON Schema has it."""
    if isinstance(schema, list):
        return [nullable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: nullable(part) for name, part in schema.items()}
    if schema.pop("nullable", False) is True:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


@functools.cache
def validator(name):
    components = nullable(json.loads(FILE.read_text())["components"])
    assert name in components["schemas"], name
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": components})


def complaints(name, document):
    """What is wrong with it, as lines; [] when it is a `name`."""
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
            for error in validator(name).iter_errors(document)]
