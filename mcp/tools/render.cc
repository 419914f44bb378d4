#include "mcp/tools/render.h"

#include <algorithm>

#include "mcp/tools/secrets.h"
#include "mcp/tools/unicode.h"

namespace khipu::mcp::tools {
namespace {

constexpr size_t kSentencePartsMin = 6;
constexpr std::string_view kOpen = "\u27E6";
constexpr std::string_view kClose = "\u27E7";

void append_hex(std::string& text, char32_t value, int digits_min) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  int digits = digits_min;
  while (digits < 8 && (value >> (4 * digits)) != 0) ++digits;
  while (digits-- > 0) text += kDigits[value >> (4 * digits) & 0xF];
}

void append_unit(std::string& text, const Unit& unit, std::string_view raw) {
  if (unit.verdict == Unit::Verdict::kVisible) {
    // The value is one that has escapes: its own backslashes are doubled, or they could pass for ours.
    text += unit.point == '\\' ? std::string_view("\\\\") : raw;
    return;
  }
  text += unit.verdict == Unit::Verdict::kInvalid ? "\\x{" : "\\u{";
  append_hex(text, unit.point, unit.verdict == Unit::Verdict::kInvalid ? 2 : 1);
  text += '}';
}

bool needs_escape(std::string_view raw) {
  if (raw.find("\\u{") != std::string_view::npos || raw.find("\\x{") != std::string_view::npos) return true;
  Scan scan(raw);
  Unit unit;
  while (scan.next(unit)) {
    if (unit.verdict != Unit::Verdict::kVisible) return true;
  }
  return false;
}

// The escaped prefix of a value that fits, with its secrets replaced. Nothing is cut in the middle of an escape.
struct Prefix {
  std::string text;
  bool masked = false;
  size_t omitted_bytes = 0;
};

Prefix escape_prefix(std::string_view raw, const std::vector<Span>& secrets, bool escaped, size_t chars_max) {
  Prefix prefix;
  size_t chars = 0;
  auto secret = secrets.begin();
  Scan scan(raw);
  Unit unit;
  std::string piece;
  for (size_t at = 0; at < raw.size(); at = scan.offset()) {
    if (chars == chars_max) {
      prefix.omitted_bytes = raw.size() - at;
      break;
    }
    piece.clear();
    if (secret != secrets.end() && at >= secret->begin) {
      // Both borders of a secret are ASCII or the end, so no code point lies across them.
      while (scan.offset() < secret->end && scan.next(unit)) {
      }
      prefix.text += "[secret masked, " + std::to_string(secret->end - secret->begin) + " bytes]";
      prefix.masked = true;
      ++secret;
      ++chars;
      continue;
    }
    scan.next(unit);
    const std::string_view source = raw.substr(at, unit.size_bytes);
    if (escaped) {
      append_unit(piece, unit, source);
    } else {
      piece = source;
    }
    const size_t size = unit.verdict == Unit::Verdict::kVisible ? 1 : piece.size();
    if (chars > 0 && chars + size > chars_max) {
      prefix.omitted_bytes = raw.size() - at;
      break;
    }
    chars = std::min(chars + size, chars_max);
    prefix.text += piece;
  }
  return prefix;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_at_ci(std::string_view text, size_t at, std::string_view lower) {
  return text.size() - at >= lower.size() &&
         std::equal(lower.begin(), lower.end(), text.begin() + static_cast<ptrdiff_t>(at),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
}

// Breaks what a chat window would turn into a link, an image, a code block or a tag. Spaces and letters, all visible.
std::string defang(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if ((c == 'h' || c == 'H') && (is_at_ci(text, at, "http://") || is_at_ci(text, at, "https://"))) {
      out += c;
      out += c == 'H' ? "XX" : "xx";
      at += 2;
      continue;
    }
    out += c;
    const bool is_link = (c == ']' && next == '(') || (c == '!' && next == '[');
    const bool is_tag = c == '<' && (is_letter(next) || next == '/' || next == '!' || next == '?');
    const bool is_fence = c == '`' && next == '`';
    if (is_link || is_tag || is_fence) out += ' ';
  }
  return out;
}

// What follows "arn:partition:service:region:account:" (behind a type of ours, too): that much of an Amazon resource
// name is fixed words, and no sentence.
std::string_view behind_arn(std::string_view token) {
  constexpr size_t kFixedParts = 5;
  const size_t colon = token.find(':');
  std::string_view rest = token;
  if (colon != std::string_view::npos && token.substr(colon + 1).starts_with("arn:")) rest = token.substr(colon + 1);
  if (!rest.starts_with("arn:")) return token;
  for (size_t i = 0; i < kFixedParts; ++i) {
    const size_t end = rest.find(':');
    if (end == std::string_view::npos) return token;
    rest.remove_prefix(end + 1);
  }
  return rest;
}

// Six or more parts that look like words: a sentence with hyphens for spaces, which fits an identifier.
bool is_sentence(std::string_view token) {
  token = behind_arn(token);
  size_t parts = 0;
  size_t letters = 0;
  bool has_vowel = false, is_word = true;
  const auto end_part = [&] {
    parts += is_word && has_vowel && letters <= 14 ? 1 : 0;
    letters = 0;
    has_vowel = false;
    is_word = true;
  };
  for (const char c : token) {
    if (is_letter(c)) {
      ++letters;
      has_vowel = has_vowel || std::string_view("aeiouyAEIOUY").find(c) != std::string_view::npos;
    } else if (c >= '0' && c <= '9') {
      is_word = false;
    } else {
      end_part();
    }
  }
  end_part();
  return parts >= kSentencePartsMin;
}

}  // namespace

Escaped escape(std::string_view raw) {
  if (!needs_escape(raw)) return {std::string(raw), false};
  return {escape_prefix(raw, {}, true, SIZE_MAX).text, true};
}

std::optional<std::string> unescape(const Escaped& value) {
  if (!value.escaped) return value.text;
  const std::string_view text = value.text;
  std::string raw;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      raw += text[at];
      continue;
    }
    const char kind = ++at < text.size() ? text[at] : '\0';
    if (kind == '\\') {
      raw += '\\';
      continue;
    }
    const size_t close = text.find('}', at);
    if ((kind != 'u' && kind != 'x') || close == std::string_view::npos || text[at + 1] != '{') return std::nullopt;
    const std::string_view digits = text.substr(at + 2, close - at - 2);
    if (digits.empty() || digits.size() > 6) return std::nullopt;
    char32_t point = 0;
    for (const char digit : digits) {
      const size_t value_of_digit = std::string_view("0123456789ABCDEF").find(digit);
      if (value_of_digit == std::string_view::npos) return std::nullopt;
      point = point << 4 | static_cast<char32_t>(value_of_digit);
    }
    if (point > (kind == 'x' ? 0xFFU : 0x10FFFFU)) return std::nullopt;
    if (kind == 'x') {
      raw += static_cast<char>(static_cast<unsigned char>(point));
    } else {
      append_utf8(raw, point);
    }
    at = close;
  }
  return raw;
}

bool is_presentable(std::string_view text) {
  Scan scan(text);
  Unit unit;
  while (scan.next(unit)) {
    if (unit.verdict != Unit::Verdict::kVisible && unit.point != kMarkOpen && unit.point != kMarkClose) return false;
  }
  return true;
}

bool is_token(std::string_view raw) {
  const auto fits = [](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || std::string_view("._:@/+=~%-").find(c) != std::string_view::npos;
  };
  return !raw.empty() && raw.size() <= kTokenSizeBytesMax && std::all_of(raw.begin(), raw.end(), fits);
}

Renderer::Renderer(std::string tag, bool reveal_secrets) : tag_(std::move(tag)), reveal_secrets_(reveal_secrets) {}

Rendered Renderer::free_text(std::string_view raw, size_t chars_max) { return marked(raw, chars_max, known_); }

Rendered Renderer::marked(std::string_view raw, size_t chars_max, const std::vector<std::string>& known) {
  Rendered rendered;
  if (raw.empty()) return rendered;
  rendered.flags = inspect(raw);
  rendered.escaped = needs_escape(raw);
  const Prefix prefix = escape_prefix(raw, reveal_secrets_ ? std::vector<Span>() : find_secrets(raw, known),
                                      rendered.escaped, std::max<size_t>(chars_max, 1));
  rendered.masked = prefix.masked;
  rendered.omitted_bytes = prefix.omitted_bytes;
  rendered.marked = has_marked_ = true;
  rendered.text.append(kOpen).append(tag_).append(" ").append(defang(prefix.text));
  rendered.text.append(" ").append(tag_).append(kClose);
  // Outside the marks: this one is ours.
  if (prefix.omitted_bytes > 0) rendered.text += "\u2026(+" + std::to_string(prefix.omitted_bytes) + " bytes)";
  return rendered;
}

Rendered Renderer::token(std::string_view raw, size_t chars_max) { return token(raw, chars_max, {}, raw); }

Rendered Renderer::ref(std::string_view raw) {
  const size_t colon = raw.find(':');
  const bool has_type =
      colon != std::string_view::npos && colon > 0 && std::all_of(raw.begin(), raw.begin() + colon, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      });
  return token(raw, kTokenSizeBytesMax, {}, has_type ? raw.substr(colon + 1) : raw);
}

Rendered Renderer::value_token(std::string_view raw, size_t chars_max) { return token(raw, chars_max, known_, raw); }

Rendered Renderer::token(std::string_view raw, size_t chars_max, const std::vector<std::string>& known,
                         std::string_view searched) {
  if (raw.empty()) return {};
  const bool is_shown = is_token(raw) && (reveal_secrets_ || find_secrets(searched, known).empty());
  Rendered rendered;
  if (is_shown) {
    rendered.text = raw;
    rendered.flags = inspect(raw);
  } else {
    rendered = marked(raw, chars_max, known);
  }
  if (!is_token(raw) || is_sentence(raw)) rendered.flags.add(Flag::kOddIdentifier);
  return rendered;
}

bool Renderer::hides_field(std::string_view name) const { return !reveal_secrets_ && is_secret_name(name); }

Rendered Renderer::field(std::string_view name, std::string_view raw, size_t chars_max) {
  if (raw.empty() || !hides_field(name)) return free_text(raw, chars_max);
  Rendered rendered;
  rendered.flags = inspect(raw);
  rendered.masked = true;
  rendered.text = "[secret masked, " + std::to_string(raw.size()) + " bytes]";
  return rendered;
}

std::string Renderer::notice() const {
  return "untrusted text is inside " + std::string(kOpen) + tag_ + " \u2026 " + tag_ + std::string(kClose);
}

std::string render_got(std::string_view raw) {
  const Prefix prefix = escape_prefix(raw, find_secrets(raw), needs_escape(raw), kGotCharsMax);
  std::string text = defang(prefix.text);
  if (prefix.omitted_bytes > 0) text += "\u2026(+" + std::to_string(prefix.omitted_bytes) + " bytes)";
  return text;
}

std::string csv_cell(std::string_view rendered) {
  if (rendered.find_first_of(",\"") == std::string_view::npos) return std::string(rendered);
  std::string cell = "\"";
  for (const char c : rendered) cell.append(c == '"' ? 2 : 1, c);
  return cell + '"';
}

}  // namespace khipu::mcp::tools
