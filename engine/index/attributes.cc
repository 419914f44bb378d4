#include "engine/index/attributes.h"

#include "engine/base/fold.h"
#include "engine/codec/protected.h"

namespace khipu::index {
namespace {

using Add = std::function<void(Bytes term)>;

struct Maker {
  std::string_view type;
  const Add& add;
  Buffer term = {};

  void begin(std::string_view field, AttributeKind kind) {
    term.clear();
    attribute_prefix(term, type, field, kind);
  }
  void end(Bytes key) {
    append(term, key);
    add(term);
  }
  void text(std::string_view field, std::string_view text, AttributeKind kind) {
    const std::string folded = fold(text);
    if (text.size() >= kAttributeTextSizeMax || folded.size() >= kAttributeTextSizeMax ||
        text.find('\0') != std::string_view::npos) {
      begin(field, long_kind(kind));
      return end(as_bytes(std::string_view(folded).substr(0, kAttributeTextSizeMax)));
    }
    begin(field, kind);
    append(term, as_bytes(folded));
    term.push_back(0);
    end(folded == text ? Bytes() : as_bytes(text));
  }
  Result<void> value(std::string_view field, const codec::Value& value) {
    using Kind = codec::Value::Kind;
    if (value.is_protected()) return hidden(field, value);
    if (value.kind == Kind::kText) {
      text(field, value.text, AttributeKind::kText);
    } else if (value.kind == Kind::kJson) {
      text(field, value.text, AttributeKind::kJson);
    } else {
      begin(field, AttributeKind::kNumber);
      end(number_key(value).bytes);
    }
    return {};
  }
  // Tokens and digests are in the record, so no key is needed to build an index, now or again.
  Result<void> hidden(std::string_view field, const codec::Value& value) {
    KHIPU_TRY_ASSIGN(const codec::ProtectedValue have, codec::decode_protected(as_bytes(value.text)));
    if (have.kind == codec::Protection::kDigest) {
      begin(field, AttributeKind::kDigest);
      end(have.value.first(std::min(have.value.size(), kAttributeTextSizeMax)));
    }
    for (size_t i = 0; i < have.indexes; ++i) {
      for (size_t at = 0; at < have.tokens[i].size(); at += sizeof(codec::Token)) {
        begin(field, AttributeKind::kToken);
        term.push_back(static_cast<uint8_t>(i));
        end(have.tokens[i].subspan(at, sizeof(codec::Token)));
      }
    }
    return {};
  }
};

}  // namespace

void attribute_prefix(Buffer& into, std::string_view type, std::string_view field, AttributeKind kind) {
  into.push_back(static_cast<uint8_t>(Field::kAttribute));
  for (const std::string_view name : {type, field}) {
    append(into, as_bytes(name));
    into.push_back(0);
  }
  into.push_back(static_cast<uint8_t>(kind));
}

Result<std::string_view> attribute_text(Bytes key) {
  const std::string_view bytes = as_text(key);
  const size_t end = bytes.find('\0');
  if (end == std::string_view::npos) return Error{Code::kCorrupt, "a text that does not end"};
  return end + 1 == bytes.size() ? bytes.substr(0, end) : bytes.substr(end + 1);
}

Result<void> each_attribute(const codec::VersionRecord& version, const Add& add) {
  Maker maker{version.type, add};
  bool named = false;
  std::string_view first;
  for (const codec::NamedValue& field : version.fields) {
    if (version.type.size() > kAttributeNameSizeMax || field.name.size() > kAttributeNameSizeMax) {
      return Error{Code::kCorrupt, "a version with names that no schema has"};
    }
    if (field.value.kind == codec::Value::Kind::kText) {
      named |= field.name == "name";
      if (first.empty()) first = field.value.text;
    }
    KHIPU_TRY(maker.value(field.name, field.value));
  }
  // Also of a version whose "name" is protected, which is shown by nothing (codec::display_field).
  if (!named && !first.empty()) maker.text(kShownBy, first, AttributeKind::kText);
  return {};
}

}  // namespace khipu::index
