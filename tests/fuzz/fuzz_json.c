// SPDX-License-Identifier: MIT
// The strict reader takes only what jansson takes too, and what the writer writes is read back.
#include "common/json.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err e;
    json_t *v = json_parse((const char *)data, n, &e);
    if (v != NULL) {
        json_t *same = json_loadb((const char *)data, n, JSON_DECODE_ANY, NULL);
        FUZZ_CHECK(same != NULL && json_equal(v, same));
        json_decref(same);
        json_decref(v);
    }
    struct buf out = BUF_INIT(1 << 22);
    struct json_writer w = JSON_WRITER(&out);
    jw_array(&w);
    jw_strn(&w, (const char *)data, n);
    jw_base64(&w, data, n);
    jw_array_end(&w);
    FUZZ_CHECK(!out.failed);
    v = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
    FUZZ_CHECK(v != NULL && json_array_size(v) == 2);
    struct buf back = BUF_INIT(1 << 22);
    const json_t *text = json_array_get(v, 1);
    FUZZ_CHECK(base64_decode(json_string_value(text), json_string_length(text), &back) == 0);
    FUZZ_CHECK(back.len == n);
    json_decref(v);
    buf_done(&out);
    buf_done(&back);
    return 0;
}
