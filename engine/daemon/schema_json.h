// Entity types and custom columns as JSON: the bodies of POST /v1/types and /v1/columns, `khipu types add --file`, and
// what `types show` and `columns list` print.
//
//   {"name":"account","fields":[{"name":"iban","kind":"text","protection":"none","required":false},
//     {"name":"email","kind":"text","protection":"sealed","indexes":["exact","ngram(3)"],"accept_leak":true}]}
//   {"name":"tenant","kind":"text","indexed":true,"required":true,"required_since":"2026-11-21T00:00:00Z"}
//
// Strict: unknown members are errors. In a field all but `name` may be left out (kind text, unprotected, optional).
// What the members of a protected field mean: engine/codec/schema.h Rule.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/base/time.h"
#include "engine/codec/schema.h"
#include "engine/registry/schema.h"

namespace khipu::daemon {

// One definition, or an array of them. With `there`, what a field that is there leaves out (its rule as a whole,
// `required`) is as it is there, and a type is given once.
Result<std::vector<codec::TypeSchema>> parse_types(std::string_view json, const registry::Schema* there = nullptr);
// "required" without "required_since": since `now`.
Result<std::vector<codec::ColumnSchema>> parse_columns(std::string_view json, TimeUs now);

nlohmann::ordered_json type_json(const codec::TypeSchema& type);
nlohmann::ordered_json column_json(const codec::ColumnSchema& column);

}  // namespace khipu::daemon
