"""What docs/openapi.yaml says about the documents the API shows."""

from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tests.helpers.template import PROJECT_ROOT


@cache
def documented(schema: str) -> Draft202012Validator:
    """Finds what is wrong with a document that should be as the schema of this name says."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": _components()})


@cache
def _components() -> dict[str, Any]:
    document = yaml.safe_load((PROJECT_ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
    components: dict[str, Any] = document["components"]
    return components
