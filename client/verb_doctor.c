// SPDX-License-Identifier: MIT
// The verb `doctor`: owns the order of the checks, how a finding looks, and the exit status. Must
// change nothing, here or at the daemon.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/doctor.h"
#include "client/format.h"
#include "client/verbs.h"

#define CHECK_WIDTH 12
#define INDENT      6

struct finding {
    const char *check, *status, *remedy;
    enum tint tint;
};

static void show(const struct output *o, const struct finding *f, const char *detail)
{
    output_text(o, f->tint, f->status);
    printf("%*s", INDENT - (int)text_width(f->status), "");
    output_text(o, TINT_STRONG, f->check);
    int pad = CHECK_WIDTH - (int)text_width(f->check);
    printf("%*s", pad > 1 ? pad : 1, "");
    output_paragraph_behind(o, INDENT + CHECK_WIDTH, INDENT + CHECK_WIDTH, detail);
    if (f->remedy) {
        output_paragraph(o, INDENT, f->remedy);
    }
    fflush(stdout); // the next check may take a while
}

static void show_tsv(const struct finding *f, const char *detail)
{
    struct buf line = BUF_INIT(16384);
    buf_printf(&line, "%s\t%s\t", f->status, f->check);
    text_tsv(&line, detail);
    buf_append_str(&line, "\t");
    text_tsv(&line, f->remedy ? f->remedy : "");
    puts(line.data ? line.data : "");
    buf_done(&line);
}

__attribute__((format(printf, 3, 0))) static void tell(struct doctor *d, const struct finding *f,
                                                       const char *format, va_list args)
{
    char detail[1024];
    vsnprintf(detail, sizeof detail, format, args);
    if (d->findings) {
        json_array_append_new(d->findings,
                              json_pack("{s:s, s:s, s:s, s:s?}", "check", f->check, "status",
                                        f->status, "detail", detail, "remedy", f->remedy));
    } else if (d->app->out.terminal) {
        show(&d->app->out, f, detail);
    } else {
        show_tsv(f, detail);
    }
}

void doctor_ok(struct doctor *d, const char *check, const char *format, ...)
{
    const struct finding f = {check, "ok", NULL, TINT_GOOD};
    va_list args;
    va_start(args, format);
    tell(d, &f, format, args);
    va_end(args);
    d->ok++;
}

void doctor_warn(struct doctor *d, const char *check, const char *remedy, const char *format, ...)
{
    const struct finding f = {check, "warn", remedy, TINT_BUSY};
    va_list args;
    va_start(args, format);
    tell(d, &f, format, args);
    va_end(args);
    d->warned++;
}

void doctor_fail(struct doctor *d, const char *check, const char *remedy, const char *format, ...)
{
    const struct finding f = {check, "fail", remedy, TINT_BAD};
    va_list args;
    va_start(args, format);
    tell(d, &f, format, args);
    va_end(args);
    d->failed++;
}

static int run_checks(struct doctor *d, const struct args *a)
{
    struct err e = {.code = ERR_OK};
    doctor_check_server(d);
    doctor_check_token_file(d, args_text(a, "token-file"));
    doctor_check_descriptors(d);
    doctor_check_socket(d);
    int rc = doctor_check_daemon(d, &e);
    bool known = e.code == ERR_UNREACHABLE || e.code == ERR_UNAUTHORIZED || e.code == ERR_FORBIDDEN;
    if (rc != 0 && known) {
        return err_info(e.code)->exit_status;
    }
    return d->failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int verb_doctor(struct app *app, const struct args *a, struct err *e)
{
    struct doctor d = {.app = app};
    if (app->out.json && !(d.findings = json_array())) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    int status = run_checks(&d, a);
    if (d.findings) {
        output_json(&app->out, d.findings);
        json_decref(d.findings);
    } else if (d.failed + d.warned == 0) {
        output_note(&app->out, "nothing to find fault with");
    } else {
        output_note(&app->out, "%u failed, %u to look at, %u in order", d.failed, d.warned, d.ok);
    }
    return status;
}
