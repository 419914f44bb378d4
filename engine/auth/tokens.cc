#include "engine/auth/tokens.h"

#include <algorithm>

#include "engine/base/bytes.h"
#include "engine/base/fold.h"
#include "engine/base/time.h"
#include "engine/crypto/hash.h"
#include "engine/crypto/key_file.h"
#include "engine/crypto/secret.h"
#include "engine/os/process.h"

namespace khipu::auth {
namespace {

constexpr std::string_view kHeader = "khipu-tokens/1\n";
constexpr std::string_view kGrantNames[kGrantCount] = {"ingest", "query", "reveal", "prove", "verify", "access_log"};
constexpr uint64_t kFileSizeMax = 4 << 20;
constexpr size_t kTokenSize = 47;  // "khp_" and 32 bytes as base64url without padding

bool valid_token_name(std::string_view name) {
  constexpr std::string_view kOther = "._-";
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOther.find(c) != std::string_view::npos;
  });
}

// Cuts off what stands before the next `end`; nullopt when there is none.
std::optional<std::string_view> cut(std::string_view& rest, char end) {
  const size_t at = rest.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view word = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return word;
}

Result<std::vector<Grant>> parse_grants(std::string_view text) {
  std::vector<Grant> grants;
  while (true) {
    const size_t comma = text.find(',');
    const std::optional<Grant> one = grant(text.substr(0, comma));
    if (!one || (!grants.empty() && grants.back() >= *one)) return Error{Code::kCorrupt, "grants"};
    grants.push_back(*one);
    if (comma == std::string_view::npos) return grants;
    text.remove_prefix(comma + 1);
  }
}

bool is_plain(char c) {
  constexpr std::string_view kOther = "._:/@-";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kOther.find(c) != std::string_view::npos;
}

std::string encode_list(const std::vector<std::string>& list) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  for (const std::string& word : list) {
    if (!text.empty()) text += ',';
    for (const char c : word) {
      const auto byte = static_cast<unsigned char>(c);
      if (is_plain(c)) {
        text += c;
      } else {
        text.append("%").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
      }
    }
  }
  return text;
}

// The one text that encode_list() gives for the list, or an error.
Result<std::vector<std::string>> parse_list(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::vector<std::string> list(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      list.emplace_back();
    } else if (text[i] != '%') {
      list.back() += text[i];
    } else {
      const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1, low = high < 0 ? -1 : digit(text[i + 2]);
      if (low < 0) return Error{Code::kCorrupt, "scope: malformed %HH"};
      list.back() += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].empty() || (i > 0 && list[i - 1] >= list[i])) return Error{Code::kCorrupt, "scope: not in order"};
  }
  if (encode_list(list) != text) return Error{Code::kCorrupt, "scope: written in another way"};
  return list;
}

void tidy(std::vector<std::string>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

Result<Token> parse_line(std::string_view line) {
  std::string padded(line);
  padded += ' ';
  std::string_view rest = padded;
  std::optional<std::string_view> words[6];
  for (auto& word : words) word = cut(rest, ' ');
  if (!words[5] || *words[0] != "token") return Error{Code::kCorrupt, "not six words"};
  Token token;
  for (const auto& [prefix, list] :
       {std::pair(std::string_view("types="), &token.types), std::pair(std::string_view("sources="), &token.sources)}) {
    if (!rest.starts_with(prefix)) continue;
    KHIPU_TRY_ASSIGN(*list, parse_list(cut(rest, ' ')->substr(prefix.size())));
  }
  if (!rest.empty()) return Error{Code::kCorrupt, "more words than a token has"};
  token.name = *words[1];
  if (!valid_token_name(token.name)) return Error{Code::kCorrupt, "name"};
  const std::optional<Buffer> hash = from_hex(*words[2]);
  if (!hash || hash->size() != token.hash.size() || hex(*hash) != *words[2]) return Error{Code::kCorrupt, "hash"};
  std::copy(hash->begin(), hash->end(), token.hash.begin());
  KHIPU_TRY_ASSIGN(token.grants, parse_grants(*words[3]));
  KHIPU_TRY_ASSIGN(token.created, parse_rfc3339(*words[4]));
  if (*words[5] != "never") {
    KHIPU_TRY_ASSIGN(const TimeUs expires, parse_rfc3339(*words[5]));
    token.expires = expires;
  }
  return token;
}

// Two `khipu token` at once must not lose one another's change.
Result<std::unique_ptr<os::File>> lock_tokens(os::Directory& keys) {
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, keys.open_file("tokens.lock", os::Mode::kCreate, 0600));
  KHIPU_TRY_ASSIGN(const bool locked, file->try_lock(0, 1, os::LockKind::kExclusive));
  if (!locked) return Error{Code::kBusy, "tokens: another process is changing them"};
  return file;
}

std::string base64url(Bytes bytes) {
  std::string text = base64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

}  // namespace

std::string_view name(Grant grant) { return kGrantNames[static_cast<size_t>(grant)]; }

std::optional<Grant> grant(std::string_view name) {
  for (size_t i = 0; i < kGrantCount; ++i) {
    if (kGrantNames[i] == name) return static_cast<Grant>(i);
  }
  return std::nullopt;
}

bool Token::may(Grant grant) const { return std::find(grants.begin(), grants.end(), grant) != grants.end(); }

Result<Tokens> Tokens::parse(std::string_view text) {
  if (!text.starts_with(kHeader)) return Error{Code::kUnsupported, "does not begin with khipu-tokens/1"};
  text.remove_prefix(kHeader.size());
  Tokens tokens;
  for (size_t number = 2; !text.empty(); ++number) {
    const std::string where = "line " + std::to_string(number);
    const std::optional<std::string_view> line = cut(text, '\n');
    if (!line) return Error{Code::kCorrupt, where + ": no line break at the end"};
    KHIPU_TRY_ASSIGN(Token token, at(where, parse_line(*line)));
    if (!tokens.tokens_.empty() && tokens.tokens_.back().name >= token.name) {
      return Error{Code::kCorrupt, where + ": names out of order or repeated"};
    }
    for (const Token& other : tokens.tokens_) {
      if (other.hash == token.hash) return Error{Code::kCorrupt, where + ": the same token as " + other.name};
    }
    tokens.tokens_.push_back(std::move(token));
  }
  return tokens;
}

std::string Tokens::format() const {
  std::string text(kHeader);
  for (const Token& token : tokens_) {
    text += "token " + token.name + " " + hex(token.hash) + " ";
    for (size_t i = 0; i < token.grants.size(); ++i) {
      if (i > 0) text += ",";
      text += name(token.grants[i]);
    }
    text += " " + format_rfc3339(token.created) + " " + (token.expires ? format_rfc3339(*token.expires) : "never");
    if (!token.types.empty()) text += " types=" + encode_list(token.types);
    if (!token.sources.empty()) text += " sources=" + encode_list(token.sources);
    text += "\n";
  }
  return text;
}

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  return starts_folded(authorization, kScheme) ? authorization.substr(kScheme.size()) : std::string_view();
}

const Token* Tokens::find(std::string_view token, TimeUs now) const {
  if (token.size() != kTokenSize || !token.starts_with(kTokenPrefix)) return nullptr;
  const Hash hash = crypto::sha256(as_bytes(token));
  const Token* found = nullptr;
  for (const Token& entry : tokens_) {
    if (crypto::equal_constant_time(entry.hash, hash)) found = &entry;
  }
  return found != nullptr && !found->expired(now) ? found : nullptr;
}

Result<Tokens> load_tokens(os::Directory& keys) {
  const auto load = [&]() -> Result<Tokens> {
    Result<std::unique_ptr<os::File>> file = keys.open_file(kTokensName, os::Mode::kRead);
    if (!file.ok() && file.error().code == Code::kNotFound) return Tokens();
    if (!file.ok()) return std::move(file).error();
    KHIPU_TRY_ASSIGN(const os::FileStatus status, (*file)->status());
    KHIPU_TRY(crypto::check_key_file_status(status, crypto::KeyKind::kIndex, os::effective_user_id()));
    KHIPU_TRY_ASSIGN(const Buffer content, (*file)->read_all(kFileSizeMax));
    return Tokens::parse(as_text(content));
  };
  return at("tokens", load());
}

Result<std::string> mint(os::Directory& keys, os::Random& random, TimeUs now, Token wanted) {
  if (!valid_token_name(wanted.name)) {
    return Error{Code::kInvalid, "a token's name is 1 to 64 letters, digits, '.', '_' or '-'"};
  }
  std::sort(wanted.grants.begin(), wanted.grants.end());
  wanted.grants.erase(std::unique(wanted.grants.begin(), wanted.grants.end()), wanted.grants.end());
  tidy(wanted.types);
  tidy(wanted.sources);
  for (const auto* list : {&wanted.types, &wanted.sources}) {
    if (!list->empty() && list->front().empty()) return Error{Code::kInvalid, "an empty word in the token's scope"};
  }
  if (wanted.grants.empty()) return Error{Code::kInvalid, "a token needs at least one grant"};
  if (wanted.expired(now)) return Error{Code::kInvalid, "the token would already have expired"};
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> lock, lock_tokens(keys));
  KHIPU_TRY_ASSIGN(Tokens tokens, load_tokens(keys));
  const auto place = std::lower_bound(tokens.tokens_.begin(), tokens.tokens_.end(), wanted.name,
                                      [](const Token& token, const std::string& name) { return token.name < name; });
  if (place != tokens.tokens_.end() && place->name == wanted.name) {
    return Error{Code::kConflict, "there is a token named " + wanted.name + "; revoke it first, or take another name"};
  }
  std::array<uint8_t, 32> secret{};
  random.fill(secret);
  std::string text = std::string(kTokenPrefix) + base64url(secret);
  crypto::wipe(secret);
  wanted.hash = crypto::sha256(as_bytes(text));
  wanted.created = now;
  tokens.tokens_.insert(place, std::move(wanted));
  KHIPU_TRY(keys.replace_file(kTokensName, as_bytes(tokens.format()), 0600));
  return text;
}

Result<void> revoke(os::Directory& keys, std::string_view name) {
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> lock, lock_tokens(keys));
  KHIPU_TRY_ASSIGN(Tokens tokens, load_tokens(keys));
  if (std::erase_if(tokens.tokens_, [&](const Token& token) { return token.name == name; }) == 0) {
    return Error{Code::kNotFound, "there is no token named " + std::string(name)};
  }
  return keys.replace_file(kTokensName, as_bytes(tokens.format()), 0600);
}

}  // namespace khipu::auth
