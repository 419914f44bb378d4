// A protected value as a record carries it instead of plaintext (engine/FORMAT.md "Protected values"): ciphertext or
// digest, the tokens of its blind indexes, the fingerprint by which a change is noticed. This room knows its form and
// its bounds; what the bytes mean is engine/protect's.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "engine/codec/record.h"

namespace khipu::codec {

using Token = std::array<uint8_t, 8>;
using Fingerprint = std::array<uint8_t, 8>;

inline constexpr size_t kTokensMax = 4096;  // of one index of one value

struct ProtectedValue {
  Protection kind = Protection::kSealed;   // kDigest or kSealed
  Bytes value;                             // never empty
  std::optional<Fingerprint> fingerprint;  // in versions only: events do not change
  // One byte string an index, in the order of the field's rule: tokens, each greater than the one before.
  std::array<Bytes, kIndexesMax> tokens{};
  size_t indexes = 0;
  // The registry row of the version it was sealed for, when that is not the one it stands in: a version repeats what
  // did not change, and the ciphertext stays bound to the record it was made for.
  std::optional<Row> origin;
};
void append_protected(Buffer& to, const ProtectedValue& value);
// Of a Value of kind kProtected; kCorrupt for anything else. Borrows.
Result<ProtectedValue> decode_protected(Bytes encoded);
// Sorts, takes out doubles, and gives the bytes an index's tokens are written as.
Buffer token_bytes(std::vector<Token> tokens);
// What is protected of a value, and what is searched for: the text, the JSON text, or the number in decimal, the same
// digits for equal numbers. `digits` holds a number's.
std::string_view plaintext_of(const Value& value, std::string& digits);
// The way back; kCorrupt for a number that is none. Borrows.
Result<Value> value_of_plaintext(ValueKind kind, std::string_view plaintext);
bool has_token(Bytes tokens, const Token& token);

}  // namespace khipu::codec
