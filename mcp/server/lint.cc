#include "mcp/server/lint.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace khipu::mcp::server {
namespace {

constexpr size_t kPropertyNameSizeMax = 64;
constexpr size_t kToolNameSizeMaxOfAll = 128;

constexpr std::array<std::string_view, 6> kTypes = {"object", "array", "string", "boolean", "integer", "number"};
constexpr std::array<std::string_view, 6> kNumberKeywords = {"minimum",   "maximum",  "minLength",
                                                             "maxLength", "minItems", "maxItems"};
constexpr std::array<std::string_view, 4> kFreeKeywords = {"default", "const", "title", "x-mcp-header"};

template <typename Names>
bool is_one_of(std::string_view name, const Names& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Linter {
 public:
  explicit Linter(std::vector<std::string>& findings) : findings_(findings) {}

  void lint_root(const OrderedJson& schema, const std::string& where) {
    lint(schema, where);
    if (schema.is_object() && schema.value("type", OrderedJson()) != "object")
      note(where, "the root must be an object");
  }

 private:
  void note(const std::string& where, const std::string& finding) { findings_.push_back(where + ": " + finding); }

  void lint(const OrderedJson& schema, const std::string& where) {
    if (!schema.is_object()) return note(where, "a schema must be an object");
    const OrderedJson type = schema.value("type", OrderedJson());
    if (!type.is_string() || !is_one_of(type.get<std::string>(), kTypes)) note(where, "needs one type name");
    if (type == "array" && !schema.contains("items")) note(where, "an array needs items");
    if (type == "object" && !schema.contains("properties")) note(where, "an object needs properties");
    for (const auto& [keyword, value] : schema.items()) lint_keyword(keyword, value, schema, where);
  }

  void lint_keyword(const std::string& keyword, const OrderedJson& value, const OrderedJson& schema,
                    const std::string& where) {
    if (keyword == "type" || is_one_of(keyword, kFreeKeywords)) return;
    if (keyword == "description") {
      if (!value.is_string()) note(where, "description must be a string");
    } else if (keyword == "enum") {
      if (!value.is_array() || value.empty()) note(where, "enum must be a list that is not empty");
    } else if (is_one_of(keyword, kNumberKeywords)) {
      if (!value.is_number()) note(where, keyword + " must be a number");
    } else if (keyword == "items") {
      lint(value, where + "[]");
    } else if (keyword == "additionalProperties") {
      if (!value.is_boolean()) lint(value, where + ".*");
    } else if (keyword == "properties") {
      lint_properties(value, where);
    } else if (keyword == "required") {
      lint_required(value, schema, where);
    } else {
      note(where, "unknown keyword " + keyword);
    }
  }

  void lint_properties(const OrderedJson& properties, const std::string& where) {
    if (!properties.is_object()) return note(where, "properties must be an object");
    for (const auto& [name, property] : properties.items()) {
      if (!is_name(name, kPropertyNameSizeMax)) note(where, "a property name must fit [A-Za-z0-9_.-]{1,64}");
      lint(property, where + "." + name);
    }
  }

  void lint_required(const OrderedJson& required, const OrderedJson& schema, const std::string& where) {
    const OrderedJson properties = schema.value("properties", OrderedJson::object());
    if (!required.is_array()) return note(where, "required must be a list");
    for (const OrderedJson& name : required) {
      if (!name.is_string() || !properties.contains(name.get<std::string>())) {
        note(where, "required names no property: " + name.dump());
      }
    }
  }

  std::vector<std::string>& findings_;
};

}  // namespace

bool is_name(std::string_view text, size_t size_max) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  };
  return !text.empty() && text.size() <= size_max && std::all_of(text.begin(), text.end(), fits);
}

std::vector<std::string> lint_tool(const protocol::ToolDefinition& tool, bool is_unlinted) {
  std::vector<std::string> findings;
  const auto note = [&](const std::string& finding) { findings.push_back(tool.name + ": " + finding); };
  if (is_unlinted) {
    if (!is_name(tool.name, kToolNameSizeMaxOfAll)) note("a tool name must fit [A-Za-z0-9_.-]{1,128}");
    if (!tool.input_schema.is_object() || tool.input_schema.value("type", OrderedJson()) != "object") {
      note("inputSchema: the root must be an object");
    }
    return findings;
  }
  if (!is_name(tool.name, kToolNameSizeMax)) note("a tool name must fit [A-Za-z0-9_.-]{1,40}");
  if (tool.title.empty()) note("needs a title");
  if (tool.description.empty()) note("needs a description");
  if (tool.description.size() > kDescriptionSizeBytesMax) note("the description is over 2000 bytes");
  Linter linter(findings);
  linter.lint_root(tool.input_schema, tool.name + ": inputSchema");
  if (tool.input_schema.is_object() && tool.input_schema.value("additionalProperties", OrderedJson()) != false) {
    note("inputSchema needs additionalProperties: false");
  }
  if (tool.output_schema) linter.lint_root(*tool.output_schema, tool.name + ": outputSchema");
  return findings;
}

std::vector<std::string> lint_prompt(const protocol::PromptInfo& prompt) {
  std::vector<std::string> findings;
  const auto note = [&](const std::string& finding) { findings.push_back(prompt.name + ": " + finding); };
  if (!is_name(prompt.name, kPropertyNameSizeMax)) note("a prompt name must fit [A-Za-z0-9_.-]{1,64}");
  if (prompt.description.empty()) note("needs a description");
  if (prompt.description.size() > kDescriptionSizeBytesMax) note("the description is over 2000 bytes");
  for (const protocol::PromptArgument& argument : prompt.arguments) {
    if (!is_name(argument.name, kPropertyNameSizeMax)) note("an argument name must fit [A-Za-z0-9_.-]{1,64}");
    if (argument.description.empty()) note(argument.name + " needs a description");
  }
  return findings;
}

}  // namespace khipu::mcp::server
