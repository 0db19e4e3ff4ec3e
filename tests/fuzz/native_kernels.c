/* libFuzzer's way into the C kernels: any bytes become their arguments, in arrays of exactly the length that is told.
 *
 * Built by fuzz/native.py together with the kernels of one form, under AddressSanitizer and UndefinedBehaviorSanitizer.
 * Tables are hostile as often as not: what Python checks before is left out here. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { LANES_MOST = 16 };

typedef struct {
    const uint8_t *data;
    size_t size;
} input;

static uint32_t take(input *in, size_t bytes) {
    uint32_t value = 0;
    size_t taken = in->size < bytes ? in->size : bytes;
    memcpy(&value, in->data, taken);
    in->data += taken;
    in->size -= taken;
    return value;
}

/* Exactly so many bytes: one byte beyond them is seen. */
static void *room_for(size_t bytes) {
    void *made = malloc(bytes);
    if (bytes && !made) abort();
    return made;
}

/* An array of its own, so that a step beyond its end is seen; its bytes are those of the input, over and over. */
static void *array(input *in, size_t bytes) {
    uint8_t *made = room_for(bytes);
    size_t at;
    for (at = 0; at < bytes; at++) made[at] = in->size ? in->data[at % in->size] : 0;
    if (in->size) {
        size_t used = bytes < in->size ? bytes : in->size;
        in->data += used;
        in->size -= used;
    }
    return made;
}

typedef struct {
    rans_tables tables;
    uint16_t *cdf;
    int32_t *size, *offset;
    uint8_t *first;
} owned_tables;

/* Tables with the right lengths. With `valid`, counts increase and sizes fit, as Python makes sure. */
static owned_tables tables_of(input *in, int32_t rows, int valid) {
    owned_tables made;
    int32_t columns = 1 + (int32_t)(take(in, 1) % 40), row, at;
    if (valid && columns < 3) columns = 3;
    made.cdf = array(in, sizeof(uint16_t) * (size_t)rows * (size_t)columns);
    made.size = array(in, sizeof(int32_t) * (size_t)rows);
    made.offset = array(in, sizeof(int32_t) * (size_t)rows);
    made.first = array(in, 256 * (size_t)rows);
    for (row = 0; row < rows; row++) {
        if (!valid) { /* near the ends of the range as well */
            if (made.size[row] & 1) made.size[row] = made.size[row] % (columns + 3);
            if (made.offset[row] & 1) made.offset[row] %= 70000;
            continue;
        }
        made.size[row] = 3 + (int32_t)((uint32_t)made.size[row] % (uint32_t)(columns - 2));
        made.offset[row] %= 200;
        for (at = 0; at < made.size[row]; at++)
            made.cdf[row * columns + at] =
                at + 1 == made.size[row] ? 0 : (uint16_t)(at * (1 + made.cdf[row * columns] % 1000));
        memset(made.first + 256 * row, 0, 256);
    }
    made.tables = (rans_tables){made.cdf, made.size, made.offset, made.first, rows, columns};
    return made;
}

static void give_back(owned_tables *made) {
    free(made->cdf);
    free(made->size);
    free(made->offset);
    free(made->first);
}

static void read_symbols(input *in, int with_trellis) {
    uint32_t how = take(in, 1);
    int64_t n = take(in, 2) % 700, words = take(in, 1), at;
    owned_tables made = tables_of(in, with_trellis && how & 2 ? 128 : 1 + (int32_t)(take(in, 1) % 130), how & 1);
    int32_t *shrink = array(in, sizeof(int32_t) * 2 * SHRUNK), *out = room_for(sizeof(int32_t) * (size_t)n);
    uint16_t *rows = array(in, sizeof(uint16_t) * (size_t)n);
    uint8_t *scale = array(in, (size_t)n);
    uint32_t *stream = array(in, sizeof(uint32_t) * (size_t)words);
    rans_source source = {stream, words, 0, ((uint64_t)take(in, 4) << 32) | take(in, 4), STREAM_FINE};
    if (how & 4) source.state |= LOWEST;
    for (at = 0; how & 8 && at < n; at++) rows[at] %= (uint16_t)made.tables.rows, scale[at] %= SCALES;
    for (at = 0; how & 16 && at < 2 * SHRUNK; at++) shrink[at] %= 17;
    if (with_trellis)
        NAME(trellis_read)(&source, &made.tables, scale, n, shrink, out);
    else
        NAME(rans_read)(&source, &made.tables, rows, n, out);
    if (source.at < 0 || source.at > words) abort();
    free(shrink), free(out), free(rows), free(scale), free(stream);
    give_back(&made);
}

static void write_symbols(input *in) {
    uint32_t how = take(in, 1);
    int64_t n = take(in, 2) % 700, room = take(in, 1), at;
    owned_tables made = tables_of(in, 1 + (int32_t)(take(in, 1) % 130), how & 1);
    int32_t *symbols = array(in, sizeof(int32_t) * (size_t)n);
    uint16_t *rows = array(in, sizeof(uint16_t) * (size_t)n);
    uint32_t *stream = room_for(sizeof(uint32_t) * (size_t)room);
    rans_sink sink = {stream, room, 0, LOWEST};
    for (at = 0; how & 8 && at < n; at++) rows[at] %= (uint16_t)made.tables.rows;
    for (at = 0; how & 2 && at < n; at++) symbols[at] %= LARGEST + 1;
    NAME(rans_write)(&sink, &made.tables, symbols, rows, n);
    if (sink.used < 0 || sink.used > room) abort();
    free(symbols), free(rows), free(stream);
    give_back(&made);
}

static void search(input *in) {
    uint32_t how = take(in, 1);
    int64_t n = take(in, 2) % 700, piece = 1 + take(in, 1), ahead = take(in, 1), at;
    int64_t room = (n < piece + ahead ? n : piece + ahead) + LANES_MOST - (how & 1);
    int32_t places = 1 + (int32_t)(take(in, 1) % 70);
    float *residual = array(in, sizeof(float) * (size_t)n);
    uint8_t *scale = array(in, (size_t)n);
    int32_t *shrink = array(in, sizeof(int32_t) * 2 * SHRUNK);
    float *prices = array(in, sizeof(float) * 2 * SCALES * 2 * (size_t)places * 2);
    int32_t *symbols = room_for(sizeof(int32_t) * (size_t)n), *values = room_for(sizeof(int32_t) * (size_t)n);
    uint16_t *rows = room_for(sizeof(uint16_t) * (size_t)n);
    search_step *steps = room_for(sizeof(search_step) * (size_t)(room > 0 ? room : 0));
    for (at = 0; how & 8 && at < n; at++) scale[at] %= SCALES;
    for (at = 0; how & 16 && at < 2 * SHRUNK; at++) shrink[at] %= 17;
    NAME(trellis_search)(residual, scale, n, shrink, prices, places, symbols, rows, values, steps, room, piece, ahead);
    free(residual), free(scale), free(shrink), free(prices), free(symbols), free(values), free(rows), free(steps);
}

static void order(input *in) {
    uint32_t how = take(in, 1);
    int64_t channels = take(in, 2) % 600, positions = take(in, 1) % 70, n = take(in, 2) % 3000, at;
    size_t cells = (size_t)(channels * positions);
    float *values = array(in, sizeof(float) * cells), *values_out = room_for(sizeof(float) * (size_t)n);
    uint8_t *scale = array(in, cells), *coded = array(in, cells), *scale_out = room_for((size_t)n);
    int32_t *numbers = array(in, sizeof(int32_t) * (size_t)n), *out = room_for(sizeof(int32_t) * cells);
    for (at = 0; how & 2 && at < (int64_t)cells; at++) coded[at] &= 1;
    NAME(gather)(how & 1 ? values : 0, scale, coded, channels, positions, how & 1 ? values_out : 0, scale_out, n);
    NAME(scatter)(numbers, n, coded, channels, positions, out);
    free(values), free(values_out), free(scale), free(coded), free(scale_out), free(numbers), free(out);
}

static void decibels(input *in) {
    int64_t n = take(in, 2) % 300;
    uint32_t bits[2] = {take(in, 4), take(in, 4)};
    double factor, *doubles = array(in, sizeof(double) * (size_t)n), *made = room_for(sizeof(double) * (size_t)n);
    float *floats_ = array(in, sizeof(float) * (size_t)n), *out = room_for(sizeof(float) * (size_t)n);
    memcpy(&factor, bits, sizeof factor);
    NAME(logarithms_f32)(floats_, n, factor, out);
    NAME(logarithms_f64)(doubles, n, factor, out);
    NAME(powers_f32)(floats_, n, factor, out);
    NAME(powers_f64)(floats_, n, factor, made);
    free(doubles), free(made), free(floats_), free(out);
}

static void lapped(input *in) {
    int64_t h = take(in, 1) % 4, w = take(in, 1) % 5;
    size_t image_size = sizeof(float) * 256 * (size_t)((h + 1) * (w + 1)), size = sizeof(float) * 256 * (size_t)(h * w);
    size_t basis = sizeof(float) * 16 * 32, line = sizeof(float) * 256 * (size_t)(w + 1);
    float *coefficients = array(in, size), *rows = array(in, basis), *cols = array(in, basis);
    float *image = room_for(image_size), *room = room_for(2 * line), *shorter = room_for(line), *back = room_for(size);
    memset(image, 0, image_size);
    NAME(lapped_synthesis)(coefficients, h, w, rows, cols, room, image);
    NAME(lapped_analysis)(image, h, w, rows, cols, shorter, back);
    free(coefficients), free(rows), free(cols), free(image), free(room), free(shorter), free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    switch (take(&in, 1) % 7) {
        case 0: read_symbols(&in, 0); break;
        case 1: read_symbols(&in, 1); break;
        case 2: write_symbols(&in); break;
        case 3: search(&in); break;
        case 4: decibels(&in); break;
        case 5: lapped(&in); break;
        default: order(&in);
    }
    return 0;
}
