#include "mcp/tools/access_observer.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "mcp/server/tool_error.h"

namespace khipu::mcp::tools {
namespace {

constexpr size_t kNamesMax = 64;

// What was asked about, not what was asked for. A name that the tool does not have may be a value put in the wrong
// place.
std::vector<std::string> shape_of(const std::set<std::string>& known, const Json& arguments) {
  std::set<std::string> names;
  const auto add = [&](const std::string& prefix, const std::string& name) {
    if (names.size() < kNamesMax) names.insert(prefix + (known.count(prefix + name) > 0 ? name : "?"));
  };
  if (!arguments.is_object()) return {};
  for (const auto& [name, value] : arguments.items()) {
    if (name == "not" && known.count(name) > 0 && value.is_object()) {
      for (const auto& [excluded, ignored] : value.items()) add("not.", excluded);
    } else {
      add("", name);
    }
  }
  return {names.begin(), names.end()};
}

std::optional<uint64_t> count_of(const OrderedJson& structured) {
  if (const auto returned = structured.find("returned"); returned != structured.end() && returned->is_number_unsigned())
    return returned->get<uint64_t>();
  for (const char* list : {"events", "versions", "entities", "groups", "seqs", "sources", "types", "proofs"}) {
    if (const auto found = structured.find(list); found != structured.end() && found->is_array()) return found->size();
  }
  return std::nullopt;
}

codec::AccessRecord record_of(std::string_view tool, const server::CallContext& context) {
  codec::AccessRecord record;
  record.time = context.now();
  record.caller = context.caller().id.empty() ? "unknown" : context.caller().id;
  record.tool = tool;
  record.client = context.caller().client;
  record.outcome = codec::Outcome::kSuccess;
  return record;
}

void take_error(const Error& error, codec::AccessRecord& record) {
  record.outcome = error.code == Code::kForbidden ? codec::Outcome::kDenied : codec::Outcome::kFailure;
  record.code = code_name(error.code);
}

Error not_recorded(const Error& error) {
  return {Code::kIo, std::string("this read cannot be recorded in the access log, which this server demands: ") +
                         std::string(code_name(error.code))};
}

// "completion:actor" of the arguments that prompts and resource templates have.
std::string completion_word(const std::string& argument) {
  constexpr std::string_view kArguments[] = {"actor",  "at",          "baseline", "checkpoint", "control", "entity",
                                             "from",   "from_size",   "id",       "leavers",    "n",       "seed",
                                             "period", "sample_size", "seq",      "size",       "to",      "to_size",
                                             "target", "type",        "window"};
  const bool known = std::find(std::begin(kArguments), std::end(kArguments), argument) != std::end(kArguments);
  return "completion:" + (known ? argument : "?");
}

// "resource:audit://event" of "audit://event/17/raw": the kind and not the value.
std::string resource_word(const std::string& uri) {
  constexpr std::string_view kScheme = "audit://";
  if (!uri.starts_with(kScheme)) return "resource:?";
  const std::string kind = uri.substr(kScheme.size(), uri.find('/', kScheme.size()) - kScheme.size());
  constexpr std::string_view kKinds[] = {"checkpoint", "coverage", "entity", "event",
                                         "export",     "guide",    "proof",  "schema"};
  const bool known = std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
  return known ? "resource:" + kind : "resource:?";
}

}  // namespace

std::optional<AccessLog> access_log(std::string_view word) {
  if (word == "required") return AccessLog::kRequired;
  if (word == "auto") return AccessLog::kAuto;
  if (word == "off") return AccessLog::kOff;
  return std::nullopt;
}

const std::set<std::string>& AccessObserver::arguments_of(const server::ToolInfo& tool) {
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = arguments_.try_emplace(tool.name);
  std::set<std::string>& names = entry->second;
  if (!is_new) return names;
  const OrderedJson schema = OrderedJson::parse(tool.input_schema);  // our own
  const auto add = [&names](const OrderedJson& of, const std::string& prefix) {
    const auto properties = of.find("properties");
    if (properties == of.end()) return;
    for (const auto& property : properties->items()) names.insert(prefix + property.key());
  };
  add(schema, "");
  if (names.count("not") > 0) add(schema["properties"]["not"], "not.");
  return names;
}

void AccessObserver::finished(const server::Tool& tool, const Json& arguments, server::CallContext& context,
                              server::ToolResult& result) {
  if (mode_ == AccessLog::kOff) return;
  codec::AccessRecord record = record_of(tool.info().name, context);
  record.arguments = shape_of(arguments_of(tool.info()), arguments);
  const OrderedJson none = OrderedJson::object();
  const OrderedJson& structured = result.structured ? *result.structured : none;
  if (result.is_error) {
    const auto error = structured.find("error");
    if (error != structured.end()) record.code = error->value("code", "");
    record.outcome = record.code == "FORBIDDEN" ? codec::Outcome::kDenied : codec::Outcome::kFailure;
  } else {
    record.results = count_of(structured);
  }
  if (const auto as_of = structured.find("as_of"); as_of != structured.end()) {
    record.as_of = codec::AccessRecord::State{CommitNumber{as_of->value("commit", uint64_t{0})},
                                              as_of->value("tree_size", uint64_t{0})};
  }
  const Result<void> reported = report_(std::move(record));
  if (reported.ok()) return;
  if (mode_ == AccessLog::kRequired) {
    result = server::error_result({"UNAVAILABLE",
                                   "",
                                   "",
                                   {},
                                   "",
                                   "This server answers only what the access log records, and the writer of the log "
                                   "does not answer. Ask the operator whether `khipu serve` runs.",
                                   5});
    return;
  }
  const std::string words = reported.error().code == Code::kNotFound ? "not recorded: no writer runs"
                                                                     : "not recorded: the writer did not confirm it";
  result.text =
      result.is_error ? result.text + " (access_log: " + words + ")" : "access_log: " + words + "\n" + result.text;
  if (result.structured) (*result.structured)["access_log"] = words;
}

void AccessObserver::read(const std::string& uri, server::CallContext& context, Result<protocol::ReadResult>& result) {
  if (mode_ == AccessLog::kOff) return;
  codec::AccessRecord record = record_of(resource_word(uri), context);
  if (result.ok()) {
    record.results = result->contents.size();
  } else {
    take_error(result.error(), record);
  }
  const Result<void> reported = report_(std::move(record));
  if (!reported.ok() && mode_ == AccessLog::kRequired && result.ok()) result = not_recorded(reported.error());
}

void AccessObserver::prompted(const std::string& name, server::CallContext& context,
                              Result<protocol::PromptResult>& result) {
  if (mode_ == AccessLog::kOff) return;
  codec::AccessRecord record = record_of("prompt:" + name, context);
  if (!result.ok()) take_error(result.error(), record);
  const Result<void> reported = report_(std::move(record));
  if (!reported.ok() && mode_ == AccessLog::kRequired && result.ok()) result = not_recorded(reported.error());
}

void AccessObserver::completed(const std::string& argument, server::CallContext& context,
                               Result<protocol::Completion>& result) {
  if (mode_ == AccessLog::kOff) return;
  codec::AccessRecord record = record_of(completion_word(argument), context);
  if (result.ok()) {
    record.results = result->values.size();
  } else {
    take_error(result.error(), record);
  }
  const Result<void> reported = report_(std::move(record));
  if (!reported.ok() && mode_ == AccessLog::kRequired && result.ok()) result = not_recorded(reported.error());
}

void AccessObserver::unknown(const std::string& name, server::CallContext& context) {
  if (mode_ == AccessLog::kOff) return;
  codec::AccessRecord record = record_of(name, context);
  record.outcome = codec::Outcome::kDenied;
  record.code = "UNKNOWN_TOOL";
  static_cast<void>(report_(std::move(record)).ok());  // nothing of the log is in the answer
}

}  // namespace khipu::mcp::tools
