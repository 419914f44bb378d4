// What the guard of schema.h leaves open: a type that no entity has yet, and the rule for events themselves.
// Not here: who asks (engine/writer, engine/cli, engine/import).
#pragma once

#include "engine/registry/schema.h"

namespace khipu::registry {

// As check_type(), of a type that no entity of the log has: rules and `required` of its fields may still change, for
// there is no record that they speak of. So `khipu init` decides nothing about what is protected.
Result<void> check_unused_type(const Schema& schema, const codec::TypeSchema& type);

// A type as it is once somebody has defined it who only says what his events need (an importer, a producer): what the
// log has of it stays, and a field that is named without a rule, or as optional, is not changed by that. kConflict when
// it asks for another rule where there is one: that is for the operator alone to say, with `khipu types add`.
Result<codec::TypeSchema> with_rules_kept(const Schema& schema, codec::TypeSchema type);

// A type as it is once what is `named` of it is said: fields that are not named stay exactly as they are and where they
// are, new ones come behind them. One that is named twice stays there twice, for check_type() to refuse.
codec::TypeSchema with_others_kept(const Schema& schema, codec::TypeSchema named);

// What a TYPE statement of a batch says of the type in force (ingest::Batch). Not asked: whether it may.
Result<codec::TypeSchema> as_defined(const Schema& schema, codec::TypeSchema type, bool changes_rules,
                                     bool adds_fields);

// `content` and `source_ip` of every event are sealed, as one, whatever its entities hold. In a schema it stands as the
// type "@event" with the one field `content`, sealed and without an index; once said, it stays.
inline constexpr std::string_view kEventTypeName = "@event";
bool seals_content(const Schema& schema);

}  // namespace khipu::registry
