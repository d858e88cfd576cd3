/* Dropout whose choice follows from a key, the number of the call and the place of each number, so
 * that any thread can draw it at any time, and the backward pass can draw it again.
 *
 * Twin: models/dropout.py. Numbers are drawn by Philox 4x32 with 10 rounds, a function of a counter
 * of 128 bits and a key of 64, whose answer's 128 bits decide on eight places, 16 bits each. The
 * places are taken in tiles of 8 * LANES: word w of lane l holds those of 2 * (w * LANES + l) and
 * the next, the low half first. Lane l of tile t has the counter (t * LANES + l, 0, call, 0), whose
 * first two words are one number.
 *
 * Source: Salmon et al. 2011 (Parallel Random Numbers: As Easy as 1, 2, 3), section 3.3.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "floats.h"

#define LANES 32
#define TILE (8 * LANES)

/* The words w[i][l] of LANES counters that follow each other, from (block, call). */
INLINE void philox(uint64_t key, uint64_t block, uint32_t call, uint32_t w[4][LANES]) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int l = 0; l < LANES; l++) { /* block is a multiple of LANES, so nothing is carried */
        w[0][l] = (uint32_t)block + (uint32_t)l;
        w[1][l] = (uint32_t)(block >> 32);
        w[2][l] = call;
        w[3][l] = 0;
    }
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int l = 0; l < LANES; l++) {
            uint64_t a = (uint64_t)0xD2511F53u * w[0][l], b = (uint64_t)0xCD9E8D57u * w[2][l];
            uint32_t w1 = w[1][l], w3 = w[3][l];
            w[0][l] = (uint32_t)(b >> 32) ^ w1 ^ k0;
            w[1][l] = (uint32_t)b;
            w[2][l] = (uint32_t)(a >> 32) ^ w3 ^ k1;
            w[3][l] = (uint32_t)a;
        }
}

/* y[i] = x[i] * scale where 16 drawn bits are least or more, else 0; y may be x. */
#define KERNEL(NAME, TYPE)                                                                         \
    CLONES void lingloom_dropout_##NAME(const TYPE *x, TYPE *y, int64_t n, uint64_t key,           \
                                        uint32_t call, uint32_t least, float scale) {              \
        for (int64_t start = 0; start < n; start += TILE) {                                        \
            uint32_t w[4][LANES];                                                                  \
            TYPE in[TILE], out[TILE];                                                              \
            size_t size = (size_t)(n - start < TILE ? n - start : TILE) * sizeof(TYPE);            \
            if (size < sizeof in) memset(in, 0, sizeof in);                                        \
            memcpy(in, x + start, size);                                                           \
            philox(key, (uint64_t)start / 8, call, w);                                             \
            const uint32_t *word = &w[0][0];                                                       \
            for (int i = 0; i < TILE; i++) {                                                       \
                uint32_t drawn = (word[i / 2] >> (16 * (i & 1))) & 0xffff;                         \
                float kept = drawn < least ? 0.0f : scale;                                         \
                out[i] = write_##NAME(read_##NAME(in[i]) * kept);                                  \
            }                                                                                      \
            memcpy(y + start, out, size);                                                          \
        }                                                                                          \
    }

KERNEL(bf16, uint16_t)
KERNEL(f32, float)
