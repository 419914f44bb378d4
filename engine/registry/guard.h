// What the guard of schema.h leaves open: a type that no entity has yet, and the rule for events themselves.
// Not here: who asks (engine/writer, engine/cli, engine/import).
#pragma once

#include "engine/registry/schema.h"

namespace khipu::registry {

// As check_type(), of a type that no entity of the log has: rules and `required` of its fields may still change, for
// there is no record that they speak of. So `khipu init` decides nothing about what is protected.
Result<void> check_unused_type(const Schema& schema, const codec::TypeSchema& type);

// `content` and `source_ip` of every event are sealed, as one, whatever its entities hold. In a schema it stands as the
// type "@event" with the one field `content`, sealed and without an index; once said, it stays.
inline constexpr std::string_view kEventTypeName = "@event";
bool seals_content(const Schema& schema);

}  // namespace khipu::registry
