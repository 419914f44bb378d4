#include "engine/verify/key_files.h"

#include <algorithm>

#include "engine/crypto/hash.h"
#include "engine/protect/key_log.h"
#include "engine/verify/files.h"
#include "engine/verify/meta.h"

namespace khipu::verify {
namespace {

constexpr std::string_view kFolder = "keys";
using FileState = protect::KeyLog::State;

Finding key_finding(std::string_view code, std::string_view name, std::string detail, bool information = false) {
  Finding found;
  found.code = code;
  found.rank = Rank::kFiles;
  found.file = std::string(kFolder) + "/" + clean(name);
  found.detail = std::move(detail);
  found.information = information;
  return found;
}

void contradiction(uint64_t row, Findings& findings, const Place& where = KHIPU_HERE) {
  Finding found;
  found.code = code::kKeyMismatch;
  found.table = TableId::kMeta;
  found.row = Row{row};
  found.detail = "a statement about keys contradicts those before it";
  findings.add(std::move(found), where);
}

// The statements that HEAD has come to cover since, laid over the log of keys; as far as they can be read: whoever
// reads on finds the rest.
Result<protect::KeyLog> as_of_now(os::Directory& root, protect::KeyLog log, uint64_t committed) {
  KHIPU_TRY(each_statement_since(root, committed,
                                 [&](const codec::StatementRecord& record) { return log.apply(record.body).ok(); }));
  return log;
}

}  // namespace

Result<KeyFiles> check_key_files(os::Directory& root, const std::vector<codec::StatementRecord>& statements,
                                 uint64_t committed, Findings& findings) {
  protect::KeyLog log;
  for (uint64_t row = 0; row < std::min<uint64_t>(statements.size(), committed); ++row) {
    if (!log.apply(statements[row].body).ok()) contradiction(row, findings);
  }

  KHIPU_TRY_ASSIGN(const Folder folder, list_folder(root, kFolder));
  KeyFiles checked;
  std::vector<std::string> gone;
  for (const os::Entry& entry : folder.entries) {
    const protect::KeyLog::File* stated = log.file(entry.name);
    if (entry.kind != os::EntryKind::kFile || (stated == nullptr && !protect::WrappedName::parse(entry.name))) {
      findings.add(key_finding(code::kFileUnaccounted, entry.name, "nothing accounts for it"));
      continue;
    }
    if (stated == nullptr) {
      // Made for a commit that never came, or by a re-wrap that is not adopted yet: opens nothing that is committed.
      findings.add(key_finding(code::kFileUnaccounted, entry.name, "no KEY statement names it (yet)", true));
      continue;
    }
    if (stated->state == FileState::kShredded) {
      findings.add(key_finding(code::kFileUnaccounted, entry.name,
                               "shredded, and still there: the writer's next start deletes it", true));
      continue;
    }
    auto file = folder.directory->open_file(entry.name, os::Mode::kRead);
    if (!file.ok()) {
      if (file.error().code != Code::kNotFound) return std::move(file).error();
      if (stated->state == FileState::kCurrent) gone.push_back(entry.name);
      continue;
    }
    const Result<Buffer> bytes = file.value()->read_all(protect::kWrappedFileSizeBytesMax);
    if (!bytes.ok() && bytes.error().code != Code::kLimit) return bytes.error();
    ++checked.compared;
    if (amiss(!bytes.ok() || crypto::sha256(*bytes) != stated->sha256)) {
      Finding found = key_finding(code::kKeyMismatch, entry.name, "not the file its KEY statement names");
      found.expected = hex(stated->sha256);
      if (bytes.ok()) found.actual = hex(crypto::sha256(*bytes));
      findings.add(std::move(found));
    }
  }
  for (const auto& [name, file] : log.files()) {
    if (file.state != FileState::kCurrent) continue;
    if (!folder.holds(name)) gone.push_back(name);
  }
  if (gone.empty()) return checked;
  const Result<protect::KeyLog> now = as_of_now(root, log, committed);
  for (const std::string& name : gone) {
    const protect::KeyLog::File* const file = now.ok() ? now->file(name) : nullptr;
    if (file != nullptr && file->state != FileState::kCurrent) {
      checked.undecided.push_back(std::string(kFolder) + "/" + clean(name));
      continue;
    }
    findings.add(key_finding(code::kKeyMissing, name,
                             "a KEY statement names it, no SHRED statement says it was destroyed, and it is gone"),
                 KHIPU_HERE);
  }
  return checked;
}

}  // namespace khipu::verify
