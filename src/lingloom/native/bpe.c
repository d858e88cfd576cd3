/* Byte-level BPE: UTF-8 text to token ids. What it must answer, and its twins, are in
   tokens/bytelevel.py; tokens/native_bpe.py owns all memory that outlives a call.

   A word is one match of the pattern WORDS. Inside it the pair of neighbours with the lowest rank is
   joined, the leftmost first, until no pair has a rank: short words by a search for the lowest of
   one array, longer ones by a heap. Characters that are sure to become one token begin as one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

enum { LETTER = 1, NUMBER = 2, SPACE = 4, BREAK = 8, UNKNOWN = 255 };
enum { KEPT_BYTES = 16, KEPT_IDS = 3, SHORT = 256 };
#define LOW_FIRST (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#define NO_RANK 0xFFFFFFu
#define NO_PAIR UINT64_MAX

typedef struct {
    uint64_t word[2]; /* padded with zeros */
    uint32_t ids[KEPT_IDS];
    uint8_t bytes, tokens; /* bytes == 0: empty */
} Kept; /* 32 bytes */

typedef struct {
    const uint8_t *classes;  /* of each code point below 0x110000 */
    const uint64_t *pairs;   /* left id << 44 | right id << 24 | rank; 1 << pair_bits slots */
    const uint32_t *joined;  /* id that the pair of each rank is joined to */
    const uint32_t *starts;  /* id + 1 that each code point below 0x10000 begins as; 0: its bytes */
    const uint32_t *byte_ids;
    Kept *kept; /* 1 << kept_bits pairs of words and their ids; the only part that is written to */
    int32_t pair_bits, kept_bits;
} Bpe;

typedef struct {
    const Bpe *bpe;
    const uint8_t *text;
    size_t end;      /* of this text */
    size_t readable; /* end of all texts */
    int64_t missing; /* a code point whose class is not known yet, or -1 */
} Scan;

/* ---- Pairs ------------------------------------------------------------------------------------ */

static inline uint64_t slot_of(uint64_t pair, int bits) {
    return (pair * 0x9E3779B97F4A7C15u) >> (64 - bits);
}

/* Fill `pairs`, 1 << bits slots of which at most half are taken. Of equal pairs the last counts. */
void bpe_pairs(const uint32_t *left, const uint32_t *right, int64_t count, uint64_t *pairs,
               int32_t bits) {
    uint64_t mask = ((uint64_t)1 << bits) - 1;
    memset(pairs, 0xFF, (mask + 1) * sizeof *pairs);
    for (int64_t rank = 0; rank < count; rank++) {
        uint64_t pair = (uint64_t)left[rank] << 20 | right[rank], slot = slot_of(pair, bits);
        while (pairs[slot] != NO_PAIR && pairs[slot] >> 24 != pair) slot = (slot + 1) & mask;
        pairs[slot] = pair << 24 | (uint64_t)rank;
    }
}

typedef struct {
    const uint64_t *slots;
    uint64_t mask;
    int bits;
} Pairs;

static inline Pairs pairs_of(const Bpe *bpe) {
    return (Pairs){bpe->pairs, ((uint64_t)1 << bpe->pair_bits) - 1, bpe->pair_bits};
}

static inline uint32_t rank_of(Pairs pairs, uint32_t left, uint32_t right) {
    uint64_t pair = (uint64_t)left << 20 | right;
    for (uint64_t slot = slot_of(pair, pairs.bits);; slot = (slot + 1) & pairs.mask) {
        uint64_t found = pairs.slots[slot];
        if (found >> 24 == pair) return found & 0xFFFFFF;
        if (found == NO_PAIR) return NO_RANK;
    }
}

/* ---- Words ------------------------------------------------------------------------------------ */

/* Class of the character at `at`; its bytes are added to `*next`. */
static inline int class_at(Scan *scan, size_t at, size_t *next) {
    const uint8_t *s = scan->text + at;
    size_t left = scan->end - at;
    uint32_t code = s[0];
    int bytes = 1;
    if (code >= 0xF0 && left >= 4) {
        code = (code & 7) << 18 | (s[1] & 63u) << 12 | (s[2] & 63u) << 6 | (s[3] & 63u), bytes = 4;
    } else if (code >= 0xE0 && left >= 3) {
        code = (code & 15) << 12 | (s[1] & 63u) << 6 | (s[2] & 63u), bytes = 3;
    } else if (code >= 0xC0 && left >= 2) {
        code = (code & 31) << 6 | (s[1] & 63u), bytes = 2;
    }
    *next = at + bytes;
    int found = code < 0x110000 ? scan->bpe->classes[code] : 0;
    if (found != UNKNOWN) return found;
    scan->missing = code;
    return 0;
}

static inline size_t after_letters(Scan *scan, size_t at) {
    size_t next;
    while (at < scan->end && class_at(scan, at, &next) & LETTER) at = next;
    return at;
}

/* End of (?i:'s|'t|'re|'ve|'m|'ll|'d) at the apostrophe `at`, or 0. */
static size_t after_contraction(const Scan *scan, size_t at) {
    const uint8_t *s = scan->text + at;
    size_t left = scan->end - at;
    if (left < 2) return 0;
    uint8_t one = s[1] | 32;
    if (s[1] < 0x80 && (one == 's' || one == 't' || one == 'm' || one == 'd')) return at + 2;
    if (left < 3) return 0;
    if (s[1] == 0xC5 && s[2] == 0xBF) return at + 3; /* U+017F is a lower-case s as well */
    uint8_t two = s[2] | 32;
    if (s[1] >= 0x80 || s[2] >= 0x80) return 0;
    if ((two == 'e' && (one == 'r' || one == 'v')) || (two == 'l' && one == 'l')) return at + 3;
    return 0;
}

static inline int is_break(uint8_t byte) { return byte == '\n' || byte == '\r'; }

/* White space from `at`: up to its last line break; without one, all but its last character, which
   goes with what follows. */
static size_t after_space(Scan *scan, size_t at) {
    size_t last = at, broken = 0, here = at, next;
    while (here < scan->end) {
        int class = class_at(scan, here, &next);
        if (!(class & SPACE)) break;
        if (class & BREAK) broken = next;
        last = here;
        here = next;
    }
    if (broken) return broken;
    return here == scan->end || last == at ? here : last;
}

/* End of the word that begins at `at` < end. */
static inline size_t after_word(Scan *scan, size_t at) {
    const uint8_t *text = scan->text;
    size_t next, second, end;
    if (text[at] == '\'' && (end = after_contraction(scan, at))) return end;
    int class = class_at(scan, at, &next);
    if (class & LETTER) return after_letters(scan, next);
    if (class & NUMBER) return next;
    int following = UNKNOWN;
    if (next < scan->end) following = class_at(scan, next, &second);
    if (following != UNKNOWN && following & LETTER && !(class & BREAK))
        return after_letters(scan, second);
    if (class && !(text[at] == ' ' && following == 0)) return after_space(scan, at);
    while (next < scan->end && class_at(scan, next, &second) == 0) next = second;
    while (next < scan->end && is_break(text[next])) next++;
    return next;
}

/* ---- Joining ---------------------------------------------------------------------------------- */

/* Ids that a word begins as; answers how many. */
static inline int first_ids(const Bpe *bpe, const uint8_t *word, size_t bytes, uint32_t *ids) {
    int count = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t code = word[at], start = 0;
        int size = 1;
        if (code >= 0xE0 && code < 0xF0 && at + 3 <= bytes) {
            start = bpe->starts[(code & 15) << 12 | (word[at + 1] & 63u) << 6 | (word[at + 2] & 63u)];
            size = 3;
        } else if (code >= 0xC0 && code < 0xE0 && at + 2 <= bytes) {
            start = bpe->starts[(code & 31) << 6 | (word[at + 1] & 63u)];
            size = 2;
        }
        if (start) ids[count++] = start - 1;
        else
            for (int i = 0; i < size; i++) ids[count++] = bpe->byte_ids[word[at + i]];
        at += size;
    }
    return count;
}

/* Ids of a word of 2 to SHORT bytes. A pair's key is its rank << 8 | its place, so that the lowest
   key is the leftmost pair of the lowest rank. */
WIDE static int64_t join_short(const Bpe *bpe, const uint8_t *word, int bytes, uint32_t *out) {
    uint32_t ids[SHORT + 1], keys[SHORT + 16];
    uint16_t after[SHORT + 1], before[SHORT + 1];
    const Pairs pairs = pairs_of(bpe);
    int count = first_ids(bpe, word, bytes, ids);
    int scanned = (count + 15) & ~15;
    for (int i = 0; i < count; i++) after[i] = i + 1, before[i] = i - 1;
    for (int i = 0; i < count - 1; i++) keys[i] = rank_of(pairs, ids[i], ids[i + 1]) << 8 | i;
    for (int i = count - 1; i < scanned; i++) keys[i] = UINT32_MAX;
    for (;;) {
        uint32_t lowest = UINT32_MAX;
        for (int i = 0; i < scanned; i++) lowest = keys[i] < lowest ? keys[i] : lowest;
        if (lowest >= NO_RANK << 8) break;
        int place = lowest & 255, gone = after[place], right = after[gone];
        uint32_t id = ids[place] = bpe->joined[lowest >> 8];
        after[place] = right;
        keys[gone] = keys[place] = UINT32_MAX;
        if (right < count) {
            before[right] = place;
            keys[place] = rank_of(pairs, id, ids[right]) << 8 | place;
        }
        if (place) {
            int left = before[place];
            keys[left] = rank_of(pairs, ids[left], id) << 8 | left;
        }
    }
    int64_t found = 0;
    for (int i = 0; i < count; i = after[i]) out[found++] = ids[i];
    return found;
}

typedef struct {
    uint64_t *keys; /* rank << 32 | place */
    size_t count;
} Heap;

static void push(Heap *heap, uint64_t key) {
    size_t at = heap->count++;
    for (; at && heap->keys[(at - 1) / 2] > key; at = (at - 1) / 2)
        heap->keys[at] = heap->keys[(at - 1) / 2];
    heap->keys[at] = key;
}

static uint64_t pop(Heap *heap) {
    uint64_t top = heap->keys[0], moved = heap->keys[--heap->count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < heap->count) {
        if (child + 1 < heap->count && heap->keys[child + 1] < heap->keys[child]) child++;
        if (heap->keys[child] >= moved) break;
        heap->keys[at] = heap->keys[child];
        at = child;
    }
    heap->keys[at] = moved;
    return top;
}

/* Ids of a word of 2 to 2**31 bytes; -1 if there is no memory (40 bytes for each of the word's). */
static int64_t join_long(const Bpe *bpe, const uint8_t *word, size_t bytes, uint32_t *out) {
    /* A place enters the heap once at the start, and at most twice with each join. */
    uint64_t *keys = malloc(bytes * (3 * sizeof *keys + 4 * sizeof(uint32_t)));
    if (!keys) return -1;
    uint32_t *ids = (uint32_t *)(keys + 3 * bytes), *ranks = ids + bytes;
    uint32_t *after = ranks + bytes, *before = after + bytes;
    uint32_t count = (uint32_t)first_ids(bpe, word, bytes, ids);
    const Pairs pairs = pairs_of(bpe);
    Heap heap = {keys, 0};
    for (uint32_t i = 0; i < count; i++) {
        after[i] = i + 1, before[i] = i - 1;
        ranks[i] = i + 1 < count ? rank_of(pairs, ids[i], ids[i + 1]) : NO_RANK;
        if (ranks[i] != NO_RANK) push(&heap, (uint64_t)ranks[i] << 32 | i);
    }
    while (heap.count) {
        uint64_t key = pop(&heap);
        uint32_t place = (uint32_t)key, rank = key >> 32;
        if (ranks[place] != rank) continue; /* a neighbour was joined to something else meanwhile */
        uint32_t gone = after[place], right = after[gone], id = ids[place] = bpe->joined[rank];
        after[place] = right;
        ranks[gone] = ranks[place] = NO_RANK;
        if (right < count) {
            before[right] = place;
            ranks[place] = rank_of(pairs, id, ids[right]);
            if (ranks[place] != NO_RANK) push(&heap, (uint64_t)ranks[place] << 32 | place);
        }
        if (place) {
            uint32_t left = before[place];
            ranks[left] = rank_of(pairs, ids[left], id);
            if (ranks[left] != NO_RANK) push(&heap, (uint64_t)ranks[left] << 32 | left);
        }
    }
    int64_t found = 0;
    for (uint32_t i = 0; i < count; i = after[i]) out[found++] = ids[i];
    free(keys);
    return found;
}

/* Ids of a word of 2 to KEPT_BYTES bytes, from the words kept if it is there; it is kept if not.
   `out` has room for KEPT_IDS more than the word's bytes. */
static inline int64_t join_kept(const Scan *scan, size_t at, int bytes, uint32_t *out) {
    const Bpe *bpe = scan->bpe;
    uint64_t word[2] = {0, 0};
    if (LOW_FIRST && at + KEPT_BYTES <= scan->readable) {
        memcpy(word, scan->text + at, KEPT_BYTES);
        if (bytes <= 8) word[0] &= ~UINT64_C(0) >> (64 - 8 * bytes), word[1] = 0;
        else word[1] &= ~UINT64_C(0) >> (128 - 8 * bytes);
    } else {
        memcpy(word, scan->text + at, bytes);
    }
    uint64_t hash = (word[0] ^ (uint64_t)bytes << 59) * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 32 ^ word[1]) * 0xD6E8FEB86659FD93u;
    Kept *kept = bpe->kept + 2 * (hash >> (64 - bpe->kept_bits));
    for (int i = 0; i < 2; i++)
        if (kept[i].word[0] == word[0] && kept[i].word[1] == word[1] && kept[i].bytes == bytes) {
            memcpy(out, kept[i].ids, sizeof kept->ids);
            return kept[i].tokens;
        }
    int64_t found = join_short(bpe, scan->text + at, bytes, out);
    if (found <= KEPT_IDS) {
        kept[1] = kept[0];
        memcpy(kept->word, word, sizeof word);
        memcpy(kept->ids, out, (size_t)found * sizeof *out);
        kept->bytes = (uint8_t)bytes, kept->tokens = (uint8_t)found;
    }
    return found;
}

static int64_t join(const Scan *scan, size_t at, size_t bytes, uint32_t *out) {
    const Bpe *bpe = scan->bpe;
    const uint8_t *word = scan->text + at;
    if (bytes == 1) {
        *out = bpe->byte_ids[*word];
        return 1;
    }
    if (bytes <= KEPT_BYTES) return join_kept(scan, at, (int)bytes, out);
    if (bytes <= SHORT) return join_short(bpe, word, (int)bytes, out);
    return bytes <= INT32_MAX ? join_long(bpe, word, bytes, out) : -1;
}

typedef struct {
    int64_t text, at, found; /* texts and bytes that are done, ids that were found */
    int64_t missing;
} Progress;

/* Ids of `count` texts that lie one behind another in `text`: text i ends before ends[i] (rising),
   its ids before out_ends[i]. `out` has room for KEPT_IDS more than there are bytes. `done` begins
   as zeros.

   Answers 0; 1 if there is no memory; 2 if the class of code point done->missing must be filled in
   first: the next call goes on from there. */
int32_t bpe_encode(const Bpe *bpe, const uint8_t *text, const int64_t *ends, int64_t count,
                   uint32_t *out, int64_t *out_ends, Progress *done) {
    Scan scan = {bpe, text, 0, count > 0 ? (size_t)ends[count - 1] : 0, -1};
    for (; done->text < count; done->text++) {
        scan.end = (size_t)ends[done->text];
        while ((size_t)done->at < scan.end) {
            size_t at = (size_t)done->at, next = after_word(&scan, at);
            if (scan.missing >= 0) {
                done->missing = scan.missing;
                return 2;
            }
            int64_t more = join(&scan, at, next - at, out + done->found);
            if (more < 0) return 1;
            done->found += more;
            done->at = (int64_t)next;
        }
        out_ends[done->text] = done->found;
    }
    return 0;
}
