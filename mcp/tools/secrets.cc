#include "mcp/tools/secrets.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>

#include "mcp/tools/unicode.h"

namespace khipu::mcp::tools {
namespace {

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_key_char(char c) { return is_alnum(c) || c == '_' || c == '-'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool has_prefix_ci(std::string_view text, std::string_view lower_prefix) {
  return text.size() >= lower_prefix.size() && std::equal(lower_prefix.begin(), lower_prefix.end(), text.begin(),
                                                          [](char a, char b) { return a == lower(b); });
}

template <typename Predicate>
size_t run_length(std::string_view text, Predicate predicate) {
  return static_cast<size_t>(std::find_if_not(text.begin(), text.end(), predicate) - text.begin());
}

struct KeyShape {
  std::string_view prefix;
  size_t tail_size_min;
};
constexpr KeyShape kKeyShapes[] = {
    {"AKIA", 16},  {"ASIA", 16},        {"ghp_", 30},   {"gho_", 30}, {"ghu_", 30},     {"ghs_", 30},
    {"ghr_", 30},  {"github_pat_", 30}, {"glpat-", 16}, {"sk-", 20},  {"sk_live_", 16}, {"rk_live_", 16},
    {"xoxb-", 10}, {"xoxp-", 10},       {"xoxa-", 10},  {"AIza", 30}, {"hvs.", 20},     {"npm_", 30}};

// Each ends at a quote, a space, "=" or ":". Other names that is_secret_name() knows, only where it is plain that they
// name a value: in quotes, before "=", or as an identifier before a colon and a space ("secretsmanager:us-east-1" in an
// ARN is none).
constexpr std::string_view kNames[] = {"password",      "passwd",       "passphrase",  "pwd",       "secret",
                                       "client_secret", "token",        "api_key",     "api-key",   "apikey",
                                       "access_key",    "access_token", "private_key", "secret_key"};

// Every rule gets the text from a word's start and says which part of it is secret.
using Found = std::optional<Span>;

Found find_key_shape(std::string_view text) {
  for (const KeyShape& shape : kKeyShapes) {
    if (!text.starts_with(shape.prefix)) continue;
    const size_t tail = run_length(text.substr(shape.prefix.size()), is_key_char);
    if (tail >= shape.tail_size_min) return Span{0, shape.prefix.size() + tail};
  }
  return std::nullopt;
}

Found find_jwt(std::string_view text) {
  constexpr size_t kPartSizeMax = 4096;  // or "eyJ-eyJ-..." is read once for each of its words
  if (!text.starts_with("eyJ")) return std::nullopt;
  size_t end = 0;
  for (int part = 0; part < 3; ++part) {
    const size_t size = run_length(text.substr(end, kPartSizeMax), is_key_char);
    if (size < 4) return std::nullopt;
    end += size;
    if (part == 2) break;
    if (end == text.size() || text[end] != '.') return std::nullopt;
    ++end;
  }
  return Span{0, end};
}

Found find_credentials(std::string_view text) {
  for (const std::string_view scheme : {"bearer ", "basic ", "digest "}) {
    if (!has_prefix_ci(text, scheme)) continue;
    const size_t size =
        run_length(text.substr(scheme.size()), [](char c) { return !is_space(c) && c != '"' && c != '\''; });
    if (size >= 8) return Span{scheme.size(), scheme.size() + size};
  }
  return std::nullopt;
}

Found find_private_key(std::string_view text) {
  constexpr size_t kLabelSizeMax = 40;
  if (!text.starts_with("-----BEGIN ")) return std::nullopt;
  const size_t label_end = text.substr(0, kLabelSizeMax).find("PRIVATE KEY-----");
  if (label_end == std::string_view::npos) return std::nullopt;
  const size_t footer = text.find("-----END ", label_end);
  if (footer == std::string_view::npos) return Span{0, text.size()};
  const size_t footer_end = text.find("-----", footer + 9);
  return Span{0, footer_end == std::string_view::npos ? text.size() : footer_end + 5};
}

bool is_scheme(std::string_view text) {
  return has_prefix_ci(text, "bearer ") || has_prefix_ci(text, "basic ") || has_prefix_ci(text, "digest ");
}

// Written as people write names and not words: "accessKeyId", "access_key_id", not "secretary".
bool is_identifier(std::string_view name) {
  for (size_t i = 1; i < name.size(); ++i) {
    if (!is_alnum(name[i]) || (name[i] >= 'A' && name[i] <= 'Z' && lower(name[i - 1]) == name[i - 1])) return true;
  }
  return false;
}

Found find_assignment(std::string_view text) {
  constexpr size_t kNameSizeMax = 64;
  const auto is_name_char = [](char c) { return is_key_char(c) || c == '.'; };
  const std::string_view whole = text.substr(0, run_length(text.substr(0, kNameSizeMax), is_name_char));
  for (size_t i = 0; i <= std::size(kNames); ++i) {
    const bool by_word = i < std::size(kNames);
    const std::string_view name = by_word ? kNames[i] : whole;
    // No name at all: a run of spaces or quotes is not looked through from each of its bytes.
    if (by_word ? !has_prefix_ci(text, name) : name.empty()) continue;
    size_t at = name.size();
    const auto skip = [&](auto predicate) { at += run_length(text.substr(at), predicate); };
    const auto is_quote = [](char c) { return c == '"' || c == '\'' || c == '\\'; };
    skip(is_quote);
    const bool name_quoted = at > name.size();
    skip(is_space);
    if (at == text.size() || (text[at] != '=' && text[at] != ':')) continue;
    const bool equals = text[at++] == '=';
    const size_t separator_end = at;
    skip(is_space);
    if (!by_word &&
        ((!equals && !name_quoted && (at == separator_end || !is_identifier(name))) || !is_secret_name(name)))
      continue;
    const size_t before_quotes = at;
    skip(is_quote);
    const bool is_quoted = at > before_quotes;
    if (is_scheme(text.substr(at))) {
      at = text.find(' ', at);
      skip(is_space);
    }
    const size_t begin = at;
    skip([&](char c) {
      if (is_quoted) return !is_quote(c);
      return !is_space(c) && std::string_view(",;&\"'{[}])<>|").find(c) == std::string_view::npos;
    });
    if (at > begin) return Span{begin, at};
  }
  return std::nullopt;
}

// scheme://user:password@host, from the "://".
Found find_userinfo(std::string_view text) {
  if (!text.starts_with("://")) return std::nullopt;
  const size_t size =
      run_length(text.substr(3), [](char c) { return !is_space(c) && c != '/' && c != '@' && c != '"'; });
  const size_t end = 3 + size;
  const size_t colon = text.substr(0, end).find(':', 3);
  if (end == text.size() || text[end] != '@' || colon == std::string_view::npos || colon + 1 == end)
    return std::nullopt;
  return Span{colon + 1, end};
}

// A text without the escapes of JSON strings, and where each of its bytes stood in the raw text: in a unit of one byte
// or of one escape. What is no escape stays as it is.
class Unescaped {
 public:
  // As it is: every byte a unit.
  explicit Unescaped(std::string_view raw) : text_(raw), begin_(raw.size() + 1) {
    for (size_t i = 0; i <= raw.size(); ++i) begin_[i] = static_cast<uint32_t>(i);
  }
  const std::string& text() const { return text_; }
  Span raw(size_t begin, size_t end) const {
    const uint32_t last = begin_[end - 1];
    while (begin_[end] == last) ++end;  // not behind the last entry, which is the raw text's end
    return {begin_[begin], begin_[end]};
  }
  // One level of escapes less.
  void unescape() {
    std::string text;
    std::vector<uint32_t> begin;
    text.reserve(text_.size());
    begin.reserve(begin_.size());
    std::string escaped;
    for (size_t at = 0; at < text_.size();) {
      escaped.clear();
      const size_t size = take(std::string_view(text_).substr(at), escaped);
      if (size == 0) escaped += text_[at];
      text += escaped;
      begin.insert(begin.end(), escaped.size(), begin_[at]);
      at += std::max<size_t>(size, 1);
    }
    begin.push_back(begin_.back());
    text_ = std::move(text);
    begin_ = std::move(begin);
  }

 private:
  static std::optional<uint32_t> unit16(std::string_view text) {  // of "\uXXXX"
    if (text.size() < 6 || !text.starts_with("\\u")) return std::nullopt;
    uint32_t unit = 0;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + 6, unit, 16);
    return error == std::errc() && end == text.data() + 6 ? std::optional(unit) : std::nullopt;
  }
  // Appends what the escape at the beginning means; its size, 0 when there is none.
  static size_t take(std::string_view text, std::string& into) {
    if (text.size() < 2 || text[0] != '\\') return 0;
    constexpr std::string_view kLetters = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    if (const size_t letter = kLetters.find(text[1]); letter != std::string_view::npos) {
      into += kMeant[letter];
      return 2;
    }
    const std::optional<uint32_t> unit = unit16(text);
    if (!unit || (*unit >= 0xDC00 && *unit <= 0xDFFF)) return 0;
    if (*unit < 0xD800 || *unit > 0xDFFF) {
      append_utf8(into, *unit);
      return 6;
    }
    const std::optional<uint32_t> low = unit16(text.substr(6));
    if (!low || *low < 0xDC00 || *low > 0xDFFF) return 0;
    append_utf8(into, 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
    return 12;
  }

  std::string text_;
  std::vector<uint32_t> begin_;  // raw offset of each byte's unit, and the raw text's end
};

// As text.find(), in linear time whatever both hold.
size_t find(std::string_view text, std::string_view value, size_t from) {
  if (text.size() - from < value.size()) return std::string_view::npos;  // also of no text at all, which is null
  const void* const at = ::memmem(text.data() + from, text.size() - from, value.data(), value.size());
  return at == nullptr ? std::string_view::npos : static_cast<size_t>(static_cast<const char*>(at) - text.data());
}

// Appends where a known value stands in the text, whatever of it JSON escapes, also where a string holds JSON again.
void find_known(std::string_view raw, const std::vector<std::string>& known, std::vector<Span>& spans) {
  constexpr size_t kLevelsMax = 3;
  const auto each = [&](std::string_view text, const auto& found) {
    for (const std::string& value : known) {
      if (value.size() < kKnownSizeMin) continue;
      for (size_t at = 0; (at = find(text, value, at)) != std::string_view::npos; at += value.size()) {
        found(at, at + value.size());
      }
    }
  };
  each(raw, [&](size_t begin, size_t end) { spans.push_back({begin, end}); });
  const bool any = std::any_of(known.begin(), known.end(), [](const auto& one) { return one.size() >= kKnownSizeMin; });
  if (!any || raw.size() > UINT32_MAX || raw.find('\\') == std::string_view::npos) return;
  Unescaped text(raw);
  for (size_t level = 0; level < kLevelsMax && text.text().find('\\') != std::string::npos; ++level) {
    text.unescape();
    each(text.text(), [&](size_t begin, size_t end) { spans.push_back(text.raw(begin, end)); });
  }
}

}  // namespace

std::vector<Span> find_secrets(std::string_view raw, const std::vector<std::string>& known) {
  std::vector<Span> spans;
  for (size_t at = 0; at < raw.size(); ++at) {
    const bool is_word_start = at == 0 || !is_alnum(raw[at - 1]);
    if (!is_word_start && raw[at] != ':') continue;
    const std::string_view text = raw.substr(at);
    for (const auto rule :
         {find_key_shape, find_jwt, find_credentials, find_private_key, find_assignment, find_userinfo}) {
      const Found found = rule(text);
      if (!found) continue;
      spans.push_back({at + found->begin, at + found->end});
      at = spans.back().end - 1;
      break;
    }
  }
  const size_t by_shape = spans.size();
  find_known(raw, known, spans);
  if (spans.size() == by_shape) return spans;
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
  std::vector<Span> apart;
  for (const Span& span : spans) {
    if (!apart.empty() && span.begin < apart.back().end) {
      apart.back().end = std::max(apart.back().end, span.end);
    } else {
      apart.push_back(span);
    }
  }
  return apart;
}

UrlParts parts_of_url(std::string_view url) {
  const size_t question = url.find('?');
  if (question == std::string_view::npos) return {url, {}};
  return {url.substr(0, question), url.substr(question + 1)};
}

const query::Masking& secrets_masking() {
  class Secrets final : public query::Masking {
   public:
    bool hides_field(std::string_view name) const override { return is_secret_name(name); }
    std::vector<Span> hidden(std::string_view text, const std::vector<std::string>& values) const override {
      return find_secrets(text, values);
    }
    std::vector<Span> hidden_of_url(std::string_view url, const std::vector<std::string>& values) const override {
      const UrlParts parts = parts_of_url(url);
      std::vector<Span> spans = find_secrets(parts.path, values);
      const size_t query = parts.path.size() + 1;
      for (const Span& span : find_secrets(parts.query, values)) {
        spans.push_back({query + span.begin, query + span.end});
      }
      return spans;
    }
  };
  static const Secrets kSecrets;
  return kSecrets;
}

bool is_secret_name(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (is_alnum(c)) plain += lower(c);
  }
  constexpr std::string_view kParts[] = {"password",   "passwd",    "passphrase", "secret",       "apikey",
                                         "privatekey", "accesskey", "credential", "authorization"};
  const auto is_part = [&](std::string_view part) { return plain.find(part) != std::string::npos; };
  return std::any_of(std::begin(kParts), std::end(kParts), is_part) || plain.ends_with("token") || plain == "pwd" ||
         plain.ends_with("cookie");
}

}  // namespace khipu::mcp::tools
