// SPDX-License-Identifier: MIT
// Times, HTTP dates, durations and sizes from hostile text; what is a time is written and read back
// the same.
#include <string.h>

#include "common/clock.h"
#include "common/uuid.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char text[200];
    if (n >= sizeof(text)) {
        return 0;
    }
    memcpy(text, data, n);
    text[n] = '\0';
    int64_t at = 0, again = 0, ms = 0;
    uint64_t size = 0;
    uint8_t id[UUID_SIZE];
    if (clock_parse(text, &at) == 0 && at >= 0) {
        char formatted[CLOCK_TEXT_SIZE];
        clock_format(at, formatted);
        FUZZ_CHECK(clock_parse(formatted, &again) == 0 && again == at);
    }
    if (clock_parse_duration(text, &ms) == 0) {
        FUZZ_CHECK(ms >= 0);
    }
    clock_parse_http_date(text, &at);
    size_parse(text, &size);
    if (uuid_parse(text, id) == 0) {
        char formatted[UUID_TEXT_SIZE];
        uuid_format(id, formatted);
        FUZZ_CHECK(strcmp(formatted, text) == 0);
    }
    return 0;
}
