// SPDX-License-Identifier: MIT
// robots.txt as RFC 9309 has it: a file's rules for one crawler, and whether they allow a path.
// Pure.
//
// Where the RFC leaves a choice: a rule whose path lacks the leading "/" is read as if it had it;
// of an Allow and a Disallow that are equally long, the Allow counts; records the RFC does not know
// (Sitemap, Crawl-delay) are passed over and end no group.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ROBOTS_MAX_BYTES (512 * 1024) // of a file; what follows is not read
#define ROBOTS_TOKEN_MAX 63

struct robots;

// The product token of a User-Agent value: "example-crawler" of "example-crawler/1.0 (+https://…)".
void robots_product_token(const char *user_agent, char ret[ROBOTS_TOKEN_MAX + 1]);

// The rules of text[0..n) for the crawler `token`: those of all groups that name it, whatever the
// case, else those of the groups for "*", else none. -1 without memory.
int robots_parse(const char *text, size_t n, const char *token, struct robots **ret);
void robots_free(struct robots **r);
size_t robots_size(const struct robots *r); // bytes of memory

// Whether `target`, a path with its query, may be fetched. /robots.txt itself always may. Not if
// that is hard to say: a file of 512 KiB may have so many wildcards that a long path would take
// seconds.
bool robots_allows(const struct robots *r, const char *target);
