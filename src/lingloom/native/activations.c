/* GELU in its tanh form and SwiGLU, forward and backward, over bf16 and float32.
 *
 * Twins: torch's own functions, see models/activations.py. All arithmetic is float32; bf16 is read
 * and rounded (to nearest, ties to even) at the ends. With s(v) = 1 / (1 + exp(-v)):
 *
 *   gelu(x)   = x s(v), v = sqrt(8/pi) (x + 0.044715 x^3); the same as 0.5 x (1 + tanh(v/2))
 *   gelu'(x)  = s + x s (1 - s) v', v' = sqrt(8/pi) (1 + 3 * 0.044715 x^2)
 *   swiglu    = g s(g) u; its gradients: by g  u s (1 + g (1 - s)), by u  g s
 *
 * Sources: Hendrycks and Gimpel 2016 (GELU), section 2; Shazeer 2020 (GLU variants), equation 6.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "floats.h"

/* x brought into -limit..limit; nan becomes a limit. In whole numbers, because gcc splits a loop
 * with float comparisons in three and computes each part. */
INLINE float within(float x, float limit) {
    uint32_t bits = to_bits(x), size = bits & 0x7fffffff, most = to_bits(limit);
    return from_bits((size < most ? size : most) | (bits & 0x80000000));
}

#define ROOT 1.59576912f /* sqrt(8 / pi) */
#define CUBE 0.044715f

/* Beyond 9.98 the sigmoid of v is 0 or 1 in float32, and the derivative with it; of what is not
 * finite the derivative is nan. */
INLINE float gelu(float x) {
    float t = within(x, 9.98f);
    return x / (1.0f + exp_minus(ROOT * (t + CUBE * t * t * t)));
}

INLINE float gelu_slope(float x) {
    float t = within(x, 9.98f), square = t * t;
    float e = exp_minus(ROOT * (t + CUBE * square * t)), s = 1.0f / (1.0f + e);
    return s + t * s * (e * s) * (ROOT + 3 * ROOT * CUBE * square) + 0.0f * x;
}

#define KERNELS(NAME, TYPE)                                                                        \
    /* y[i] = gelu(x[i]) */                                                                        \
    CLONES void lingloom_gelu_##NAME(const TYPE *restrict x, TYPE *restrict y, int64_t n) {        \
        for (int64_t i = 0; i < n; i++) y[i] = write_##NAME(gelu(read_##NAME(x[i])));              \
    }                                                                                              \
                                                                                                   \
    /* dx[i] = dy[i] gelu'(x[i]) */                                                                \
    CLONES void lingloom_gelu_back_##NAME(const TYPE *restrict x, const TYPE *restrict dy,         \
                                          TYPE *restrict dx, int64_t n) {                          \
        for (int64_t i = 0; i < n; i++)                                                            \
            dx[i] = write_##NAME(read_##NAME(dy[i]) * gelu_slope(read_##NAME(x[i])));              \
    }                                                                                              \
                                                                                                   \
    /* Rows of x (rows, 2 width) hold g and u side by side; y (rows, width) */                     \
    CLONES void lingloom_swiglu_##NAME(const TYPE *restrict x, TYPE *restrict y, int64_t rows,     \
                                       int64_t width) {                                            \
        for (int64_t row = 0; row < rows; row++, x += 2 * width, y += width)                       \
            for (int64_t i = 0; i < width; i++) {                                                  \
                float g = read_##NAME(x[i]), u = read_##NAME(x[width + i]);                        \
                y[i] = write_##NAME(g / (1.0f + exp_minus(within(g, 87.0f))) * u);                 \
            }                                                                                      \
    }                                                                                              \
                                                                                                   \
    /* dx (rows, 2 width) holds the gradients by g and u side by side */                           \
    CLONES void lingloom_swiglu_back_##NAME(const TYPE *restrict x, const TYPE *restrict dy,       \
                                            TYPE *restrict dx, int64_t rows, int64_t width) {      \
        for (int64_t row = 0; row < rows; row++, x += 2 * width, dx += 2 * width, dy += width)     \
            for (int64_t i = 0; i < width; i++) {                                                  \
                float g = read_##NAME(x[i]), u = read_##NAME(x[width + i]), d = read_##NAME(dy[i]);\
                float e = exp_minus(within(g, 87.0f)), s = 1.0f / (1.0f + e);                      \
                dx[i] = write_##NAME(d * u * s * (1.0f + within(g, 87.0f) * e * s));               \
                dx[width + i] = write_##NAME(d * g * s);                                           \
            }                                                                                      \
    }

KERNELS(bf16, uint16_t)
KERNELS(f32, float)
