// Terms of what the fields of a version say (Field::kAttribute), in indexes of registry/ from version 2 on: type,
// field, and a key by kind. Texts are found by their lower-cased beginning and, where they are short, whole; of
// protected fields there is what the record has, a digest and tokens. Specified in engine/FORMAT.md "Index files".
#pragma once

#include <functional>
#include <string_view>

#include "engine/codec/record.h"
#include "engine/index/format.h"

namespace khipu::index {

inline constexpr size_t kAttributeNameSizeMax = 63;  // of a type or a field
inline constexpr size_t kAttributeTextSizeMax = 48;  // texts from here on are long ones

enum class AttributeKind : uint8_t {
  kText = 't',      // lower-cased, NUL, and as it is where that is something else
  kLongText = 'T',  // or with a NUL in it: the beginning of it lower-cased; the records say the rest
  kJson = 'j',
  kLongJson = 'J',
  kNumber = 'n',  // number_key()
  kDigest = 'd',
  kToken = 'x',  // number of the blind index, one byte, and one of the value's tokens
};
// The field under whose name stands the first text of a version that has no text "name", which is what it is shown by
// unless its "name" is protected: then its record says that it is not. No schema has a field of that name.
inline constexpr std::string_view kShownBy = "";

constexpr AttributeKind long_kind(AttributeKind kind) {
  return kind == AttributeKind::kText ? AttributeKind::kLongText : AttributeKind::kLongJson;
}

// What all terms of that kind of the field begin with.
void attribute_prefix(Buffer& into, std::string_view type, std::string_view field, AttributeKind kind);
// Of a term of kText or kJson what follows that: the text as it is. kCorrupt: the builder makes no such key.
Result<std::string_view> attribute_text(Bytes key);
// Calls add(term) for each term that the version's fields make. kCorrupt for names that no schema has.
Result<void> each_attribute(const codec::VersionRecord& version, const std::function<void(Bytes term)>& add);

}  // namespace khipu::index
