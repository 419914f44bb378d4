#include "engine/writer/checkpoint.h"

#include <fmt/format.h>

#include "engine/tree/checkpoint_log.h"

namespace khipu::writer {
namespace {

constexpr size_t kMeta = index_of(TableId::kMeta);
constexpr uint64_t kPublicationSizeMax = 1 << 20;

Error evidence(std::string message) { return {Code::kCorrupt, std::move(message) + std::string(kHowToAcceptRollback)}; }

// A table's checkpoints are signed under the table's origin as key name (c2sp.org/tlog-policy, "Defining a log").
std::string origin_of(TableId table, const Keys& signing) {
  return table == TableId::kMeta ? signing.name : signing.name + "/" + table_name(table);
}

bool holds_signed_note(std::string_view bytes, const Keys& signing) {
  std::vector<tree::VerifierKey> keys;
  for (const TableId table : kTables)
    keys.push_back({origin_of(table, signing), tree::KeyType::kEd25519, signing.signing.public_key()});
  // Every place where a note of this log could begin: bytes that are not notes may stand in front of one.
  for (size_t from = bytes.find(signing.name); from != bytes.npos; from = bytes.find(signing.name, from + 1)) {
    const size_t text_end = bytes.find("\n\n", from);
    const size_t end = text_end == bytes.npos ? text_end : bytes.find("\n\n", text_end + 2);
    if (end == bytes.npos) return false;
    const Result<tree::Note> note = tree::parse_note(bytes.substr(from, end + 1 - from));
    if (note.ok() && tree::verify_note(*note, keys).accepted()) return true;
  }
  return false;
}

std::string without_empty_line(const std::string& published) { return published.substr(0, published.size() - 1); }

std::string joined(const std::vector<std::string>& notes) {
  std::string all;
  for (const std::string& note : notes) all += note;
  return all;
}

}  // namespace

std::vector<std::string> publication(const SignedState& state, const Keys& signing) {
  std::vector<std::string> notes;
  const auto add = [&](TableId table) {
    const std::string origin = origin_of(table, signing);
    const codec::TableState& now = state.tables[index_of(table)];
    tree::Note note{tree::format_checkpoint({origin, now.size, now.root, {}}), {}};
    tree::sign_note(note, origin, signing.signing);
    notes.push_back(tree::format_published(note));
  };
  for (const TableId table : {TableId::kRegistry, TableId::kLogs, TableId::kAccess}) {
    if (state.moved >> index_of(table) & 1) add(table);
  }
  add(TableId::kMeta);
  return notes;
}

// ---- Spine

void Spine::replay(Row row, const codec::TableHead& head) {
  Said& said = said_[index_of(head.table)];
  said.size = head.size;
  said.row = row;
  if (!head.sealed.empty()) said.next = head.sealed.back().number.next();
}

void Spine::start(const std::array<segment::Manifest, kTableCount>& manifests, uint64_t meta_published) {
  for (const TableId table : kTables) {
    for (const segment::ManifestEntry& entry : manifests[index_of(table)].entries) {
      if (entry.number >= said_[index_of(table)].next) sealed(table, entry);
    }
    const std::optional<Row>& said = said_[index_of(table)].row;
    if (said && said->value >= meta_published) owed_ |= 1U << index_of(table);
  }
  meta_published_ = meta_published;
}

void Spine::sealed(TableId table, const segment::ManifestEntry& entry) {
  if (table == TableId::kMeta) return;
  said_[index_of(table)].sealed.push_back({entry.number, entry.footer.first_row, entry.footer.rows, entry.file_size});
}

bool Spine::moved(const std::array<codec::TableState, kTableCount>& tables) const {
  if (tables[kMeta].size != meta_published_) return true;
  for (const TableId table : kTables) {
    if (table != TableId::kMeta && tables[index_of(table)].size != said_[index_of(table)].size) return true;
  }
  return false;
}

std::vector<codec::TableHead> Spine::take_heads(const std::array<codec::TableState, kTableCount>& tables) {
  std::vector<codec::TableHead> heads;
  for (const TableId table : kTables) {
    const codec::TableState& now = tables[index_of(table)];
    Said& said = said_[index_of(table)];
    if (table == TableId::kMeta || now.size == said.size) continue;
    heads.push_back({table, now.size, now.root, std::move(said.sealed)});
    said.size = now.size;
    said.sealed.clear();
  }
  return heads;
}

// ---- Checkpointer

Result<std::unique_ptr<Checkpointer>> Checkpointer::open(os::Directory& root, os::Directory& keys, const Keys& signing,
                                                         const SignedState& state, Quarantine& quarantine) {
  std::unique_ptr<Checkpointer> checkpointer(new Checkpointer(root, keys, signing, state));
  KHIPU_TRY(checkpointer->open_files());
  KHIPU_TRY(at(kCheckpointLogName, checkpointer->resume(quarantine)));
  return checkpointer;
}

// What the log says beyond the line was lost with it: those notes are kept in quarantine/, like the rest of what a
// RECOVERY statement names.
Result<std::unique_ptr<Checkpointer>> Checkpointer::open_accepted(os::Directory& root, os::Directory& keys,
                                                                  const Keys& signing, const SignedState& line,
                                                                  Quarantine& quarantine) {
  std::unique_ptr<Checkpointer> checkpointer(new Checkpointer(root, keys, signing, line));
  KHIPU_TRY(checkpointer->open_files());
  SignedState& state = checkpointer->state_;
  state.checkpoint = 0;
  uint64_t size = 0, end = 0;
  if (checkpointer->log_) {
    os::File& log = *checkpointer->log_;
    KHIPU_TRY_ASSIGN(size, at(kCheckpointLogName, log.size()));
    const auto read = [&](uint64_t offset, std::span<uint8_t> into) { return log.read_exactly(offset, into); };
    std::optional<uint64_t> beyond;  // where the first that the line has lost begins
    const auto stand = [&](uint64_t number, const tree::Publication& publication) {
      if (publication.meta().checkpoint.size > line.tables[kMeta].size) {
        beyond = publication.notes.front().offset;
        return false;
      }
      state.checkpoint = number;
      return true;
    };
    KHIPU_TRY_ASSIGN(const tree::CheckpointLog scanned,
                     at(kCheckpointLogName, tree::scan_checkpoint_log(size, signing.name, read, stand)));
    end = beyond.value_or(scanned.end);
  }
  if (end < size) {
    checkpointer->log_.reset();
    KHIPU_TRY(quarantine.take(root, "root", std::string(kCheckpointLogName), end));
  }
  KHIPU_TRY_ASSIGN(checkpointer->log_, root.open_file(kCheckpointLogName, os::Mode::kCreate, 0644));
  KHIPU_TRY(root.sync());
  checkpointer->log_end_ = end;
  return checkpointer;
}

Result<void> Checkpointer::open_files() {
  for (const TableId table : kTables) {
    KHIPU_TRY_ASSIGN(tables_[index_of(table)], root_.open_directory(table_name(table)));
    KHIPU_TRY_ASSIGN(trees_[index_of(table)], tables_[index_of(table)]->open_directory(segment::kTreeName));
  }
  auto log = root_.open_file(kCheckpointLogName, os::Mode::kReadWrite);
  if (log.ok()) {
    log_ = std::move(*log);
  } else if (log.error().code != Code::kNotFound) {
    return std::move(log).error();
  }
  return {};
}

// The state is replaced before the notes are appended, and they are a function of it, byte for byte: so what a crash
// cut off is known, and nothing may stand behind it.
Result<void> Checkpointer::resume(Quarantine& quarantine) {
  const std::vector<std::string> notes =
      state_.checkpoint > 0 ? publication(state_, signing_) : std::vector<std::string>();
  const std::string expected = joined(notes);
  uint64_t size = 0;
  if (log_) {
    KHIPU_TRY_ASSIGN(size, log_->size());
  }
  if (size < state_.log_offset) {
    return evidence(fmt::format("{} bytes, but {} were published before checkpoint {}: it was removed or cut", size,
                                state_.log_offset, state_.checkpoint));
  }
  if (!log_) {
    KHIPU_TRY_ASSIGN(log_, root_.open_file(kCheckpointLogName, os::Mode::kCreate, 0644));
    KHIPU_TRY(log_->sync());
    KHIPU_TRY(root_.sync());
  }
  KHIPU_TRY(check_front());
  log_end_ = state_.log_offset;
  Buffer tail(std::min(size - state_.log_offset, kPublicationSizeMax));
  KHIPU_TRY(log_->read_exactly(state_.log_offset, tail));
  const std::string_view found = as_text(tail);
  const bool whole = found.starts_with(expected);
  if (whole && found.size() > expected.size() && holds_signed_note(found.substr(expected.size()), signing_)) {
    return evidence(fmt::format(
        "a checkpoint stands behind number {}, the last one that the key side knows of: an older copy of the "
        "key-side state was put back",
        state_.checkpoint));
  }
  if (!whole && !expected.starts_with(found) && holds_signed_note(found, signing_) &&
      found.find(notes.empty() ? std::string_view() : std::string_view(notes.back())) == found.npos) {
    bool ours = false;  // notes of this publication in front of a torn one are what a crash leaves
    for (const std::string& note : notes) ours = ours || found.find(note) != found.npos;
    if (!ours) return evidence(fmt::format("where checkpoint {} should stand is another one", state_.checkpoint));
  }
  if (!expected.starts_with(found)) {
    const uint64_t keep = whole ? expected.size() : 0;
    log_.reset();
    KHIPU_TRY(quarantine.take(root_, "root", std::string(kCheckpointLogName), state_.log_offset + keep));
    KHIPU_TRY_ASSIGN(log_, root_.open_file(kCheckpointLogName, os::Mode::kCreate, 0644));
    KHIPU_TRY(log_->sync());
    KHIPU_TRY(root_.sync());
  }
  if (!notes.empty()) {
    // Also when it is all there: a failed sync leaves clean pages that never reached the disk.
    KHIPU_TRY(append(expected));
    note_ = without_empty_line(notes.back());
    KHIPU_TRY(root_.replace_file(kCheckpointName, as_bytes(note_), 0644));
  }
  return {};
}

// In front of what the state knows ends the publication before it: what was taken out or put in anywhere shifts that.
Result<void> Checkpointer::check_front() const {
  const uint64_t end = state_.log_offset;
  if (end == 0) return {};
  Buffer front(std::min<uint64_t>(end, tree::kNoteSizeMax));
  KHIPU_TRY(log_->read_exactly(end - front.size(), front));
  const std::string_view text = as_text(front);
  const std::string begin = signing_.name + "\n";
  const size_t behind = text.rfind("\n\n" + begin);
  const std::string_view last = behind != text.npos ? text.substr(behind + 2) : text;
  if (last.starts_with(begin) && last.ends_with("\n\n")) {
    const Result<tree::Note> note = tree::parse_note(last.substr(0, last.size() - 1));
    const std::vector<tree::VerifierKey> keys = {
        {signing_.name, tree::KeyType::kEd25519, signing_.signing.public_key()}};
    if (note.ok() && tree::verify_note(*note, keys).accepted()) {
      const Result<tree::Checkpoint> checkpoint = tree::parse_checkpoint(note->text);
      if (checkpoint.ok() && checkpoint->size < state_.tables[kMeta].size) return {};
    }
  }
  return evidence(fmt::format(
      "byte {}, where checkpoint {} begins, is not behind the one before it: something was taken out or put "
      "in",
      end, state_.checkpoint));
}

Result<void> Checkpointer::append(const std::string& notes) {
  KHIPU_TRY(log_->write_at(log_end_, as_bytes(notes)));
  KHIPU_TRY(log_->sync());
  log_end_ += notes.size();
  return {};
}

Result<void> Checkpointer::sync_trees() {
  for (const TableId table : kTables) {
    os::Directory& tree = *trees_[index_of(table)];
    bool made = false;
    for (size_t level = 0; level < segment::kLevelFileCount; ++level) {
      // A level above the first that has no file has no hashes yet.
      auto file = tree.open_file(segment::level_name(level), os::Mode::kReadWrite);
      if (!file.ok() && file.error().code == Code::kNotFound) break;
      if (!file.ok()) return std::move(file).error();
      KHIPU_TRY(file.value()->sync_data());
      made = true;
    }
    if (made) KHIPU_TRY(tree.sync());
  }
  return {};
}

// From the tree files, not from memory: what is signed must be what a verifier will find.
Result<void> Checkpointer::extends_signed(const codec::CommitRecord& commit) {
  for (const TableId table : kTables) {
    const codec::TableState& was = state_.tables[index_of(table)];
    const codec::TableState& now = commit.tables[index_of(table)];
    KHIPU_TRY_ASSIGN(segment::LevelFiles files, segment::LevelFiles::open(*tables_[index_of(table)], false));
    LevelSource source(files);
    const auto check = [&](const codec::TableState& state, std::string_view what) -> Result<void> {
      if (state.size == 0) return {};
      KHIPU_TRY_ASSIGN(const Hash root, at(table_name(table), tree::root_at(state.size, source)));
      if (root == state.root) return {};
      return Error{Code::kCorrupt,
                   fmt::format("{}: the tree files do not make the root of its first {} rows, {}: nothing more is "
                               "signed; run `khipu verify`",
                               table_name(table), state.size, what)};
    };
    KHIPU_TRY(check(was, "which was signed before"));
    if (now.size < was.size) return Error{Code::kCorrupt, fmt::format("{} has shrunk", table_name(table))};
    KHIPU_TRY(check(now, "which is to be signed"));
  }
  return {};
}

Result<void> Checkpointer::run(const CheckpointTarget& target, HeadFile& head) {
  KHIPU_TRY(sync_trees());
  KHIPU_TRY(extends_signed(target.commit));
  SignedState next;
  next.root_id = target.head.root_id;
  next.number = target.commit.number;
  next.hash = target.head.commit_hash;
  next.tables = target.commit.tables;
  next.checkpoint = state_.checkpoint + 1;
  next.log_offset = log_end_;
  next.moved = target.moved;
  KHIPU_TRY(save_state(keys_, next));
  state_ = next;
  const std::vector<std::string> notes = publication(next, signing_);
  KHIPU_TRY(at(kCheckpointLogName, append(joined(notes))));
  note_ = without_empty_line(notes.back());
  KHIPU_TRY(root_.replace_file(kCheckpointName, as_bytes(note_), 0644));
  return head.sync();
}

}  // namespace khipu::writer
