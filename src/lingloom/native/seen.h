/* What was seen before, and how often: a table of 64-bit keys. */
#ifndef LINGLOOM_SEEN_H
#define LINGLOOM_SEEN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t mixed(uint64_t hash, uint64_t eight) {
    hash = (hash ^ eight) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

static inline uint64_t hash_bytes(const uint8_t *from, const uint8_t *to) {
    uint64_t eight, hash = mixed(0, (uint64_t)(to - from));
    for (; to - from >= 8; from += 8) {
        memcpy(&eight, from, 8);
        hash = mixed(hash, eight);
    }
    for (eight = 0; from < to; from++) eight = eight << 8 | *from;
    return mixed(hash, eight);
}

typedef struct {
    uint64_t key;
    uint32_t count, first;
} Slot;

typedef struct {
    Slot *slots;
    uint64_t room, mask, used;
} Seen;

/* An empty table for up to `items` keys; -1 when there is no memory. */
static inline int empty(Seen *seen, uint64_t items) {
    uint64_t size = 16;
    while (size < 2 * items) size *= 2;
    if (size > seen->room) {
        free(seen->slots);
        seen->room = 0;
        seen->slots = malloc(size * sizeof(Slot));
        if (!seen->slots) return -1;
        seen->room = size;
    }
    memset(seen->slots, 0, size * sizeof(Slot));
    seen->mask = size - 1;
    seen->used = 0;
    return 0;
}

static inline Slot *slot_of(Seen *seen, uint64_t key) {
    key += !key;
    uint64_t place = (key * 0x9E3779B97F4A7C15u) >> 24 & seen->mask;
    while (seen->slots[place].key && seen->slots[place].key != key) place = (place + 1) & seen->mask;
    seen->slots[place].key = key;
    return &seen->slots[place];
}

/* Room for twice as many keys, with all that are there. */
static inline int double_room(Seen *seen) {
    Seen larger = {0};
    if (empty(&larger, seen->mask + 1)) return -1;
    for (uint64_t k = 0; k <= seen->mask; k++)
        if (seen->slots[k].key) *slot_of(&larger, seen->slots[k].key) = seen->slots[k];
    larger.used = seen->used;
    free(seen->slots);
    *seen = larger;
    return 0;
}

#endif
