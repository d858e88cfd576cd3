/* Passes over a few rows of tables: what a step does with gradients that came row by row.
 *
 * Twins: train/rows.py. Each row is read and written once, by one thread: torch's own functions copy
 * the rows out and back, and wake other threads for each of them.
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "floats.h"

#define ADD(NAME, TYPE)                                                                            \
    /* total[rows[i]] += values[i], of each i in turn */                                           \
    CLONES void lingloom_rows_add_##NAME(float *total, const int64_t *rows, int64_t k,             \
                                         int64_t width, const TYPE *values) {                      \
        for (int64_t i = 0; i < k; i++) {                                                          \
            float *restrict to = total + rows[i] * width;                                          \
            const TYPE *restrict from = values + i * width;                                        \
            for (int64_t j = 0; j < width; j++) to[j] += read_##NAME(from[j]);                     \
        }                                                                                          \
    }

ADD(bf16, uint16_t)
ADD(f32, float)

/* total[r] = (total[r] + others[0][r] + ...) / divisor, others[..][r] = 0, of each r in rows (k,) */
CLONES void lingloom_rows_merge_f32(float *total, float *const *others, int64_t tables,
                                    const int64_t *rows, int64_t k, int64_t width, float divisor) {
    for (int64_t i = 0; i < k; i++) {
        float *restrict to = total + rows[i] * width;
        for (int64_t t = 0; t < tables; t++) {
            float *restrict from = others[t] + rows[i] * width;
            for (int64_t j = 0; j < width; j++) to[j] += from[j];
            memset(from, 0, (size_t)width * sizeof *from);
        }
        for (int64_t j = 0; j < width; j++) to[j] /= divisor;
    }
}

/* table[r] *= factor */
CLONES void lingloom_rows_scale_f32(float *table, const int64_t *rows, int64_t k, int64_t width,
                                    float factor) {
    for (int64_t i = 0; i < k; i++) {
        float *restrict row = table + rows[i] * width;
        for (int64_t j = 0; j < width; j++) row[j] *= factor;
    }
}

/* table[r] = 0 */
void lingloom_rows_clear_f32(float *table, const int64_t *rows, int64_t k, int64_t width) {
    for (int64_t i = 0; i < k; i++)
        memset(table + rows[i] * width, 0, (size_t)width * sizeof *table);
}

enum { LANES = 16 };

INLINE double squares_of(const float *row, int64_t width) {
    double lanes[LANES] = {0}, sum = 0;
    int64_t j = 0;
    for (; j + LANES <= width; j += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] += (double)row[j + l] * (double)row[j + l];
    for (; j < width; j++) sum += (double)row[j] * (double)row[j];
    for (int l = 0; l < LANES; l++) sum += lanes[l];
    return sum;
}

/* The sum of the squares of all numbers of the rows. */
CLONES double lingloom_rows_squares_f32(const float *table, const int64_t *rows, int64_t k,
                                        int64_t width) {
    double sum = 0;
    for (int64_t i = 0; i < k; i++) sum += squares_of(table + rows[i] * width, width);
    return sum;
}

/* squares[r] += mean of g[r]^2; w[r] -= lr g[r] / (sqrt(squares[r]) + eps) */
CLONES void lingloom_rows_adagrad_f32(float *w, const float *grad, float *squares,
                                      const int64_t *rows,
                                      int64_t k, int64_t width, float lr, float eps) {
    for (int64_t i = 0; i < k; i++) {
        const float *restrict g = grad + rows[i] * width;
        float *restrict to = w + rows[i] * width;
        float seen = squares[rows[i]] += (float)(squares_of(g, width) / (double)width);
        float step = -lr / (sqrtf(seen) + eps);
        for (int64_t j = 0; j < width; j++) to[j] += step * g[j];
    }
}
