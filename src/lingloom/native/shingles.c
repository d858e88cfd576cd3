/* Shingles of texts: hashed, MinHashed, compared and looked up. Twins: text/shingles.py,
   text/minhash.py, text/near.py, text/decontaminate.py; what a token and a hash are stands there. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

enum { LONGEST = 256, TILE = 1024 };
enum { SEPARATOR, WORD, MARK, IGNORED, ALONE };
#define LOWER(entry) ((entry) & 0x1fffff)
#define CLASS(entry) ((entry) >> 21 & 7)
#define IS_SPACE(entry) ((entry) >> 24 & 1)
#define IS_REMOVED(entry) ((entry) >> 25 & 1)
#define OFFSET 0xcbf29ce484222325u
#define PRIME 0x100000001b3u
#define BASE 0x9e3779b97f4a7c15u

struct stream {
    const uint8_t *at, *end;
    const uint32_t *table;
    int64_t size, tokens, slot;
    uint64_t sum, power, word;
    int chars, inside, space, ended;
    uint64_t ring[LONGEST];
};

static inline uint64_t mix(uint64_t x) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

static int fits(int64_t size) { return size >= 1 && size <= LONGEST; }

static void begin(struct stream *s, const uint8_t *at, int64_t bytes, const uint32_t *table,
                  int chars, int64_t size) {
    s->at = at, s->end = at + (bytes > 0 ? bytes : 0);
    s->table = table, s->chars = chars, s->size = size;
    s->tokens = s->slot = 0, s->sum = 0, s->word = OFFSET;
    s->inside = s->space = s->ended = 0;
    s->power = 1;
    for (int64_t i = 0; i < size; i++) s->power *= BASE;
    memset(s->ring, 0, (size_t)size * sizeof *s->ring);
}

/* One code point; a byte that begins none, or one that is cut off, counts as a separator. */
static inline uint32_t entry_of(struct stream *s) {
    const uint8_t *p = s->at;
    uint32_t c = *p;
    if (c < 0x80) {
        s->at = p + 1;
        return s->table[c];
    }
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    if (c < 0xc0 || s->end - p <= more) {
        s->at = p + 1;
        return SEPARATOR;
    }
    c &= 0x3f >> more;
    for (int i = 1; i <= more; i++) c = c << 6 | (p[i] & 0x3f);
    s->at = p + 1 + more;
    return c < 0x110000 ? s->table[c] : SEPARATOR;
}

/* Take one token in; one shingle more where there are enough of them. */
static inline int64_t push(struct stream *s, uint64_t token, uint64_t *out) {
    token = mix(token);
    s->sum = s->sum * BASE + token - s->ring[s->slot] * s->power;
    s->ring[s->slot] = token;
    s->slot = s->slot + 1 == s->size ? 0 : s->slot + 1;
    s->tokens++;
    *out = mix(s->sum);
    return s->tokens >= s->size;
}

static inline int64_t end_word(struct stream *s, uint64_t *out) {
    if (!s->inside) return 0;
    int64_t made = push(s, s->word, out);
    s->inside = 0, s->word = OFFSET;
    return made;
}

static inline int64_t step_words(struct stream *s, uint32_t entry, uint64_t *out) {
    uint32_t kind = CLASS(entry);
    int64_t made = 0;
    if (kind == IGNORED) return 0;
    if (kind == MARK && !s->inside) return 0;
    if (kind == SEPARATOR || kind == ALONE || (kind == WORD && s->inside == 2))
        made = end_word(s, out);
    if (kind == SEPARATOR) return made;
    s->word = (s->word ^ LOWER(entry)) * PRIME;
    if (kind != MARK) s->inside = kind == ALONE ? 2 : 1;
    return made;
}

static inline int64_t step_chars(struct stream *s, uint32_t entry, uint64_t *out) {
    if (IS_SPACE(entry)) {
        s->space = s->tokens > 0;
        return 0;
    }
    if (IS_REMOVED(entry)) return 0;
    int64_t made = 0;
    if (s->space) made = push(s, (OFFSET ^ ' ') * PRIME, out);
    s->space = 0;
    return made + push(s, (OFFSET ^ LOWER(entry)) * PRIME, out + made);
}

/* The next shingles, at most TILE of them; 0 when there are no more. `out` has room for TILE. */
static int64_t next(struct stream *s, uint64_t *out) {
    int64_t made = 0;
    while (s->at < s->end && made + 2 <= TILE) {
        uint32_t entry = entry_of(s);
        made += s->chars ? step_chars(s, entry, out + made) : step_words(s, entry, out + made);
    }
    if (s->at < s->end || s->ended) return made;
    made += end_word(s, out + made);
    s->ended = 1;
    if (s->tokens && s->tokens < s->size) out[made++] = mix(s->sum);
    return made;
}

/* counts (n): the shingles of each text; with `out`, also the shingles themselves, end to end. */
int64_t lingloom_shingles(const uint8_t *data, const int64_t *offsets, int64_t n,
                          const uint32_t *table, int64_t chars, int64_t size, int64_t *counts,
                          uint64_t *out, int64_t room) {
    struct stream s;
    uint64_t tile[TILE];
    int64_t total = 0, made;
    if (!fits(size)) return -1;
    for (int64_t i = 0; i < n; i++) {
        counts[i] = 0;
        begin(&s, data + offsets[i], offsets[i + 1] - offsets[i], table, chars != 0, size);
        while ((made = next(&s, tile)) > 0) {
            if (out && made > room - total) return -1;
            if (out) memcpy(out + total, tile, (size_t)made * sizeof *tile);
            total += made, counts[i] += made;
        }
    }
    return total;
}

/* Sixteen permutations at a time, so that their minima stay in registers. */
CLONES static void take_minima(const uint64_t *hashes, int64_t n, const uint32_t *a,
                               const uint32_t *b, int64_t k, uint32_t *signature) {
    for (int64_t from = 0; from < k; from += 16) {
        uint32_t best[16], times[16], plus[16];
        int width = k - from < 16 ? (int)(k - from) : 16;
        memset(best, 255, sizeof best);
        memset(times, 0, sizeof times);
        memset(plus, 255, sizeof plus);
        memcpy(best, signature + from, (size_t)width * sizeof *best);
        memcpy(times, a + from, (size_t)width * sizeof *times);
        memcpy(plus, b + from, (size_t)width * sizeof *plus);
        for (int64_t j = 0; j < n; j++) {
            uint32_t x = (uint32_t)hashes[j];
            for (int i = 0; i < 16; i++) {
                uint32_t value = times[i] * x + plus[i];
                best[i] = value < best[i] ? value : best[i];
            }
        }
        memcpy(signature + from, best, (size_t)width * sizeof *best);
    }
}

/* signatures (n, k): the least a[i] * hash + b[i] mod 2^32 over the shingles; all ones without. */
int64_t lingloom_minhash(const uint8_t *data, const int64_t *offsets, int64_t n,
                         const uint32_t *table, int64_t chars, int64_t size, const uint32_t *a,
                         const uint32_t *b, int64_t k, uint32_t *signatures) {
    struct stream s;
    uint64_t tile[TILE];
    int64_t made;
    if (!fits(size) || k < 0) return -1;
    memset(signatures, 255, (size_t)(n * k) * sizeof *signatures);
    for (int64_t i = 0; i < n; i++) {
        begin(&s, data + offsets[i], offsets[i + 1] - offsets[i], table, chars != 0, size);
        while ((made = next(&s, tile)) > 0) take_minima(tile, made, a, b, k, signatures + i * k);
    }
    return 0;
}

/* A set of hashes: open addressing, at most half full. 0 marks an empty place. */
struct set {
    uint64_t *places;
    int64_t room, held;
    int zero;
};

static int64_t place_of(const struct set *set, uint64_t hash) {
    int64_t at = (int64_t)(hash & (uint64_t)(set->room - 1));
    while (set->places[at] && set->places[at] != hash) at = (at + 1) & (set->room - 1);
    return at;
}

static int has(const struct set *set, uint64_t hash) {
    return hash ? set->places[place_of(set, hash)] == hash : set->zero;
}

static int grow(struct set *set) {
    struct set wider = {calloc((size_t)set->room * 2, sizeof(uint64_t)), set->room * 2, set->held,
                        set->zero};
    if (!wider.places) return -1;
    for (int64_t i = 0; i < set->room; i++)
        if (set->places[i]) wider.places[place_of(&wider, set->places[i])] = set->places[i];
    free(set->places);
    *set = wider;
    return 0;
}

/* 1: the hash is new; 0: it was there; -1: no memory. */
static int add(struct set *set, uint64_t hash) {
    if (!hash) {
        int fresh = !set->zero;
        set->zero = 1, set->held += fresh;
        return fresh;
    }
    int64_t at = place_of(set, hash);
    if (set->places[at]) return 0;
    set->places[at] = hash;
    if (++set->held * 2 > set->room && grow(set)) return -1;
    return 1;
}

/* A set that was large is made small again, lest each later text pays for clearing it. */
static int empty(struct set *set) {
    if (set->room > 16 * (set->held + TILE)) {
        free(set->places);
        set->room = TILE;
        set->places = malloc((size_t)set->room * sizeof(uint64_t));
        if (!set->places) return -1;
    }
    memset(set->places, 0, (size_t)set->room * sizeof(uint64_t));
    set->held = 0, set->zero = 0;
    return 0;
}

/* The distinct shingles of a text into `set`; how many of them `other` has, or -1. */
static int64_t collect(struct set *set, const struct set *other, struct stream *s) {
    uint64_t tile[TILE];
    int64_t made, both = 0;
    if (empty(set)) return -1;
    while ((made = next(s, tile)) > 0)
        for (int64_t i = 0; i < made; i++) {
            int fresh = add(set, tile[i]);
            if (fresh < 0) return -1;
            if (fresh && other) both += has(other, tile[i]);
        }
    return both;
}

/* texts (pairs, 2), bytes (pairs, 2): where the two texts of each pair are and how long; pairs
   with one left text should follow each other, its set is then made once. -1: no memory. */
int64_t lingloom_jaccard(const uint8_t *const *texts, const int64_t *bytes, int64_t pairs,
                         const uint32_t *table, int64_t chars, int64_t size, double *out) {
    struct set left = {calloc(TILE, sizeof(uint64_t)), TILE, 0, 0};
    struct set right = {calloc(TILE, sizeof(uint64_t)), TILE, 0, 0};
    struct stream s;
    int64_t both = left.places && right.places && fits(size) ? 0 : -1;
    for (int64_t i = 0; i < pairs && both >= 0; i++) {
        const uint8_t *const *text = texts + 2 * i;
        const int64_t *length = bytes + 2 * i;
        if (!i || text[0] != text[-2] || length[0] != length[-2]) {
            begin(&s, text[0], length[0], table, chars != 0, size);
            if (collect(&left, NULL, &s) < 0) both = -1;
        }
        begin(&s, text[1], length[1], table, chars != 0, size);
        if (both >= 0) both = collect(&right, &left, &s);
        int64_t either = left.held + right.held - both;
        out[i] = both > 0 ? (double)both / (double)either : 0.0;
    }
    free(left.places);
    free(right.places);
    return both < 0 ? -1 : 0;
}

/* Look the shingles of each text up among `grams` (sorted). Grams whose top bits (hash - low) >>
   shift are b stand at starts[b]..starts[b + 1]; b >= buckets has none.
   hits, shingles (n): how many shingles are found, and are there; owners_hit (n): `owners` of those
   found, or'ed. */
int64_t lingloom_lookup(const uint8_t *data, const int64_t *offsets, int64_t n,
                        const uint32_t *table, int64_t chars, int64_t size, const uint64_t *grams,
                        const uint64_t *owners, const int64_t *starts, int64_t buckets,
                        uint64_t low, int64_t shift, int64_t *hits, int64_t *shingles,
                        uint64_t *owners_hit) {
    struct stream s;
    uint64_t tile[TILE];
    int64_t made;
    if (!fits(size) || shift < 0 || shift > 63) return -1;
    for (int64_t i = 0; i < n; i++) {
        hits[i] = shingles[i] = 0, owners_hit[i] = 0;
        begin(&s, data + offsets[i], offsets[i + 1] - offsets[i], table, chars != 0, size);
        while ((made = next(&s, tile)) > 0) {
            shingles[i] += made;
            for (int64_t j = 0; j < made; j++) {
                uint64_t bucket = (tile[j] - low) >> shift;
                if (bucket >= (uint64_t)buckets) continue;
                int64_t at = starts[bucket], end = starts[bucket + 1];
                while (at < end && grams[at] < tile[j]) at++;
                if (at < end && grams[at] == tile[j]) hits[i]++, owners_hit[i] |= owners[at];
            }
        }
    }
    return 0;
}
