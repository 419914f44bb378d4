// JSON records in every container real exports use. A hand scanner that balances braces and knows strings: it streams,
// so a trail file of one long line needs no more memory than its longest record.
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>

#include "engine/import/splitter.h"
#include "engine/ingest/json_scan.h"

namespace khipu::import {
namespace {

constexpr size_t kBlock = 64;

#ifdef __SSE2__
// Where in 64 bytes these stand, the first byte the lowest bit. Brackets and braces differ in bit 5 alone.
struct Block {
  uint64_t quotes = 0, opens = 0, closes = 0, backslashes = 0, newlines = 0;
  explicit Block(const uint8_t* bytes) {
    for (unsigned i = 0; i < kBlock; i += 16) {
      const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
      const __m128i folded = _mm_or_si128(part, _mm_set1_epi8(0x20));
      const auto where = [&](const __m128i& in, char c) {
        return uint64_t{static_cast<uint16_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(in, _mm_set1_epi8(c))))} << i;
      };
      quotes |= where(part, '"');
      opens |= where(folded, '{');
      closes |= where(folded, '}');
      backslashes |= where(part, '\\');
      newlines |= where(part, '\n');
    }
  }
};

// Each bit: whether an odd number of bits are set up to it, which is what lies in strings.
uint64_t odd_up_to(uint64_t bits) {
  for (unsigned shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}
#endif

constexpr const char* kUnclosed = "the record is not closed where the next one begins";
constexpr const char* kBehindLost = "what follows a record that was given up";

// Where in a value a byte stands.
struct Scan {
  int depth = 0;
  bool quoted = false, escaped = false;
  bool balanced = true;  // what stands here is sure: no string went on over a line's end
  // Takes the next byte; true when it closes the value.
  bool closes(uint8_t c) {
    if (quoted) {
      if (!escaped && c == '"') quoted = false;
      escaped = !escaped && c == '\\';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      return --depth <= 0;
    }
    return false;
  }
};

// Looks for a line that begins as the next record would: with an object (or the array's end) no further to the right
// than the record at hand. In a record that closes it means nothing; one that does not ends in front of it.
class NextLine {
 public:
  explicit NextLine(size_t column) : column_(std::min(column, kColumnMax)) {}
  void line_ends(size_t at) { end_ = at, open_ = true; }
  bool begins(uint8_t c, size_t at, bool in_array) {
    if (!open_ || c == ' ' || c == '\t' || c == '\r' || c == ',' || c == '[') return false;
    open_ = false;
    return (c == '{' || (c == ']' && in_array)) && at - end_ - 1 <= column_;
  }
  bool open() const { return open_; }  // how the line begins is not seen yet
  size_t end() const { return end_; }  // of the line before
  size_t seen_at() const { return end_ + column_ + 2; }

 private:
  static constexpr size_t kColumnMax = 64;
  const size_t column_;
  size_t end_ = 0;
  bool open_ = false;
};

class JsonSplitter : public Splitter {
 public:
  JsonSplitter(Input& input, const SourceOptions& options, bool line_by_line)
      : Splitter(input, options), line_by_line_(line_by_line) {}

 private:
  enum class Where { kTop, kArray, kEnvelope };  // kEnvelope: in the outer object, outside of the array of records

  Result<size_t> cut(Item& item) override {
    for (;;) {
      KHIPU_TRY_ASSIGN(const int c, byte(0));
      if (c < 0) {
        if (where_ != Where::kTop) warn("the input ends inside the array or object that holds its records");
        return size_t{0};
      }
      if (c == '\n' && line_by_line_) {
        if (where_ != Where::kTop) warn("line " + std::to_string(input_.line()) + " ends inside its array");
        where_ = Where::kTop;
        lost_ = false;
      }
      if (lost_ && line_by_line_) return garbage(item, "\n", kBehindLost);
      if (lost_) {
        KHIPU_TRY_ASSIGN(const size_t size, rest(item));
        if (size > 0) return size;
      }
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        step(c);
        continue;
      }
      if (where_ == Where::kEnvelope) {
        KHIPU_TRY(envelope());
        continue;
      }
      if (where_ == Where::kTop ? c == '[' : c == ']') {
        where_ = c == '[' ? Where::kArray : enveloped_ ? Where::kEnvelope : Where::kTop;
        if (c == '[') enveloped_ = false;
        depth_ = 1;
        step(c);
        continue;
      }
      if (c == ',') {  // between elements; also between the lines of an array that was cut apart
        step(c);
        continue;
      }
      if (c != '{' && c != '[') {
        const char* stop = where_ == Where::kArray ? ",]{\n" : line_by_line_ ? "\n" : "{\n";
        return garbage(item, stop, "expected an object");
      }
      KHIPU_TRY_ASSIGN(const std::optional<size_t> size, value(item));
      if (!size) continue;
      column_.reset();
      return *size;
    }
  }

  // Consumes a byte that stands between records.
  void step(int c) {
    if (c == '[' || c == '\n') behind_bracket_ = c == '[';
    if (c == '\n') {
      column_ = 0;
    } else if (column_) {
      ++*column_;
    }
    input_.consume(1);
  }

  void warn(std::string text) {
    if (warnings_.size() < 100) warnings_.push_back(std::move(text));
  }

  // Bytes that are no record, up to one of `stop`.
  Result<size_t> garbage(Item& item, std::string_view stop, const char* why) {
    column_.reset();
    for (size_t at = 1;; ++at) {
      KHIPU_TRY_ASSIGN(const int c, byte(at));
      if (c < 0 || too_long(at) || stop.find(static_cast<char>(c)) != std::string_view::npos) {
        return damaged(item, at, why);
      }
    }
  }

  // Where a plain run of a string ends: at a quote, backslash or control character, or somewhere in front of them.
  static size_t plain_end(Bytes window, size_t at) {
    for (; at + 8 <= window.size(); at += 8) {
      const uint64_t stops = ingest::string_stops(load_le<uint64_t>(window.data() + at));
      if (stops != 0) return at + static_cast<size_t>(std::countr_zero(stops)) / 8;
    }
    return at;
  }

  // Goes through whole blocks from `at` on, and stops in front of one with an escape or a line's end, or of the byte
  // that closes the value: whatever is not said by depth and quotes alone is for value() to judge.
  static size_t whole_blocks([[maybe_unused]] Bytes window, size_t at, [[maybe_unused]] bool& quoted,
                             [[maybe_unused]] int& depth) {
#ifdef __SSE2__
    for (; at + kBlock <= window.size(); at += kBlock) {
      const Block block(window.data() + at);
      if ((block.backslashes | block.newlines) != 0) return at;
      const uint64_t inside = odd_up_to(block.quotes) ^ (quoted ? ~uint64_t{0} : 0);
      int here = depth;
      for (uint64_t left = (block.opens | block.closes) & ~inside; left != 0; left &= left - 1) {
        const uint64_t one = left & (~left + 1);
        if ((block.opens & one) != 0) {
          ++here;
        } else if (here == 1) {
          quoted = false;
          depth = here;
          return at + static_cast<size_t>(std::countr_zero(one));
        } else {
          --here;
        }
      }
      depth = here;
      quoted = inside >> 63 != 0;
    }
#endif
    return at;
  }

  // What is left of a record that was given up: up to where it closes, when nothing but its size was wrong, or up to
  // the line with which the next one seems to begin. 0 when that is here.
  Result<size_t> rest(Item& item) {
    NextLine next(lost_column_);
    for (size_t at = 0;; ++at) {
      KHIPU_TRY_ASSIGN(const int c, byte(at));
      if (c < 0) return damaged(item, at, kBehindLost);
      if (too_long(at)) return damaged(item, next.open() && next.end() > 0 ? next.end() : at, kBehindLost);
      if (c == '\n') {
        if (scan_.quoted) scan_.balanced = false;
        scan_.quoted = scan_.escaped = false;
        next.line_ends(at);
      } else if (next.begins(static_cast<uint8_t>(c), at, where_ == Where::kArray)) {
        lost_ = false;
        return next.end() == 0 ? size_t{0} : damaged(item, next.end(), kBehindLost);
      } else if (scan_.balanced && scan_.closes(static_cast<uint8_t>(c))) {
        lost_ = false;
        return damaged(item, at + 1, kBehindLost);
      }
    }
  }

  // The balanced value at the front of the window; nullopt when it turned out to be an outer object and its array of
  // records has been entered.
  Result<std::optional<size_t>> value(Item& item) {
    const bool detect = where_ == Where::kTop && !options_.wrappers.empty();
    int depth = 0;
    bool quoted = false, escaped = false, named = false;
    size_t key_from = 0, key_end = 0, byte_by_byte = 0;
    NextLine next(column_.value_or(0));
    std::optional<size_t> other;  // the end of the line behind which another record seems to begin
    for (size_t at = 0;;) {
      const Bytes window = input_.window();
      for (; at < window.size(); ++at) {
        if (at >= byte_by_byte && !detect && !escaped) {  // keys are of no interest
          at = whole_blocks(window, at, quoted, depth);
          byte_by_byte = at + kBlock;
          if (at == window.size()) break;
        }
        if (quoted && !escaped) at = plain_end(window, at);
        if (at == window.size()) break;
        const uint8_t c = window[at];
        if (c == '\n') {
          if (line_by_line_) return std::optional(damaged(item, at, "the line ends inside a record"));
          if (quoted) {  // which no JSON has: it was cut off
            if (column_ && !behind_bracket_) give_up(Scan{depth, false, false, false});
            return std::optional(damaged(item, at, "the line ends inside a string of the record"));
          }
          if (!other) next.line_ends(at);
          byte_by_byte = std::max(byte_by_byte, next.seen_at());
          continue;
        }
        if (!quoted && next.begins(c, at, where_ == Where::kArray)) {
          other = next.end();
          if (unclosed_) return std::optional(damaged(item, *other, kUnclosed));
        }
        if (quoted) {
          if (escaped) {
            escaped = false;
          } else if (c == '\\') {
            escaped = true;
          } else if (c == '"') {
            quoted = false;
            key_end = at;
          }
          continue;
        }
        switch (c) {
          case '"':
            quoted = true;
            key_from = at + 1;
            named = false;
            break;
          case ':': named = depth == 1; break;
          case ',': named = false; break;
          case '[':
            if (detect && named && depth == 1 && wrapper(as_text(window.subspan(key_from, key_end - key_from)))) {
              enter(at + 1);
              return std::optional<size_t>();
            }
            [[fallthrough]];
          case '{':
            ++depth;
            named = false;
            break;
          case ']':
          case '}':
            if (--depth == 0) return std::optional(at + 1);
            break;
          default: break;
        }
      }
      const bool full = too_long(at);
      if (!full) {
        KHIPU_TRY_ASSIGN(const bool more, input_.more());
        if (more) continue;
      }
      if (other) {
        unclosed_ = true;
        return std::optional(damaged(item, *other, kUnclosed));
      }
      if (full) {
        Scan scan;
        for (const uint8_t c : input_.window().first(options_.record_size_bytes_max)) (void)scan.closes(c);
        give_up(scan);
        return std::optional(damaged(item, options_.record_size_bytes_max, "the record is " + limit_text()));
      }
      if (options_.last_line_waits && (line_by_line_ || where_ == Where::kTop)) {
        return std::optional(hold_back("record", at));
      }
      return std::optional(
          damaged(item, at, input_.damage().empty() ? "the input ends inside a record" : input_.damage()));
    }
  }

  void give_up(const Scan& scan) {
    lost_ = true;
    scan_ = scan;
    lost_column_ = column_.value_or(0);
  }
  bool wrapper(std::string_view name) const {
    return std::find(options_.wrappers.begin(), options_.wrappers.end(), name) != options_.wrappers.end();
  }
  void enter(size_t consumed) {
    input_.consume(consumed);
    column_.reset();
    where_ = Where::kArray;
    enveloped_ = true;
  }

  // Goes through the rest of the outer object: to its end, or into another array of records.
  Result<void> envelope() {
    std::string key;
    bool quoted = false, escaped = false, named = false;
    for (;;) {
      KHIPU_TRY_ASSIGN(const int c, byte(0));
      if (c < 0 || (c == '\n' && line_by_line_)) return {};  // cut() says that it is not closed
      if (c == '\n' && quoted) {                             // which no JSON has: it was cut off
        warn("line " + std::to_string(input_.line()) + " ends inside a string behind its records");
        where_ = Where::kTop;
        return {};
      }
      if (c == '[' && !quoted && named && depth_ == 1 && wrapper(key)) {
        enter(1);
        return {};
      }
      input_.consume(1);
      if (quoted) {
        if (!escaped && c == '"') quoted = false;
        escaped = !escaped && c == '\\';
        if (quoted && key.size() < 64) key += static_cast<char>(c);
      } else if (c == '"') {
        quoted = true;
        key.clear();
        named = false;
      } else if (c == ':' || c == ',') {
        named = c == ':';
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if ((c == '}' || c == ']') && --depth_ == 0) {
        where_ = Where::kTop;
        return {};
      }
    }
  }

  const bool line_by_line_;
  Where where_ = Where::kTop;
  bool enveloped_ = false;
  bool lost_ = false;  // a record was given up before its end: where the next one begins is not known
  Scan scan_;          // then: of that record
  size_t lost_column_ = 0;
  bool unclosed_ = false;  // a record was not closed where the next one began: then none is read on beyond that
  std::optional<size_t> column_ =
      0;                         // of the window's first byte, while its line holds nothing but what is between records
  bool behind_bracket_ = false;  // that line began the array
  int depth_ = 1;                // in the envelope
};

}  // namespace

std::unique_ptr<Splitter> make_json_splitter(Input& input, const SourceOptions& options, bool line_by_line) {
  return std::make_unique<JsonSplitter>(input, options, line_by_line);
}

}  // namespace khipu::import
