/* The lapped pair: an image to coefficients of 16 x 16 blocks, and the way back. Its twins are in reference/lapped.py and
 * give the same floats: products are rounded before they are added, and every sum has one order.
 *
 * Of h x w blocks the image has a margin of half a block on each side: it is 16 h + 16 high and 16 w + 16 wide. A basis has
 * 16 functions of 32 samples. Coefficients are h x w x 16 x 16, by function of rows and of columns. */
#include "kernels.h"
#include "vectors.h"

enum { BLOCK = 16, SUPPORT = 32, SIDE_BY_SIDE = 4, PARTS = BLOCK / LANES };

/* Four rows of 16 sums. */
typedef struct {
    floats of[SIDE_BY_SIDE][PARTS];
} sums;

static inline sums zeros(void) {
    sums made;
    int k, part;
#pragma GCC unroll 4
    for (k = 0; k < SIDE_BY_SIDE; k++)
#pragma GCC unroll 4
        for (part = 0; part < PARTS; part++) made.of[k][part] = f_all(0);
    return made;
}

/* Row k of the sums grows by values[k * step] times 16 samples of `basis`. */
static inline void add(sums *to, const float *values, int64_t step, const float *basis) {
    int k, part;
#pragma GCC unroll 4
    for (k = 0; k < SIDE_BY_SIDE; k++) {
        const floats value = f_all(values[k * step]);
#pragma GCC unroll 4
        for (part = 0; part < PARTS; part++)
            to->of[k][part] = f_add(to->of[k][part], f_mul(value, f_load(basis + part * LANES)));
    }
}

/* a + b, row k to out + k * step. */
static inline void store_sum(float *out, int64_t step, const sums *a, const sums *b) {
    int k, part;
#pragma GCC unroll 4
    for (k = 0; k < SIDE_BY_SIDE; k++)
#pragma GCC unroll 4
        for (part = 0; part < PARTS; part++)
            f_store(out + k * step + part * LANES, f_add(a->of[k][part], b->of[k][part]));
}

/* Coefficients of a row of `w` blocks along the columns: 16 rows of 16 w + 16 samples. */
static void spread(const float *coefficients, int64_t w, const float *cols, float *pieces) {
    const int64_t wide = BLOCK * (w + 1);
    int64_t u, j;
    int v;
    for (u = 0; u < BLOCK; u += SIDE_BY_SIDE) {
        sums right = zeros();
        for (j = 0; j <= w; j++) {
            const sums before = right;
            sums left = zeros();
            right = zeros();
            if (j < w) {
                const float *own = coefficients + (j * BLOCK + u) * BLOCK;
                for (v = 0; v < BLOCK; v++) add(&left, own + v, BLOCK, cols + v * SUPPORT);
                for (v = 0; v < BLOCK; v++) add(&right, own + v, BLOCK, cols + v * SUPPORT + BLOCK);
            }
            store_sum(pieces + u * wide + j * BLOCK, wide, &left, &before);
        }
    }
}

/* Coefficients to an image.
 *   coefficients  h x w x 16 x 16
 *   rows, cols    16 x 32
 *   room          2 x 16 x (16 w + 16)
 *   image         (16 h + 16) x (16 w + 16) */
EXPORT int32_t NAME(lapped_synthesis)(const float *coefficients, int64_t h, int64_t w, const float *rows,
                                      const float *cols, float *room, float *image) {
    const int64_t wide = BLOCK * (w + 1);
    int64_t i, at;
    int r, u;
    if (h < 1 || w < 1) return NO_ROOM;
    for (i = 0; i <= h; i++) {
        float *here = room + (i & 1) * BLOCK * wide, *above = room + (~i & 1) * BLOCK * wide;
        if (i < h) spread(coefficients + i * w * BLOCK * BLOCK, w, cols, here);
        for (at = 0; at < wide; at += BLOCK)
            for (r = 0; r < BLOCK; r += SIDE_BY_SIDE) {
                sums upper = zeros(), lower = zeros();
                if (i < h)
                    for (u = 0; u < BLOCK; u++) add(&upper, rows + u * SUPPORT + r, 1, here + u * wide + at);
                if (i > 0)
                    for (u = 0; u < BLOCK; u++) add(&lower, rows + u * SUPPORT + BLOCK + r, 1, above + u * wide + at);
                store_sum(image + (BLOCK * i + r) * wide + at, wide, &upper, &lower);
            }
    }
    return FINE;
}

/* An image to coefficients.
 *   image              (16 h + 16) x (16 w + 16)
 *   rows               16 x 32
 *   samples_of_cols    32 x 16: the basis of columns, transposed
 *   room               16 x (16 w + 16)
 *   coefficients       h x w x 16 x 16 */
EXPORT int32_t NAME(lapped_analysis)(const float *image, int64_t h, int64_t w, const float *rows,
                                     const float *samples_of_cols, float *room, float *coefficients) {
    const int64_t wide = BLOCK * (w + 1);
    const sums none = zeros();
    int64_t i, j, at;
    int u, s;
    if (h < 1 || w < 1) return NO_ROOM;
    for (i = 0; i < h; i++) {
        for (at = 0; at < wide; at += BLOCK)
            for (u = 0; u < BLOCK; u += SIDE_BY_SIDE) {
                sums found = zeros();
                for (s = 0; s < SUPPORT; s++)
                    add(&found, rows + u * SUPPORT + s, SUPPORT, image + (BLOCK * i + s) * wide + at);
                store_sum(room + u * wide + at, wide, &found, &none);
            }
        for (j = 0; j < w; j++)
            for (u = 0; u < BLOCK; u += SIDE_BY_SIDE) {
                sums found = zeros();
                for (s = 0; s < SUPPORT; s++)
                    add(&found, room + u * wide + BLOCK * j + s, wide, samples_of_cols + s * BLOCK);
                store_sum(coefficients + ((i * w + j) * BLOCK + u) * BLOCK, BLOCK, &found, &none);
            }
    }
    return FINE;
}
