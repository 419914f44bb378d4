// Entity types and custom columns in force, and the guard on how they may change. Immutable once built: readers and
// producers share one by shared_ptr<const Schema>, the writer makes the next.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/codec/schema.h"

namespace khipu::registry {

class Schema {
 public:
  const codec::TypeSchema* type(std::string_view name) const;  // nullptr when undefined
  const codec::FieldSchema* field(std::string_view type, std::string_view name) const;
  const codec::ColumnSchema* column(std::string_view name) const;
  const codec::ColumnSchema* column(uint32_t id) const;
  const std::vector<codec::TypeSchema>& types() const { return types_; }        // in the order they were defined
  const std::vector<codec::ColumnSchema>& columns() const { return columns_; }  // by id
  // Is any field or column protected? Then batches are prepared for it; else nobody asks any further.
  bool protects() const { return protects_; }

  // Applies what a TYPE or COLUMN statement says, without the guard (it was asked before the statement was written).
  void apply(const codec::TypeSchema& type);
  void apply(const codec::ColumnSchema& column);

 private:
  std::vector<codec::TypeSchema> types_;
  std::vector<codec::ColumnSchema> columns_;
  std::map<std::string, size_t, std::less<>> type_index_;
  std::map<std::string, size_t, std::less<>> column_index_;
  bool protects_ = false;
};

// kInvalid for a malformed definition (names, n-gram on a number, prefix of 0, reserved name, a leak that nobody
// accepted), kConflict for a change that is not additive: a field removed, its kind, required or anything of its rule
// changed; a new required field.
Result<void> check_type(const Schema& schema, const codec::TypeSchema& type);
// Columns: kind, indexed and rule may not change; required may be switched on from a moment on, never off.
Result<void> check_column(const Schema& schema, const codec::ColumnSchema& column);
// `user`, `service`, `resource`, as `khipu init` defines them.
std::vector<codec::TypeSchema> default_types();
// [a-z][a-z0-9_]{0,62}, not starting "khipu_".
bool valid_name(std::string_view name);

}  // namespace khipu::registry
