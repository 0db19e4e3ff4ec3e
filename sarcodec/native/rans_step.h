/* One symbol from a stream that an attacker may have written: every word is asked for before it is read. */
#ifndef SARCODEC_RANS_STEP_H
#define SARCODEC_RANS_STEP_H

#include "rans.h"

/* Take a word if the state is short of one; 0 if the stream has ended. */
static inline int refill(rans_source *source) {
    if (source->state < LOWEST) {
        if (source->at >= source->count) {
            source->status = STREAM_ENDED;
            return 0;
        }
        source->state = source->state << 32 | source->words[source->at++];
    }
    return 1;
}

/* Four bits, or -1. */
static inline int32_t take_bits(rans_source *source) {
    int32_t bits = (int32_t)(source->state & 15);
    source->state >>= ESCAPE_BITS;
    return refill(source) ? bits : -1;
}

typedef struct {
    rans_source source;
    int32_t symbol;
} escaped;

/* The symbol of an escape, `above` or more, or less than `below`, and the stream behind it; 0 once the stream's status
 * is not fine. Values go in and out, so that the caller keeps its stream in registers. */
static escaped beyond(rans_source source, int64_t above, int64_t below) {
    escaped result = {source, 0};
    int32_t groups = 0, more, group, bits;
    int64_t distance = 0, symbol;
    do {
        more = take_bits(&result.source);
        if (more < 0) return result;
        groups += more;
    } while (more == ESCAPE_MORE && groups <= ESCAPE_GROUPS);
    if (groups > ESCAPE_GROUPS) {
        result.source.status = STREAM_TOO_LARGE;
        return result;
    }
    for (group = 0; group < groups; group++) {
        bits = take_bits(&result.source);
        if (bits < 0) return result;
        distance |= (int64_t)bits << (ESCAPE_BITS * group);
    }
    symbol = distance & 1 ? below - ((distance + 1) >> 1) : above + (distance >> 1);
    if (symbol > LARGEST || symbol < -LARGEST)
        result.source.status = STREAM_TOO_LARGE;
    else
        result.symbol = (int32_t)symbol;
    return result;
}

/* The next symbol under the table `row`, which exists, of tables that are sound. */
static inline int32_t next_symbol(rans_source *source, const rans_tables *tables, int32_t row) {
    const uint16_t *cdf = tables->cdf + (int64_t)row * tables->columns;
    int32_t escape = tables->size[row] - 2, offset = tables->offset[row];
    uint32_t rest = (uint32_t)(source->state & 0xffff), count;
    int32_t interval = tables->first[(int64_t)row * 256 + (rest >> 8)];
    if (interval > escape) interval = escape;
    while (interval < escape && cdf[interval + 1] <= rest) interval++;
    count = (uint16_t)(cdf[interval + 1] - cdf[interval]);
    source->state = count * (source->state >> PRECISION) + (uint16_t)(rest - cdf[interval]);
    if (!refill(source)) return 0;
    if (interval == escape) {
        escaped result = beyond(*source, (int64_t)interval + offset, offset);
        *source = result.source;
        return result.symbol;
    }
    return interval + offset;
}

#endif
