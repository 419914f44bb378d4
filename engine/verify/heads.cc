#include "engine/verify/heads.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"
#include "engine/tree/tree.h"
#include "engine/verify/run.h"
#include "engine/verify/signed_tree.h"

namespace khipu::verify {
namespace {

Finding anchor(std::string_view code, std::optional<TableId> table, std::string detail) {
  Finding found;
  found.code = code;
  found.rank = Rank::kAnchor;
  found.table = table;
  found.detail = std::move(detail);
  return found;
}

}  // namespace

Result<std::optional<OutsideHead>> read_note(std::string_view text, std::string_view origin, const CommitKey& key,
                                             Findings& findings) {
  const auto malformed = [](const Error& error) {
    return Error{Code::kInvalid, "the checkpoint you supplied is not a signed note: " + clean(error.message)};
  };
  const Result<tree::Note> note = tree::parse_note(text);
  if (!note.ok()) return malformed(note.error());
  const Result<tree::Checkpoint> checkpoint = tree::parse_checkpoint(note->text);
  if (!checkpoint.ok()) return malformed(checkpoint.error());
  OutsideHead head;
  head.what = "the checkpoint you supplied";
  head.size = checkpoint->size;
  head.root = checkpoint->root;
  head.note = std::string(text);
  const auto table = std::find_if(kTables.begin(), kTables.end(), [&](TableId id) {
    return checkpoint->origin ==
           (id == TableId::kMeta ? std::string(origin) : fmt::format("{}/{}", origin, table_name(id)));
  });
  if (table == kTables.end()) {
    Finding found = anchor(code::kGenesisMismatch, std::nullopt, "the checkpoint you supplied is of another log");
    found.expected = clean(checkpoint->origin);
    found.actual = clean(origin);
    findings.add(std::move(found));
    return std::optional<OutsideHead>();
  }
  head.table = *table;
  const tree::VerifierKey signer{checkpoint->origin, tree::KeyType::kEd25519, key.key};
  const tree::VerifiedNote verified = tree::verify_note(*note, {signer});
  if (verified.accepted()) return std::optional(std::move(head));
  findings.add(anchor(verified.forged ? code::kSigBad : code::kKeyUnknown, head.table,
                      verified.forged ? "the signature of the checkpoint you supplied does not verify"
                                      : "the checkpoint you supplied is not signed by the key this log names"));
  return std::optional<OutsideHead>();
}

Result<HeadVerdict> check_head(const OutsideHead& head, const codec::TableState& now, std::string_view own_head,
                               std::optional<Hash> there, os::Directory* table, CommitNumber commit,
                               Findings& findings) {
  const auto contradicted = [&](std::string_view code, std::string detail, const Hash* root_there,
                                const Place& where = KHIPU_HERE) {
    Finding found = anchor(code, head.table, std::move(detail));
    found.row = Row{std::min(head.size, now.size)};
    found.commit = commit;
    found.expected = fmt::format("size {} root {}", head.size, base64(head.root));
    found.actual = root_there != nullptr ? fmt::format("root {} at that size", base64(*root_there))
                                         : fmt::format("size {} root {}", now.size, base64(now.root));
    if (!head.note.empty()) found.signed_heads = {head.note, std::string(own_head)};
    findings.add(std::move(found), where);
    return HeadVerdict::kContradicted;
  };
  if (head.size > now.size) {
    return contradicted(
        code::kRollback,
        fmt::format("the log is shorter than {}: an older copy was put back, or its end was cut off", head.what),
        nullptr);
  }
  const std::string forked = fmt::format("the log has another past than {}: both heads are signed", head.what);
  if (head.size == now.size) there = now.root;
  if (head.size == 0) there = tree::empty_root();
  if (there) {
    if (head.root == *there) return HeadVerdict::kExtended;
    return contradicted(code::kFork, forked, &*there);
  }
  if (table == nullptr) return HeadVerdict::kUndecided;
  struct Led {
    Hash stored{};  // the root at the head's size
    bool there = false, elsewhere = false;
  };
  const auto lead = [&]() -> Result<Led> {
    KHIPU_TRY_ASSIGN(segment::LevelFiles levels, segment::LevelFiles::open(*table, false));
    LevelSource source(levels);
    KHIPU_TRY_ASSIGN(const std::vector<Hash> proof, tree::prove_consistency(head.size, now.size, source));
    Led led;
    led.there = tree::verify_consistency(head.size, now.size, proof, head.root, now.root);
    if (led.there) return led;
    KHIPU_TRY_ASSIGN(led.stored, tree::root_at(head.size, source));
    led.elsewhere =
        led.stored != head.root && tree::verify_consistency(head.size, now.size, proof, led.stored, now.root);
    return led;
  };
  const Result<Led> led = lead();
  if (!led.ok() && !tree_ruined(*table, led.error())) return led.error();
  if (led.ok() && led->there) return HeadVerdict::kExtended;
  if (led.ok() && led->elsewhere) return contradicted(code::kFork, forked, &led->stored);
  Finding found;
  found.code = code::kTileMismatch;
  found.table = head.table;
  found.row = Row{head.size};
  found.file = std::string(table_name(head.table)) + "/tree";
  found.detail = "the tree files do not lead from an older size to the signed root";
  findings.add(std::move(found));
  return HeadVerdict::kUndecided;
}

Result<void> check_heads(Run& run, TableId table, os::Directory* directory, const codec::TableState& now,
                         const std::function<std::optional<Hash>(uint64_t)>& root_at) {
  const std::string own =
      fmt::format("khipu commit {} of {}: {} size {} root {} (commit hash {})", run.report.commit.value,
                  run.report.origin, table_name(table), now.size, base64(now.root), hex(run.report.commit_hash));
  for (const OutsideHead& head : run.heads) {
    if (head.table != table) continue;
    KHIPU_TRY_ASSIGN(const HeadVerdict verdict,
                     check_head(head, now, own, root_at(head.size), directory, run.report.commit, run.findings));
    if (verdict != HeadVerdict::kUndecided) {
      ++run.report.checked.outside_heads;
    } else {
      run.incomplete = true;
      run.report.not_checked.push_back(fmt::format("{}: the tree files do not lead to it", head.what));
    }
  }
  return {};
}

}  // namespace khipu::verify
