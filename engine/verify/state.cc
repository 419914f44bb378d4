#include "engine/verify/state.h"

#include <fmt/format.h>

#include <charconv>

#include "engine/crypto/hash.h"

namespace khipu::verify {
namespace {

constexpr std::string_view kMagic = "khipu-verify-state/v1";
constexpr size_t kCheckSize = 4;

std::string check_digits(std::string_view above) {
  return hex(Bytes(crypto::sha256(as_bytes(above))).first(kCheckSize));
}

// Words of one line, in order; the first failure sticks.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}
  std::string_view word() {
    const size_t space = rest_.find(' ');
    const std::string_view word = rest_.substr(0, space);
    rest_ = space == std::string_view::npos ? std::string_view() : rest_.substr(space + 1);
    if (word.empty() || (space != std::string_view::npos && rest_.empty())) ok_ = false;  // a space and nothing behind
    return word;
  }
  template <typename Number>
  void number(Number& into) {
    const std::string_view digits = word();
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    if (error != std::errc() || end != digits.data() + digits.size() || std::to_string(into) != digits) ok_ = false;
  }
  template <size_t N>
  void bytes(std::array<uint8_t, N>& into) {
    const std::string_view digits = word();
    const auto value = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
    if (digits.size() != 2 * N) {
      ok_ = false;
      return;
    }
    for (size_t i = 0; i < N; ++i) {
      const int high = value(digits[2 * i]), low = value(digits[2 * i + 1]);
      if (high < 0 || low < 0) ok_ = false;
      into[i] = static_cast<uint8_t>(high * 16 + low);
    }
  }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  // The value of the line "NAME: VALUE\n"; nullopt when another line stands here.
  std::optional<std::string_view> take(std::string_view name) {
    const size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = rest_.substr(0, end);
    if (!line.starts_with(name) || line.substr(name.size(), 2) != ": ") return std::nullopt;
    rest_.remove_prefix(end + 1);
    return line.substr(name.size() + 2);
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

Error malformed(std::string_view what) {
  return {Code::kInvalid, fmt::format("not a state of khipu verify: {}; make one with --save-state", what)};
}

}  // namespace

std::string format_state(const State& state) {
  std::string out =
      fmt::format("{}\norigin: {}\nkey: {}\nroot: {}\n", kMagic, state.origin, hex(state.key), hex(state.root_id));
  out += fmt::format("commit: {} {} {}\n", state.commit.value, hex(state.commit_hash), state.commit_time);
  for (const TableId id : kTables) {
    const TablePosition& at = state.tables[index_of(id)];
    out += fmt::format("{}: {} {} {} {} {} {} {} {} {} {} {} {}\n", table_name(id), at.size, hex(at.root),
                       at.segment.value, at.segment_first_row.value, at.offset, at.commit_offset, at.time_min,
                       at.time_max, at.recorded_first, at.recorded_last, at.manifest_entries, hex(at.manifest_sha256));
  }
  out += fmt::format("full: {} {}\nwritten: {}\n", state.full_commit.value, state.full_time, state.written);
  return out + "check: " + check_digits(out) + "\n";
}

Result<State> parse_state(std::string_view text) {
  if (text.size() > kStateSizeMax) return malformed("too long");
  if (text.starts_with("khipu-verify-state/") && !text.starts_with(std::string(kMagic) + "\n")) {
    return Error{Code::kUnsupported, "a state of another version of khipu verify"};
  }
  if (!text.starts_with(std::string(kMagic) + "\n")) return malformed("its first line is another");
  const size_t check = text.rfind("check: ");
  if (check == std::string_view::npos || text.substr(check) != "check: " + check_digits(text.substr(0, check)) + "\n") {
    return malformed("its check digits are wrong");
  }
  State state;
  Lines lines(text.substr(kMagic.size() + 1));
  const auto origin = lines.take("origin");
  if (!origin || origin->empty()) return malformed("no origin");
  state.origin = *origin;
  const auto line = [&](std::string_view name, auto read) {
    const auto value = lines.take(name);
    if (!value) return false;
    Words words(*value);
    read(words);
    return words.done();
  };
  bool good = line("key", [&](Words& words) { words.bytes(state.key); });
  good = good && line("root", [&](Words& words) { words.bytes(state.root_id); });
  good = good && line("commit", [&](Words& words) {
           words.number(state.commit.value);
           words.bytes(state.commit_hash);
           words.number(state.commit_time);
         });
  for (const TableId id : kTables) {
    TablePosition& at = state.tables[index_of(id)];
    good = good && line(table_name(id), [&](Words& words) {
             words.number(at.size);
             words.bytes(at.root);
             words.number(at.segment.value);
             words.number(at.segment_first_row.value);
             words.number(at.offset);
             words.number(at.commit_offset);
             words.number(at.time_min);
             words.number(at.time_max);
             words.number(at.recorded_first);
             words.number(at.recorded_last);
             words.number(at.manifest_entries);
             words.bytes(at.manifest_sha256);
           });
    good = good && at.segment_first_row.value <= at.size && at.size <= INT64_MAX && at.offset >= 64 &&
           at.offset <= INT64_MAX && at.manifest_entries <= at.segment.value && at.segment.value <= UINT32_MAX;
  }
  good = good && line("full", [&](Words& words) {
           words.number(state.full_commit.value);
           words.number(state.full_time);
         });
  good = good && line("written", [&](Words& words) { words.number(state.written); });
  if (!good || lines.rest() != text.substr(check) || state.commit.value == 0) {
    return malformed("a line is missing, malformed or one too many");
  }
  return state;
}

}  // namespace khipu::verify
