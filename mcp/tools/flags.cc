// What inspect() notices in a value. Detectors are advice: one public test found that vendors' shields caught none of
// 32 payloads inside logs. They make poisoning attempts countable; they keep nothing out and let nothing in.
#include <algorithm>
#include <iterator>

#include "mcp/tools/render.h"
#include "mcp/tools/unicode.h"

namespace khipu::mcp::tools {
namespace {

constexpr size_t kBase64RunMin = 64;
constexpr size_t kHexRunMin = 129;  // longer than the hex of any common hash
constexpr size_t kPercentRunMin = 12;

constexpr std::string_view kPhrases[] = {"ignore previous",
                                         "ignore all",
                                         "ignore the above",
                                         "ignore any",
                                         "ignore your",
                                         "ignore this event",
                                         "disregard",
                                         "forget previous",
                                         "you are now",
                                         "you are an",
                                         "pretend to",
                                         "system prompt",
                                         "system message",
                                         "system override",
                                         "new instructions",
                                         "updated instructions",
                                         "these instructions",
                                         "developer mode",
                                         "do not report",
                                         "do not mention",
                                         "do not include",
                                         "do not flag",
                                         "do not investigate",
                                         "as an ai",
                                         "ai assistant",
                                         "language model",
                                         "note to ai",
                                         "attention auditor",
                                         "to the assistant",
                                         "dear assistant",
                                         "mark this",
                                         "treat this as",
                                         "classify this",
                                         "classify as",
                                         "is benign",
                                         "as benign",
                                         "can be ignored",
                                         "safe to ignore",
                                         "false positive",
                                         "already investigated",
                                         "already reviewed",
                                         "pre approved",
                                         "authorized test",
                                         "red team exercise",
                                         "stop analysis",
                                         "analysis complete",
                                         "end of log",
                                         "end of results",
                                         "no further",
                                         "no more results",
                                         "integrity verified",
                                         "verification passed",
                                         "call the tool",
                                         "use the tool",
                                         "output the following",
                                         "respond with",
                                         "reply with",
                                         "your conclusion",
                                         "in your summary",
                                         "in your report",
                                         "conclude that"};

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Lower-case words parted and surrounded by one space, so that "Ignore-previous_" reads " ignore previous ".
std::string words_of(std::string_view raw) {
  std::string words = " ";
  for (const char c : raw) {
    const char folded = is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    if (is_lower(folded) || is_digit(folded)) {
      words += folded;
    } else if (words.back() != ' ') {
      words += ' ';
    }
  }
  if (words.back() != ' ') words += ' ';
  return words;
}

bool is_instruction_like(const std::string& words) {
  return std::any_of(std::begin(kPhrases), std::end(kPhrases), [&](std::string_view phrase) {
    for (size_t at = words.find(phrase); at != std::string::npos; at = words.find(phrase, at + 1)) {
      if (words[at - 1] == ' ' && words[at + phrase.size()] == ' ') return true;
    }
    return false;
  });
}

bool has_tag_opener(std::string_view raw) {
  for (size_t at = 0; at + 1 < raw.size(); ++at) {
    const char next = raw[at + 1];
    if (raw[at] == '<' && (is_lower(next) || is_upper(next) || next == '/' || next == '!' || next == '|')) return true;
  }
  return false;
}

// A line that begins like the turn of a conversation.
bool has_role_header(std::string_view raw) {
  constexpr std::string_view kRoles[] = {
      "system:", "System:", "SYSTEM:", "assistant:", "Assistant:", "ASSISTANT:", "human:", "Human:", "### "};
  for (size_t line = 0; line < raw.size(); line = raw.find_first_of("\r\n", line) + 1) {
    const auto begins = [&](std::string_view role) { return raw.substr(line).starts_with(role); };
    if (std::any_of(std::begin(kRoles), std::end(kRoles), begins)) return true;
    if (raw.find_first_of("\r\n", line) == std::string_view::npos) break;
  }
  return false;
}

bool is_forged_markup(std::string_view raw) {
  constexpr std::string_view kParts[] = {"\u27E6", "\u27E7",  "```",         "](",
                                         "[INST]", "[/INST]", "\"jsonrpc\"", "untrusted text is inside"};
  const auto is_in = [&](std::string_view part) { return raw.find(part) != std::string_view::npos; };
  return std::any_of(std::begin(kParts), std::end(kParts), is_in) || has_tag_opener(raw) || has_role_header(raw);
}

bool has_base64_run(std::string_view raw) {
  size_t run = 0, hex_run = 0;
  bool upper = false, lower = false, digit = false;
  for (const char c : raw) {
    const bool is_base64 = is_upper(c) || is_lower(c) || is_digit(c) || c == '+' || c == '/' || c == '_' || c == '-';
    hex_run = is_hex(c) ? hex_run + 1 : 0;
    if (hex_run >= kHexRunMin) return true;
    if (!is_base64) {
      run = 0;
      upper = lower = digit = false;
      continue;
    }
    ++run;
    upper = upper || is_upper(c);
    lower = lower || is_lower(c);
    digit = digit || is_digit(c);
    if (run >= kBase64RunMin && upper && lower && digit) return true;
  }
  return false;
}

bool has_percent_run(std::string_view raw) {
  size_t run = 0;
  for (size_t at = 0; at < raw.size();) {
    const bool is_escape = raw[at] == '%' && at + 2 < raw.size() && is_hex(raw[at + 1]) && is_hex(raw[at + 2]);
    run = is_escape ? run + 1 : 0;
    if (run >= kPercentRunMin) return true;
    at += is_escape ? 3 : 1;
  }
  return false;
}

// Words that mix look-alike scripts ("pаypal" with a Cyrillic a), and letters of other looks for plain ones.
class ScriptWatch {
 public:
  void see(char32_t point) {
    const Script script = script_of(point);
    if (script == Script::kOther) {
      if (!is_combining_mark(point)) word_ = Script::kOther;
      return;
    }
    is_mixed_ = is_mixed_ || script == Script::kStyledLatin || (word_ != Script::kOther && word_ != script);
    word_ = script;
  }
  bool is_mixed() const { return is_mixed_; }

 private:
  Script word_ = Script::kOther;
  bool is_mixed_ = false;
};

}  // namespace

std::vector<std::string> Flags::names() const {
  constexpr std::string_view kNames[] = {"hidden_unicode",   "terminal_control", "bidi",           "mixed_script",
                                         "instruction_like", "forged_markup",    "odd_identifier", "encoded_blob"};
  std::vector<std::string> names;
  for (size_t bit = 0; bit < std::size(kNames); ++bit) {
    if ((bits_ >> bit & 1) != 0) names.emplace_back(kNames[bit]);
  }
  return names;
}

Flags inspect(std::string_view raw) {
  Flags flags;
  ScriptWatch scripts;
  Scan scan(raw);
  Unit unit;
  while (scan.next(unit)) {
    scripts.see(unit.verdict == Unit::Verdict::kInvalid ? U'\uFFFD' : unit.point);
    if (unit.verdict == Unit::Verdict::kVisible || unit.point == '\t' || unit.point == '\n') continue;
    const bool is_crlf = unit.point == '\r' && scan.offset() < raw.size() && raw[scan.offset()] == '\n';
    if (is_crlf || unit.point == kMarkOpen || unit.point == kMarkClose) continue;
    const bool is_control = unit.point < 0xA0 && unit.verdict == Unit::Verdict::kHidden;
    flags.add(is_control ? Flag::kTerminalControl : is_bidi_control(unit.point) ? Flag::kBidi : Flag::kHiddenUnicode);
  }
  if (scripts.is_mixed()) flags.add(Flag::kMixedScript);
  if (is_instruction_like(words_of(raw))) flags.add(Flag::kInstructionLike);
  if (is_forged_markup(raw)) flags.add(Flag::kForgedMarkup);
  if (has_base64_run(raw) || has_percent_run(raw)) flags.add(Flag::kEncodedBlob);
  return flags;
}

}  // namespace khipu::mcp::tools
