/* Cross-entropy of rows of scores, and its gradient in their place, over bf16 and float32.
 *
 * Twin: train/objectives/row_costs.py. Arithmetic is float32, sums of more than BLOCK numbers are
 * double; bf16 is read and rounded (to nearest, ties to even) at the ends. With m the largest score
 * x of a row and z = sum exp(x - m), target t, V scores and smoothing e:
 *
 *   cost     = log z - (1 - e) (x_t - m) - e (mean x - m)
 *   gradient = exp(x_i - m) / z - e / V - (1 - e) [i = t]
 *
 * Source of the smoothed target: Szegedy et al. 2016 (Rethinking the Inception Architecture),
 * section 7.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "floats.h"

enum { LANES = 16, BLOCK = 1024, OUTSIDE = 1 };

/* Whole numbers in the order of floats, and back: gcc makes vectors of their comparisons. */
INLINE int32_t turned(int32_t bits) { return bits ^ (int32_t)((uint32_t)(bits >> 31) & 0x7fffffff); }

/* exp(x - most) for x up to `most`; exp(-87) where it is smaller still, and for nan. */
INLINE float share(float x, float most) {
    uint32_t below = to_bits(most - x), limit = 0x42ae0000; /* 87 */
    return exp_minus(from_bits(below < limit ? below : limit));
}

#define KERNELS(NAME, TYPE)                                                                        \
    /* The largest of n scores. */                                                                 \
    INLINE float most_of_##NAME(const TYPE *x, int64_t n) {                                        \
        int32_t most = INT32_MIN;                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                          \
            int32_t next = turned((int32_t)to_bits(read_##NAME(x[i])));                            \
            most = next > most ? next : most;                                                      \
        }                                                                                          \
        return from_bits((uint32_t)turned(most));                                                  \
    }                                                                                              \
                                                                                                   \
    /* Add the sums of n scores x, and of exp(x - most). */                                        \
    INLINE void sum_##NAME(const TYPE *x, int64_t n, float most, double *plain, double *shares) {  \
        for (int64_t begin = 0; begin < n; begin += BLOCK) {                                       \
            int64_t i = begin, end = n - begin < BLOCK ? n : begin + BLOCK;                        \
            float sum[LANES] = {0}, all[LANES] = {0};                                              \
            for (; i + LANES <= end; i += LANES)                                                   \
                for (int j = 0; j < LANES; j++) {                                                  \
                    float score = read_##NAME(x[i + j]);                                           \
                    all[j] += score, sum[j] += share(score, most);                                 \
                }                                                                                  \
            for (int j = 0; i < end; i++, j++)                                                     \
                all[j] += read_##NAME(x[i]), sum[j] += share(read_##NAME(x[i]), most);             \
            for (int j = 0; j < LANES; j++) *plain += all[j], *shares += sum[j];                   \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    /* Costs (rows) of `targets` under scores x (rows, vocab). With `slopes` the gradient takes    \
     * the place of x, and is added over the rows to d_bias (vocab) if that is not NULL. A row     \
     * with a score that is not finite costs nan, and so does its gradient. Not 0: a target is     \
     * outside the vocabulary. */                                                                  \
    CLONES int64_t lingloom_row_costs_##NAME(TYPE *restrict x, const int64_t *restrict targets,    \
                                             float *restrict costs, int64_t rows, int64_t vocab,   \
                                             float smoothing, int64_t slopes,                      \
                                             float *restrict d_bias) {                             \
        for (int64_t row = 0; row < rows; row++, x += vocab) {                                     \
            int64_t target = targets[row];                                                         \
            if (target < 0 || target >= vocab) return OUTSIDE;                                     \
            double plain = 0, shares = 0;                                                          \
            float most = most_of_##NAME(x, vocab), own = read_##NAME(x[target]);                   \
            sum_##NAME(x, vocab, most, &plain, &shares);                                           \
            double mean = plain / (double)vocab - most; /* nan or infinite if any score is */      \
            costs[row] = (float)(log_above_one(shares) - (1 - (double)smoothing) * (own - most) -  \
                                 smoothing * mean);                                                \
            if (!slopes) continue;                                                                 \
            float scale = (float)(1 / shares + 0 * mean), even = smoothing / (float)vocab;         \
            float at_target = share(own, most) * scale - even - (1 - smoothing);                   \
            if (d_bias) {                                                                          \
                for (int64_t i = 0; i < vocab; i++) {                                              \
                    float slope = share(read_##NAME(x[i]), most) * scale - even;                   \
                    d_bias[i] += slope, x[i] = write_##NAME(slope);                                \
                }                                                                                  \
                d_bias[target] -= 1 - smoothing;                                                   \
            } else                                                                                 \
                for (int64_t i = 0; i < vocab; i++)                                                \
                    x[i] = write_##NAME(share(read_##NAME(x[i]), most) * scale - even);            \
            x[target] = write_##NAME(at_target);                                                   \
        }                                                                                          \
        return 0;                                                                                  \
    }

KERNELS(bf16, uint16_t)
KERNELS(f32, float)
