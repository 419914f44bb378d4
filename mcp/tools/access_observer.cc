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

// What the answer says.
std::string words_of(const Error& error) {
  return error.code == Code::kNotFound ? "not recorded: no writer runs" : "not recorded: the writer did not confirm it";
}

Error not_recorded(const Error& error) {
  return {Code::kIo, std::string("this server answers only what the access log records, and this was ") +
                         words_of(error) + "; ask the operator whether `khipu serve` runs"};
}

constexpr const char* kElsewhere =
    "Another log has taken the place of the one this server opened. Ask the operator to start khipu-mcp again.";
constexpr const char* kMetaKey = "khipu/access_log";

server::ToolResult unavailable(std::string hint) {
  return server::error_result({"UNAVAILABLE", "", "", {}, "", std::move(hint), 5});
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

bool AccessObserver::is_elsewhere() {
  if (!is_in_place_ || is_in_place_()) return false;
  faults_.tell("nothing is answered: the folder of the log is another one than was opened; start khipu-mcp again");
  return true;
}

std::optional<Error> AccessObserver::report(codec::AccessRecord record) {
  Result<void> reported = report_(std::move(record));
  if (reported.ok()) {
    if (is_failing_ && is_failing_.exchange(false)) faults_.forget();
    return std::nullopt;
  }
  is_failing_ = true;
  faults_.tell(std::string("a read is not recorded in the access log") +
               (reported.error().code == Code::kNotFound ? ": no writer runs: " : ": ") + reported.error().message);
  return std::move(reported).error();
}

template <typename T>
bool AccessObserver::begin(Result<T>& result) {
  const bool elsewhere = is_elsewhere();
  if (elsewhere) result = Error{Code::kIo, kElsewhere};
  return !elsewhere && mode_ != AccessLog::kOff;
}

template <typename T>
void AccessObserver::settle(codec::AccessRecord record, Result<T>& result) {
  const std::optional<Error> error = report(std::move(record));
  if (!error) return;
  if (mode_ == AccessLog::kRequired) {
    result = not_recorded(*error);
  } else if (result.ok()) {
    result->meta[kMetaKey] = words_of(*error);
  }
}

void AccessObserver::finished(const server::Tool& tool, const Json& arguments, server::CallContext& context,
                              server::ToolResult& result) {
  if (is_elsewhere()) {
    result = unavailable(kElsewhere);
    return;
  }
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
  const std::optional<Error> error = report(std::move(record));
  if (!error) return;
  if (mode_ == AccessLog::kRequired) {
    result = unavailable(
        "This server answers only what the access log records, and the writer of the log does not confirm it. Ask the "
        "operator whether `khipu serve` runs.");
    return;
  }
  const std::string words = words_of(*error);
  result.text =
      result.is_error ? result.text + " (access_log: " + words + ")" : "access_log: " + words + "\n" + result.text;
  if (result.structured) (*result.structured)["access_log"] = words;
}

void AccessObserver::read(const std::string& uri, server::CallContext& context, Result<protocol::ReadResult>& result) {
  if (!begin(result)) return;
  codec::AccessRecord record = record_of(resource_word(uri), context);
  if (result.ok()) {
    record.results = result->contents.size();
  } else {
    take_error(result.error(), record);
  }
  settle(std::move(record), result);
  if (!result.ok() || result->meta.is_null()) return;
  // Where we wrote the text, it says so as well; a signed note and raw bytes are sent as they are. Nobody keeps it.
  for (protocol::ResourceContents& contents : result->contents) {
    auto* text = std::get_if<std::string>(&contents.data);
    const bool is_ours = contents.mime_type == "text/plain" && resource_word(uri) != "resource:checkpoint";
    if (text != nullptr && is_ours) *text = "access_log: " + result->meta[kMetaKey].get<std::string>() + "\n" + *text;
  }
  result->cache = {};
}

void AccessObserver::prompted(const std::string& name, server::CallContext& context,
                              Result<protocol::PromptResult>& result) {
  if (!begin(result)) return;
  codec::AccessRecord record = record_of("prompt:" + name, context);
  if (!result.ok()) take_error(result.error(), record);
  settle(std::move(record), result);
}

void AccessObserver::completed(const std::string& argument, server::CallContext& context,
                               Result<protocol::Completion>& result) {
  if (!begin(result)) return;
  codec::AccessRecord record = record_of(completion_word(argument), context);
  if (result.ok()) {
    record.results = result->values.size();
  } else {
    take_error(result.error(), record);
  }
  settle(std::move(record), result);
}

void AccessObserver::unknown(const std::string& name, server::CallContext& context) {
  tell_refusal(name, codec::Outcome::kDenied, "UNKNOWN_TOOL", context);
}

void AccessObserver::refused(const std::string& method, server::CallContext& context) {
  tell_refusal(method, codec::Outcome::kFailure, "INVALID_PARAMS", context);
}

// Nothing of the log is in such an answer: it is given whether it was recorded or not.
void AccessObserver::tell_refusal(const std::string& name, codec::Outcome outcome, const char* code,
                                  server::CallContext& context) {
  if (mode_ == AccessLog::kOff || is_elsewhere()) return;
  codec::AccessRecord record = record_of(name, context);
  record.outcome = outcome;
  record.code = code;
  static_cast<void>(report(std::move(record)));
}

}  // namespace khipu::mcp::tools
