#include "engine/index/term_lists.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <random>

#include "engine/base/assert.h"
#include "engine/index/radix.h"
#include "engine/os/pages.h"

namespace khipu::index {
namespace {

constexpr size_t kTableMin = 1024;
constexpr size_t kSlack = 8;       // behind a record's bytes, which are read eight at a time
constexpr size_t kRadixMin = 256;  // fewer are sorted by comparing

uint64_t random_seed() {
  static const uint64_t seed = uint64_t{std::random_device{}()} << 32 | std::random_device{}();
  return seed;
}

bool same(const uint8_t* a, const uint8_t* b, size_t size) {
  if (size < 8) {
    if (size < 4) return std::equal(a, a + size, b);
    return load_le<uint32_t>(a) == load_le<uint32_t>(b) &&
           load_le<uint32_t>(a + size - 4) == load_le<uint32_t>(b + size - 4);
  }
  for (size_t at = 0; at + 8 < size; at += 8) {
    if (load_le<uint64_t>(a + at) != load_le<uint64_t>(b + at)) return false;
  }
  return load_le<uint64_t>(a + size - 8) == load_le<uint64_t>(b + size - 8);
}

uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

}  // namespace

TermLists::TermLists() : seed_(random_seed()), table_(kTableMin) {}

void TermLists::clear() {
  std::fill(table_.begin(), table_.end(), Place{});
  arena_.clear();
  full_ = false;
  words_.clear();
  entries_.clear();
  urls_.clear();
  recent_.fill(0);
  for (Numbers& numbers : numbers_) numbers.entries.clear();
  for (Codes& codes : codes_) {
    for (std::vector<uint32_t>& rows : codes.rows) rows.clear();
  }
}

void TermLists::expect_events(size_t count) {
  os::reserve_large(entries_, 2 * count);
  urls_.expect(count);
  for (Numbers& numbers : numbers_) os::reserve_large(numbers.entries, count);
}

uint64_t TermLists::look(Bytes term) const {
  const uint64_t hash = XXH3_64bits_withSeed(term.data(), term.size(), seed_);
  __builtin_prefetch(&table_[hash & (table_.size() - 1)]);
  return hash;
}

void TermLists::note(uint8_t* record, uint32_t row) {
  if (load_le<uint32_t>(record + kRecordRow) == row) return;
  store_le(record + kRecordRow, row);
  store_le(record + kRecordCount, load_le<uint32_t>(record + kRecordCount) + 1);
  entries_.push_back(uint64_t{load_le<uint32_t>(record)} << kRowBits | row);
}

void TermLists::add_word(Field field, std::string_view word, uint32_t row) {
  const size_t size = word.size();
  if (size > kTextKeySizeMax) return add(word_term(field, word).view(), row);
  const auto byte = [&](size_t i) { return size == 0 ? 0U : uint32_t{static_cast<uint8_t>(word[i])}; };
  const uint32_t mix = byte(0) ^ byte(size / 2) << 8 ^ byte(size - 1) << 16 ^ static_cast<uint32_t>(size) << 24;
  uint32_t& recent = recent_[(mix ^ static_cast<uint32_t>(field)) * 0x9e3779b1U >> (32 - std::bit_width(kRecent - 1))];
  if (recent != 0) {
    uint8_t* const record = arena_.data() + (recent - 1);
    const bool here = load_le<uint32_t>(record + kRecordSize) == 1 + size &&
                      record[kRecordHead] == static_cast<uint8_t>(field) &&
                      (size == 0 || same(record + kRecordHead + 1, as_bytes(word).data(), size));
    if (here) return note(record, row);
  }
  const Term term = word_term(field, word);
  recent = add(term.view(), look(term.view()), row);
}

uint32_t TermLists::add(Bytes term, uint64_t looked, uint32_t row) {
  const uint32_t tag = tag_of(looked);
  const size_t mask = table_.size() - 1;
  size_t place = looked & mask;
  for (; table_[place].at != 0; place = (place + 1) & mask) {
    if (table_[place].tag != tag) continue;
    uint8_t* const record = arena_.data() + (table_[place].at - 1);
    if (load_le<uint32_t>(record + kRecordSize) != term.size()) continue;
    if (!same(record + kRecordHead, term.data(), term.size())) continue;
    note(record, row);
    return table_[place].at;
  }
  return make(term, table_[place], looked, row);
}

uint32_t TermLists::make(Bytes term, Place& place, uint64_t hash, uint32_t row) {
  full_ = full_ || arena_.size() > UINT32_MAX - 1024;
  if (full_) return 0;
  const auto number = static_cast<uint32_t>(words_.size());
  const auto at = static_cast<uint32_t>(arena_.size());
  uint8_t* const record = arena_.room(kRecordHead + term.size() + kSlack);
  store_le(record, number);
  store_le(record + kRecordRow, row);
  store_le(record + kRecordCount, uint32_t{1});
  store_le(record + kRecordSize, static_cast<uint32_t>(term.size()));
  std::copy(term.begin(), term.end(), record + kRecordHead);
  arena_.end_at(record + kRecordHead + term.size());
  words_.push_back({0, at, 0});
  entries_.push_back(uint64_t{number} << kRowBits | row);
  place = {tag_of(hash), at + 1};
  if (2 * words_.size() > table_.size()) grow();
  return at + 1;
}

void TermLists::grow() {
  const size_t size = 2 * table_.size();
  table_.assign(size, Place{});
  for (const Word& word : words_) {
    const std::string_view bytes = term_of(arena_.data() + word.at);
    const uint64_t hash = XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed_);
    size_t place = hash & (size - 1);
    while (table_[place].at != 0) place = (place + 1) & (size - 1);
    table_[place] = {tag_of(hash), word.at + 1};
  }
}

void TermLists::add_number(Field field, uint64_t key, uint32_t row) {
  static_assert(static_cast<size_t>(Field::kActor) == 1);
  const auto place = static_cast<size_t>(field) - 1;
  KHIPU_ASSERT(place < numbers_.size() && numbers_[place].field == field);
  if (key < kKeysEnd) {
    numbers_[place].entries.push_back(key << kRowBits | row);
  } else {
    add(entity_term(field, {key}).view(), row);  // behind all others of its field, as each() visits it
  }
}

void TermLists::add_code(Field field, uint8_t code, uint32_t row) {
  Codes& codes = codes_[field == Field::kActionClass ? 0 : 1];
  KHIPU_ASSERT(codes.field == field && code < kCodes);
  codes.rows[code].push_back(row);
}

Result<void> TermLists::check_bounds() const {
  size_t most = std::max(entries_.size(), urls_.size());
  for (const Numbers& numbers : numbers_) most = std::max(most, numbers.entries.size());
  if (!full_ && most < UINT32_MAX) return {};
  return Error{Code::kLimit, "more terms than an index can have"};
}

// By eight bytes at a time: terms of a field begin alike, and comparing them whole reads all of that each time.
void TermLists::sort_from(std::span<Word> part, size_t depth) {
  for (size_t i = 0; i < part.size(); ++i) {
    Word& one = part[i];
    if (depth > 0 && i + kAhead < part.size()) __builtin_prefetch(arena_.data() + part[i + kAhead].at);
    const uint8_t* const record = arena_.data() + one.at;
    const size_t size = load_le<uint32_t>(record + kRecordSize);
    const size_t rest = std::min<size_t>(size - std::min(size, depth), 8);
    uint64_t chunk = rest == 0 ? 0 : load_be<uint64_t>(record + kRecordHead + depth);
    if (rest < 8 && rest > 0) chunk &= ~uint64_t{0} << (64 - 8 * rest);
    one.chunk = chunk;
    one.rest = static_cast<uint32_t>(rest);
  }
  if (part.size() < kRadixMin) {
    std::sort(part.begin(), part.end(),
              [](const Word& a, const Word& b) { return a.chunk != b.chunk ? a.chunk < b.chunk : a.rest < b.rest; });
  } else {
    sort_digits(words_scratch_, part, [](const Word& one) { return uint64_t{one.rest}; });
    sort_digits(words_scratch_, part, [](const Word& one) { return one.chunk; });
  }
  for (size_t from = 0; from < part.size();) {
    size_t to = from + 1;
    while (to < part.size() && part[to].chunk == part[from].chunk && part[to].rest == part[from].rest) ++to;
    if (to - from > 1) sort_from(part.subspan(from, to - from), depth + 8);  // rest is 8: terms differ
    from = to;
  }
}

void TermLists::sort_words() {
  arena_.room(kSlack);
  sort_from(words_, 0);
  next_.resize(words_.size());
  uint32_t at = 0;
  for (size_t i = 0; i < words_.size(); ++i) {
    const uint8_t* const record = record_of(i);
    next_[load_le<uint32_t>(record)] = at;
    at += load_le<uint32_t>(record + kRecordCount);
  }
  rows_.resize(at);
  for (const uint64_t entry : entries_) rows_[next_[entry >> kRowBits]++] = static_cast<uint32_t>(entry & kRowMask);
}

void TermLists::sort_numbers(Numbers& numbers) {
  sort_digits(scratch_, std::span(numbers.entries), [](uint64_t entry) { return entry & ~kRowMask; });
  number_rows_.resize(std::max(number_rows_.size(), numbers.entries.size()));
}

std::span<const uint32_t> TermLists::take_rows(const Numbers& numbers, size_t& i) {
  const uint64_t key = numbers.entries[i] >> kRowBits;
  const uint64_t* const entries = numbers.entries.data();
  const size_t size = numbers.entries.size();
  uint32_t* const rows = number_rows_.data();
  size_t count = 0;
  for (; i < size && entries[i] >> kRowBits == key; ++i) {
    const auto row = static_cast<uint32_t>(entries[i] & kRowMask);
    if (count == 0 || rows[count - 1] != row) rows[count++] = row;
  }
  return {rows, count};
}

}  // namespace khipu::index
