# SPDX-License-Identifier: MIT
"""openapi.json by the eyes of others: two linters without a warning, and clients that public generators make of it
at work against a daemon. Run it by `scripts/campaign openapi`; it needs node and npm with its registry, and java."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
DOCUMENT = TOP / "schema" / "openapi.json"
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE.parent / "origin")]

import harness  # noqa: E402

SKIPPED = 77
TOOLS = ["@redocly/cli@2.77.0", "@stoplight/spectral-cli@6.16.3", "@hey-api/openapi-ts@0.99.0", "openapi-typescript@7.13.0",
         "openapi-fetch@0.17.0", "quicktype@26.0.0", "typescript@5.9.3", "@types/node@20.19.25",
         "@apiture/openapi-down-convert@0.14.2", "@openapitools/openapi-generator-cli@1.0.18-5.0.0-beta2"]
# The last releases of openapi-generator's package that bring the generator itself, instead of fetching it.
GENERATOR = "node_modules/@openapitools/openapi-generator-cli/bin/openapi-generator.jar"


def run(folder, *command):
    print("+", *(pathlib.Path(part).name if "/" in str(part) else part for part in command), flush=True)
    environment = {**os.environ, "PATH": f"{folder}/node_modules/.bin:{os.environ['PATH']}", "NO_COLOR": "1",
                   "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    done = subprocess.run([str(part) for part in command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}\nopenapi: FAILED: {command[0]} exited with {done.returncode}")
    return done.stdout


def install(folder):
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    run(folder, "npm", "install", "--no-audit", "--no-fund", "--no-save", *TOOLS)


def lint(folder):
    told = run(folder, "redocly", "lint", DOCUMENT)
    if "You have" in told:  # "You have 4 warnings.", which its exit status does not tell
        raise SystemExit(told)
    (folder / "rules.yaml").write_text('extends: ["spectral:oas"]\n')
    run(folder, "spectral", "lint", "--fail-severity", "hint", "--ruleset", "rules.yaml", DOCUMENT)


def schemas_alone():
    """The schemas as plain JSON Schema, whose times are texts: quicktype's classes would need dateutil for them."""
    def plain(value):
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k != "format"}
        if isinstance(value, list):
            return [plain(v) for v in value]
        return value.replace("#/components/schemas/", "#/definitions/") if isinstance(value, str) else value

    schemas = plain(json.loads(DOCUMENT.read_text())["components"]["schemas"])
    return {"type": "object", "properties": {name: {"$ref": f"#/definitions/{name}"} for name in schemas},
            "definitions": schemas}


def as_version_3_0(folder):
    """The document in the words of OpenAPI 3.0, which is what openapi-generator reads. What the public converter leaves as
    it is: the summary of the whole, and a choice between null and something, which 3.0 calls nullable."""
    def older(value):
        if isinstance(value, list):
            return [older(v) for v in value]
        if not isinstance(value, dict):
            return value
        value = {k: older(v) for k, v in value.items()}
        choices = value.get("oneOf", [])
        if {"type": "null"} in choices:
            del value["oneOf"]
            value.update(nullable=True, allOf=[c for c in choices if c != {"type": "null"}])
        return value

    run(folder, "openapi-down-convert", "--input", DOCUMENT, "--output", "converted.json")
    document = older(json.loads((folder / "converted.json").read_text()))
    del document["info"]["summary"]
    (folder / "older.json").write_text(json.dumps(document))


def generate_python(folder):
    as_version_3_0(folder)
    run(folder, "java", "-jar", GENERATOR, "generate", "--input-spec", "older.json", "--generator-name", "python",
        "--package-name", "gatherd_client", "--output", "python",
        "--type-mappings", "OneOfintegerarray=object")  # Result.attempts: this version has no type for such a choice
    shutil.copytree(folder / "python" / "gatherd_client", folder / "gatherd_client")


def generate(folder):
    for name in ("sdk.ts", "typed.ts", "models.py", "client.py", "tsconfig.json"):
        shutil.copy(HERE / name, folder)
    run(folder, "openapi-ts", "--input", DOCUMENT, "--output", "generated", "--client", "@hey-api/client-fetch",
        "--no-log-file")
    run(folder, "openapi-typescript", DOCUMENT, "--default-non-nullable", "false", "--output", "schema.d.ts")
    run(folder, "tsc")
    (folder / "answers.json").write_text(json.dumps(schemas_alone()))
    run(folder, "quicktype", "--lang", "python", "--python-version", "3.7", "--src-lang", "schema", "--top-level",
        "Answers", "--out", "generated.py", "answers.json")
    generate_python(folder)


def use(folder):
    origin = harness.Origin()
    ok, missing, slow = origin.url("/ok"), origin.url("/status/404"), origin.url("/delay/20000")
    try:
        with harness.Daemon(folder / "daemon") as daemon:
            base = f"http://127.0.0.1:{daemon.tcp_port}"
            print(run(folder, "node", "js/sdk.js", base, ok, missing), end="")
            print(run(folder, "node", "js/typed.js", base, ok), end="")
            print(run(folder, "/usr/bin/python3", "models.py", base, ok, missing), end="")
            print(run(folder, "/usr/bin/python3", "client.py", base, ok, missing, slow), end="")
    finally:
        origin.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep what was generated")
    keep = parser.parse_args().keep
    for needed in ("npm", "java"):
        if not shutil.which(needed):
            print(f"openapi: SKIPPED: there is no {needed} here")
            return SKIPPED
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gatherd-openapi-"))
    try:
        install(folder)
        lint(folder)
        generate(folder)
        use(folder)
    finally:
        if keep:
            print(f"openapi: everything is in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print("openapi: linted without a warning; four generated clients work")
    return 0


if __name__ == "__main__":
    sys.exit(main())
