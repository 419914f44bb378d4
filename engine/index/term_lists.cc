#include "engine/index/term_lists.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <random>

#include "engine/base/assert.h"

namespace khipu::index {
namespace {

constexpr uint32_t kNoRow = UINT32_MAX;

uint64_t random_seed() {
  static const uint64_t seed = uint64_t{std::random_device{}()} << 32 | std::random_device{}();
  return seed;
}

// Sorts by eight bytes at a time: terms of a field begin alike, and comparing them whole reads all of that each time.
struct Keyed {
  uint64_t chunk;  // the eight bytes at some depth, big-endian, zeroes behind the end
  uint32_t number;
  uint32_t rest;  // how many of them there are, 8 for more
};

template <typename TermOf>
void sort_from(std::span<Keyed> part, size_t depth, const TermOf& term_of) {
  for (Keyed& one : part) {
    const std::string_view term = term_of(one.number);
    const size_t rest = term.size() - std::min(term.size(), depth);
    std::array<uint8_t, 8> bytes{};
    std::copy_n(term.end() - static_cast<ptrdiff_t>(rest), std::min<size_t>(rest, 8), bytes.begin());
    one.chunk = __builtin_bswap64(load_le<uint64_t>(bytes.data()));
    one.rest = static_cast<uint32_t>(std::min<size_t>(rest, 8));
  }
  std::sort(part.begin(), part.end(),
            [](const Keyed& a, const Keyed& b) { return a.chunk != b.chunk ? a.chunk < b.chunk : a.rest < b.rest; });
  for (size_t from = 0; from < part.size();) {
    size_t to = from + 1;
    while (to < part.size() && part[to].chunk == part[from].chunk && part[to].rest == part[from].rest) ++to;
    if (to - from > 1) sort_from(part.subspan(from, to - from), depth + 8, term_of);  // rest is 8: terms differ
    from = to;
  }
}

}  // namespace

TermLists::TermLists() : seed_(random_seed()), table_(1024) {
  for (Numbers& numbers : numbers_) numbers.slots.resize(256);
}

uint64_t TermLists::hash_of(uint64_t key) const { return XXH3_64bits_withSeed(&key, sizeof key, seed_); }

uint32_t TermLists::make(Bytes term) {
  const uint32_t number = count();
  terms_.push_back({static_cast<uint32_t>(keys_.size()), static_cast<uint32_t>(term.size())});
  append(keys_, term);
  return number;
}

uint32_t TermLists::find_or_add(Bytes term) {
  const uint64_t hash = XXH3_64bits_withSeed(term.data(), term.size(), seed_);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = table_.size() - 1;
  size_t place = hash & mask;
  for (; table_[place].number != 0; place = (place + 1) & mask) {
    if (table_[place].hash != tag) continue;
    const uint32_t number = table_[place].number - 1;
    if (this->term(number) == as_text(term)) return number;
  }
  const uint32_t number = make(term);
  table_[place] = {tag, number + 1};
  if (2 * ++used_ > table_.size()) grow();
  return number;
}

void TermLists::grow() {
  std::vector<Place> old(2 * table_.size());
  old.swap(table_);
  const size_t mask = table_.size() - 1;
  for (const Place& one : old) {
    if (one.number == 0) continue;
    const std::string_view bytes = term(one.number - 1);
    size_t place = XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed_) & mask;
    while (table_[place].number != 0) place = (place + 1) & mask;
    table_[place] = one;
  }
}

void TermLists::grow(Numbers& numbers) const {
  std::vector<Numbers::Slot> old(2 * numbers.slots.size());
  old.swap(numbers.slots);
  const size_t mask = numbers.slots.size() - 1;
  for (const Numbers::Slot& slot : old) {
    if (slot.number == 0) continue;
    size_t place = hash_of(slot.key) & mask;
    while (numbers.slots[place].number != 0) place = (place + 1) & mask;
    numbers.slots[place] = slot;
  }
}

void TermLists::add_number(uint8_t field, uint64_t key, Bytes term, uint32_t row) {
  KHIPU_ASSERT(field < kNumberFields);
  Numbers& numbers = numbers_[field];
  const size_t mask = numbers.slots.size() - 1;
  size_t place = hash_of(key) & mask;
  for (; numbers.slots[place].number != 0; place = (place + 1) & mask) {
    if (numbers.slots[place].key == key) return put(numbers.slots[place].number - 1, row);
  }
  const uint32_t number = make(term);
  numbers.slots[place] = {key, number + 1};
  if (2 * ++numbers.used > numbers.slots.size()) grow(numbers);
  put(number, row);
}

void TermLists::add_code(uint8_t field, uint8_t code, Bytes term, uint32_t row) {
  KHIPU_ASSERT(field < kCodeFields);
  uint32_t& number = codes_[field][code];
  if (number == 0) number = make(term) + 1;
  put(number - 1, row);
}

Result<void> TermLists::check_bounds() const {
  if (entries_.size() < kFirstOfRow && keys_.size() <= UINT32_MAX) return {};
  return Error{Code::kLimit, "more terms than an index can have"};
}

TermLists::Ordered::Ordered(const TermLists& lists) : lists_(lists) {
  const uint32_t terms = lists.count();
  std::vector<Keyed> keyed(terms);
  for (uint32_t number = 0; number < terms; ++number) keyed[number].number = number;
  sort_from(std::span(keyed), 0, [&](uint32_t number) { return lists.term(number); });

  struct Count {
    uint32_t next = 0;      // how many rows, then where the next one goes
    uint32_t row = kNoRow;  // the last one
  };
  std::vector<Count> counts(terms);  // by number
  const auto each = [&](const auto& visit) {
    uint32_t row = UINT32_MAX;
    for (const uint32_t entry : lists.entries_) {
      row += entry >> 31;
      Count& count = counts[entry & ~kFirstOfRow];
      if (std::exchange(count.row, row) != row) visit(count, row);
    }
  };
  each([](Count& count, uint32_t) { ++count.next; });
  order_.resize(terms);
  starts_.resize(terms + 1);
  uint32_t at = 0;
  for (uint32_t i = 0; i < terms; ++i) {
    order_[i] = keyed[i].number;
    Count& count = counts[order_[i]];
    at += std::exchange(count.next, at);
    count.row = kNoRow;
    starts_[i + 1] = at;
  }
  rows_.resize(at);
  each([&](Count& count, uint32_t row) { rows_[count.next++] = row; });
}

}  // namespace khipu::index
