#include "engine/protect/field.h"

namespace khipu::protect {
namespace {

constexpr std::string_view kLabel = "khipu-value-v1";

Result<void> append_name(std::string_view name, const char* what, Buffer& to) {
  if (name.size() > kNameSizeMax) return Error{Code::kLimit, std::string(what) + " is longer than 65535 bytes"};
  append_le(to, static_cast<uint16_t>(name.size()));
  append(to, as_bytes(name));
  return {};
}

}  // namespace

Result<void> associated_data(const FieldPlace& place, uint16_t ring, uint32_t key_number, Buffer& to) {
  to.clear();
  append(to, as_bytes(kLabel));
  append(to, place.root);
  append(to, place.uid);
  append_le(to, ring);
  append_le(to, key_number);
  to.push_back(static_cast<uint8_t>(place.kind));
  KHIPU_TRY(append_name(place.name.type, "the type's name", to));
  KHIPU_TRY(append_name(place.entity_id, "the entity's id", to));
  return append_name(place.name.field, "the field's name", to);
}

}  // namespace khipu::protect
