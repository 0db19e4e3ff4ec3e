/* The cheapest path through the trellis, by Viterbi's algorithm. Its twin is in reference/trellis.py, and both give the
 * same symbols: every sum is of two floats, in one order. */
#include "kernels.h"
#include "vectors.h"

enum { HALF = STATES / 2, GROUPS = HALF / LANES, MOST_PLACES = 1 << 16 };

#define FARTHEST 8388608.0f /* steps: residuals beyond are taken for this one; up to it, points are exact */

enum { STEP = sizeof(search_step) / 4 }; /* floats or integers from one step to the next */

/* Squared distance of `value` to the point of a magnitude, and its price. */
static inline floats cost_of(floats value, ints size, int32_t quantiser, const float *nearer, floats price) {
    ints twice = i_add(i_add(size, size), i_all(-quantiser));
    floats off = f_sub(value, f_sub(f_from(twice), f_four(nearer, i_min(size, i_all(SHRUNK)))));
    return f_add(f_mul(off, off), price);
}

/* Costs and magnitudes of `lanes` steps; LANES are written. */
static inline void branches(const float *residual, const uint8_t *scale, int64_t lanes, float nearer[2][SHRUNK + 1],
                            const float *prices, int32_t places, search_step *steps) {
    float values[LANES] = {0};
    int32_t rows[LANES] = {0}, quantiser, odd, lane;
    floats value, costs[4];
    ints sizes[4];
    for (lane = 0; lane < lanes; lane++) {
        values[lane] = residual[lane];
        rows[lane] = scale[lane] * 2 * places;
    }
    value = f_min(f_abs(f_load(values)), f_all(FARTHEST));
    for (quantiser = 0; quantiser < 2; quantiser++)
        for (odd = 0; odd < 2; odd++) {
            /* Points of this parity are 4 steps apart, from 0, 2, 3 or 1 steps on. The nearest is not always the
             * cheapest: the next one toward zero may be. */
            ints place = i_max(i_round(f_mul(f_sub(value, f_all((float)(2 * odd - quantiser))), f_all(0.25f))), i_all(0));
            ints near = i_add(i_add(place, place), i_all(odd)), below = i_max(i_add(near, i_all(-2)), i_all(odd));
            ints row = i_add(i_load(rows), i_all((quantiser * SCALES * 2 + odd) * places));
            floats at_near, at_below;
            f_gather_pairs(prices, i_add(row, i_min(place, i_all(places - 1))), &at_below, &at_near);
            at_near = cost_of(value, near, quantiser, nearer[quantiser], at_near);
            at_below = cost_of(value, below, quantiser, nearer[quantiser], at_below);
            sizes[2 * quantiser + odd] = i_where_less(at_below, at_near, below, near);
            costs[2 * quantiser + odd] = f_min(at_below, at_near);
        }
    f_store_fours(steps->cost, STEP, costs);
    i_store_fours(steps->size, STEP, sizes);
}

/* Go on from each register's contents: 2 n and 2 n + 1 lead to n and n + HALF, each by an odd symbol to one of them and
 * by an even one to the other, and have one quantiser, so that two costs are all that four branches have. Which two
 * depends on parities of bits of n: those of a lane are in `branch`, which has them flipped in four ways, one for each
 * parity of the bits of a group of lanes. */
static inline void butterfly(const float *total, float *next, search_step *step, const ints branch[4]) {
    floats cost[4];
    int flip, group;
    for (flip = 0; flip < 4; flip++) cost[flip] = f_four(step->cost, branch[flip]);
#pragma GCC unroll 32
    for (group = 0; group < GROUPS; group++) {
        const uint32_t low = 2u * (uint32_t)group * LANES;
        const uint32_t turn = 2 * parity(low & QUANTISER_TAPS) + parity(low & PARITY_TAPS);
        floats a = f_load(total + low), b = f_load(total + low + LANES);
        floats even = f_even(a, b), odd = f_odd(a, b);
        floats stay = f_add(even, cost[turn]), come = f_add(odd, cost[turn ^ 1]);
        floats leave = f_add(even, cost[turn ^ 1]), go = f_add(odd, cost[turn]);
        put_less(step->odd, group, come, stay);
        f_store(next + group * LANES, f_min(come, stay));
        put_less(step->odd, GROUPS + group, go, leave);
        f_store(next + HALF + group * LANES, f_min(go, leave));
    }
}

/* The register's contents where the cheapest path from `start` ends. */
static uint32_t cheapest(search_step *steps, int64_t count, uint32_t start) {
    float total[2][STATES];
    int32_t lanes[LANES];
    int64_t step;
    uint32_t contents, flip, best = 0;
    ints branch[4];
    for (flip = 0; flip < 4; flip++) {
        for (contents = 0; contents < LANES; contents++)
            lanes[contents] = (int32_t)(flip ^ (2 * parity(2 * contents & QUANTISER_TAPS)
                                                + parity(2 * contents & PARITY_TAPS)));
        branch[flip] = i_load(lanes);
    }
    for (contents = 0; contents < STATES; contents++) total[0][contents] = __builtin_inff();
    total[0][start] = 0;
    for (step = 0; step < count; step++) butterfly(total[step & 1], total[~step & 1], steps + step, branch);
    for (contents = 1; contents < STATES; contents++)
        if (total[count & 1][contents] < total[count & 1][best]) best = contents;
    return best;
}

/* Symbols on the path of least squared error and price, the table of each, and what it stands for.
 *   residual  n, latents less their means, in quantiser steps
 *   scale     n, below SCALES
 *   shrink    2 x SHRUNK, sixteenths of a step
 *   prices    2 * SCALES x 2 x places x 2: by table, parity of a magnitude and half of it, in squared steps, of the
 *             magnitude less 2 and of itself; the last place is that of all beyond
 *   symbols, rows, values  n
 *   steps     `room` of them: n or piece + ahead, whichever is less, and 16 more
 *   piece, ahead  steps that are decided together, and steps beyond that are looked at */
EXPORT int32_t NAME(trellis_search)(const float *residual, const uint8_t *scale, int64_t n, const int32_t *shrink,
                                    const float *prices, int32_t places, int32_t *symbols, uint16_t *rows,
                                    int32_t *values, search_step *steps, int64_t room, int64_t piece, int64_t ahead) {
    const shrinkage shrunk = shrinkage_of(shrink);
    float nearer[2][SHRUNK + 1]; /* the same in steps */
    int64_t first, step, at, longest = n < piece + ahead ? n : piece + ahead;
    uint32_t contents = 0, start = 0;
    int32_t quantiser, size;
    if (room < longest + LANES || piece < 1 || ahead < 0 || places < 1 || places > MOST_PLACES) return NO_ROOM;
    if (!small(shrink)) return NO_TABLE;
    for (at = 0; at < n; at++)
        if (scale[at] >= SCALES) return NO_TABLE;
    for (quantiser = 0; quantiser < 2; quantiser++)
        for (size = 0; size <= SHRUNK; size++) nearer[quantiser][size] = (float)shrunk.by[quantiser][size] / MEAN_STEPS;
    for (first = 0; first < n; first += piece) {
        int64_t count = n - first < longest ? n - first : longest, decided = n - first < piece ? n - first : piece;
        for (step = 0; step < count; step += LANES)
            branches(residual + first + step, scale + first + step, count - step < LANES ? count - step : LANES,
                     nearer, prices, places, steps + step);
        contents = cheapest(steps, count, start);
        for (step = count - 1; step >= 0; step--) {
            uint32_t before = 2 * (contents % HALF) + (steps[step].odd[contents / 8] >> contents % 8 & 1);
            if (step == decided - 1) start = contents;
            if (step < decided) {
                uint32_t odd = (contents >= HALF) ^ parity(before & PARITY_TAPS);
                quantiser = (int32_t)parity(before & QUANTISER_TAPS);
                size = steps[step].size[2 * quantiser + (int32_t)odd];
                at = first + step;
                symbols[at] = residual[at] >= 0 ? size : -size;
                rows[at] = (uint16_t)(scale[at] + SCALES * quantiser);
                values[at] = point(symbols[at], (uint32_t)quantiser, &shrunk);
            }
            contents = before;
        }
    }
    return FINE;
}
