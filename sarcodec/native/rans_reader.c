/* A stream to symbols, each under a table that is known before. Its twin is reference/rans.py. */
#include "kernels.h"
#include "rans_step.h"

/* Read `n` symbols, each under the table of its row. Once the source's status is not fine, symbols are 0. */
EXPORT int32_t NAME(rans_read)(rans_source *source, const rans_tables *tables, const uint16_t *rows, int64_t n,
                               int32_t *symbols) {
    rans_source here = *source;
    int64_t at;
    if (!sound(tables)) return NO_TABLE;
    for (at = 0; at < n && here.status == STREAM_FINE; at++) {
        if (rows[at] >= tables->rows) return NO_TABLE;
        symbols[at] = next_symbol(&here, tables, rows[at]);
    }
    for (; at < n; at++) symbols[at] = 0;
    *source = here;
    return FINE;
}
