#include "mcp/tools/resources.h"

#include <charconv>
#include <optional>

#include "engine/verify/verify.h"
#include "mcp/tools/prompts.h"
#include "mcp/tools/proof_document.h"

namespace khipu::mcp::tools {
namespace {

using server::ReadResult;
using server::ResourceContents;

constexpr std::string_view kScheme = "audit://";
constexpr int64_t kMinuteMs = 60'000, kDayMs = 86'400'000;

Error missing() { return {Code::kNotFound, "there is no such resource; resources/templates/list names what there is"}; }

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// %HH undone, once; nullopt when malformed.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
    if (error != std::errc() || end != text.data() + i + 3) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

Result<void> need(const server::CallContext& context, std::string_view grant) {
  if (context.caller().has_grant(grant)) return {};
  return Error{Code::kForbidden, "this needs the grant " + std::string(grant) + ", which this caller lacks"};
}

ReadResult text_result(const std::string& uri, const char* type, std::string text, server::CacheHints cache) {
  ReadResult result;
  result.contents.push_back({uri, type, std::move(text)});
  result.cache = cache;
  return result;
}

class AuditResources final : public server::ResourceProvider {
 public:
  explicit AuditResources(AuditContext& audit)
      : audit_(audit),
        describe_(make_describe_tool(audit)),
        coverage_(make_coverage_tool(audit)),
        get_event_(make_get_event_tool(audit)),
        history_(make_history_tool(audit)) {}

  Result<server::ResourcePage> list(const std::string& cursor, server::CallContext& context) override {
    if (!cursor.empty()) return Error{Code::kInvalid, "unknown cursor"};
    server::ResourcePage page;
    const auto add = [&](const char* path, const char* name, const char* title, const char* type) {
      server::ResourceInfo info;
      info.uri = std::string(kScheme) + path;
      info.name = name;
      info.title = title;
      info.mime_type = type;
      page.resources.push_back(std::move(info));
    };
    if (context.caller().has_grant("query")) {
      add("schema", "schema", "Types, fields and vocabulary", "text/plain");
      add("coverage", "coverage", "Coverage: gaps, purges, silent sources", "text/plain");
    }
    add("checkpoint/latest", "checkpoint-latest", "Newest published checkpoint: a signed note", "text/plain");
    add("guide/query", "guide-query", "How to ask the log", "text/markdown");
    add("guide/verification", "guide-verification", "What verification says", "text/markdown");
    return page;
  }

  // Not audit://export/{id}: nobody can fill that in; the link of audit_query is the only way there.
  std::vector<server::ResourceTemplate> templates() const override {
    std::vector<server::ResourceTemplate> all;
    const auto add = [&](const char* path, const char* name, const char* description, const char* type) {
      server::ResourceTemplate one;
      one.uri_template = std::string(kScheme) + path;
      one.name = name;
      one.description = description;
      one.mime_type = type;
      all.push_back(std::move(one));
    };
    add("checkpoint/{n}", "checkpoint", "A published checkpoint by its number: a signed note, exact", "text/plain");
    add("event/{seq}", "event", "One event in full, free text marked", "text/plain");
    add("event/{seq}/raw", "event-raw", "The exact bytes of one record, for verifiers (grant reveal)",
        "application/cbor");
    add("entity/{type}/{id}", "entity", "How an entity changed, and who changed it", "text/plain");
    add("proof/{seq}{?at,size}", "proof",
        "Proof that an event is in the log, to be checked offline (grant prove). at: number of a published checkpoint; "
        "size: the events it covers",
        "application/json");
    add("proof/range/{from}/{to}{?at,size}", "proof-range", "Proof that events [from, to) are complete and in order",
        "application/json");
    add("proof/consistency/{from_size}/{to_size}", "proof-consistency",
        "Proof that the published checkpoint of to_size events extends the one of from_size", "application/json");
    return all;
  }

  Result<ReadResult> read(const std::string& uri, server::CallContext& context) override {
    if (!uri.starts_with(kScheme)) return missing();
    const std::string_view path = std::string_view(uri).substr(kScheme.size());
    if (path.starts_with("proof/")) return proof(uri, context);
    if (path.starts_with("export/")) return exported(uri, context);
    if (path == "schema") return from_tool(uri, *describe_, Json::object(), context, {kMinuteMs, false});
    if (path == "coverage") return from_tool(uri, *coverage_, Json::object(), context, {kMinuteMs, false});
    if (path == "guide/query" || path == "guide/verification") {
      const std::string name = "guides/" + std::string(path.substr(6));
      return text_result(uri, "text/markdown", std::string(embedded_prompt(name)), {kDayMs, true});
    }
    const size_t slash = path.find('/');
    if (slash == std::string_view::npos) return missing();
    const std::string_view kind = path.substr(0, slash), rest = path.substr(slash + 1);
    if (kind == "checkpoint") return checkpoint(uri, rest);
    if (kind == "entity") return entity(uri, rest, context);
    const bool raw = kind == "event" && rest.ends_with("/raw");
    const std::optional<uint64_t> seq = number(raw ? rest.substr(0, rest.size() - 4) : rest);
    if (!seq) return missing();
    if (raw) return record(uri, *seq, context);
    if (kind == "event") return from_tool(uri, *get_event_, {{"seq", {*seq}}}, context, {kDayMs, false});
    return missing();
  }

  bool can_subscribe() const override { return true; }
  // Coverage moves with every event, also with those outside a caller's scope.
  bool may_subscribe(const std::string& uri, const server::Caller& caller) override {
    if (uri == "audit://checkpoint/latest") return true;
    return uri == "audit://coverage" && caller.has_grant("query") && caller.scope.is_everything();
  }

  bool completes() const override { return true; }
  Result<server::Completion> complete(const server::CompleteRequest& request, server::CallContext& context) override {
    return complete_word(audit_, request.argument, request.value, request.context, context);
  }

 private:
  static Result<ReadResult> from_tool(const std::string& uri, server::Tool& tool, const Json& arguments,
                                      server::CallContext& context, server::CacheHints cache) {
    server::ToolResult result = tool.call(arguments, context);
    if (!result.is_error) return text_result(uri, "text/plain", std::move(result.text), cache);
    const std::string code = result.structured ? result.structured->at("error").value("code", "") : "";
    return Error{code == "NOT_FOUND" || code == "NOT_YET" ? Code::kNotFound
                 : code == "PURGED"                       ? Code::kPurged
                 : code == "FORBIDDEN"                    ? Code::kForbidden
                 : code == "UNAVAILABLE"                  ? Code::kIo
                                                          : Code::kInvalid,
                 std::move(result.text)};
  }

  // A signed note is for everyone: it says nothing of any event.
  Result<ReadResult> checkpoint(const std::string& uri, std::string_view rest) {
    const std::optional<uint64_t> n = number(rest);
    if (!n && rest != "latest") return missing();
    KHIPU_TRY_ASSIGN(std::string note, verify::published_checkpoint(audit_.store.root(), n));
    return text_result(uri, "text/plain", std::move(note), {n ? kDayMs : 0, false});
  }

  Result<ReadResult> entity(const std::string& uri, std::string_view rest, server::CallContext& context) {
    const size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return missing();
    const auto type = decode(rest.substr(0, slash)), id = decode(rest.substr(slash + 1));
    if (!type || !id || type->empty() || id->empty()) return missing();
    return from_tool(uri, *history_, {{"entity", *type + ":" + *id}}, context, {0, false});
  }

  // That a file is not there is no word on what was asked for.
  static Error unreadable(const Error& cause, server::CallContext& context) {
    context.tell_operator("resources/read: " + cause.message);
    return {Code::kIo, "the log could not be read; the operator's messages say why"};
  }

  // NOT_FOUND also for what lies outside the caller's scope.
  Result<void> need_event(uint64_t seq, server::CallContext& context) {
    const query::Answer<query::EventDetail> event = audit_.engine_for(context.caller())->event({seq});
    if (event.ok()) return {};
    if (event.error().cause && event.error().code != "PURGED") return unreadable(*event.error().cause, context);
    return Error{event.error().code == "PURGED" ? Code::kPurged : Code::kNotFound, event.error().hint};
  }

  Result<ReadResult> record(const std::string& uri, uint64_t seq, server::CallContext& context) {
    KHIPU_TRY(need(context, "query"));
    KHIPU_TRY(need(context, "reveal"));
    KHIPU_TRY(need_event(seq, context));
    const auto snapshot = audit_.store.snapshot();
    if (!snapshot.ok()) return unreadable(snapshot.error(), context);
    KHIPU_TRY_ASSIGN(snapshot::CheckedRecord checked, (*snapshot)->record(TableId::kLogs, {seq}));
    if (!checked.intact) return Error{Code::kCorrupt, "the record failed its check: " + checked.where};
    ReadResult result;
    result.contents.push_back({uri, "application/cbor", std::move(checked.payload)});
    result.cache = {kDayMs, false};
    return result;
  }

  Result<ReadResult> exported(const std::string& uri, server::CallContext& context) {
    KHIPU_TRY(need(context, "query"));
    const auto found = audit_.exports.find(std::string_view(uri).substr(kExportPrefix.size()),
                                           context.caller().authority(), context.now());
    if (found == nullptr) return Error{Code::kNotFound, "there is no such export, or not any more: ask again"};
    KHIPU_TRY_ASSIGN(std::string lines, read_export(*found, *audit_.engine_for(context.caller()), context));
    return text_result(uri, kExportMimeType, std::move(lines), {0, false});
  }

  Result<ReadResult> proof(const std::string& uri, server::CallContext& context) {
    const std::optional<ProofName> name = parse_proof_uri(uri);
    if (!name) return missing();
    KHIPU_TRY_ASSIGN(const proof::Document document, make_proof(audit_, context.caller(), *name));
    const bool lasts = name->kind == ProofKind::kConsistency || name->checkpoint || name->size;
    return text_result(uri, kProofMimeType.data(), proof::format_document(document), {lasts ? kDayMs : 0, false});
  }

  AuditContext& audit_;
  std::unique_ptr<server::Tool> describe_, coverage_, get_event_, history_;
};

}  // namespace

std::unique_ptr<server::ResourceProvider> make_resources(AuditContext& audit) {
  return std::make_unique<AuditResources>(audit);
}

ResourceWatcher::ResourceWatcher(AuditContext& audit, server::Changes& changes)
    : audit_(audit), changes_(changes), thread_([this](const std::stop_token& stop) { watch(stop); }) {}

ResourceWatcher::~ResourceWatcher() {
  thread_.request_stop();
  wake_.notify_all();
}

void ResourceWatcher::watch(const std::stop_token& stop) {
  std::optional<uint64_t> rows;
  std::optional<std::string> note;
  // Held from one look to the next: a call in between that finds HEAD where it was is handed this one, and need not
  // read meta/ and check the commit's signature again. Retention waits for it as for any reader, a second at most.
  std::shared_ptr<const snapshot::Snapshot> held;
  while (!stop.stop_requested()) {
    if (auto snapshot = audit_.store.snapshot(); snapshot.ok()) {
      held = std::move(snapshot).value();
      const uint64_t now = held->size(TableId::kLogs);
      if (rows && *rows != now) changes_.resource_updated("audit://coverage");
      rows = now;
    }
    if (Result<std::string> newest = verify::published_checkpoint(audit_.store.root(), std::nullopt); newest.ok()) {
      if (note && *note != *newest) changes_.resource_updated("audit://checkpoint/latest");
      note = std::move(newest).value();
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
  }
}

}  // namespace khipu::mcp::tools
