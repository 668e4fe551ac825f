// SPDX-License-Identifier: MIT
// Owns the cursors of listings. Knows nothing about what is listed.
#include "client/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/field.h"
#include "client/interrupt.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/url.h"

#define FOLLOW_WAIT_S   30
#define FOLLOW_LEAST_MS 200
#define PATH_MAX_LEN    16384

void pages_init(struct pages *p, const char *path, const char *member)
{
    *p = (struct pages){.member = member, .limit = -1};
    p->base = strdup(path);
    p->failed = !p->base;
}

void pages_done(struct pages *p)
{
    json_decref(p->page);
    free(p->after);
    free(p->base);
    *p = (struct pages){0};
}

bool pages_drained(const struct pages *p)
{
    return p->at >= json_array_size(json_object_get(p->page, p->member));
}

static int fetch_page(struct app *app, struct pages *p, struct err *e)
{
    struct buf path = BUF_INIT(PATH_MAX_LEN);
    buf_append_str(&path, p->base);
    if (p->follow) {
        buf_printf(&path, "&wait=%d", FOLLOW_WAIT_S);
    }
    if (p->after) {
        buf_append_str(&path, "&after=");
        url_percent_encode(&path, p->after, strlen(p->after));
    }
    int rc = path.failed ? err_set(e, ERR_SYSTEM, "out of memory")
                         : app_get_patiently(app, path.data, &p->page, e);
    buf_done(&path);
    return rc;
}

// Takes the cursor of a fresh page and decides whether another one follows.
static int turn_page(struct pages *p, struct err *e)
{
    const char *next = field_str(p->page, "next");
    bool more = field_true(p->page, "more") && *next;
    const json_t *batch = json_object_get(p->page, "batch");
    if (!json_is_array(json_object_get(p->page, p->member))) {
        return app_lacks(p->member, e);
    }
    if (p->follow && app_check(batch, "state", e) != 0) {
        return -1;
    }
    if (more && p->after && strcmp(next, p->after) == 0) {
        return err_set(e, ERR_SYSTEM, "the server gives the same page again and again");
    }
    if (*next) {
        free(p->after);
        p->after = strdup(next);
        if (!p->after) {
            return err_set(e, ERR_SYSTEM, "out of memory");
        }
    }
    const char *state = field_str(batch, "state");
    p->last = !more && (!p->follow || strcmp(state, "finished") == 0);
    p->at = 0;
    return 0;
}

int pages_next(struct app *app, struct pages *p, json_t **ret, struct err *e)
{
    if (p->failed) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    while (pages_drained(p)) {
        if (p->last || p->limit == 0) {
            return 0;
        }
        if (output_flush(e) != 0) {
            return -1; // nobody takes what was printed of the page before
        }
        json_decref(p->page);
        p->page = NULL;
        int64_t asked = clock_monotonic_ms();
        if (fetch_page(app, p, e) != 0 || turn_page(p, e) != 0) {
            return -1;
        }
        bool hasty = pages_drained(p) && !p->last && clock_monotonic_ms() - asked < FOLLOW_LEAST_MS;
        if (hasty && interrupt_sleep_ms(FOLLOW_LEAST_MS)) {
            return err_set(e, ERR_SYSTEM, "interrupted");
        }
    }
    if (p->limit == 0) {
        return 0;
    }
    p->limit -= p->limit > 0;
    *ret = json_array_get(json_object_get(p->page, p->member), p->at++);
    return 1;
}
