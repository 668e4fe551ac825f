// SPDX-License-Identifier: MIT
// Times, HTTP dates, Retry-After, durations and sizes from hostile text; what is a time is written
// and read back the same.
#include <stdbool.h>
#include <string.h>

#include "common/clock.h"
#include "common/uuid.h"
#include "fuzz.h"

#define NOW_AT INT64_C(1800000000000)

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
    bool is_date = clock_parse_http_date(text, &at) == 0;
    bool is_number = text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
    if (clock_parse_retry_after(text, NOW_AT, &again) == 0) {
        FUZZ_CHECK(is_number ? again >= NOW_AT && again - NOW_AT <= INT64_C(1000000000000)
                             : is_date && again == at);
    } else {
        FUZZ_CHECK(!is_number && !is_date);
    }
    size_parse(text, &size);
    if (uuid_parse(text, id) == 0) {
        char formatted[UUID_TEXT_SIZE];
        uuid_format(id, formatted);
        FUZZ_CHECK(strcmp(formatted, text) == 0);
    }
    return 0;
}
