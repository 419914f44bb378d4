// audit_prove: evidence for somebody who has no access to the log. The context gets a summary, never hashes to copy;
// the documents are linked.
#include "engine/proof/check.h"
#include "engine/query/prove.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"
#include "engine/verify/verify.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/proof_document.h"
#include "mcp/tools/result_builder.h"

namespace khipu::mcp::tools {
namespace {

server::ToolResult invalid(std::string field, std::string hint) {
  return server::error_result({"INVALID_ARGUMENT", std::move(field), "", {}, "", std::move(hint), 0});
}

// Enough of a hash to compare by eye, too little to be mistaken for it.
std::string ends_of(const Hash& hash) {
  const std::string digits = hex(hash);
  return digits.substr(0, 8) + "..." + digits.substr(digits.size() - 8);
}

class ProveTool final : public AuditTool {
 public:
  explicit ProveTool(AuditContext& audit_context) : AuditTool(audit_context, "audit_prove") {}

 protected:
  server::ToolResult answer(const Arguments& arguments, server::CallContext& context) override {
    const Json& given = arguments.values;
    if (!context.caller().has_grant("prove")) {
      return server::error_result({"FORBIDDEN", "", "", {}, "", "This needs the grant prove.", 0});
    }
    const std::string kind = given["kind"];
    const auto only = [&](const char* member, const char* of) -> std::optional<server::ToolResult> {
      if (!given.contains(member) || std::string_view(of).find(kind) != std::string_view::npos) return std::nullopt;
      return invalid(member, std::string(member) + " goes with kind " + of + ".");
    };
    for (const auto& [member, of] : {std::pair("seq", "inclusion"), std::pair("from_size", "consistency"),
                                     std::pair("to_size", "consistency"), std::pair("at", "inclusion or checkpoint")}) {
      if (auto wrong = only(member, of)) return *wrong;
    }
    ResultBuilder out;
    std::vector<server::ResourceLink> links;
    std::optional<server::ToolResult> wrong;
    if (kind == "inclusion") {
      wrong = inclusion(given, context, out, links);
    } else if (kind == "consistency") {
      wrong = consistency(given, out, links);
    } else {
      wrong = checkpoint(given, out);
    }
    if (wrong) return *wrong;
    out.put("does_not_show", std::vector<std::string>{kNotTrue, kNotAll});
    out.line("does_not_show", std::string(kNotTrue) + "; " + kNotAll);
    Renderer renderer("");
    out.notes({}, arguments.coercions, renderer);
    server::ToolResult result = out.take();
    if (given.value("format", "summary") == "bundle") result.links = std::move(links);
    return result;
  }

 private:
  static constexpr const char* kNotTrue = "that what was written is true";
  static constexpr const char* kNotAll =
      "that nothing was left out of the log or altered elsewhere in it (audit_verify)";

  static void head(ResultBuilder& out, const char* kind, const std::string& statement) {
    for (const auto& [name, value] : {std::pair("verdict", std::string("right")), std::pair("kind", std::string(kind)),
                                      std::pair("statement", statement)}) {
      out.put(name, value);
      out.line(name, value);
    }
  }

  std::optional<server::ToolResult> inclusion(const Json& given, server::CallContext& context, ResultBuilder& out,
                                              std::vector<server::ResourceLink>& links) {
    if (!given.contains("seq")) return invalid("seq", "kind inclusion needs seq, the events to prove.");
    query::ProofPoint point;
    if (given.contains("at")) point.checkpoint = given["at"].get<uint64_t>();
    OrderedJson proofs = OrderedJson::array();
    std::vector<std::vector<std::string>> cells;
    for (const Json& item : given["seq"]) {
      if (context.stop().stop_requested()) break;
      const Row seq{item.get<uint64_t>()};
      const Result<proof::EventBundle> bundle = query::prove_event(audit().store, seq, point);
      if (!bundle.ok()) return error_result(bundle.error());
      const Result<tree::VerifierKey> key = verifier_key();
      if (!key.ok()) return error_result(key.error());
      const proof::CheckedEvent checked = proof::check(*bundle, *key);
      if (!checked.right) return error_result(Error{Code::kCorrupt, "nothing was proven: " + checked.why});
      const size_t size = proof::format_document(*bundle).size();
      const std::string uri = proof_uri({false, seq.value, checked.table.size});
      proofs.push_back({{"seq", seq.value},
                        {"leaf_index", seq.value},
                        {"tree_size", checked.table.size},
                        {"root", ends_of(checked.table.root)},
                        {"pinned_versions", checked.pinned.size()},
                        {"bundle_bytes", size},
                        {"uri", uri}});
      cells.push_back({std::to_string(seq.value), std::to_string(checked.table.size), ends_of(checked.table.root),
                       std::to_string(checked.pinned.size()), std::to_string(size), uri});
      links.push_back({uri, "proof-" + std::to_string(seq.value) + ".json", std::string(kProofMimeType)});
    }
    head(out, "inclusion", "Each of these events is in the log as the published checkpoint has it, signed by its key.");
    out.put("proofs", std::move(proofs));
    out.table({"seq", "tree_size", "root", "pinned_versions", "bundle_bytes", "uri"}, cells);
    return std::nullopt;
  }

  std::optional<server::ToolResult> consistency(const Json& given, ResultBuilder& out,
                                                std::vector<server::ResourceLink>& links) {
    if (!given.contains("from_size") || !given.contains("to_size")) {
      return invalid("from_size", "kind consistency needs from_size and to_size, of two published checkpoints.");
    }
    const ProofName name{true, given["from_size"].get<uint64_t>(), given["to_size"].get<uint64_t>()};
    const Result<proof::Document> document = make_proof(audit().store, name);
    if (!document.ok()) return error_result(document.error());
    head(out, "consistency",
         "The later checkpoint extends the earlier one: nothing that the earlier one covers was changed.");
    const size_t size = proof::format_document(*document).size();
    const std::string uri = proof_uri(name);
    OrderedJson proofs = OrderedJson::array();
    proofs.push_back({{"from_size", name.from}, {"to_size", name.to}, {"bundle_bytes", size}, {"uri", uri}});
    out.put("proofs", std::move(proofs));
    out.table({"from_size", "to_size", "bundle_bytes", "uri"},
              {{std::to_string(name.from), std::to_string(name.to), std::to_string(size), uri}});
    links.push_back({uri, "consistency-" + std::to_string(name.from) + "-" + std::to_string(name.to) + ".json",
                     std::string(kProofMimeType)});
    return std::nullopt;
  }

  // Line by line: no string of an answer holds a line break, and a note is its lines, each ended by one.
  std::optional<server::ToolResult> checkpoint(const Json& given, ResultBuilder& out) {
    std::optional<uint64_t> number;
    if (given.contains("at")) number = given["at"].get<uint64_t>();
    const Result<std::string> text = verify::published_checkpoint(audit().store.root(), number);
    if (!text.ok()) return error_result(text.error());
    const Result<tree::VerifierKey> key = verifier_key();
    if (!key.ok()) return error_result(key.error());
    const Result<tree::Note> note = tree::parse_note(*text);
    if (!note.ok() || !tree::verify_note(*note, {*key}).accepted()) {
      return error_result(Error{Code::kCorrupt, "nothing was proven: the checkpoint is not signed by the log's key"});
    }
    const Result<tree::Checkpoint> published = tree::parse_checkpoint(note->text);
    if (!published.ok()) return error_result(published.error());
    head(out, "checkpoint",
         "The published checkpoint, signed by the log's key. Keep it where the log's keeper cannot reach it.");
    out.put("tree_size", published->size);
    out.line("tree_size", published->size);
    std::vector<std::string> lines;
    std::vector<std::vector<std::string>> cells;
    for (size_t at = 0; at < text->size();) {
      const size_t end = std::min(text->find('\n', at), text->size());
      lines.push_back(text->substr(at, end - at));
      cells.push_back({lines.back().empty() ? "\"\"" : lines.back()});
      at = end + 1;
    }
    out.put("checkpoint", lines);
    out.table({"checkpoint"}, cells);
    return std::nullopt;
  }

  // The pinned one, or the one GENESIS names.
  Result<tree::VerifierKey> verifier_key() {
    KHIPU_TRY_ASSIGN(const auto snapshot, audit().store.snapshot());
    const codec::Genesis& genesis = snapshot->genesis();
    return tree::VerifierKey{genesis.origin, tree::KeyType::kEd25519,
                             audit().verifier_key ? *audit().verifier_key : genesis.verifier};
  }
};

}  // namespace

std::unique_ptr<server::Tool> make_prove_tool(AuditContext& audit) { return std::make_unique<ProveTool>(audit); }

}  // namespace khipu::mcp::tools
