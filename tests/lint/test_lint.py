# SPDX-License-Identifier: MIT
"""Each lint rule finds what it is for, and passes what is right."""
import pathlib
import shutil

import pytest

import lint

SPDX = "// SPDX-License-Identifier: MIT\n"
BODY = "int f(void)\n{\n" + "    g();\n" * 61 + "}\n"
SIX = "int f(int a, int b, int (*c)(int, int), int d, int e, int g)\n{\n}\n"

BAD = {
    "file of 602 lines": ("common/a.c", SPDX + "extern int x;\n" * 601),
    "function of 61 lines": ("common/a.c", SPDX + BODY),
    "6 parameters": ("common/a.c", SPDX + SIX),
    "strcpy() is banned": ("common/a.c", SPDX + "void f(char *a)\n{\n    strcpy(a, a);\n}\n"),
    "includes go down only": ("common/a.c", SPDX + '#include "daemon/task/batch.h"\n'),
    "not given from the top": ("common/a.c", SPDX + '#include "buf.h"\n'),
    "<sqlite3.h> belongs to": ("daemon/api/a.c", SPDX + "#include <sqlite3.h>\n"),
    "<evhtp.h> belongs to": ("daemon/api/a.c", SPDX + "#include <evhtp.h>\n"),
    "<curl/curl.h> belongs to": ("daemon/store/a.c", SPDX + "#include <curl/curl.h>\n"),
    "needs #pragma once": ("common/a.h", SPDX + "int f(void);\n"),
    "SPDX line is missing": ("common/a.c", "int x;\n"),
    "does not belong here": ("docs/a.md", "TO" + "DO: everything\n"),
    "moves f->state": ("daemon/fetch/flight_x.c", SPDX + "void g(void)\n{\n    f->state = 1;\n}\n"),
    "clang-formatted": ("common/a.c", SPDX + "int   x ;\n"),
}


def findings(tmp_path, path, text):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    shutil.copy(pathlib.Path(lint.__file__).parents[2] / ".clang-format", tmp_path)
    return lint.check(tmp_path)


@pytest.mark.parametrize("what", BAD)
def test_finds(tmp_path, what):
    found = findings(tmp_path, *BAD[what])
    assert len(found) == 1 and what in found[0], found


def test_counts_parameters_that_a_reader_must_keep_apart():
    assert lint.parameter_count("void") == 0
    assert lint.parameter_count("const char *p, size_t n, void (*fn)(void *ctx, int a), void *ctx, struct err *e") == 2
    assert lint.parameter_count("struct a *a, int b, int c, int d, int e") == 5


def test_passes_what_is_right(tmp_path):
    text = (SPDX + '#include <string.h>\n\n#include "common/buf.h"\n\n'
            'int f(int a, int (*b)(int, int, int, int, int, int))\n{\n    // strcpy(a, b) is banned\n'
            '    return my_strcpy("atoi(x)", a, b);\n}\n')
    assert findings(tmp_path, "daemon/store/a.c", text) == []
