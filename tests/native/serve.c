/* Kernels as a program: it reads calls from standard input and answers on standard output, under an emulator for example.
 *
 * A call is a kernel's number, the lengths of its buffers in bytes, and what they hold; the last buffer has its numbers,
 * int64. An answer is the result and all buffers as they are then. tests/testing/emulated.py has the other end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { RANS_WRITE, RANS_READ, TRELLIS_READ, TRELLIS_SEARCH, GATHER, SCATTER,
       LOGARITHMS_F32, LOGARITHMS_F64, POWERS_F32, POWERS_F64, LAPPED_SYNTHESIS, LAPPED_ANALYSIS, BUFFERS = 12 };

static void must(int right) {
    if (!right) exit(3);
}

static int64_t call(int64_t kernel, void **b, int64_t *n) {
    rans_tables tables = {b[0], b[1], b[2], b[3], (int32_t)n[0], (int32_t)n[1]};
    rans_source source = {b[4], n[3], n[4], (uint64_t)n[5], (int32_t)n[6]};
    rans_sink sink = {b[4], n[3], n[4], (uint64_t)n[5]};
    int64_t result;
    switch (kernel) {
        case RANS_WRITE:
            result = NAME(rans_write)(&sink, &tables, b[5], b[6], n[2]);
            n[4] = sink.used;
            n[5] = (int64_t)sink.state;
            return result;
        case RANS_READ:
        case TRELLIS_READ:
            result = kernel == RANS_READ ? NAME(rans_read)(&source, &tables, b[5], n[2], b[6])
                                         : NAME(trellis_read)(&source, &tables, b[5], n[2], b[6], b[7]);
            n[4] = source.at;
            n[5] = (int64_t)source.state;
            n[6] = source.status;
            return result;
        case TRELLIS_SEARCH:
            return NAME(trellis_search)(b[0], b[1], n[0], b[2], b[3], (int32_t)n[1], b[4], b[5], b[6], b[7], n[2], n[3],
                                        n[4]);
        case GATHER:
            return NAME(gather)(n[3] ? b[0] : 0, b[1], b[2], n[0], n[1], n[3] ? b[3] : 0, b[4], n[2]);
        case SCATTER:
            return NAME(scatter)(b[0], n[0], b[1], n[1], n[2], b[2]);
        case LOGARITHMS_F32:
            return NAME(logarithms_f32)(b[0], n[0], *(double *)b[2], b[1]);
        case LOGARITHMS_F64:
            return NAME(logarithms_f64)(b[0], n[0], *(double *)b[2], b[1]);
        case POWERS_F32:
            return NAME(powers_f32)(b[0], n[0], *(double *)b[2], b[1]);
        case POWERS_F64:
            return NAME(powers_f64)(b[0], n[0], *(double *)b[2], b[1]);
        case LAPPED_SYNTHESIS:
            return NAME(lapped_synthesis)(b[0], n[0], n[1], b[1], b[2], b[3], b[4]);
        case LAPPED_ANALYSIS:
            return NAME(lapped_analysis)(b[0], n[0], n[1], b[1], b[2], b[3], b[4]);
        default:
            exit(4);
    }
}

int main(void) {
    int64_t head[2]; /* kernel, number of buffers */
    while (fread(head, sizeof head, 1, stdin)) {
        void *buffers[BUFFERS] = {0};
        int64_t lengths[BUFFERS], at, result;
        must(head[1] >= 1 && head[1] <= BUFFERS);
        must(fread(lengths, sizeof *lengths, (size_t)head[1], stdin) == (size_t)head[1]);
        for (at = 0; at < head[1]; at++) {
            buffers[at] = malloc(lengths[at] ? (size_t)lengths[at] : 1);
            must(buffers[at] != 0);
            must(fread(buffers[at], 1, (size_t)lengths[at], stdin) == (size_t)lengths[at]);
        }
        result = call(head[0], buffers, buffers[head[1] - 1]);
        must(fwrite(&result, sizeof result, 1, stdout) == 1);
        for (at = 0; at < head[1]; at++) {
            must(fwrite(buffers[at], 1, (size_t)lengths[at], stdout) == (size_t)lengths[at]);
            free(buffers[at]);
        }
        fflush(stdout);
    }
    return 0;
}
