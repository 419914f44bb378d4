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
      if (lost_) return garbage(item, line_by_line_ ? "\n" : "", "what follows a record over the size limit");
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        input_.consume(1);
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
        input_.consume(1);
        continue;
      }
      if (c == ',') {  // between elements; also between the lines of an array that was cut apart
        input_.consume(1);
        continue;
      }
      if (c != '{' && c != '[') {
        const char* stop = where_ == Where::kArray ? ",]{\n" : line_by_line_ ? "\n" : "{\n";
        return garbage(item, stop, "expected an object");
      }
      KHIPU_TRY_ASSIGN(const std::optional<size_t> size, value(item));
      if (size) return *size;
    }
  }

  void warn(std::string text) {
    if (warnings_.size() < 100) warnings_.push_back(std::move(text));
  }

  // Bytes that are no record, up to one of `stop`.
  Result<size_t> garbage(Item& item, std::string_view stop, const char* why) {
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

  // The balanced value at the front of the window; nullopt when it turned out to be an outer object and its array of
  // records has been entered.
  Result<std::optional<size_t>> value(Item& item) {
    const bool detect = where_ == Where::kTop && !options_.wrappers.empty();
    int depth = 0;
    bool quoted = false, escaped = false, named = false;
    size_t key_from = 0, key_end = 0, byte_by_byte = 0;
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
        if (c == '\n' && line_by_line_) return std::optional(damaged(item, at, "the line ends inside a record"));
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
      if (too_long(at)) {
        lost_ = true;
        return std::optional(damaged(item, options_.record_size_bytes_max, "the record is " + limit_text()));
      }
      KHIPU_TRY_ASSIGN(const bool more, input_.more());
      if (!more) {
        const std::string why = input_.damage().empty() ? "the input ends inside a record" : input_.damage();
        return std::optional(damaged(item, at, why));
      }
    }
  }

  bool wrapper(std::string_view name) const {
    return std::find(options_.wrappers.begin(), options_.wrappers.end(), name) != options_.wrappers.end();
  }
  void enter(size_t consumed) {
    input_.consume(consumed);
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
  bool lost_ = false;  // a record over the limit was cut: where the next one begins is not known
  int depth_ = 1;      // in the envelope
};

}  // namespace

std::unique_ptr<Splitter> make_json_splitter(Input& input, const SourceOptions& options, bool line_by_line) {
  return std::make_unique<JsonSplitter>(input, options, line_by_line);
}

}  // namespace khipu::import
