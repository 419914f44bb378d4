#include "engine/import/protecting.h"

#include <algorithm>

#include "engine/ingest/near_name.h"
#include "engine/registry/schema.h"

namespace khipu::import {
namespace {

class ProtectingMapper final : public Mapper {
 public:
  explicit ProtectingMapper(std::unique_ptr<Mapper> inner)
      : inner_(std::move(inner)), types_(inner_->types()), columns_(inner_->columns()) {}

  std::string_view format() const override { return inner_->format(); }
  Hash mapping() const override { return inner_->mapping(); }
  SourceOptions source() const override { return inner_->source(); }
  std::vector<codec::TypeSchema> types() const override { return types_; }
  std::vector<codec::ColumnSchema> columns() const override { return columns_; }
  Result<void> map(const Record& record, ingest::Batch& batch) override { return inner_->map(record, batch); }

  Result<void> protect(std::string_view word) {
    const size_t equals = word.find('='), point = word.find('.');
    if (equals == std::string_view::npos || point == std::string_view::npos || point > equals) {
      return invalid(word, "it is written TYPE.FIELD=RULE, actor.FIELD=RULE, target.FIELD=RULE or custom.COLUMN=RULE");
    }
    const std::optional<codec::Rule> rule = codec::rule(word.substr(equals + 1));
    if (!rule || rule->none()) return invalid(word, codec::kRuleWords);
    const std::string_view where = word.substr(0, point), name = word.substr(point + 1, equals - point - 1);
    size_t found = 0;
    if (where == "custom") {
      for (codec::ColumnSchema& column : columns_) {
        if (column.name != name) continue;
        column.rule = *rule;
        ++found;
        KHIPU_TRY(at("--protect " + ingest::quoted(word), registry::check_column({}, column)));
      }
    } else {
      const bool any = where == "actor" || where == "target";
      for (codec::TypeSchema& type : types_) {
        if (!any && type.name != where) continue;
        for (codec::FieldSchema& field : type.fields) {
          if (field.name != name) continue;
          field.rule = *rule;
          ++found;
        }
        KHIPU_TRY(at("--protect " + ingest::quoted(word), registry::check_type({}, type)));
      }
    }
    if (found == 0) return invalid(word, "format " + std::string(format()) + " defines nothing of that name");
    return {};
  }

 private:
  static Error invalid(std::string_view word, const std::string& what) {
    return {Code::kInvalid, "--protect " + ingest::quoted(word) + ": " + what};
  }

  std::unique_ptr<Mapper> inner_;
  std::vector<codec::TypeSchema> types_;
  std::vector<codec::ColumnSchema> columns_;
};

}  // namespace

Result<std::unique_ptr<Mapper>> make_protecting_mapper(std::unique_ptr<Mapper> mapper,
                                                       const std::vector<std::string>& words) {
  auto protecting = std::make_unique<ProtectingMapper>(std::move(mapper));
  for (const std::string& word : words) KHIPU_TRY(protecting->protect(word));
  return std::unique_ptr<Mapper>(std::move(protecting));
}

std::string reason_without_values(std::string_view reason) {
  const size_t quote = reason.find_first_of("'\"");
  if (quote == std::string_view::npos) return std::string(reason);
  return std::string(reason.substr(0, quote)) + "(withheld)";
}

}  // namespace khipu::import
