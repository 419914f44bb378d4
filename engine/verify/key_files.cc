#include "engine/verify/key_files.h"

#include <algorithm>

#include "engine/crypto/hash.h"
#include "engine/protect/key_log.h"
#include "engine/segment/reader.h"
#include "engine/verify/files.h"

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

// The statements that HEAD has come to cover since, laid over the log of keys: as their frames' checksums have them, no
// signature is looked at. As far as they can be read; whoever reads on finds the rest.
Result<protect::KeyLog> as_of_now(os::Directory& root, protect::KeyLog log, uint64_t committed) {
  KHIPU_TRY_ASSIGN(const auto slots, segment::read_head(root));
  const std::optional<segment::Head> head = segment::newest(slots);
  if (!head) return log;
  const segment::HeadTable& meta = head->tables[index_of(TableId::kMeta)];
  if (meta.size <= committed) return log;
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> folder, root.open_directory(table_name(TableId::kMeta)));
  struct Part {
    std::unique_ptr<os::File> file;
    uint64_t size = 0, first_row = 0;
  };
  std::vector<Part> parts;  // newest first
  for (uint64_t number = meta.segment.value;; --number) {
    Part part;
    KHIPU_TRY_ASSIGN(part.file, folder->open_file(segment::segment_name(SegmentNumber{number}), os::Mode::kRead));
    KHIPU_TRY_ASSIGN(part.size, part.file->size());
    std::array<uint8_t, segment::kHeaderSize> bytes{};
    KHIPU_TRY(part.file->read_exactly(0, bytes));
    KHIPU_TRY_ASSIGN(const segment::Header header, segment::parse_header(bytes));
    part.first_row = header.first_row.value;
    parts.push_back(std::move(part));
    if (parts.back().first_row <= committed || number == 0) break;
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    segment::Reader reader(*part->file, segment::kHeaderSize, part->size);
    for (uint64_t row = part->first_row; row < meta.size;) {
      KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
      if (step.kind != segment::Step::Kind::kFrame) break;
      if (!codec::is_row(step.frame.kind)) continue;
      if (row++ < committed) continue;
      const Result<codec::StatementRecord> record = codec::decode_statement(step.frame.payload);
      if (!record.ok() || !log.apply(record->body).ok()) return log;
    }
  }
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
