/* Latents of a group as they follow each other in a stream: position by position, all channels of one before the
 * next. Their twins are in reference/order.py. */
#include <string.h>

#include "kernels.h"

enum {
    RUN = 16,      /* positions that are gone through side by side: a line of the cache */
    CHANNELS = 256 /* channels of a position that a kernel keeps */
};

typedef struct {
    const float *values;
    const uint8_t *scale, *coded;
    int64_t channels, positions;
    float *values_out;
    uint8_t *scale_out;
    int64_t room, total;
} gathering;

/* Append the coded latents of `run` positions from `at` on, of the channels `from` to `end`, at most CHANNELS; 0 if there
 * is no room for them. `run` is a constant where this is called. */
static inline int append(gathering *g, int64_t at, const int run, int64_t from, int64_t end) {
    float kept[RUN][CHANNELS];
    uint8_t kept_scale[RUN][CHANNELS];
    int32_t found[RUN] = {0};
    int64_t channel;
    int step;
    for (channel = from; channel < end; channel++) {
        int64_t here = channel * g->positions + at;
#pragma GCC unroll 16
        for (step = 0; step < run; step++) { /* written in any case, and overwritten if not coded */
            if (g->values) kept[step][found[step]] = g->values[here + step];
            kept_scale[step][found[step]] = g->scale[here + step];
            found[step] += g->coded[here + step] & 1;
        }
    }
    for (step = 0; step < run; step++) {
        if (found[step] > g->room - g->total) return 0;
        if (g->values) memcpy(g->values_out + g->total, kept[step], (size_t)found[step] * sizeof(float));
        memcpy(g->scale_out + g->total, kept_scale[step], (size_t)found[step]);
        g->total += found[step];
    }
    return 1;
}

/* Values and scales of coded latents in the stream's order; their number, or -1 if there is no room for them.
 *   values                 channels x positions; may be null, and then `values_out` is not written
 *   scale, coded           channels x positions, `coded` of 0 and 1
 *   values_out, scale_out  `room` each */
EXPORT int64_t NAME(gather)(const float *values, const uint8_t *scale, const uint8_t *coded, int64_t channels,
                            int64_t positions, float *values_out, uint8_t *scale_out, int64_t room) {
    gathering g = {values, scale, coded, channels, positions, values_out, scale_out, room, 0};
    int64_t at = 0, from;
    if (channels <= CHANNELS)
        for (; at + RUN <= positions; at += RUN)
            if (!append(&g, at, RUN, 0, channels)) return -1;
    for (; at < positions; at++)
        for (from = 0; from < channels; from += CHANNELS)
            if (!append(&g, at, 1, from, channels - from < CHANNELS ? channels : from + CHANNELS)) return -1;
    return g.total;
}

/* The way back for `run` positions from `at` on, of which values from `total` on are the first; the number of those
 * behind them, or -1 if there are not so many. */
static inline int64_t spread(const int32_t *values, int64_t n, const uint8_t *coded, int64_t channels,
                             int64_t positions, int64_t at, const int run, int64_t total, int32_t *out) {
    int32_t count[RUN] = {0};
    int64_t next[RUN], channel;
    int step;
    for (channel = 0; channel < channels; channel++)
#pragma GCC unroll 16
        for (step = 0; step < run; step++) count[step] += coded[channel * positions + at + step] & 1;
    for (step = 0; step < run; step++) {
        next[step] = total;
        total += count[step];
    }
    if (total > n) return -1;
    for (channel = 0; channel < channels; channel++) {
        int64_t here = channel * positions + at;
#pragma GCC unroll 16
        for (step = 0; step < run; step++) {
            int32_t is_coded = coded[here + step] & 1;
            out[here + step] = values[next[step] < n ? next[step] : n - 1] & -is_coded;
            next[step] += is_coded;
        }
    }
    return total;
}

/* Values in the stream's order to where they belong; 0 where a latent is not coded.
 *   values  n
 *   coded   channels x positions, of 0 and 1, n of them 1
 *   out     channels x positions */
EXPORT int32_t NAME(scatter)(const int32_t *values, int64_t n, const uint8_t *coded, int64_t channels,
                             int64_t positions, int32_t *out) {
    int64_t at = 0, total = 0, place;
    if (n < 1) {
        for (place = 0; place < channels * positions; place++) {
            if (coded[place] & 1) return NO_ROOM;
            out[place] = 0;
        }
        return FINE;
    }
    for (; at + RUN <= positions && total >= 0; at += RUN)
        total = spread(values, n, coded, channels, positions, at, RUN, total, out);
    for (; at < positions && total >= 0; at++)
        total = spread(values, n, coded, channels, positions, at, 1, total, out);
    return total == n ? FINE : NO_ROOM;
}
