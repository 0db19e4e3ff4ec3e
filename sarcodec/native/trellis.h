/* The trellis: two quantisers and a machine of 256 states; sarcodec/native/trellis_code.py explains it. */
#ifndef SARCODEC_TRELLIS_H
#define SARCODEC_TRELLIS_H

#include "form.h"

enum {
    STATES = 256,
    SCALES = 64,     /* tables of one quantiser */
    MEAN_STEPS = 16, /* points are in sixteenths of a step */
    SHRUNK = 3,      /* magnitudes with a point of their own: 1, 2, and all beyond */
    MOST_SHRINK = 1 << 16,
    ODD_STATE = 0246, ODD_SYMBOL = 0171,
    QUANTISER_TAPS = 0236, PARITY_TAPS = 0145
};

static inline uint32_t parity(uint32_t bits) { return (uint32_t)__builtin_popcount(bits) & 1; }

/* The state after a symbol. */
static inline uint32_t onward(uint32_t state, int32_t symbol) {
    return state >> 1 ^ (ODD_STATE & (0u - (state & 1))) ^ (ODD_SYMBOL & (0u - ((uint32_t)symbol & 1)));
}

/* What a search keeps of a step. */
typedef struct {
    float cost[4];     /* of the best symbol of each quantiser and parity, number 2 * quantiser + parity */
    int32_t size[4];   /* the magnitude of that symbol */
    uint8_t odd[32];   /* a bit for each register's contents: whether the cheapest path came from odd contents */
} search_step;

_Static_assert(sizeof(search_step) == 64, "kernels.py takes 64 bytes for a step");

/* Whether no point overflows. */
static inline int small(const int32_t *shrink) {
    int32_t at;
    for (at = 0; at < 2 * SHRUNK; at++)
        if (shrink[at] < -MOST_SHRINK || shrink[at] > MOST_SHRINK) return 0;
    return 1;
}

/* Sixteenths of a step by which a magnitude of 0, 1, 2 and more lies nearer to zero than the quantiser's point; that of 0
 * makes its point 0. */
typedef struct {
    int32_t by[2][SHRUNK + 1];
} shrinkage;

static inline shrinkage shrinkage_of(const int32_t *shrink) {
    shrinkage made;
    int32_t quantiser, size;
    for (quantiser = 0; quantiser < 2; quantiser++) {
        made.by[quantiser][0] = -MEAN_STEPS * quantiser;
        for (size = 1; size <= SHRUNK; size++) made.by[quantiser][size] = shrink[quantiser * SHRUNK + size - 1];
    }
    return made;
}

/* What a symbol, at most 2^24 in magnitude, stands for under a quantiser, in sixteenths of a step. */
static inline int32_t point(int32_t symbol, uint32_t quantiser, const shrinkage *shrink) {
    int32_t size = symbol < 0 ? -symbol : symbol;
    int32_t away = MEAN_STEPS * (2 * size - (int32_t)quantiser) - shrink->by[quantiser][size < SHRUNK ? size : SHRUNK];
    return symbol < 0 ? -away : away;
}

#endif
