/* How much of a text repeats, for many texts at once.

   The kernel takes (data, offsets, texts): UTF-8 bytes end to end and texts + 1 places in them, and a
   table of classes (words.h). It returns 0, or -1 when there is no memory. What the counts mean is told
   in text/statistics.py. */
#include "seen.h"
#include "words.h"

enum { START = 1 << 16 }; /* keys for which there is room at first where they may be very many */

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
