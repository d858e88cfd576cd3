/* Counts that quality rules are made of, for many texts at once.

   Every kernel takes (data, offsets, texts): UTF-8 bytes end to end and texts + 1 places in them, and
   a table `classes` of `known` bytes, one for each code point; those beyond it have no class. It
   returns 0, or -1 when there is no memory. What the counts mean is told in text/statistics.py. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 1, MARK = 2, CJK = 4, SPACE = 8, ALPHA = 16, BREAK = 32, TERMINAL = 64, PUNCTUATION = 128 };

typedef struct {
    const uint8_t *classes;
    int64_t known;
} Table;

typedef struct {
    const uint8_t *at, *end;
} Reader;

/* The code point at `from`, and where the next begins; a cut sequence counts as one character. */
static inline uint32_t decode(const uint8_t *from, const uint8_t *end, const uint8_t **next) {
    uint8_t lead = *from;
    if (lead < 0x80) {
        *next = from + 1;
        return lead;
    }
    int size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (end - from < size) {
        *next = end;
        return 0xFFFD;
    }
    *next = from + size;
    if (size == 2) return (uint32_t)(lead & 0x1F) << 6 | (from[1] & 0x3F);
    if (size == 3) return (uint32_t)(lead & 0x0F) << 12 | (uint32_t)(from[1] & 0x3F) << 6 | (from[2] & 0x3F);
    return (uint32_t)(lead & 0x07) << 18 | (uint32_t)(from[1] & 0x3F) << 12 | (uint32_t)(from[2] & 0x3F) << 6
           | (from[3] & 0x3F);
}

static inline uint8_t class_of(const Table *table, uint32_t code) {
    return code < (uint64_t)table->known ? table->classes[code] : 0;
}

/* One word: bytes [from, to), its characters, and the classes of all of them joined by or. */
typedef struct {
    const uint8_t *from, *to;
    uint32_t chars;
    uint8_t first, any;
} Word;

static inline int next_word(const Table *table, Reader *text, Word *word) {
    const uint8_t *at = text->at, *end = text->end, *next;
    uint8_t class = SPACE;
    for (; at < end; at = next) {
        class = class_of(table, decode(at, end, &next));
        if (!(class & SPACE)) break;
    }
    if (at >= end) {
        text->at = end;
        return 0;
    }
    *word = (Word){at, next, 1, class, class};
    uint8_t goes_on = class & WORD ? WORD | MARK : class & CJK ? MARK : 0;
    if (goes_on)
        for (at = next; at < end; at = next) {
            uint32_t code = decode(at, end, &next);
            class = class_of(table, code);
            if (!(class & goes_on)) {
                const uint8_t *after;
                if (!(goes_on & WORD) || (code != '\'' && code != 0x2019) || next >= end) break;
                class = class_of(table, decode(next, end, &after));
                if (!(class & WORD)) break;
                next = after;
                word->chars++;
            }
            word->chars++;
            word->any |= class;
            word->to = next;
        }
    text->at = word->to;
    return 1;
}

static inline uint64_t mixed(uint64_t hash, uint64_t eight) {
    hash = (hash ^ eight) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

static inline uint64_t hash_bytes(const uint8_t *from, const uint8_t *to) {
    uint64_t eight, hash = (uint64_t)(to - from);
    for (; to - from >= 8; from += 8) {
        memcpy(&eight, from, 8);
        hash = mixed(hash, eight);
    }
    for (eight = 0; from < to; from++) eight = eight << 8 | *from;
    return mixed(hash, eight);
}

/* ------------------------------------------------------------------------- a table of what was seen */

typedef struct {
    uint64_t key;
    uint32_t count, first;
} Slot;

typedef struct {
    Slot *slots;
    uint64_t room, mask, used;
} Seen;

enum { START = 1 << 16 }; /* keys for which there is room at first where they may be very many */

/* An empty table for up to `items` keys; -1 when there is no memory. */
static int empty(Seen *seen, uint64_t items) {
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
static int double_room(Seen *seen) {
    Seen larger = {0};
    if (empty(&larger, seen->mask + 1)) return -1;
    for (uint64_t k = 0; k <= seen->mask; k++)
        if (seen->slots[k].key) *slot_of(&larger, seen->slots[k].key) = seen->slots[k];
    larger.used = seen->used;
    free(seen->slots);
    *seen = larger;
    return 0;
}

/* ------------------------------------------------------------------------- words and lines */

enum {
    CHARS, WORDS, PROPER_WORDS, PROPER_CHARS, ALPHA_WORDS, HASHES, ELLIPSES, LINES, BULLET_LINES,
    ELLIPSIS_LINES, STOP_WORDS, NEWLINES, FILLED_LINES, TERMINAL_LINES, SHORT_LINES,
    REPEATED_FILLED_CHARS, CJK_CHARS, PUNCTUATION_CHARS, SPACE_CHARS, COUNTS
};

typedef struct {
    const uint8_t *data;
    const int64_t *offsets;
    int64_t words;
} List;

static void count_words(const Table *table, Reader text, const List *stop, int64_t *out) {
    uint64_t found = 0, firsts[4] = {0};
    Word word;
    for (int64_t s = 0; s < stop->words; s++) {
        uint8_t first = stop->data[stop->offsets[s]];
        firsts[first >> 6] |= (uint64_t)1 << (first & 63);
    }
    while (next_word(table, &text, &word)) {
        out[WORDS]++;
        out[ALPHA_WORDS] += (word.any & ALPHA) != 0;
        if (word.first & (WORD | CJK)) {
            out[PROPER_WORDS]++;
            out[PROPER_CHARS] += word.chars;
        }
        if (!(firsts[*word.from >> 6] >> (*word.from & 63) & 1)) continue;
        for (int64_t s = 0; s < stop->words; s++) {
            int64_t size = stop->offsets[s + 1] - stop->offsets[s];
            if (size == word.to - word.from && !memcmp(stop->data + stop->offsets[s], word.from, size))
                found |= (uint64_t)1 << s;
        }
    }
    out[STOP_WORDS] = __builtin_popcountll(found);
}

/* Lines as Python's splitlines() has them: how they begin and end. */
typedef struct {
    uint32_t first, last;
    int64_t dots;
    int filled, gap;
} Line;

static inline void end_line(const Line *line, int64_t *out) {
    out[LINES]++;
    out[BULLET_LINES] += line->first == '-' || line->first == 0x2022;
    out[ELLIPSIS_LINES] += line->last == 0x2026 || line->dots >= 3;
}

static void count_lines(const Table *table, Reader text, int64_t *out) {
    const uint8_t *at = text.at, *next;
    Line line = {0};
    int64_t dots = 0;
    for (; at < text.end; at = next) {
        uint32_t code = decode(at, text.end, &next);
        uint8_t class = class_of(table, code);
        out[CHARS]++;
        out[CJK_CHARS] += (class & CJK) != 0;
        out[PUNCTUATION_CHARS] += (class & PUNCTUATION) != 0;
        out[SPACE_CHARS] += (class & SPACE) != 0;
        out[HASHES] += code == '#';
        out[ELLIPSES] += code == 0x2026;
        if (code == '.') {
            if (++dots % 3 == 0) out[ELLIPSES]++;
        } else
            dots = 0;
        if (class & BREAK) {
            out[NEWLINES] += code == '\n';
            if (code == '\r' && next < text.end && *next == '\n') continue;
            end_line(&line, out);
            line = (Line){0};
            continue;
        }
        line.filled = 1;
        if (class & SPACE) {
            line.gap = 1;
            continue;
        }
        if (line.gap) line.dots = 0;
        line.gap = 0;
        line.dots = code == '.' ? line.dots + 1 : 0;
        line.last = code;
        if (!line.first) line.first = code ? code : 1; /* 0 means none yet */
    }
    if (line.filled) end_line(&line, out);
}

/* Lines between line feeds that are not blank, as FineWeb's rules count them. */
static int count_filled_lines(
    const Table *table, Reader text, int64_t short_chars, Seen *seen, int64_t *out) {
    if (empty(seen, (uint64_t)out[NEWLINES] + 1)) return -1;
    const uint8_t *at = text.at, *next;
    while (at <= text.end) {
        const uint8_t *from = at;
        const uint8_t *to = at < text.end ? memchr(at, '\n', (size_t)(text.end - at)) : NULL;
        if (!to) to = text.end;
        int64_t chars = 0;
        uint8_t last = 0, all = SPACE;
        for (; at < to; at = next, chars++) {
            last = class_of(table, decode(at, to, &next));
            all &= last;
        }
        at = to + 1;
        if (all & SPACE) continue;
        out[FILLED_LINES]++;
        out[TERMINAL_LINES] += (last & TERMINAL) != 0;
        out[SHORT_LINES] += chars <= short_chars;
        if (slot_of(seen, hash_bytes(from, to))->count++) out[REPEATED_FILLED_CHARS] += chars;
    }
    return 0;
}

int lingloom_text_statistics(
    const uint8_t *data, const int64_t *offsets, int64_t texts, const uint8_t *classes, int64_t known,
    const uint8_t *stop_data, const int64_t *stop_offsets, int64_t stop_words, int64_t short_chars,
    int64_t *out) {
    Table table = {classes, known};
    List stop = {stop_data, stop_offsets, stop_words > 64 ? 64 : stop_words};
    Seen seen = {0};
    int status = 0;
    memset(out, 0, (size_t)(texts * COUNTS) * sizeof *out);
    for (int64_t i = 0; i < texts && !status; i++, out += COUNTS) {
        Reader text = {data + offsets[i], data + offsets[i + 1]};
        count_words(&table, text, &stop, out);
        count_lines(&table, text, out);
        status = count_filled_lines(&table, text, short_chars, &seen, out);
    }
    free(seen.slots);
    return status;
}

/* ------------------------------------------------------------------------- repetition */

enum {
    R_CHARS, R_WORDS, PARAGRAPHS, REPEATED_PARAGRAPHS, REPEATED_PARAGRAPH_CHARS, R_LINES, REPEATED_LINES,
    REPEATED_LINE_CHARS, TOP_2, TOP_TIMES_2 = TOP_2 + 3, REPEATED_5 = TOP_TIMES_2 + 3,
    R_COUNTS = REPEATED_5 + 6
};

static int64_t count_chars(const uint8_t *from, const uint8_t *to) {
    int64_t chars = 0;
    for (; from < to; from++) chars += (*from & 0xC0) != 0x80;
    return chars;
}

/* Pieces between runs of at least `feeds` line feeds: how many, how many repeat, their characters. */
static int count_pieces(Reader text, int feeds, Seen *seen, int64_t *out) {
    int64_t newlines = 0;
    for (const uint8_t *at = text.at; at < text.end; at++) newlines += *at == '\n';
    if (empty(seen, (uint64_t)newlines + 2)) return -1;
    const uint8_t *from = text.at, *at = text.at;
    for (;;) {
        const uint8_t *to = at < text.end ? memchr(at, '\n', (size_t)(text.end - at)) : NULL;
        const uint8_t *after = to ? to : text.end;
        while (after < text.end && *after == '\n') after++;
        if (to && after - to < feeds) {
            at = after;
            continue;
        }
        if (!to) to = text.end;
        out[0]++;
        if (slot_of(seen, hash_bytes(from, to))->count++) {
            out[1]++;
            out[2] += count_chars(from, to);
        }
        if (to == text.end) return 0;
        from = at = after;
    }
}

static Reader stripped(const Table *table, Reader text) {
    const uint8_t *next;
    while (text.at < text.end && class_of(table, decode(text.at, text.end, &next)) & SPACE) text.at = next;
    while (text.at < text.end) {
        const uint8_t *last = text.end - 1;
        while (last > text.at && (*last & 0xC0) == 0x80) last--;
        if (!(class_of(table, decode(last, text.end, &next)) & SPACE)) break;
        text.end = last;
    }
    return text;
}

/* The words of one text. A sequence is named by the place where it first stands. */
typedef struct {
    uint32_t *word;   /* the name of each word */
    uint32_t *name;   /* the name of the sequence that begins at each place */
    uint32_t *times;  /* how often the sequence of each name stands in the text */
    uint32_t *places; /* where sequences begin that stand there more than once */
    uint64_t *before; /* characters of the words before each */
    uint64_t count, repeated, room;
} Words;

static void free_words(Words *words) {
    free(words->word);
    free(words->name);
    free(words->times);
    free(words->places);
    free(words->before);
}

static int make_room(Words *words) {
    uint64_t room = words->room ? 2 * words->room : 4096;
    uint32_t **all[] = {&words->word, &words->name, &words->times, &words->places};
    uint64_t *before = realloc(words->before, (room + 1) * sizeof *before);
    if (!before) return -1;
    words->before = before;
    for (int k = 0; k < 4; k++) {
        uint32_t *larger = realloc(*all[k], room * sizeof *larger);
        if (!larger) return -1;
        *all[k] = larger;
    }
    words->room = room;
    return 0;
}

/* Keep the places whose sequence stands there more than once. */
static void keep_repeated(Words *words) {
    uint64_t kept = 0;
    for (uint64_t k = 0; k < words->repeated; k++) {
        uint32_t place = words->places[k];
        words->places[kept] = place;
        kept += words->times[words->name[place]] > 1;
    }
    words->repeated = kept;
}

static int read_words(const Table *table, Reader text, Seen *seen, Words *words) {
    Word word;
    uint64_t chars = 0, bytes = (uint64_t)(text.end - text.at);
    words->count = 0;
    if (!words->room && make_room(words)) return -1;
    if (empty(seen, bytes / 4 < START ? bytes / 4 : START)) return -1;
    while (next_word(table, &text, &word)) {
        uint64_t k = words->count++;
        if (k + 1 == words->room && make_room(words)) return -1;
        if (seen->used * 2 > seen->mask && double_room(seen)) return -1;
        words->before[k] = chars;
        chars += word.chars;
        Slot *slot = slot_of(seen, hash_bytes(word.from, word.to));
        if (!slot->count++) {
            slot->first = (uint32_t)k;
            seen->used++;
            words->times[k] = 0;
        }
        words->times[slot->first]++;
        words->word[k] = words->name[k] = slot->first;
        words->places[k] = (uint32_t)k;
    }
    words->before[words->count] = chars;
    words->repeated = words->count;
    keep_repeated(words);
    return 0;
}

/* From sequences of n - 1 words to those of n. A sequence can only repeat where its first n - 1 words
   do, so the others are never looked at. Gives the most frequent one, of equals the first. */
static int lengthen(Words *words, uint64_t n, Seen *seen, uint32_t *first, uint32_t *most) {
    *first = 0;
    *most = 1;
    if (empty(seen, words->repeated < START ? words->repeated : START)) return -1;
    while (words->repeated && words->places[words->repeated - 1] + n > words->count) words->repeated--;
    for (uint64_t k = 0; k < words->repeated; k++) {
        uint32_t place = words->places[k];
        uint64_t key = (uint64_t)words->name[place] << 32 | (words->word[place + n - 1] + (uint32_t)1);
        if (seen->used * 2 > seen->mask && double_room(seen)) return -1;
        Slot *slot = slot_of(seen, key);
        if (!slot->count++) {
            seen->used++;
            slot->first = place;
            words->times[place] = 0;
        }
        words->name[place] = slot->first;
        uint32_t times = ++words->times[slot->first];
        if (times > *most || (times == *most && times > 1 && slot->first < *first)) {
            *most = times;
            *first = slot->first;
        }
    }
    keep_repeated(words);
    return 0;
}

/* Characters of the sequences of n words that stood before, from left to right without overlap. */
static int64_t count_repeated(Words *words, uint64_t n) {
    const uint32_t met = (uint32_t)1 << 31;
    uint64_t chars = 0, next = 0;
    for (uint64_t k = 0; k < words->repeated; k++) {
        uint32_t place = words->places[k];
        if (place < next) continue;
        uint32_t *times = &words->times[words->name[place]];
        if (*times & met) {
            chars += words->before[place + n] - words->before[place];
            next = place + n;
        }
        *times |= met;
    }
    return (int64_t)chars;
}

static int count_sequences(Words *words, Seen *seen, int64_t *out) {
    for (uint64_t n = 2; n <= 10 && n <= words->count; n++) {
        uint32_t first, most;
        if (lengthen(words, n, seen, &first, &most)) return -1;
        if (n >= 5) {
            out[REPEATED_5 + n - 5] = count_repeated(words, n);
            continue;
        }
        out[TOP_2 + n - 2] = (int64_t)((words->before[first + n] - words->before[first]) * most);
        out[TOP_TIMES_2 + n - 2] = most;
    }
    return 0;
}

int lingloom_text_repetition(
    const uint8_t *data, const int64_t *offsets, int64_t texts, const uint8_t *classes, int64_t known,
    int64_t *out) {
    Table table = {classes, known};
    Seen seen = {0};
    Words words = {0};
    int status = 0;
    memset(out, 0, (size_t)(texts * R_COUNTS) * sizeof *out);
    for (int64_t i = 0; i < texts && !status; i++, out += R_COUNTS) {
        Reader text = {data + offsets[i], data + offsets[i + 1]};
        out[R_CHARS] = count_chars(text.at, text.end);
        status = count_pieces(stripped(&table, text), 2, &seen, out + PARAGRAPHS)
                 || count_pieces(text, 1, &seen, out + R_LINES)
                 || read_words(&table, text, &seen, &words) || count_sequences(&words, &seen, out);
        out[R_WORDS] = (int64_t)words.count;
    }
    free(seen.slots);
    free_words(&words);
    return status ? -1 : 0;
}
