// SPDX-License-Identifier: MIT
// Renders a struct err as an RFC 9457 document. Pure; callable from any thread. Never shows the
// text of a local error (a path, an errno): that belongs to the log, not to a client.
#include "daemon/api/problem.h"

#include "common/json.h"

void problem_render(const struct err *e, const char *extra, struct buf *out)
{
    bool local = err_info(e->code)->http_status == 0;
    const struct err_info *info = err_info(local ? ERR_INTERNAL : e->code);
    struct json_writer w = JSON_WRITER(out);
    jw_object(&w);
    jw_key(&w, "type");
    buf_append_str(out, "\"/problems/");
    buf_append_str(out, info->name);
    buf_append_char(out, '"');
    w.comma = true;
    jw_key_str(&w, "title", info->title);
    jw_key_int(&w, "status", info->http_status);
    jw_key_str(&w, "detail", local ? "the daemon could not do this; its log says why" : e->text);
    jw_key_str(&w, "code", info->name);
    if (extra && *extra) {
        buf_append_char(out, ',');
        buf_append_str(out, extra);
    }
    jw_object_end(&w);
}
