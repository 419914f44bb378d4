// `khipu columns list|add`: custom columns of events.
#include <nlohmann/json.hpp>

#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/definitions.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/daemon/schema_json.h"
#include "engine/os/clock.h"

namespace khipu::cli {
namespace {

using Json = nlohmann::ordered_json;

class ColumnsList final : public Command {
 public:
  std::string name() const override { return "columns list"; }
  std::string summary() const override { return "Show the custom columns"; }
  std::string details() const override { return "Example:\n  khipu columns list /srv/audit\n\nExit codes: 0, 3."; }
  void declare(Arguments& arguments) override { arguments.required("ROOT", root_, "the log's directory"); }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const registry::Schema schema, current_schema(root_));
    Json list = Json::array();
    for (const codec::ColumnSchema& column : schema.columns()) {
      if (!output.json()) {
        output.line(column.name + "  " + std::string(codec::name(column.kind)) + (column.indexed ? "  indexed" : "") +
                    (column.rule.none() ? "" : "  " + text_of(column.rule)) +
                    (column.required ? "  required since " + format_rfc3339(column.required_since_us) : ""));
      }
      list.push_back(daemon::column_json(column));
    }
    if (output.json()) output.document({{"schema", "khipu.columns/v1"}, {"columns", std::move(list)}});
    return Exit::kOk;
  }

 private:
  std::string root_;
};

class ColumnsAdd final : public Command {
 public:
  std::string name() const override { return "columns add"; }
  std::string summary() const override { return "Define a custom column, or make one required"; }
  std::string details() const override {
    return "A column keeps its kind and whether it is indexed for ever. --required may be switched on later and holds "
           "for\n"
           "events that occurred from then on; it is never switched off.\n\n"
           "Examples:\n  khipu columns add /srv/audit tenant --indexed\n  khipu columns add /srv/audit reason "
           "--required\n\n"
           "Exit codes: 0 defined (also when nothing was new), 3 refused.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.required("NAME", column_.name, "the column's name: [a-z][a-z0-9_]{0,62}");
    arguments.choice("--kind", kind_, {"text", "number", "json"}, "what it holds; default text, or what it already is");
    arguments.flag("--indexed", column_.indexed, "keep an index of its values; default no");
    arguments.text("--protect", rule_, "RULE", "how values are kept: sealed,exact or digest; default none");
    arguments.flag("--required", column_.required, "refuse events without it from now on; default no");
    arguments.text("--required-since", since_, "TIME", "RFC 3339 moment from which it is required; default now");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const registry::Schema schema, current_schema(root_));
    const codec::ColumnSchema* was = schema.column(column_.name);
    if (!kind_.empty()) {
      column_.kind = *codec::value_kind(kind_);
    } else if (was != nullptr) {
      column_.kind = was->kind;
    }
    if (!rule_.empty()) {
      const std::optional<codec::Rule> rule = codec::rule(rule_);
      if (!rule) return Error{Code::kInvalid, std::string("--protect: ") + codec::kRuleWords};
      column_.rule = *rule;
    } else if (was != nullptr) {
      column_.rule = was->rule;
    }
    if (!since_.empty()) {
      if (!column_.required) return Error{Code::kInvalid, "--required-since goes with --required"};
      KHIPU_TRY_ASSIGN(column_.required_since_us, at("--required-since", parse_rfc3339(since_)));
    } else if (column_.required) {
      column_.required_since_us = os::system_clock().now();
    }
    if (was != nullptr) {  // flags not given keep what is there
      column_.id = was->id;
      column_.indexed = column_.indexed || was->indexed;
      const bool moved = since_.empty() ? was->required_since_us > column_.required_since_us
                                        : was->required_since_us != column_.required_since_us;
      if (was->required && column_.required && moved) {
        return Error{Code::kConflict, "column '" + column_.name + "' is required since " +
                                          format_rfc3339(was->required_since_us) +
                                          ", and that moment may not be moved"};
      }
      if (was->required) {
        column_.required = true;
        column_.required_since_us = was->required_since_us;
      }
    }
    const bool same = was != nullptr && *was == column_;
    if (!same) {
      KHIPU_TRY(registry::check_column(schema, column_));
      KHIPU_TRY(commit_statements(root_, keys_path(root_, keys_), network_, {codec::ColumnStatement{column_}}));
    }
    if (output.json()) {
      output.document({{"schema", "khipu.columns_added/v1"}, {"changed", same ? 0 : 1}});
    } else {
      output.line(same ? "nothing new" : "defined column " + column_.name);
    }
    return Exit::kOk;
  }

 private:
  std::string root_, kind_, rule_, since_, keys_, network_;
  codec::ColumnSchema column_;
};

}  // namespace

std::unique_ptr<Command> make_columns_list() { return std::make_unique<ColumnsList>(); }
std::unique_ptr<Command> make_columns_add() { return std::make_unique<ColumnsAdd>(); }

}  // namespace khipu::cli
