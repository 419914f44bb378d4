// `khipu types list|show|add|infer`: which entity types and fields events may use.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/visible.h"
#include "engine/cli/commands.h"
#include "engine/cli/definitions.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/daemon/schema_json.h"
#include "engine/import/infer.h"
#include "engine/os/process.h"
#include "engine/registry/guard.h"

namespace khipu::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string field_text(const codec::FieldSchema& field) {
  std::string text = field.name + ":" + std::string(codec::name(field.kind));
  if (field.required) text += ":required";
  if (!field.rule.none()) text += ":" + text_of(field.rule);
  return text;
}

std::string type_text(const codec::TypeSchema& type) {
  std::string text = type.name;
  for (const codec::FieldSchema& field : type.fields) text += "  " + field_text(field);
  return text;
}

class TypesList final : public Command {
 public:
  std::string name() const override { return "types list"; }
  std::string summary() const override { return "Show every entity type with its fields"; }
  std::string details() const override { return "Example:\n  khipu types list /srv/audit --json\n\nExit codes: 0, 3."; }
  void declare(Arguments& arguments) override { arguments.required("ROOT", root_, "the log's directory"); }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const registry::Schema schema, current_schema(root_));
    Json list = Json::array();
    for (const codec::TypeSchema& type : schema.types()) {
      if (!output.json()) output.line(type_text(type));
      list.push_back(daemon::type_json(type));
    }
    if (output.json()) output.document({{"schema", "khipu.types/v1"}, {"types", std::move(list)}});
    return Exit::kOk;
  }

 private:
  std::string root_;
};

class TypesShow final : public Command {
 public:
  std::string name() const override { return "types show"; }
  std::string summary() const override { return "Show one entity type"; }
  std::string details() const override {
    return "Example:\n  khipu types show /srv/audit user\n\nExit codes: 0, 3 no such type.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.required("TYPE", type_, "the type's name");
  }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const registry::Schema schema, current_schema(root_));
    const codec::TypeSchema* type = schema.type(type_);
    if (type == nullptr) return Error{Code::kNotFound, "there is no type " + type_ + "; `khipu types list` shows all"};
    if (output.json()) {
      Json document = {{"schema", "khipu.type/v1"}};
      document.update(daemon::type_json(*type));
      output.document(document);
      return Exit::kOk;
    }
    output.line(type->name);
    for (const codec::FieldSchema& field : type->fields) output.line("  " + field_text(field));
    return Exit::kOk;
  }

 private:
  std::string root_, type_;
};

class TypesAdd final : public Command {
 public:
  std::string name() const override { return "types add"; }
  std::string summary() const override { return "Define an entity type, or add fields to one"; }
  std::string details() const override {
    return "Definitions only grow: a field keeps its kind for ever, and a new field of an existing type is optional.\n"
           "RULE and required of a field can be changed until the log holds an entity of that type, also of those "
           "that\n"
           "khipu init defines. The type @event stands for events themselves: content:sealed keeps content and "
           "source_ip\n"
           "of every event sealed from then on, not only of those that fill a protected field.\n"
           "FIELD is NAME[:KIND][:required][:RULE], KIND text, number or json (default text).\n"
           "RULE says how values are kept: none (default), digest or sealed, then its blind indexes and flags, as in\n"
           "sealed,exact,prefix(4),accept_leak. Which searches each allows and what it leaks: engine/README.md.\n"
           "subject: a sealed field's key is the person's own, so that `khipu shred --subject` destroys it, and it "
           "alone.\n"
           "low_entropy: few values are possible, so an index or digest, by which they are guessed, wants "
           "accept_leak.\n"
           "--file takes JSON: {\"name\":\"account\",\"fields\":[{\"name\":\"iban\",\"kind\":\"text\"}]} or an array "
           "of those,\n"
           "as `khipu types infer` prints it. What a field of a type that is there leaves out (protection and "
           "indexes,\n"
           "required) stays as it is; of a new field nothing is protected, indexed or required then.\n\n"
           "Examples:\n  khipu types add /srv/audit account iban balance:number\n"
           "  khipu types add /srv/audit user 'name:sealed,exact' 'email:sealed,exact' 'phone:digest'\n"
           "  khipu types add /srv/audit @event content:sealed\n"
           "  khipu types infer events.jsonl | khipu types add /srv/audit --file -\n\n"
           "Exit codes: 0 defined (also when nothing was new), 3 refused.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.optional("TYPE", type_, "the type's name: [a-z][a-z0-9_]{0,62}");
    arguments.rest("FIELD", fields_, "fields to add", 0);
    arguments.text("--file", file_, "FILE", "definitions as JSON instead; \"-\" is standard input");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
    arguments.text("--network-filesystem", network_, "KIND", kNetworkHelp);
  }
  Result<Exit> run(Output& output) override {
    if (type_.empty() == file_.empty()) return Error{Code::kInvalid, "give either TYPE and its fields, or --file"};
    KHIPU_TRY_ASSIGN(const registry::Schema schema, current_schema(root_));
    std::vector<codec::TypeSchema> wanted;
    if (!file_.empty()) {
      KHIPU_TRY_ASSIGN(const std::string text, read_input_file(file_, 16U << 20));
      KHIPU_TRY_ASSIGN(wanted, daemon::parse_types(text, &schema));
    } else {
      codec::TypeSchema type{type_, {}};
      for (const std::string& word : fields_) {
        KHIPU_TRY_ASSIGN(codec::FieldSchema field, parse_field(word));
        type.fields.push_back(std::move(field));
      }
      wanted.push_back(std::move(type));
    }
    std::vector<codec::Statement> changes, added;
    size_t count = 0;
    for (const codec::TypeSchema& type : wanted) {
      const codec::TypeSchema* const known = schema.type(type.name);
      const codec::TypeSchema merged = registry::with_others_kept(schema, type);
      if (known != nullptr && *known == merged) continue;
      KHIPU_TRY(registry::check_unused_type(schema, merged));  // whether there are entities of it the writer knows
      ++count;
      say(schema, type, changes, added);
    }
    KHIPU_TRY(commit_statements(root_, keys_path(root_, keys_), network_, std::move(added), std::move(changes)));
    for (const std::string& field : dropped_) {
      output.note("note: " + printable(field) + " is kept in the clear from now on: its rule was not named again");
    }
    if (output.json()) {
      output.document({{"schema", "khipu.types_added/v1"}, {"changed", count}});
    } else {
      output.line(count == 0 ? "nothing new" : "defined " + std::to_string(count) + (count == 1 ? " type" : " types"));
    }
    return Exit::kOk;
  }

 private:
  // Apart: the fields that are there and change, for their rules are asked for by name, and those that are new. Of
  // these the writer keeps its own rules, which may be newer than `schema`; fields that are as they are wanted it is
  // not told.
  void say(const registry::Schema& schema, const codec::TypeSchema& wanted, std::vector<codec::Statement>& changes,
           std::vector<codec::Statement>& added) {
    codec::TypeSchema changed{wanted.name, {}}, fresh{wanted.name, {}};
    for (const codec::FieldSchema& field : wanted.fields) {
      const codec::FieldSchema* const was = schema.field(wanted.name, field.name);
      if (was != nullptr && *was == field) continue;
      if (was != nullptr && field.rule.none() && !was->rule.none()) {
        dropped_.push_back(wanted.name + "." + field_text(*was));
      }
      (was != nullptr ? changed : fresh).fields.push_back(field);
    }
    if (!changed.fields.empty()) changes.emplace_back(codec::TypeStatement{std::move(changed)});
    if (schema.type(wanted.name) == nullptr || !fresh.fields.empty())
      added.emplace_back(codec::TypeStatement{std::move(fresh)});
  }
  static Result<codec::FieldSchema> parse_field(const std::string& word) {
    codec::FieldSchema field;
    size_t colon = word.find(':');
    field.name = word.substr(0, colon);
    while (colon != std::string::npos) {
      const size_t from = colon + 1;
      colon = word.find(':', from);
      const std::string part = word.substr(from, colon == std::string::npos ? colon : colon - from);
      const std::optional<codec::ValueKind> kind = codec::value_kind(part);
      if (kind) {
        field.kind = *kind;
      } else if (part == "required") {
        field.required = true;
      } else if (const std::optional<codec::Rule> rule = codec::rule(part)) {
        field.rule = *rule;
      } else {
        return Error{Code::kInvalid,
                     word + ": a field is NAME[:text|number|json][:required][:RULE]; " + codec::kRuleWords};
      }
    }
    return field;
  }

  std::string root_, type_, file_, keys_, network_;
  std::vector<std::string> fields_;
  std::vector<std::string> dropped_;  // "user.name:text:sealed,exact", of fields that become clear
};

class TypesInfer final : public Command {
 public:
  std::string name() const override { return "types infer"; }
  std::string summary() const override { return "Propose types from a sample of events"; }
  std::string details() const override {
    return "Reads canonical events, one JSON object a line, and prints the definitions they would need, as JSON for\n"
           "`khipu types add --file -`; the custom columns they would need are said on stderr. Nothing is written.\n\n"
           "Example:\n  khipu types infer events.jsonl\n\nExit codes: 0 printed, 3 the sample cannot be read.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("FILE", file_, "sample of events (NDJSON), at most 256 MiB; \"-\" is standard input");
  }
  Result<Exit> run(Output& output) override {
    os::disable_core_dumps();  // a sample holds values in the clear
    KHIPU_TRY_ASSIGN(const std::string text, read_input_file(file_, 256U << 20));
    return infer(text, output);
  }

 private:
  static Result<Exit> infer(const std::string& text, Output& output);
  std::string file_;
};

Result<Exit> TypesInfer::infer(const std::string& text, Output& output) {
  const import::Inferred inferred = import::infer(text, registry::Schema());
  if (inferred.events == 0) {
    return Error{Code::kInvalid, "the sample holds no canonical event" +
                                     (inferred.first_problem.empty() ? "" : ": " + inferred.first_problem)};
  }
  for (const std::string& note : inferred.notes) output.note("note: " + printable(note));
  if (inferred.skipped > 0) {
    output.note("skipped " + std::to_string(inferred.skipped) + " lines: " + printable(inferred.first_problem));
  }
  Json types = Json::array();
  for (const codec::TypeSchema& type : inferred.types) {
    Json one = daemon::type_json(type);
    for (Json& field : one["fields"]) {  // a sample says nothing about these
      field.erase("protection");
      field.erase("required");
    }
    types.push_back(std::move(one));
  }
  if (output.json()) {
    Json columns = Json::array();
    for (const codec::ColumnSchema& column : inferred.columns) columns.push_back(daemon::column_json(column));
    output.document({{"schema", "khipu.inferred/v1"},
                     {"types", std::move(types)},
                     {"columns", std::move(columns)},
                     {"events", inferred.events},
                     {"skipped", inferred.skipped},
                     {"notes", inferred.notes}});
  } else {
    for (const codec::ColumnSchema& column : inferred.columns) {
      output.note("note: a column is needed too: khipu columns add ROOT " + printable(column.name) + " --kind " +
                  std::string(codec::name(column.kind)));
    }
    std::string page;
    append_visible_json(page, types.dump(2));
    output.line(page);
  }
  return Exit::kOk;
}

}  // namespace

std::unique_ptr<Command> make_types_list() { return std::make_unique<TypesList>(); }
std::unique_ptr<Command> make_types_show() { return std::make_unique<TypesShow>(); }
std::unique_ptr<Command> make_types_add() { return std::make_unique<TypesAdd>(); }
std::unique_ptr<Command> make_types_infer() { return std::make_unique<TypesInfer>(); }

}  // namespace khipu::cli
