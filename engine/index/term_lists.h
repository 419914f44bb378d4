// The rows of each term while an index is built: no allocation a term, one look-up a word, none a number or url, and
// the lists made at the end by sorting what was noted in the order it came. Internal to this room.
#pragma once

#include <array>
#include <cstdint>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/index/format.h"
#include "engine/index/out.h"
#include "engine/index/url_terms.h"

namespace khipu::index {

// Owner: one thread. What it holds does not depend on the hash, whose seed is random: nobody can aim at one slot.
class TermLists {
 public:
  TermLists();
  // Empty again; what was allocated stays.
  void clear();

  // Room for the entries of about so many events, each with an actor, a target, a url, and a word for action and
  // source.
  void expect_events(size_t count);

  // Rows come ascending. The same term of a row again changes nothing.
  void add(Bytes term, uint32_t row) { add(term, look(term), row); }
  // word_term(field, word), of a field with few values: one that came lately is found without a look-up.
  void add_word(Field field, std::string_view word, uint32_t row);
  // word_term(Field::kUrl, url), and nothing else adds terms of that field.
  void add_url(std::string_view url, uint32_t row) { urls_.add(url, row); }
  // entity_term(field, {key}) of kActor and kTarget, and code_term(field, code) of kActionClass and kOutcome: nothing
  // else that has these fields. A code comes once a row, and is less than kCodes.
  void add_number(Field field, uint64_t key, uint32_t row);
  void add_code(Field field, uint8_t code, uint32_t row);
  static constexpr size_t kCodes = 16;

  // Calls visit(term, rows) for all terms in the order of their bytes. A term is valid until the next but one, rows
  // until the next. kLimit beyond what the numbers below can count. Only the same again or clear() may follow.
  template <typename Visit>
  Result<void> each(const Visit& visit) {
    KHIPU_TRY(check_bounds());
    sort_words();
    size_t word = 0, from = 0;
    const auto words_before = [&](unsigned field) {
      for (; word < words_.size(); ++word) {
        const uint8_t* const record = record_of(word);
        if (record[kRecordHead] >= field) return;
        const size_t count = load_le<uint32_t>(record + kRecordCount);
        visit(term_of(record), std::span<const uint32_t>(rows_).subspan(from, count));
        from += count;
      }
    };
    std::array<Term, 2> terms;
    size_t turn = 0;
    // Made where it stays: a copy would wait for the bytes just written.
    const auto visit_term = [&](const auto& make, std::span<const uint32_t> rows) {
      const Term* const term = new (&terms[turn ^= 1]) Term(make());
      visit(as_text(term->view()), rows);
    };
    for (Numbers& numbers : numbers_) {
      words_before(static_cast<unsigned>(numbers.field));
      sort_numbers(numbers);
      for (size_t i = 0; i < numbers.entries.size();) {
        const uint64_t key = numbers.entries[i] >> kRowBits;
        visit_term([&] { return entity_term(numbers.field, {key}); }, take_rows(numbers, i));
      }
    }
    for (const Codes& codes : codes_) {
      words_before(static_cast<unsigned>(codes.field));
      for (size_t code = 0; code < kCodes; ++code) {
        const std::vector<uint32_t>& rows = codes.rows[code];
        if (rows.empty()) continue;
        visit_term([&] { return code_term(codes.field, static_cast<uint8_t>(code)); }, rows);
      }
    }
    words_before(static_cast<unsigned>(Field::kUrl));
    urls_.each(visit_term);
    words_before(UINT32_MAX);
    return {};
  }

 private:
  static constexpr unsigned kRowBits = 26;
  static_assert(uint64_t{1} << kRowBits == kRowsMax);
  static constexpr uint64_t kRowMask = kRowsMax - 1;
  static constexpr uint64_t kKeysEnd = uint64_t{1} << (64 - kRowBits);  // greater ones are words
  // A word in arena_: u32 its number | u32 its newest row | u32 how many rows | u32 size | its bytes.
  static constexpr size_t kRecordRow = 4, kRecordCount = 8, kRecordSize = 12, kRecordHead = 16;
  struct Place {
    uint32_t tag = 0, at = 0;  // of a record in arena_, plus one; 0: free
  };
  struct Word {
    uint64_t chunk = 0;  // eight of its bytes at some depth, big-endian, zeroes behind the end
    uint32_t at = 0;     // of its record in arena_
    uint32_t rest = 0;   // how many of the eight there are, 8 for more
  };
  struct Numbers {
    Field field;
    std::vector<uint64_t> entries;  // key << kRowBits | row
  };
  struct Codes {
    Field field;
    std::array<std::vector<uint32_t>, kCodes> rows;
  };

  // The record of word i, those of later ones on their way: in order they lie all over arena_.
  [[gnu::always_inline]] const uint8_t* record_of(size_t i) const {
    if (i + kAhead < words_.size()) __builtin_prefetch(arena_.data() + words_[i + kAhead].at);
    return arena_.data() + words_[i].at;
  }
  static constexpr size_t kAhead = 12;
  uint64_t look(Bytes term) const;
  // Returns where its record is in arena_, plus one; 0: no more can be counted.
  uint32_t add(Bytes term, uint64_t looked, uint32_t row);
  void note(uint8_t* record, uint32_t row);
  static std::string_view term_of(const uint8_t* record) {
    return as_text({record + kRecordHead, load_le<uint32_t>(record + kRecordSize)});
  }
  uint32_t make(Bytes term, Place& place, uint64_t hash, uint32_t row);
  void grow();
  Result<void> check_bounds() const;
  void sort_words();
  void sort_from(std::span<Word> part, size_t depth);
  void sort_numbers(Numbers& numbers);
  // Rows of the key at `i`, which it leaves behind them.
  std::span<const uint32_t> take_rows(const Numbers& numbers, size_t& i);

  const uint64_t seed_;
  std::vector<Place> table_;  // never more than half full
  Out arena_;
  bool full_ = false;              // no more words can be counted
  std::vector<Word> words_;        // in the order they came, then in theirs
  std::vector<uint64_t> entries_;  // of words: number << kRowBits | row
  static constexpr size_t kRecent = 64;
  std::array<uint32_t, kRecent> recent_{};  // of add_word(), by a hash of theirs: records in arena_, plus one
  std::array<Numbers, 2> numbers_{Numbers{Field::kActor, {}}, Numbers{Field::kTarget, {}}};
  std::array<Codes, 2> codes_{Codes{Field::kActionClass, {}}, Codes{Field::kOutcome, {}}};
  UrlTerms urls_;
  std::vector<uint32_t> rows_, next_, number_rows_;  // scratch of each()
  std::vector<Word> words_scratch_;
  std::vector<uint64_t> scratch_;
};

}  // namespace khipu::index
