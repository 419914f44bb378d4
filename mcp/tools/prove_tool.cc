// audit_prove: evidence for somebody who has no access to the log. The context gets a summary, never hashes to copy;
// the documents are linked (proof_document.h).
#include <algorithm>
#include <cctype>

#include "engine/proof/check.h"
#include "engine/query/coverage.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"
#include "engine/tree/tlog_proof.h"
#include "engine/verify/verify.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/proof_document.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

constexpr const char* kNotTrue = "that what was written is true";
constexpr const char* kNotAll = "that nothing was left out of the log or altered elsewhere in it (audit_verify)";

// Which arguments go with which kind, beside format.
struct Use {
  const char* argument;
  std::vector<std::string_view> kinds;
  bool needed = true;
};
const std::vector<Use> kUses = {{"seq", {"inclusion"}},       {"from_seq", {"range"}},
                                {"to_seq", {"range"}},        {"from_size", {"consistency"}},
                                {"to_size", {"consistency"}}, {"at", {"inclusion", "range", "checkpoint"}, false}};

server::ToolResult invalid(std::string field, std::string hint) {
  return server::error_result({"INVALID_ARGUMENT", std::move(field), "", {}, "", std::move(hint), 0});
}

std::optional<server::ToolResult> misused(const Json& given) {
  const std::string kind = given["kind"];
  for (const Use& use : kUses) {
    const bool fits = std::find(use.kinds.begin(), use.kinds.end(), kind) != use.kinds.end();
    if (fits && use.needed && !given.contains(use.argument)) {
      return invalid(use.argument, "kind " + kind + " needs " + use.argument + ".");
    }
    if (!fits && given.contains(use.argument)) {
      return invalid(use.argument, std::string(use.argument) + " does not go with kind " + kind + ".");
    }
  }
  return std::nullopt;
}

// Of make_proof and published_checkpoint: their words are ours, but for what a disk or a library said.
server::ToolError told(const Error& error) {
  const auto with = [&](const char* code, int64_t retry_after_s = 0) {
    std::string hint = error.message + ".";
    hint.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(hint.front())));
    return server::ToolError{code, "", "", {}, "", std::move(hint), retry_after_s};
  };
  switch (error.code) {
    case Code::kNotFound: return with("NOT_FOUND");
    case Code::kPurged: return with("PURGED");
    case Code::kForbidden: return with("FORBIDDEN");
    case Code::kBusy: return with("BUSY", 1);
    case Code::kInvalid: return with("INVALID_ARGUMENT");
    case Code::kLimit: return with("RESULT_TOO_LARGE");
    default: {
      const query::QueryError plain(error);
      return {plain.code, "", "", {}, "", plain.hint, 0};
    }
  }
}

// Enough of a hash to compare by eye, too little to be mistaken for it.
std::string ends_of(const Hash& hash) {
  const std::string digits = hex(hash);
  return digits.substr(0, 8) + "..." + digits.substr(digits.size() - 8);
}

// What is proven, in its two forms: a table with a row for each document.
struct Proven {
  OrderedJson proofs = OrderedJson::array(), missing = OrderedJson::array(), failed = OrderedJson::array();
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> cells;
  std::vector<server::ResourceLink> links;

  void add(const OrderedJson& facts, const std::string& file) {
    std::vector<std::string>& row = cells.emplace_back();
    names.clear();
    for (const auto& [name, value] : facts.items()) {
      names.push_back(name);
      row.push_back(value.is_string() ? value.get<std::string>() : value.dump());
    }
    proofs.push_back(facts);
    links.push_back({facts.at("uri").get<std::string>(), file + ".json", std::string(kProofMimeType)});
  }
};

class ProveTool final : public AuditTool {
 public:
  explicit ProveTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_prove") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    if (auto wrong = misused(given)) return *wrong;
    const auto snapshot = audit().store.snapshot();
    if (!snapshot.ok()) return error_result(snapshot.error());
    ResultBuilder out;
    out.as_of(query::as_of(**snapshot), context.now());
    const std::string kind = given["kind"];
    out.put("kind", kind);
    out.line("kind", kind);
    Proven proven;
    std::optional<server::ToolResult> wrong;
    if (kind == "inclusion") {
      wrong = inclusion(given, context, out, proven);
    } else if (kind == "range") {
      wrong = range(given, context, out, proven);
    } else if (kind == "consistency") {
      wrong = consistency(given, context, out, proven);
    } else {
      wrong = checkpoint(given, (*snapshot)->genesis(), out, proven);
    }
    if (wrong) return *wrong;
    out.put("does_not_show", std::vector<std::string>{kNotTrue, kNotAll});
    out.line("does_not_show", std::string(kNotTrue) + "; " + kNotAll);
    Renderer renderer("");
    out.notes({}, arguments.coercions, renderer);
    if (!proven.failed.empty()) {
      out.line("failed", proven.failed.dump());
      out.put("failed", std::move(proven.failed));
    }
    if (!proven.missing.empty()) {
      out.line("missing", proven.missing.dump());
      out.put("missing", std::move(proven.missing));
    }
    if (kind != "checkpoint") {
      out.put("returned", proven.proofs.size());
      out.line("returned", proven.proofs.size());
      out.put("proofs", std::move(proven.proofs));
      if (!proven.cells.empty()) out.table(proven.names, proven.cells);
    }
    server::ToolResult result = out.take();
    if (given.value("format", "summary") == "bundle") result.links = std::move(proven.links);
    return result;
  }

 private:
  // A log that does not hold what it signed is a finding, and not an error: an error invites a retry.
  static void conclude(ResultBuilder& out, const Proven& proven, const std::string& statement) {
    const bool pass = proven.failed.empty();
    const std::string said = pass ? statement
                                  : "The log does not hold what its checkpoints say of what is listed in failed: no "
                                    "document was made of it. audit_verify names the break.";
    out.put("verdict", pass ? "pass" : "fail");
    out.line("verdict", pass ? "pass" : "fail");
    out.put("statement", said);
    out.line("statement", said);
  }

  std::optional<server::ToolResult> inclusion(const Json& given, const server::CallContext& context, ResultBuilder& out,
                                              Proven& proven) {
    ProofName name;
    if (given.contains("at")) name.checkpoint = given["at"].get<uint64_t>();
    const Json& seqs = given["seq"];
    for (const Json& item : seqs) {
      if (context.stop().stop_requested()) return error_result(Error{Code::kCancelled, "cancelled"});
      name.from = item.get<uint64_t>();
      const Result<proof::Document> document = make_proof(audit(), context.caller(), name);
      if (!document.ok()) {
        if (!note_failure(document.error(), {{"seq", name.from}}, seqs.size() > 1, proven)) {
          return server::error_result(told(document.error()));
        }
        continue;
      }
      const auto& bundle = std::get<proof::EventBundle>(*document);
      const tree::Checkpoint table = checkpoint_of(bundle.event.proof);
      // From the first on, all against the same one, whatever is published meanwhile; and its links stay true.
      if (!name.checkpoint) name.size = table.size;
      proven.add({{"seq", name.from},
                  {"leaf_index", name.from},
                  {"tree_size", table.size},
                  {"root", ends_of(table.root)},
                  {"pinned_versions", bundle.pinned.size()},
                  {"bundle_bytes", proof::format_document(*document).size()},
                  {"uri", proof_uri(name)}},
                 "proof-" + std::to_string(name.from));
    }
    conclude(out, proven, "Each event under proofs is in the log that the published checkpoint commits to.");
    return std::nullopt;
  }

  std::optional<server::ToolResult> range(const Json& given, const server::CallContext& context, ResultBuilder& out,
                                          Proven& proven) {
    ProofName name{ProofKind::kRange, given["from_seq"].get<uint64_t>(), given["to_seq"].get<uint64_t>()};
    if (given.contains("at")) name.checkpoint = given["at"].get<uint64_t>();
    const Result<proof::Document> document = make_proof(audit(), context.caller(), name);
    if (document.ok()) {
      const auto& bundle = std::get<proof::RangeBundle>(*document);
      const tree::Checkpoint table = checkpoint_in(bundle.checkpoint);
      if (!name.checkpoint) name.size = table.size;
      proven.add({{"from_seq", name.from},
                  {"to_seq", name.to},
                  {"events", bundle.records.size()},
                  {"tree_size", table.size},
                  {"root", ends_of(table.root)},
                  {"bundle_bytes", proof::format_document(*document).size()},
                  {"uri", proof_uri(name)}},
                 "range-" + std::to_string(name.from) + "-" + std::to_string(name.to));
    } else if (!note_failure(document.error(), {{"from_seq", name.from}, {"to_seq", name.to}}, false, proven)) {
      return server::error_result(told(document.error()));
    }
    conclude(out, proven,
             "These events are in the log that the published checkpoint commits to, complete and in order: none is "
             "missing between them.");
    return std::nullopt;
  }

  std::optional<server::ToolResult> consistency(const Json& given, const server::CallContext& context,
                                                ResultBuilder& out, Proven& proven) {
    const ProofName name{ProofKind::kConsistency, given["from_size"].get<uint64_t>(), given["to_size"].get<uint64_t>()};
    const Result<proof::Document> document = make_proof(audit(), context.caller(), name);
    if (document.ok()) {
      const auto& bundle = std::get<proof::ConsistencyBundle>(*document);
      proven.add({{"from_size", name.from},
                  {"from_root", ends_of(checkpoint_in(bundle.old_checkpoint).root)},
                  {"to_size", name.to},
                  {"to_root", ends_of(checkpoint_in(bundle.new_checkpoint).root)},
                  {"bundle_bytes", proof::format_document(*document).size()},
                  {"uri", proof_uri(name)}},
                 "consistency-" + std::to_string(name.from) + "-" + std::to_string(name.to));
    } else if (!note_failure(document.error(), {{"from_size", name.from}, {"to_size", name.to}}, false, proven)) {
      return server::error_result(told(document.error()));
    }
    conclude(out, proven,
             "The later checkpoint extends the earlier one: nothing that the earlier one covers was changed.");
    return std::nullopt;
  }

  // Line by line: no string of an answer holds a line break, and a note is its lines, each ended by one.
  std::optional<server::ToolResult> checkpoint(const Json& given, const codec::Genesis& genesis, ResultBuilder& out,
                                               Proven& proven) {
    std::optional<uint64_t> number;
    if (given.contains("at")) number = given["at"].get<uint64_t>();
    const Result<std::string> text = verify::published_checkpoint(audit().store.root(), number);
    if (!text.ok()) return server::error_result(told(text.error()));
    // The pinned key, or the one that GENESIS names.
    const tree::VerifierKey key{genesis.origin, tree::KeyType::kEd25519,
                                audit().verifier_key ? *audit().verifier_key : genesis.verifier};
    const Result<tree::Note> note = tree::parse_note(*text);
    const Result<tree::Checkpoint> published =
        note.ok() ? tree::parse_checkpoint(note->text) : Result<tree::Checkpoint>(note.error());
    const bool is_signed = published.ok() && tree::verify_note(*note, {key}).accepted();
    if (!is_signed) proven.failed.push_back({{"why", "the checkpoint is not signed by the log's key"}});
    conclude(
        out, proven,
        "A published checkpoint, signed by the log's key. Keep it, whole, where the log's keeper cannot reach it.");
    if (!is_signed) return std::nullopt;
    out.put("checkpoint_size", published->size);
    out.line("checkpoint_size", published->size);
    const std::string uri = "audit://checkpoint/" + (number ? std::to_string(*number) : "latest");
    out.put("uri", uri);
    out.line("uri", uri);
    std::vector<std::string> lines;
    for (size_t at = 0; at < text->size();) {
      const size_t end = std::min(text->find('\n', at), text->size());
      lines.push_back(text->substr(at, end - at));
      at = end + 1;
    }
    out.put("checkpoint", lines);
    out.whole("checkpoint", *text);
    proven.links.push_back({uri, "checkpoint.txt", "text/plain"});
    return std::nullopt;
  }

  // Whether the answer goes on with this in it. Damage always; what is not there when there is more to answer.
  static bool note_failure(const Error& error, OrderedJson what, bool has_more, Proven& proven) {
    if (error.code == Code::kCorrupt) {
      what["why"] = "what is there is not what was signed";
      proven.failed.push_back(std::move(what));
      return true;
    }
    if (!has_more) return false;
    const server::ToolError said = told(error);
    what["code"] = said.code;
    what["hint"] = said.hint;
    proven.missing.push_back(std::move(what));
    return true;
  }

  // Of what was checked when it was made.
  static tree::Checkpoint checkpoint_in(const std::string& note) {
    return tree::parse_checkpoint(tree::parse_note(note)->text).value();
  }
  static tree::Checkpoint checkpoint_of(const std::string& proof) {
    return checkpoint_in(tree::parse_tlog_proof(proof)->checkpoint);
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_prove_tool(AuditContext& audit) { return std::make_unique<ProveTool>(audit); }

}  // namespace khipu::mcp::tools
