/* Skip-gram with words drawn by chance: the cost of rows of text, and its gradients.
 *
 * Twin: train/objectives/around.py, `_rows`. All arithmetic is float32, the cost is summed in
 * double. Of a row everything is gathered once into memory that fits the second-level cache; then
 * every place meets the words around it one by one, and the words drawn by chance in blocks, as
 * products of matrices.
 *
 * Sources: Mikolov et al. 2013b (Distributed Representations of Words and Phrases), equation 4; Ji
 * et al. 2016 (Parallelizing Word2Vec in Shared and Distributed Memory), section 3.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "floats.h"

enum { LANES = 16, BLOCK = 16, MOST_WINDOW = 100, OUTSIDE = -1, NO_MEMORY = -2 };

typedef float Lanes __attribute__((vector_size(64), aligned(4)));

typedef struct {
    const float *embed, *output;
    int64_t vocab, width;
} Tables;

/* One row: `places` of text and `drawn` words. Gradients may be NULL all three. */
typedef struct {
    const int64_t *ids, *place, *reach, *chance;
    int64_t places, drawn, window;
    float negatives;
    float *d_read, *d_around, *d_drawn;
} Row;

/* Room for one row; vectors are padded with zeros to `stride` numbers, words drawn to `most`. */
typedef struct {
    int64_t stride, most;
    float *read, *d_read;             /* of places that look at some word, (places, stride) */
    float *around, *d_around;         /* (places, stride) */
    float *drawn, *turned, *d_drawn;  /* (most, stride), (stride, most), (most, stride) */
    float *scores;                    /* (BLOCK, most) */
    float *weight;                    /* (places) */
    int64_t *active;                  /* (places) */
    float *all;
} Room;

static int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

static int make_room(Room *room, int64_t places, int64_t drawn, int64_t width) {
    int64_t stride = padded(width), most = padded(drawn), wide = places * stride, few = most * stride;
    room->stride = stride, room->most = most;
    int64_t numbers = 4 * wide + 3 * few + BLOCK * most + padded(places);
    room->all = aligned_alloc(64, (size_t)(padded(numbers) * 4 + padded(places) * 8));
    if (!room->all) return 0;
    float *at = room->all;
    room->read = at, at += wide;
    room->d_read = at, at += wide;
    room->around = at, at += wide;
    room->d_around = at, at += wide;
    room->drawn = at, at += few;
    room->turned = at, at += few;
    room->d_drawn = at, at += few;
    room->scores = at, at += BLOCK * most;
    room->weight = at, at += padded(places);
    room->active = (int64_t *)(room->all + padded(numbers));
    return 1;
}

/* Each of `n` scores, at most 64, becomes 1 / (1 + exp(-score)) times `weight`; the sum of their
 * log(1 + exp(score)). */
INLINE double tell(float *score, int n, float weight) {
    float sum = 0, product[LANES];
    for (int j = 0; j < LANES; j++) product[j] = 1;
    for (int i = 0; i < n; i += LANES)
        for (int j = 0; j < LANES; j++) {
            float s = score[i + j];
            uint32_t bits = to_bits(s) & 0x7fffffff, most = 0x42ae0000; /* |s|, 87 */
            float size = from_bits(bits < most ? bits : most), e = exp_minus(size);
            float one = 1 / (1 + e), above = s < 0 ? 0 : s; /* nan stays */
            uint32_t sign = (uint32_t)((int32_t)to_bits(s) >> 31);         /* all ones below 0 */
            float p = from_bits((to_bits(e * one) & sign) | (to_bits(one) & ~sign));
            score[i + j] = p * weight;
            sum += above, product[j] *= 1 + e;
        }
    float factor = 1; /* at most 2^64 */
    for (int j = 0; j < LANES; j++) factor *= product[j];
    return (double)sum + log_above_one((double)factor);
}

/* c (rows, 16 vectors) += a (rows, depth) b (depth, 16 vectors); a's steps are `down`, `along`. */
INLINE void tile(float *c, int64_t c_step, const float *a, int64_t down, int64_t along,
                 const float *b, int64_t b_step, int rows, int vectors, int64_t depth) {
    Lanes sum[4][2];
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[i][v] = *(Lanes *)(c + i * c_step + v * LANES);
    for (int64_t k = 0; k < depth; k++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            Lanes right = *(const Lanes *)(b + k * b_step + v * LANES);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) sum[i][v] += a[i * down + k * along] * right;
        }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) *(Lanes *)(c + i * c_step + v * LANES) = sum[i][v];
}

/* c (rows, columns) += a (rows, depth) b (depth, columns); columns are a multiple of LANES. */
INLINE void add_product(float *c, int64_t c_step, const float *a, int64_t down, int64_t along,
                        const float *b, int64_t b_step, int64_t rows, int64_t columns,
                        int64_t depth) {
    for (int64_t j = 0; j < columns; j += 2 * LANES) {
        int64_t i = 0;
        if (j + 2 * LANES <= columns) {
            for (; i + 4 <= rows; i += 4)
                tile(c + i * c_step + j, c_step, a + i * down, down, along, b + j, b_step, 4, 2, depth);
            for (; i < rows; i++)
                tile(c + i * c_step + j, c_step, a + i * down, down, along, b + j, b_step, 1, 2, depth);
        } else {
            for (; i + 4 <= rows; i += 4)
                tile(c + i * c_step + j, c_step, a + i * down, down, along, b + j, b_step, 4, 1, depth);
            for (; i < rows; i++)
                tile(c + i * c_step + j, c_step, a + i * down, down, along, b + j, b_step, 1, 1, depth);
        }
    }
}

/* Whether place t looks at place u. */
INLINE int sees(const Row *row, int64_t t, int64_t u) {
    int64_t apart = row->place[t] - row->place[u];
    return apart != 0 && apart <= row->reach[t] && -apart <= row->reach[t];
}

/* Copy vectors of `table` with these ids, padded; 0 where an id is outside. */
static int take(float *to, int64_t stride, const float *table, const Tables *of, const int64_t *ids,
                int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= of->vocab) return 0;
        memcpy(to + i * stride, table + ids[i] * of->width, (size_t)of->width * 4);
        memset(to + i * stride + of->width, 0, (size_t)(stride - of->width) * 4);
    }
    return 1;
}

/* What place t, the p-th that looks at any, costs with the words around it; how many these are. */
INLINE int64_t meet(const Row *row, const Room *room, int64_t p, double *cost) {
    int64_t t = room->active[p], stride = room->stride, n = 0;
    int64_t first = t > row->window ? t - row->window : 0;
    int64_t last = t + row->window < row->places - 1 ? t + row->window : row->places - 1;
    const float *read = room->read + p * stride;
    float *d_read = room->d_read + p * stride, scores[2 * MOST_WINDOW + LANES];
    int64_t seen[2 * MOST_WINDOW];
    for (int64_t u = first; u <= last; u++) {
        if (!sees(row, t, u)) continue;
        const float *around = room->around + u * stride;
        Lanes sum = {0};
        for (int64_t c = 0; c < stride; c += LANES)
            sum += *(const Lanes *)(read + c) * *(const Lanes *)(around + c);
        float score = 0;
        for (int j = 0; j < LANES; j++) score += sum[j];
        scores[n] = -score, seen[n] = u, n++;
    }
    for (int64_t i = n; i < padded(n); i++) scores[i] = -87; /* costs nothing */
    for (int64_t i = 0; i < n; i += LANES) *cost += tell(scores + i, LANES, -1);
    if (!row->d_read) return n;
    for (int64_t i = 0; i < n; i++) {
        const float *around = room->around + seen[i] * stride;
        float *d_around = room->d_around + seen[i] * stride, slope = scores[i];
        for (int64_t c = 0; c < stride; c += LANES) {
            *(Lanes *)(d_read + c) += slope * *(const Lanes *)(around + c);
            *(Lanes *)(d_around + c) += slope * *(const Lanes *)(read + c);
        }
    }
    return n;
}

/* What places p to p + n, at most BLOCK, cost with the words drawn by chance. */
INLINE void tell_from_chance(const Row *row, const Room *room, int64_t p, int64_t n, double *cost) {
    int64_t stride = room->stride, most = room->most;
    const float *read = room->read + p * stride;
    memset(room->scores, 0, (size_t)(n * most) * 4);
    add_product(room->scores, most, read, stride, 1, room->turned, most, n, most, stride);
    for (int64_t i = 0; i < n; i++) {
        float *scores = room->scores + i * most, held[64], weight = room->weight[p + i];
        for (int64_t k = 0; k < row->drawn; k += 64) {
            int64_t size = row->drawn - k < 64 ? row->drawn - k : 64;
            if (size == 64) {
                *cost += weight * tell(scores + k, 64, weight);
                continue;
            }
            for (int64_t j = size; j < 64; j++) held[j] = -87;
            memcpy(held, scores + k, (size_t)size * 4);
            *cost += weight * tell(held, 64, weight);
            memcpy(scores + k, held, (size_t)size * 4);
        }
    }
    if (!row->d_read) return;
    add_product(room->d_read + p * stride, stride, room->scores, most, 1, room->drawn, stride, n, stride,
                row->drawn);
    add_product(room->d_drawn, stride, room->scores, 1, most, read, stride, row->drawn, stride, n);
}

/* Pairs of one row, or what is wrong; its cost is added. */
CLONES static int64_t compute(const Tables *of, const Row *row, const Room *room, double *cost) {
    int64_t stride = room->stride, most = room->most, n = 0, pairs = 0;
    if (!take(room->around, stride, of->output, of, row->ids, row->places)) return OUTSIDE;
    if (!take(room->drawn, stride, of->output, of, row->chance, row->drawn)) return OUTSIDE;
    memset(room->drawn + row->drawn * stride, 0, (size_t)((most - row->drawn) * stride) * 4);
    for (int64_t k = 0; k < most; k++)
        for (int64_t c = 0; c < stride; c++) room->turned[c * most + k] = room->drawn[k * stride + c];
    memset(room->d_around, 0, (size_t)(row->places * stride) * 4);
    memset(room->d_drawn, 0, (size_t)(most * stride) * 4);
    for (int64_t t = 0; t < row->places; t++) {
        if (row->reach[t] <= 0) continue;
        room->active[n] = t;
        take(room->read + n * stride, stride, of->embed, of, row->ids + t, 1);
        n++;
    }
    memset(room->d_read, 0, (size_t)(n * stride) * 4);
    for (int64_t p = 0; p < n; p++) {
        int64_t met = meet(row, room, p, cost);
        room->weight[p] = row->negatives * (float)met / (float)row->drawn;
        pairs += met;
    }
    for (int64_t p = 0; p < n; p += BLOCK)
        tell_from_chance(row, room, p, n - p < BLOCK ? n - p : BLOCK, cost);
    if (!row->d_read) return pairs;
    size_t bytes = (size_t)of->width * 4;
    memset(row->d_read, 0, (size_t)row->places * bytes);
    for (int64_t p = 0; p < n; p++)
        memcpy(row->d_read + room->active[p] * of->width, room->d_read + p * stride, bytes);
    for (int64_t t = 0; t < row->places; t++)
        memcpy(row->d_around + t * of->width, room->d_around + t * stride, bytes);
    for (int64_t k = 0; k < row->drawn; k++)
        memcpy(row->d_drawn + k * of->width, room->d_drawn + k * stride, bytes);
    return pairs;
}

/* Pairs of a word and one around it in `rows` rows, whose cost is written; or OUTSIDE where an id
 * is none of the `vocab`, NO_MEMORY.
 *
 * embed, output (vocab, width); ids, place, reach (rows, places); chance (rows, drawn); d_read,
 * d_around (rows, places, width) and d_drawn (rows, drawn, width): gradients by the embed vectors
 * of ids, by their output vectors, and by those of the words drawn; NULL where none is wanted.
 */
int64_t lingloom_around_f32(const float *embed, const float *output, int64_t vocab, int64_t width,
                        const int64_t *ids, const int64_t *place, const int64_t *reach,
                        const int64_t *chance, int64_t rows, int64_t places, int64_t drawn, int64_t window,
                        double negatives, float *d_read, float *d_around, float *d_drawn, double *cost) {
    *cost = 0;
    if (width < 1 || places < 1 || drawn < 1 || window < 1 || window > MOST_WINDOW) return OUTSIDE;
    Tables of = {embed, output, vocab, width};
    Room room;
    if (!make_room(&room, places, drawn, width)) return NO_MEMORY;
    int64_t pairs = 0;
    for (int64_t r = 0; r < rows && pairs >= 0; r++) {
        Row row = {ids + r * places, place + r * places, reach + r * places, chance + r * drawn,
                   places, drawn, window, (float)negatives, NULL, NULL, NULL};
        if (d_read) {
            row.d_read = d_read + r * places * width;
            row.d_around = d_around + r * places * width;
            row.d_drawn = d_drawn + r * drawn * width;
        }
        int64_t found = compute(&of, &row, &room, cost);
        pairs = found < 0 ? found : pairs + found;
    }
    free(room.all);
    return pairs;
}
