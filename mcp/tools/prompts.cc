#include "mcp/tools/prompts.h"

#include <algorithm>
#include <map>

#include "mcp/tools/render.h"

namespace khipu::mcp::tools {
namespace {

constexpr size_t kArgumentSizeMax = 4096;  // a pasted checkpoint is the longest there is
constexpr uint32_t kCompletionsMax = 100;

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::string_view cut(std::string_view& rest, std::string_view end) {
  const size_t at = rest.find(end);
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + end.size());
  return part;
}

// One line each, nothing a terminal acts on: a person typed it, and a model reads it.
std::string plain(const std::string& value) {
  std::string text = escape(value).text;
  if (text.size() > kArgumentSizeMax) text.resize(kArgumentSizeMax);
  return text;
}

class FilePrompt final : public server::Prompt {
 public:
  FilePrompt(AuditContext& audit, std::string_view name) : audit_(audit) {
    info_.name = name;
    std::string_view rest = embedded_prompt(name);
    for (std::string_view line = cut(rest, "\n"); !line.empty(); line = cut(rest, "\n")) {
      const std::string_view member = cut(line, ": ");
      if (member == "title") info_.title = line;
      if (member == "description") info_.description = line;
      if (member != "argument") continue;
      server::PromptArgument argument;
      argument.name = trim(cut(line, "|"));
      argument.required = trim(cut(line, "|")) == "required";
      defaults_[argument.name] = trim(cut(line, "|"));
      argument.description = trim(line);
      info_.arguments.push_back(std::move(argument));
    }
    text_ = rest;
  }

  const server::PromptInfo& info() const override { return info_; }

  Result<server::PromptResult> get(const server::PromptArguments& arguments, server::CallContext& context) override {
    if (!context.caller().has_grant("query")) {
      return Error{Code::kForbidden, "this needs the grant query, which this caller lacks"};
    }
    std::string text;
    std::string_view rest = text_;
    while (!rest.empty()) {
      text += cut(rest, "{{");
      if (rest.empty()) break;
      const std::string name(cut(rest, "}}"));
      const auto given = arguments.find(name);
      text += given != arguments.end() && !given->second.empty() ? plain(given->second) : defaults_.at(name);
    }
    server::PromptResult result;
    result.description = info_.description;
    result.messages.push_back({server::Role::kUser, protocol::TextContent{std::move(text)}});
    return result;
  }

  bool completes() const override { return true; }
  Result<server::Completion> complete(const server::CompleteRequest& request, server::CallContext& context) override {
    return complete_word(audit_, request.argument, request.value, request.context, context);
  }

 private:
  AuditContext& audit_;
  server::PromptInfo info_;
  std::map<std::string, std::string> defaults_;
  std::string_view text_;
};

// Only what can be sent as it is: a completion is inserted where it stands.
void offer(const std::string& value, const std::string& typed, server::Completion& out) {
  const bool plain_token = Renderer("").token(value).text == value;
  if (plain_token && value.starts_with(typed) && out.values.size() < kCompletionsMax) out.values.push_back(value);
}

}  // namespace

std::vector<std::unique_ptr<server::Prompt>> make_prompts(AuditContext& audit) {
  std::vector<std::unique_ptr<server::Prompt>> prompts;
  for (const std::string_view name : embedded_prompt_names())
    prompts.push_back(std::make_unique<FilePrompt>(audit, name));
  return prompts;
}

server::Completion complete_word(AuditContext& audit, std::string_view argument, const std::string& typed,
                                 const protocol::PromptArguments& settled, server::CallContext& context) {
  server::Completion out;
  if (!context.caller().has_grant("query")) return out;
  if (argument == "from" || argument == "to" || argument == "period" || argument == "window" ||
      argument == "baseline") {
    return server::complete_from(
        {"today", "yesterday", "this_week", "last_week", "this_month", "last_month", "-24h", "-7d", "-30d", "now"},
        typed);
  }
  const std::shared_ptr<query::Engine> engine = audit.engine_for(context.caller());
  if (argument == "action" || argument == "source" || argument == "type") {
    const query::Answer<query::Facts> facts = engine->describe(context.stop());
    if (!facts.ok()) return out;
    if (argument == "action") {
      for (const query::Count& action : facts->actions) offer(action.value, typed, out);
    } else if (argument == "source") {
      for (const query::SourceFacts& source : facts->sources) offer(source.source, typed, out);
    } else {
      for (const query::TypeFacts& type : facts->types) offer(type.type, typed, out);
    }
    return out;
  }
  if (argument == "seq") {
    query::EventRequest newest;
    newest.filter.emplace();
    newest.limit = kCompletionsMax;
    newest.stop = context.stop();
    const auto page = engine->events(newest);
    if (!page.ok()) return out;
    for (const query::EventRow& event : page->rows) offer(std::to_string(event.seq.value), typed, out);
    return out;
  }
  const bool wants_ref = argument == "actor" || argument == "entity" || argument == "target";
  if ((!wants_ref && argument != "id") || typed.empty()) return out;
  // "type:i" and "i" alike: the id, or a name, begins with what was typed.
  const auto type = settled.find("type");
  const size_t colon = typed.find(':');
  const std::string start = wants_ref && colon != std::string::npos ? typed.substr(colon + 1) : typed;
  const auto found = engine->find_entities(start, true, kCompletionsMax);
  if (!found.ok()) return out;
  for (const query::FoundEntity& entity : *found) {
    if (!wants_ref && type != settled.end() && entity.type != type->second) continue;
    const std::string& value = wants_ref ? entity.ref : entity.id;
    if (colon != std::string::npos) {
      offer(value, typed, out);
    } else {
      offer(value, "", out);  // a name was typed: the ref it stands for
    }
  }
  return out;
}

}  // namespace khipu::mcp::tools
