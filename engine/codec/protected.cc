#include "engine/codec/protected.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/codec/record_raw.h"

namespace khipu::codec {
namespace {

constexpr size_t kTokenSize = sizeof(Token);
constexpr double kExactDouble = 9007199254740992.0;  // 2^53

Token token_at(Bytes tokens, size_t index) {
  Token token;
  std::memcpy(token.data(), tokens.data() + index * kTokenSize, kTokenSize);
  return token;
}

bool well_formed(Bytes tokens) {
  if (tokens.size() % kTokenSize != 0 || tokens.size() > kTokensMax * kTokenSize) return false;
  for (size_t i = 1; i < tokens.size() / kTokenSize; ++i) {
    if (token_at(tokens, i - 1) >= token_at(tokens, i)) return false;
  }
  return true;
}

}  // namespace

void append_protected(Buffer& to, const ProtectedValue& value) {
  KHIPU_ASSERT(value.kind != Protection::kNone && !value.value.empty() && value.indexes <= kIndexesMax);
  size_t size_max = 6 * (1 + raw::kHeadSizeMax) + value.value.size() + sizeof(Fingerprint);
  for (size_t i = 0; i < value.indexes; ++i) size_max += raw::kHeadSizeMax + value.tokens[i].size();
  raw::append_with(to, size_max, [&](uint8_t* at) {
    at = raw::put_head(at, raw::kMap,
                       2U + value.fingerprint.has_value() + (value.indexes > 0) + value.origin.has_value());
    *at++ = 0;
    *at++ = static_cast<uint8_t>(value.kind);
    *at++ = 1;
    at = raw::put_bytes(at, value.value);
    if (value.fingerprint) {
      *at++ = 2;
      at = raw::put_bytes(at, *value.fingerprint);
    }
    if (value.indexes > 0) {
      *at++ = 3;
      at = raw::put_head(at, raw::kArray, value.indexes);
      for (size_t i = 0; i < value.indexes; ++i) {
        KHIPU_ASSERT(well_formed(value.tokens[i]));
        at = raw::put_bytes(at, value.tokens[i]);
      }
    }
    if (value.origin) {
      *at++ = 4;
      at = raw::put_unsigned(at, value.origin->value);
    }
    return at;
  });
}

Result<ProtectedValue> decode_protected(Bytes encoded) {
  raw::Scan in(encoded);
  const ProtectedValue value = raw::read_protected(in);
  KHIPU_TRY(in.finish("protected value"));
  return value;
}

Buffer token_bytes(std::vector<Token> tokens) {
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  Buffer bytes;
  for (const Token& token : tokens) append(bytes, token);
  return bytes;
}

std::string_view plaintext_of(const Value& value, std::string& digits) {
  std::array<char, 32> to{};
  const auto print = [&](auto number) {
    digits.assign(to.data(), std::to_chars(to.data(), to.data() + to.size(), number).ptr);
    return std::string_view(digits);
  };
  switch (value.kind) {
    case Value::Kind::kInteger: return print(value.integer);
    case Value::Kind::kUnsigned: return print(value.unsigned_integer);
    case Value::Kind::kReal:
      // An integer that a double holds exactly is that integer, however it was written.
      if (std::abs(value.real) <= kExactDouble && value.real == std::floor(value.real)) {
        return print(static_cast<int64_t>(value.real));
      }
      return print(value.real);
    case Value::Kind::kText:
    case Value::Kind::kJson:
    case Value::Kind::kProtected: break;
  }
  return value.text;
}

Result<Value> value_of_plaintext(ValueKind kind, std::string_view plaintext) {
  if (kind == ValueKind::kText) return Value::of_text(plaintext);
  if (kind == ValueKind::kJson) return Value::of_json(plaintext);
  const char* const end = plaintext.data() + plaintext.size();
  const auto read = [&](auto number) {
    const auto [at, error] = std::from_chars(plaintext.data(), end, number);
    return error == std::errc() && at == end ? std::optional(number) : std::nullopt;
  };
  if (const auto integer = read(int64_t{})) return Value::of_integer(*integer);
  if (const auto large = read(uint64_t{})) return Value::of_unsigned(*large);
  if (const auto real = read(double{}); real && std::isfinite(*real)) return Value::of_real(*real);
  return Error{Code::kCorrupt, "a protected number that is none"};
}

bool has_token(Bytes tokens, const Token& token) {
  size_t from = 0, to = tokens.size() / kTokenSize;
  while (from < to) {
    const size_t middle = from + (to - from) / 2;
    const int order = std::memcmp(tokens.data() + middle * kTokenSize, token.data(), kTokenSize);
    if (order == 0) return true;
    if (order < 0) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return false;
}

namespace raw {

ProtectedValue read_protected(Scan& in) {
  const uint64_t outer = in.keys_left();
  ProtectedValue value;
  in.open_map();
  in.need_key(0, "expected key 0, the kind of protection");
  const size_t kind_from = in.offset();
  const uint64_t kind = in.unsigned_integer();
  if (kind != static_cast<uint64_t>(Protection::kDigest) && kind != static_cast<uint64_t>(Protection::kSealed)) {
    in.fail_at(kind_from, "unknown kind of protection");
  } else {
    value.kind = static_cast<Protection>(kind);
  }
  in.need_key(1, "expected key 1, the protected bytes");
  const size_t value_from = in.offset();
  value.value = in.bytes();
  if (value.value.empty()) in.fail_at(value_from, "empty protected value");
  if (in.take_key(2)) in.fixed(value.fingerprint.emplace());
  if (in.take_key(3)) {
    const size_t from = in.offset();
    const uint64_t count = in.array();
    if (count == 0 || count > kIndexesMax) in.fail_at(from, "a number of blind indexes that is out of range");
    for (; value.indexes < count && in.ok(); ++value.indexes) {
      const size_t tokens_from = in.offset();
      value.tokens[value.indexes] = in.bytes();
      if (!well_formed(value.tokens[value.indexes])) in.fail_at(tokens_from, "tokens cut, repeated or out of order");
    }
  }
  if (in.take_key(4)) value.origin = Row{in.unsigned_integer()};
  in.close_map();
  in.set_keys_left(outer);
  return value;
}

}  // namespace raw

}  // namespace khipu::codec
