#include "engine/index/term_lists.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <numeric>
#include <random>

namespace khipu::index {

static uint64_t random_seed() {
  static const uint64_t seed = uint64_t{std::random_device{}()} << 32 | std::random_device{}();
  return seed;
}

TermLists::TermLists() : seed_(random_seed()), table_(1024) {}

std::string_view TermLists::term(uint32_t number) const {
  const TermFacts& facts = terms_[number];
  return as_text(Bytes(keys_).subspan(facts.key, facts.size));
}

uint32_t TermLists::find_or_add(Bytes term) {
  const uint64_t hash = XXH3_64bits_withSeed(term.data(), term.size(), seed_);
  const size_t mask = table_.size() - 1;
  size_t place = hash & mask;
  for (; table_[place] != 0; place = (place + 1) & mask) {
    const uint32_t number = table_[place] - 1;
    if (terms_[number].hash == hash && this->term(number) == as_text(term)) return number;
  }
  const uint32_t number = count();
  table_[place] = number + 1;
  TermFacts facts;
  facts.hash = hash;
  facts.key = keys_.size();
  facts.size = static_cast<uint32_t>(term.size());
  terms_.push_back(facts);
  append(keys_, term);
  if (2 * terms_.size() > table_.size()) grow();
  return number;
}

void TermLists::grow() {
  table_.assign(4 * table_.size(), 0);
  const size_t mask = table_.size() - 1;
  for (uint32_t number = 0; number < count(); ++number) {
    size_t place = terms_[number].hash & mask;
    while (table_[place] != 0) place = (place + 1) & mask;
    table_[place] = number + 1;
  }
}

void TermLists::add(Bytes term, uint32_t row) {
  TermFacts& facts = terms_[find_or_add(term)];
  if (facts.last_row == row) return;
  entries_.push_back({row, facts.last});
  facts.last = static_cast<uint32_t>(entries_.size() - 1);
  facts.last_row = row;
  ++facts.rows;
}

std::vector<uint32_t> TermLists::ordered() const {
  std::vector<uint32_t> numbers(terms_.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  std::sort(numbers.begin(), numbers.end(), [&](uint32_t a, uint32_t b) { return term(a) < term(b); });
  return numbers;
}

void TermLists::rows(uint32_t number, std::vector<uint32_t>& rows) const {
  rows.resize(terms_[number].rows);
  size_t at = rows.size();
  for (uint32_t entry = terms_[number].last; entry != kNone; entry = entries_[entry].before) {
    rows[--at] = entries_[entry].row;
  }
}

}  // namespace khipu::index
