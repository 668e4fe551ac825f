# SPDX-License-Identifier: MIT
"""The API's own description as a judge: every answer that a test sees is held against schema/openapi.json.

An answer fails that has a status, a header field, a media type or a member that is not described. Lists of many
alike objects are thinned to one object of each shape, and what was found right once is not judged again, so that a
page of a thousand results costs a look and not a second.
"""
import functools
import json
import pathlib
import re

import jsonschema

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent.parent / "schema" / "openapi.json"
FRAMING = {"date", "content-type", "content-length", "transfer-encoding", "connection"}
PROBLEM = "application/problem+json"
WORD = re.compile(r"[a-z_]{1,40}\Z")
MANY = 3


@functools.cache
def document():
    return json.loads(DOCUMENT.read_text())


def resolve(value):
    """What a {"$ref": …} means."""
    while "$ref" in value:
        found = document()
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def strict(schema):
    """The schema without references, in which a member that is not described is an error."""
    schema = resolve(schema)
    if "allOf" in schema:
        parts = [resolve(part) for part in schema["allOf"]]
        schema = {"type": "object", "properties": {k: v for p in parts for k, v in p["properties"].items()},
                  "required": [name for p in parts for name in p.get("required", [])]}
    made = {k: v for k, v in schema.items() if k not in ("properties", "items", "oneOf")}
    if schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    if "properties" in schema:
        made["properties"] = {name: strict(member) for name, member in schema["properties"].items()}
    if "items" in schema:
        made["items"] = strict(schema["items"])
    if "oneOf" in schema:
        made["oneOf"] = [strict(one) for one in schema["oneOf"]]
    return made


def is_time(text):
    return not isinstance(text, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)


FORMATS = jsonschema.FormatChecker(())
FORMATS.checks("date-time")(is_time)


@functools.cache
def validator(reference):
    return jsonschema.Draft202012Validator(strict(json.loads(reference)), format_checker=FORMATS)


def thin(value):
    """(the value with one object of each shape in its long lists, its shape)"""
    if isinstance(value, dict):
        members = {k: thin(v) for k, v in value.items()}
        return {k: v for k, (v, _) in members.items()}, tuple((k, s) for k, (_, s) in members.items())
    if isinstance(value, list):
        items = [thin(v) for v in value]
        if len(items) > MANY and isinstance(value[0], dict):
            items = list({s: (v, s) for v, s in items}.values())
        return [v for v, _ in items], tuple(s for _, s in items)
    if isinstance(value, str) and WORD.match(value):
        return value, value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value, (type(value), (value > 0) - (value < 0))
    return value, type(value)


_seen = set()


def check_json(schema, value, where):
    reference = json.dumps(schema)
    value, shape = thin(value)
    if (reference, shape) in _seen:
        return
    error = jsonschema.exceptions.best_match(validator(reference).iter_errors(value))
    assert error is None, f"{where}: {error.message} at {error.json_path}, unlike openapi.json"
    _seen.add((reference, shape))


@functools.cache
def paths():
    """[(pattern, item)], those without parameters first."""
    made = []
    for template, item in sorted(document()["paths"].items(), key=lambda entry: entry[0].count("{")):
        made.append((re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)) + r"\Z"), item))
    return made


def described(method, target, status):
    """The response object for that answer, or None where only `Refused` can be meant."""
    path = re.split("[?#]", target)[0]
    item = next((item for pattern, item in paths() if pattern.match(path)), {})
    operation = item.get("get" if method == "HEAD" else method.lower(), {})
    answer = operation.get("responses", {}).get(str(status))
    return resolve(answer) if answer else None


def unrouted(method, target, status):
    """Whether `status` is one that needs no operation: no such path, no such method, or OPTIONS."""
    path = re.split("[?#]", target)[0]
    item = next((item for pattern, item in paths() if pattern.match(path)), None)
    has = item is not None and method.lower() in item
    return status in (401, 403, 404) if item is None else status in (401, 403, 404) and not has


def check_problem(response, where):
    """`response` is a problem document, with the code that belongs to its status."""
    assert response.media_type == PROBLEM, f"{where}: {response.status} as {response.media_type}"
    check_json({"$ref": "#/components/schemas/Problem"}, {k: v for k, v in response.json().items() if k != "checks"},
               where)
    assert response.json()["status"] == response.status, where


def check_fields(response, described_fields, where):
    known = FRAMING | {name.lower() for name in described_fields}
    unknown = {name.lower() for name, _ in response.headers} - known
    assert not unknown, f"{where}: {unknown} are not described in openapi.json"


def check_body(response, content, where):
    media_type = response.media_type
    assert media_type in content, f"{where}: {media_type} is not described in openapi.json"
    schema = content[media_type]["schema"]
    if "x-line" in schema:
        for line in response.lines():
            check_json(schema["x-line"], line, where)
    elif media_type.endswith("json"):
        check_json(schema, response.json(), where)


def check(method, target, response, body=True):
    """Fails unless openapi.json describes this answer. With body=False only its head is looked at."""
    where = f"{method} {target[:200]} -> {response.status}"
    if method == "OPTIONS" and response.status == 204:
        check_fields(response, {"Allow"}, where)
        return
    answer = described(method, target, response.status)
    if answer is None:
        refused = document()["components"]["responses"]["Refused"]
        assert response.status in refused["x-statuses"] or unrouted(method, target, response.status), (
            f"{where}: this status is not described in openapi.json")
        answer = refused | {"headers": refused["headers"] | {"WWW-Authenticate": {}}}
    check_fields(response, answer.get("headers", {}), where)
    if not body or method == "HEAD":
        return
    if "content" not in answer:
        assert not response.body, f"{where}: no body is described in openapi.json"
        return
    if response.status >= 400:
        check_problem(response, where)
    check_body(response, answer["content"], where)
