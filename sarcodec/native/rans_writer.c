/* Symbols to a stream, byte for byte CompressAI's. Its twin is reference/rans.py. */
#include "kernels.h"

/* The word that a state gives away before it grows by a symbol of `count` / 2^PRECISION; 0 if there is no room. */
static inline int give(rans_sink *sink, uint64_t count) {
    if (sink->state >= count << (63 - PRECISION)) {
        if (sink->used >= sink->capacity) return 0;
        sink->used++;
        sink->words[sink->capacity - sink->used] = (uint32_t)sink->state;
        sink->state >>= 32;
    }
    return 1;
}

static inline int put_bits(rans_sink *sink, uint32_t bits) {
    if (!give(sink, (uint64_t)1 << (PRECISION - ESCAPE_BITS))) return 0;
    sink->state = sink->state << ESCAPE_BITS | bits;
    return 1;
}

/* What an escape symbol is followed by when it is read: the number of groups of four bits, then the groups. */
static int put_escape(rans_sink *sink, uint32_t beyond) {
    int groups = 0, group;
    while (groups < ESCAPE_GROUPS && beyond >> (ESCAPE_BITS * groups)) groups++;
    for (group = groups - 1; group >= 0; group--)
        if (!put_bits(sink, beyond >> (ESCAPE_BITS * group) & 15)) return 0;
    return put_bits(sink, (uint32_t)groups); /* at most 8, so ESCAPE_MORE never occurs */
}

/* Put `n` symbols, each under the table of its row, before those that the sink has. */
EXPORT int32_t NAME(rans_write)(rans_sink *sink, const rans_tables *tables, const int32_t *symbols,
                                const uint16_t *rows, int64_t n) {
    int64_t at;
    if (!sound(tables)) return NO_TABLE;
    for (at = n - 1; at >= 0; at--) {
        int32_t row = rows[at];
        const uint16_t *cdf;
        int64_t escape, interval;
        uint64_t start, count, quotient;
        if (row >= tables->rows) return NO_TABLE;
        cdf = tables->cdf + (int64_t)row * tables->columns;
        escape = tables->size[row] - 2;
        interval = (int64_t)symbols[at] - tables->offset[row];
        if (interval < 0 || interval >= escape) {
            uint64_t beyond = interval < 0 ? (uint64_t)(-2 * interval - 1) : (uint64_t)(2 * (interval - escape));
            if (!put_escape(sink, (uint32_t)beyond)) return NO_ROOM;
            interval = escape;
        }
        start = cdf[interval];
        count = (uint16_t)(cdf[interval + 1] - cdf[interval]);
        if (!count) return NO_TABLE;
        if (!give(sink, count)) return NO_ROOM;
        quotient = sink->state / count;
        sink->state = (quotient << PRECISION) + (sink->state - quotient * count) + start;
    }
    return FINE;
}
