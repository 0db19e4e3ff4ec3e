/* A place for a kernel; it only counts. */
#include "form.h"

EXPORT int32_t NAME(rans_write)(const int32_t *values, int64_t n) {
    int32_t sum = 0;
    int64_t at;
    for (at = 0; at < n; at++) sum += values[at];
    return sum;
}
