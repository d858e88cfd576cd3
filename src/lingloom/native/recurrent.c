/* The pointwise part of a step of the LSTM with peepholes, forward and backward, over bf16 and
 * float32; the matrix products of a step are torch's.
 *
 * Twin: Peephole.step in models/recurrent.py, and LSTM.step where the peepholes p are zero. All
 * arithmetic is float32; bf16 is read and rounded (to nearest, ties to even) at the ends. Per number,
 * with z the sums W x + U h + b of the four gates and s(v) = 1 / (1 + exp(-v)):
 *
 *   i = s(zi + pi c)    f = s(zf + pf c)    g = tanh(zg)
 *   c' = f c + i g      o = s(zo + po c')   h = o tanh(c')
 *
 * Source: Gers et al. 2002 (Learning precise timing with LSTM recurrent networks), section 3.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "floats.h"

/* x brought into -limit..limit; nan stays nan. In whole numbers, because gcc splits a loop with
 * float comparisons. */
INLINE float limited(float x, float limit) {
    uint32_t bits = to_bits(x), size = bits & 0x7fffffff, most = to_bits(limit);
    uint32_t kept = size < most || size > 0x7f800000 ? size : most;
    return from_bits(kept | (bits & 0x80000000));
}

INLINE float sigmoid(float v) { return 1.0f / (2.0f + exp_minus_one(limited(v, 87.0f))); }

/* Beyond 10 it is 1 in float32. */
INLINE float hyperbolic(float v) {
    float m = exp_minus_one(2.0f * limited(v, 10.0f));
    return -m / (2.0f + m);
}

/* x where kept is all ones, 0 where it is 0: without control flow, which gcc leaves a loop for. */
INLINE float where(uint32_t kept, float x) { return from_bits(to_bits(x) & kept); }

/* Of one step, B rows of C = width numbers. z (B, 4C) holds zi, zf, zg, zo side by side; peep (3, C)
 * pi, pf, po; fresh (B) says which rows begin with c = 0, and may be null; c, next and h (B, C). */
#define KERNELS(NAME, TYPE)                                                                        \
    CLONES void lingloom_lstm_##NAME(const TYPE *restrict z, const TYPE *restrict c,               \
                                     const TYPE *restrict peep, const uint8_t *restrict fresh,     \
                                     TYPE *restrict next, TYPE *restrict h, int64_t rows,          \
                                     int64_t width) {                                              \
        const TYPE *zf = z + width, *zg = zf + width, *zo = zg + width;                            \
        const TYPE *pf = peep + width, *po = pf + width;                                           \
        for (int64_t row = 0; row < rows; row++) {                                                 \
            uint32_t kept = fresh && fresh[row] ? 0 : ~(uint32_t)0;                                \
            for (int64_t j = 0; j < width; j++) {                                                  \
                int64_t at = row * width + j, gate = row * 4 * width + j;                          \
                float old = where(kept, read_##NAME(c[at]));                                       \
                float i = sigmoid(read_##NAME(z[gate]) + read_##NAME(peep[j]) * old);              \
                float f = sigmoid(read_##NAME(zf[gate]) + read_##NAME(pf[j]) * old);               \
                next[at] = write_##NAME(f * old + i * hyperbolic(read_##NAME(zg[gate])));          \
                float new = read_##NAME(next[at]); /* as the way back will see it */               \
                float o = sigmoid(read_##NAME(zo[gate]) + read_##NAME(po[j]) * new);               \
                h[at] = write_##NAME(o * hyperbolic(new));                                         \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    /* The gradient by h comes in two parts: dy from above, dh from the step behind. dc (B, C) is  \
     * that by next, and becomes that by c; dz (B, 4C) is filled; dpeep (3, C) is added to. */     \
    CLONES void lingloom_lstm_back_##NAME(                                                         \
        const TYPE *restrict z, const TYPE *restrict c, const TYPE *restrict peep,                 \
        const uint8_t *restrict fresh, const TYPE *restrict next, const TYPE *restrict dy,         \
        const TYPE *restrict dh, float *restrict dc, TYPE *restrict dz, float *restrict dpeep,     \
        int64_t rows, int64_t width) {                                                             \
        for (int64_t row = 0; row < rows; row++) {                                                 \
            uint32_t kept = fresh && fresh[row] ? 0 : ~(uint32_t)0;                                \
            for (int64_t j = 0; j < width; j++) {                                                  \
                int64_t at = row * width + j, gi = row * 4 * width + j;                            \
                int64_t gf = gi + width, gg = gf + width, go = gg + width;                         \
                int64_t jf = j + width, jo = jf + width;                                           \
                float old = where(kept, read_##NAME(c[at])), new = read_##NAME(next[at]);          \
                float pi = read_##NAME(peep[j]), pf = read_##NAME(peep[jf]);                       \
                float po = read_##NAME(peep[jo]);                                                  \
                float i = sigmoid(read_##NAME(z[gi]) + pi * old);                                  \
                float f = sigmoid(read_##NAME(z[gf]) + pf * old);                                  \
                float g = hyperbolic(read_##NAME(z[gg]));                                          \
                float o = sigmoid(read_##NAME(z[go]) + po * new), seen = hyperbolic(new);          \
                float by_h = read_##NAME(dy[at]) + read_##NAME(dh[at]);                            \
                float by_o = by_h * seen * (o * (1.0f - o));                                       \
                float by_c = dc[at] + by_h * o * (1.0f - seen * seen) + by_o * po;                 \
                float by_i = by_c * g * (i * (1.0f - i));                                          \
                float by_f = by_c * old * (f * (1.0f - f));                                        \
                dc[at] = where(kept, by_c * f + by_i * pi + by_f * pf);                            \
                dz[gi] = write_##NAME(by_i);                                                       \
                dz[gf] = write_##NAME(by_f);                                                       \
                dz[gg] = write_##NAME(by_c * i * (1.0f - g * g));                                  \
                dz[go] = write_##NAME(by_o);                                                       \
                dpeep[j] += by_i * old;                                                            \
                dpeep[jf] += by_f * old;                                                           \
                dpeep[jo] += by_o * new;                                                           \
            }                                                                                      \
        }                                                                                          \
    }

KERNELS(bf16, uint16_t)
KERNELS(f32, float)
