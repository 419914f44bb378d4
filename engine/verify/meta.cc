#include "engine/verify/meta.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/crypto/hash.h"
#include "engine/segment/reader.h"
#include "engine/verify/files.h"

namespace khipu::verify {
namespace {

Finding meta_finding(std::string_view code, uint64_t row, std::string detail) {
  Finding found;
  found.code = code;
  found.table = TableId::kMeta;
  found.row = Row{row};
  found.file = segment_path(TableId::kMeta, SegmentNumber{0});
  found.segment = SegmentNumber{0};
  found.detail = std::move(detail);
  return found;
}

// nullopt: stopped.
Result<std::optional<Hash>> hash_file(const os::File& file, uint64_t size, Control& control) {
  crypto::Sha256 hasher;
  Buffer block(1 << 20);
  for (uint64_t offset = 0; offset < size;) {
    if (!control.advance(0)) return std::optional<Hash>();
    KHIPU_TRY_ASSIGN(const size_t got,
                     file.read_at(offset, std::span(block).first(std::min<uint64_t>(block.size(), size - offset))));
    if (got == 0) break;
    hasher.update(Bytes(block).first(got));
    offset += got;
  }
  return std::optional(hasher.finish());
}

}  // namespace

Result<std::optional<codec::Genesis>> read_genesis(os::Directory& root, Findings& findings) {
  const auto missing = [&](std::string detail, const Place& where = KHIPU_HERE) {
    Finding found = meta_finding(code::kGenesisMismatch, 0, std::move(detail));
    found.rank = Rank::kGenesis;
    found.offset = segment::kHeaderSize;
    findings.add(std::move(found), where);
    return std::optional<codec::Genesis>();
  };
  KHIPU_TRY_ASSIGN(const auto folder, root.stat(table_name(TableId::kMeta)));
  if (!folder || folder->kind != os::EntryKind::kDirectory) {
    return missing("meta/ is not there, so nothing says whose log this is");
  }
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> meta, root.open_directory(table_name(TableId::kMeta)));
  const std::string name = segment::segment_name(SegmentNumber{0});
  KHIPU_TRY_ASSIGN(const auto entry, meta->stat(name));
  if (!entry) return missing("the first segment of meta/ is not there");
  if (entry->kind != os::EntryKind::kFile) return missing("the first segment of meta/ is not a regular file");
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, meta->open_file(name, os::Mode::kRead));
  KHIPU_TRY_ASSIGN(const uint64_t size, file->size());
  segment::Reader reader(*file, segment::kHeaderSize, size);
  KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
  if (step.kind != segment::Step::Kind::kFrame) return missing("the first record of meta/ is damaged");
  const Result<codec::StatementRecord> record = codec::decode_statement(step.frame.payload);
  if (!record.ok()) return missing("the first record of meta/ does not decode: " + record.error().message);
  const auto* genesis = std::get_if<codec::Genesis>(&record->body);
  if (genesis == nullptr) return missing("the first statement of meta/ is not GENESIS");
  return std::optional(*genesis);
}

// C2SP key id: the first bytes of SHA-256(name | 0x0A | 0x01 | key).
CommitKey commit_key(const codec::Genesis& genesis) {
  CommitKey key;
  key.key = genesis.verifier;
  key.root_id = genesis.root_id;
  constexpr uint8_t kEd25519[2] = {0x0a, 0x01};
  const Hash hash = crypto::sha256({as_bytes(genesis.origin), kEd25519, genesis.verifier});
  std::memcpy(key.id.data(), hash.data(), key.id.size());
  return key;
}

void check_statements(const std::vector<codec::StatementRecord>& statements, uint64_t committed, Findings& findings) {
  for (size_t i = 0; i < std::min<uint64_t>(statements.size(), committed); ++i) {
    const bool genesis = std::holds_alternative<codec::Genesis>(statements[i].body);
    if (genesis == (i == 0)) continue;
    findings.add(
        meta_finding(code::kGenesisMismatch, i, genesis ? "a second GENESIS" : "the first statement is not GENESIS"));
  }
}

std::vector<std::string> defined_types(const std::vector<codec::StatementRecord>& statements) {
  std::set<std::string> names;
  for (const codec::StatementRecord& statement : statements) {
    const auto* type = std::get_if<codec::TypeStatement>(&statement.body);
    if (type != nullptr && !type->type.name.starts_with('@'))
      names.insert(type->type.name);  // "@event" has no entities
  }
  return {names.begin(), names.end()};
}

Result<void> each_statement_since(os::Directory& root, uint64_t committed,
                                  const std::function<bool(const codec::StatementRecord&)>& take) {
  KHIPU_TRY_ASSIGN(const auto slots, segment::read_head(root));
  const std::optional<segment::Head> head = segment::newest(slots);
  if (!head) return {};
  const segment::HeadTable& meta = head->tables[index_of(TableId::kMeta)];
  if (meta.size <= committed) return {};
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
      if (!record.ok() || !take(*record)) return {};
    }
  }
  return {};
}

Result<uint64_t> check_quarantine(os::Directory& root, const std::vector<codec::StatementRecord>& statements,
                                  Findings& findings, Control& control) {
  std::map<std::string, const codec::RecoveryStatement*> named;
  for (const codec::StatementRecord& statement : statements) {
    if (const auto* recovery = std::get_if<codec::RecoveryStatement>(&statement.body)) named[recovery->file] = recovery;
  }
  const auto report = [&](std::string_view name, std::string detail, bool information,
                          const Place& where = KHIPU_HERE) {
    Finding found;
    found.code = code::kFileUnaccounted;
    found.rank = Rank::kFiles;
    found.file = std::string(segment::kQuarantineName) + "/" + clean(name);
    found.detail = std::move(detail);
    found.information = information;
    findings.add(std::move(found), where);
  };
  KHIPU_TRY_ASSIGN(const Folder folder, list_folder(root, segment::kQuarantineName));
  uint64_t compared = 0;
  for (const os::Entry& entry : folder.entries) {
    const auto statement = named.find(entry.name);
    if (entry.kind != os::EntryKind::kFile) {
      report(entry.name, "not a regular file", false);
      continue;
    }
    if (statement == named.end()) {
      report(entry.name, "no RECOVERY statement names it yet: the writer's next start will", true);
      continue;
    }
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, folder.directory->open_file(entry.name, os::Mode::kRead));
    KHIPU_TRY_ASSIGN(const uint64_t size, file->size());
    bool other = size != statement->second->size;  // then its bytes say nothing more
    if (!other) {
      KHIPU_TRY_ASSIGN(const std::optional<Hash> hash, hash_file(*file, size, control));
      if (!hash) return compared;
      other = *hash != statement->second->sha256;
    }
    ++compared;
    if (amiss(other)) {
      report(entry.name, "the bytes set aside are not those its RECOVERY statement names", false);
    }
    named.erase(statement);
  }
  for (const auto& [file, statement] : named) {
    if (folder.holds(file)) continue;
    report(file, "a RECOVERY statement names bytes that are not in quarantine/", false);
  }
  return compared;
}

}  // namespace khipu::verify
