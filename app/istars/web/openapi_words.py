"""The words of a description of the API: shapes of JSON, parameters, operations with what they answer."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
YES_OR_NO: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
SEVERITY: Schema = {"type": "string", "enum": ["critical", "warning", "information"]}
ANYTHING: Schema = {"type": "object"}


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(optional: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object with these members."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def rows(of: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": of}


def ref(name: str) -> Schema:
    """One of the named schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def content(schema: Schema) -> Schema:
    """A JSON body."""
    return {"application/json": {"schema": schema}}


def operation(
    summary: str,
    answer: Schema,
    errors: tuple[int, ...] = (),
    *,
    parameters: tuple[Schema, ...] = (),
    body: Schema | None = None,
    body_required: bool = True,
    access: str = "read",
) -> Schema:
    """One method of a path. `access` is the permission that a token needs, empty for everybody."""
    words = {400: "Bad request", 401: "Not signed in", 403: "Not permitted", 404: "Not there", 409: "Refused",
             413: "Too large", 422: "Refused", 503: "Cannot be read or written at the moment"}  # fmt: skip
    usual = (401, 403, 503) if access else ()
    answers: Schema = {"200": {"description": "Done", "content": content(answer)}}
    for status in sorted({*errors, *usual}):
        answers[str(status)] = {"description": words[status], "content": content(ref("Error"))}
    made: Schema = {"summary": summary, "responses": answers}
    if parameters:
        made["parameters"] = list(parameters)
    if body is not None:
        made["requestBody"] = {"required": body_required, "content": content(body)}
    if access:
        made["description"] = f"Needs the permission “{access}”."
    else:
        made["security"] = []
    return made


def query(name: str, schema: Schema, description: str) -> Schema:
    """A parameter of the query."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
