// SPDX-License-Identifier: MIT
// Bodies: their parts in and out of the database. A large one is inserted with several commits, a
// piece each, so that nobody waits for a gigabyte to be written; its result is recorded with the
// last one. What has no result yet stands in table body_begun, and what will never have one is
// deleted in pieces. On the store's thread.
#include <errno.h>
#include <unistd.h>

#include "daemon/store/body_parts.h"
#include "daemon/store/store_internal.h"

#define BYTES_AT_ONCE ((uint64_t)4 * 1024 * 1024) // in one commit

enum { SQL_PART, SQL_DROP, SQL_BEGIN, SQL_END, SQL_BURY, SQL_DEAD, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_PART] = "INSERT INTO body (id, data) VALUES (?, ?)",
    [SQL_DROP] = "DELETE FROM body WHERE id IN (SELECT id FROM body WHERE id >= ? AND id < ?"
                 " ORDER BY id LIMIT ?)",
    [SQL_BEGIN] = "INSERT INTO body_begun (first, parts) VALUES (?, ?)",
    [SQL_END] = "DELETE FROM body_begun WHERE first = ?",
    [SQL_BURY] = "UPDATE body_begun SET dead = 1 WHERE first = ?",
    [SQL_DEAD] = "SELECT first, parts FROM body_begun INDEXED BY body_begun_dead WHERE dead > 0"
                 " LIMIT 1",
};

int bodies_open(struct store *s, struct err *e)
{
    return db_prepare(&s->db, sql, SQL__N, e, &s->body_sql);
}

// One part of a body, from memory or from its file.
static int insert_part(struct store *s, const struct outcome *o, uint64_t at, size_t n)
{
    static const char empty[1];
    const struct body *b = &o->body;
    char *copied = NULL;
    const char *data = b->data != NULL ? b->data + at : empty;
    if (b->fd >= 0) {
        copied = sqlite3_malloc64(n);
        if (copied == NULL) {
            return db_fail(&s->db, SQLITE_NOMEM);
        }
        for (size_t got = 0; got < n;) {
            ssize_t r = pread(b->fd, copied + got, n - got, (off_t)(at + got));
            if (r <= 0 && !(r < 0 && errno == EINTR)) {
                sqlite3_free(copied);
                return db_fail(&s->db, SQLITE_IOERR_READ);
            }
            got += r > 0 ? (size_t)r : 0;
        }
        data = copied;
    }
    sqlite3_stmt *st = s->body_sql.v[SQL_PART];
    db_bind(st, "ib", o->stored.first + (int64_t)(at / BODY_PART), data, n);
    int r = db_exec(&s->db, st);
    sqlite3_free(copied);
    s->ops += 1 + n / 16384;
    return r < 0 ? -1 : 0;
}

static int run_by(struct store *s, int which, int64_t first)
{
    sqlite3_stmt *st = s->body_sql.v[which];
    db_bind(st, "i", first);
    return db_exec(&s->db, st) < 0 ? -1 : 0;
}

bool body_is_large(const struct outcome *o)
{
    return o->has_body && o->body.size > BYTES_AT_ONCE;
}

bool body_goes_on(const struct outcome *o)
{
    return body_is_large(o) && o->stored.bytes < o->body.size;
}

static int begin(struct store *s, struct outcome *o)
{
    int64_t parts = body_parts((int64_t)o->body.size);
    o->stored.first = parts == 0 ? 0 : s->back.next_body;
    s->back.next_body += parts;
    if (!body_is_large(o)) {
        return 0;
    }
    sqlite3_stmt *st = s->body_sql.v[SQL_BEGIN];
    db_bind(st, "ii", o->stored.first, parts);
    return db_exec(&s->db, st) < 0 ? -1 : 0;
}

int body_insert(struct store *s, struct outcome *o)
{
    if (o->stored.bytes == 0 && begin(s, o) < 0) {
        return -1;
    }
    for (uint64_t room = BYTES_AT_ONCE; room > 0 && o->stored.bytes < o->body.size;) {
        uint64_t left = o->body.size - o->stored.bytes;
        size_t n = left < BODY_PART ? (size_t)left : BODY_PART;
        if (insert_part(s, o, o->stored.bytes, n) < 0) {
            return -1;
        }
        o->stored.bytes += n;
        room -= n < room ? n : room;
    }
    return 0;
}

int body_end(struct store *s, const struct outcome *o)
{
    return body_is_large(o) ? run_by(s, SQL_END, o->stored.first) : 0;
}

int body_give_up(struct store *s, const struct outcome *o)
{
    if (!body_is_large(o)) {
        return 0;
    }
    s->back.have_dead = true;
    return run_by(s, SQL_BURY, o->stored.first);
}

int body_drop(struct store *s, int64_t first, int64_t parts)
{
    sqlite3_stmt *st = s->body_sql.v[SQL_DROP];
    db_bind(st, "iii", first, first + parts, (int64_t)BODY_DROP_MOST);
    return parts == 0 ? 0 : db_exec(&s->db, st);
}

int body_dead_step(struct store *s)
{
    sqlite3_stmt *st = s->body_sql.v[SQL_DEAD];
    int r = db_step(&s->db, st);
    if (r != 1) {
        s->back.have_dead = false;
        return r;
    }
    int64_t first = db_int(st, 0), parts = db_int(st, 1);
    db_reset(st);
    int n = body_drop(s, first, parts);
    if (n < 0) {
        return -1;
    }
    s->ops += 1 + (size_t)n * BODY_DROP_OPS;
    s->back.have_free = true;
    return n < BODY_DROP_MOST ? run_by(s, SQL_END, first) : 0;
}
