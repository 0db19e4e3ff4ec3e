/* Streams and tables of the rANS coder; sarcodec/native/streams.py declares the same structures. */
#ifndef SARCODEC_RANS_H
#define SARCODEC_RANS_H

#include "form.h"

#define LOWEST ((uint64_t)1 << 31) /* the state is never below it between symbols */

enum {
    PRECISION = 16, /* counts of a table sum to 2^16 */
    ESCAPE_BITS = 4,
    ESCAPE_MORE = 15,   /* a count of groups that goes on in the next four bits */
    ESCAPE_GROUPS = 8,  /* groups of four bits in the longest escape */
    LARGEST = 32767,    /* magnitude of a symbol */
    MOST_ENTRIES = 256  /* of a table */
};

/* What may have become of a stream that is read. */
enum { STREAM_FINE = 0, STREAM_ENDED = 1, STREAM_TOO_LARGE = 2 };

/* Probability tables. A row has `size` entries: cumulative counts modulo 2^16, so that the last one, 2^16, is 0. The
 * last interval is the escape symbol. */
typedef struct {
    const uint16_t *cdf;   /* rows x columns */
    const int32_t *size;   /* rows */
    const int32_t *offset; /* rows: symbol of the first interval */
    const uint8_t *first;  /* rows x 256: an interval at or below the one that has a state's bits 8..15 */
    int32_t rows, columns;
} rans_tables;

/* A stream that is read. */
typedef struct {
    const uint32_t *words;
    int64_t count; /* words */
    int64_t at;    /* the next word */
    uint64_t state;
    int32_t status;
} rans_source;

/* A stream that is written, from its last word to its first. */
typedef struct {
    uint32_t *words;
    int64_t capacity; /* words */
    int64_t used;     /* words at the end of `words` */
    uint64_t state;
} rans_sink;

/* Whether no entry outside of the tables can be read, and no interval stands for too large a symbol. */
static inline int sound(const rans_tables *tables) {
    int64_t row;
    for (row = 0; row < tables->rows; row++) {
        int32_t size = tables->size[row], offset = tables->offset[row];
        if (size < 3 || size > tables->columns || size > MOST_ENTRIES) return 0;
        if (offset < -LARGEST || offset > LARGEST - (size - 3)) return 0;
    }
    return 1;
}

#endif
