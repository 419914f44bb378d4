// `khipu prove`: documents that show an event, a run of events or an extension to somebody without the log.
#include <charconv>

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/query_access.h"
#include "engine/cli/root.h"
#include "engine/query/prove.h"
#include "engine/segment/format.h"
#include "engine/snapshot/store.h"
#include "engine/tree/note.h"
#include "engine/tree/tree.h"

namespace khipu::cli {
namespace {

std::optional<uint64_t> whole_number(std::string_view digits) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// "A:B", both there.
Result<std::pair<uint64_t, uint64_t>> two_numbers(const std::string& flag, const std::string& text) {
  const size_t colon = text.find(':');
  if (colon != std::string::npos) {
    const auto first = whole_number(std::string_view(text).substr(0, colon));
    const auto second = whole_number(std::string_view(text).substr(colon + 1));
    if (first && second) return std::pair(*first, *second);
  }
  return Error{Code::kInvalid, flag + ": expected A:B, two whole numbers, such as 1000:2000"};
}

// "50000", "checkpoint:912", "note:FILE"; "": the newest.
Result<query::ProofPoint> point_of(const std::string& text) {
  constexpr std::string_view kCheckpoint = "checkpoint:", kNote = "note:";
  query::ProofPoint point;
  if (text.empty()) return point;
  if (text.starts_with(kNote)) {
    KHIPU_TRY_ASSIGN(const std::string kept, read_input_file(text.substr(kNote.size()), tree::kNoteSizeMax));
    const Result<tree::Note> note = tree::parse_note(kept);
    const auto checkpoint = note.ok() ? tree::parse_checkpoint(note->text) : Result<tree::Checkpoint>(note.error());
    if (!checkpoint.ok()) return Error{Code::kInvalid, "--at: the file is not a checkpoint: a signed note, whole"};
    point.kept = *checkpoint;
    return point;
  }
  const bool numbered = text.starts_with(kCheckpoint);
  const auto number = whole_number(std::string_view(text).substr(numbered ? kCheckpoint.size() : 0));
  if (!number) {
    return Error{Code::kInvalid,
                 "--at: expected N, a number of events, or checkpoint:N, the number of a checkpoint, or note:FILE, one "
                 "kept from earlier"};
  }
  (numbered ? point.checkpoint : point.size) = number;
  return point;
}

// The first hash file that a table of this size has and that is not there.
std::optional<std::string> missing_tree_file(snapshot::Store& store) {
  const auto snapshot = store.snapshot();
  if (!snapshot.ok()) return std::nullopt;
  for (const TableId table : kTables) {
    const auto folder = store.root().open_directory(table_name(table));
    if (!folder.ok()) continue;
    const auto tree = (*folder)->open_directory(segment::kTreeName);
    for (unsigned level = 0; level < tree::kLevelCount; ++level) {
      if (tree::Builder::complete((*snapshot)->size(table), level) == 0) break;
      if (tree.ok()) {
        const auto there = (*tree)->stat(segment::level_name(level));
        if (!there.ok() || *there) continue;
      }
      return std::string(table_name(table)) + "/tree/" + segment::level_name(level);
    }
  }
  return std::nullopt;
}

class ProveCommand final : public Command {
 public:
  std::string name() const override { return "prove"; }
  std::string summary() const override { return "Make a proof that others can check without this log"; }
  std::string details() const override {
    return "Writes one JSON document (engine/FORMAT.md, \"Proof documents\"): the records, the paths to checkpoints "
           "that were\n"
           "published and signed, and the versions of the entities that the event names. `khipu verify-proof` checks "
           "it with the\n"
           "verifier key alone; examples/verify_proof does the same in Go with public modules. The document holds the "
           "event's\n"
           "full content. An event is provable once a checkpoint covers it: a second after it was written.\n\n"
           "Examples:\n"
           "  khipu prove /srv/audit 41207 -o event-41207.json\n"
           "  khipu prove /srv/audit 41207 --at 50000             against the checkpoint of 50,000 events\n"
           "  khipu prove /srv/audit 41207 --at checkpoint:912    against the 912th that was published\n"
           "  khipu prove /srv/audit 41207 --at note:kept.note    against one kept from earlier, of the log or of its "
           "events\n"
           "  khipu prove /srv/audit --rows 100:200 -o run.json   complete and in order\n"
           "  khipu prove /srv/audit --consistency 50000:90000    nothing before 50,000 was changed\n\n"
           "Exit codes: 0 proven and checked, 1 the log does not hold what was signed, 3 not provable (no such event, "
           "not\n"
           "published yet, not retained) or usage.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "directory of the log");
    arguments.optional("SEQ", seq_, "the event's number");
    arguments.text("--rows", rows_, "A:B", "events A up to but not including B, at most 10000");
    arguments.text("--consistency", consistency_, "A:B", "that the checkpoint of size B extends the one of size A");
    arguments.choice("--table", table_, {"logs", "registry", "access", "meta"},
                     "whose checkpoints --consistency compares; default logs");
    arguments.text(
        "--at", at_, "POINT",
        "which published checkpoint: N, the one that covers N events; checkpoint:N, number N; note:FILE, the "
        "one in a file; default the newest");
    arguments.text("-o,--output", output_, "FILE", "where to write; default standard output");
    arguments.text("--key", key_, "KEY", kVerifierKeyHelp);
  }

  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const QueryAccess access, open_query_access(root_, key_));
    Result<proof::Document> document = make(*access.store);
    if (!document.ok() && document.error().code == Code::kCorrupt) {
      output.note(document.error().message);
      return Exit::kFinding;
    }
    if (!document.ok() && document.error().code == Code::kNotFound) {
      if (const std::optional<std::string> missing = missing_tree_file(*access.store)) {
        output.note(*missing + ": is not there; without it nothing above it can be proven");
        return Exit::kFinding;
      }
    }
    if (!document.ok()) return std::move(document).error();
    const std::string text = proof::format_document(*document);
    if (output_.empty()) {
      output.print(text);
      return Exit::kOk;
    }
    KHIPU_TRY(write_output_file(output_, text));
    // Not behind the document, where that goes to standard output itself.
    if (!output.json() && !is_way_out(output_)) {
      output.line("wrote " + std::to_string(text.size()) + " bytes to " + printable(output_));
    }
    return Exit::kOk;
  }

 private:
  Result<proof::Document> make(snapshot::Store& store) const {
    if (int{!seq_.empty()} + int{!rows_.empty()} + int{!consistency_.empty()} != 1) {
      return Error{Code::kInvalid, "give one of SEQ, --rows and --consistency"};
    }
    KHIPU_TRY_ASSIGN(const query::ProofPoint point, point_of(at_));
    if (!consistency_.empty()) {
      if (!at_.empty()) return Error{Code::kInvalid, "--consistency names both sizes: no --at"};
      KHIPU_TRY_ASSIGN(const auto sizes, two_numbers("--consistency", consistency_));
      const TableId table = *std::find_if(kTables.begin(), kTables.end(),
                                          [&](TableId candidate) { return table_ == table_name(candidate); });
      KHIPU_TRY_ASSIGN(auto bundle, query::prove_consistency(store, table, sizes.first, sizes.second));
      return proof::Document(std::move(bundle));
    }
    if (!rows_.empty()) {
      KHIPU_TRY_ASSIGN(const auto rows, two_numbers("--rows", rows_));
      KHIPU_TRY_ASSIGN(auto bundle, query::prove_range(store, Row{rows.first}, Row{rows.second}, point));
      return proof::Document(std::move(bundle));
    }
    const auto seq = whole_number(seq_);
    if (!seq) return Error{Code::kInvalid, "SEQ: expected a whole number"};
    KHIPU_TRY_ASSIGN(auto bundle, query::prove_event(store, Row{*seq}, point));
    return proof::Document(std::move(bundle));
  }

  std::string root_, seq_, rows_, consistency_, table_ = "logs", at_, output_, key_;
};

}  // namespace

std::unique_ptr<Command> make_prove_command() { return std::make_unique<ProveCommand>(); }

}  // namespace khipu::cli
