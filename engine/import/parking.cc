#include "engine/import/parking.h"

#include <algorithm>

#include "engine/codec/cbor.h"
#include "engine/crypto/hash.h"
#include "engine/import/canonical_text.h"
#include "engine/import/parked_entries.h"
#include "engine/os/process.h"

namespace khipu::import {
namespace {
constexpr size_t kReadBackSize = 1 << 20;
constexpr size_t kLastSize = 4096;  // so much in front of what is written is looked at too
constexpr int kFilesMax = 1000;     // of one input's name: so many park at once
constexpr int kAttemptsMax = 20;    // each is a file that was removed while it was written
}  // namespace

std::string parked_place(const Parked& record, uint64_t size) {
  std::string line = R"({"schema":"khipu.dlq-import/v1","file":)";
  const auto text = [&](std::string_view value) {
    // A name that is no UTF-8 is shown, not kept: the bytes of the record are what must survive.
    append_json_string(line, codec::valid_utf8(as_bytes(value)) ? value : "(not UTF-8)");
  };
  text(record.file);
  line += ",\"format\":";
  text(record.format);
  line.append(",\"line\":").append(std::to_string(record.line));
  line.append(",\"offset\":").append(std::to_string(record.offset));
  line.append(",\"size\":").append(std::to_string(size)).append(",\"reason\":");
  text(record.reason);
  return line;
}

std::string parked_line(const Parked& record) {
  std::string line = parked_place(record, record.raw.size());
  if (codec::valid_utf8(record.raw)) {
    line += ",\"raw\":";
    append_json_string(line, as_text(record.raw));
  } else {
    line.append(",\"raw_base64\":\"").append(base64(record.raw)).append("\"");
  }
  return line + "}";
}

std::string sealed_line(std::string_view place, std::string_view key_id, Bytes sealed) {
  return std::string(place).append(",\"key\":\"").append(key_id).append("\",\"sealed\":\"") + base64(sealed) + "\"}";
}

std::string parked_key_line(std::string_view id, Bytes wrapped) {
  return std::string(R"({"schema":"khipu.dlq-key/v1","id":")").append(id).append("\",\"key\":\"") + base64(wrapped) +
         "\"}";
}

Result<std::unique_ptr<os::File>> make_dlq_file(os::Directory& dlq, const std::string& name) {
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::File> file, dlq.open_file(name, os::Mode::kCreateNew));
  // Only of what was made here, by its descriptor: a name in a folder of another user's may be a link to anything.
  if (os::effective_user_id() == 0) {
    KHIPU_TRY_ASSIGN(const os::Owner owner, dlq.owner());
    KHIPU_TRY(file->set_owner(owner));
  }
  return file;
}

Result<void> DlqFile::park(const Parked& record) {
  const std::string input_hash = hex(Bytes(crypto::sha256(as_bytes(record.file))).first(4));
  if (input_hash != input_hash_) {
    KHIPU_TRY(sync());
    input_hash_ = input_hash;
    file_.reset();
  }
  if (!record.sealed) {
    std::string line = parked_line(record);
    const Hash hash = crypto::sha256(as_bytes(line));
    pending_.push_back({std::move(line), hash});
    return {};
  }
  if (sealer_ == nullptr) return Error{Code::kForbidden, "dlq: nobody is there to seal what may be protected"};
  KHIPU_TRY(at("dlq", sealer_->ready()));
  const std::string place = parked_place(record, record.raw.size());
  KHIPU_TRY_ASSIGN(const Buffer sealed, at("dlq", sealer_->seal(crypto::sha256(as_bytes(place)), record.raw)));
  pending_.push_back({sealed_line(place, sealer_->key_id(), sealed), std::nullopt});
  return {};
}

Result<void> DlqFile::sync() {
  if (pending_.empty()) return {};
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    KHIPU_TRY(at("dlq", take_file()));
    Result<bool> written = at("dlq/" + name_, write_pending());
    if (written.ok() && *written) {
      pending_.clear();
      return file_->unlock(0, 1);
    }
    file_.reset();  // and with it the lock
    KHIPU_TRY(std::move(written));
  }
  return Error{Code::kConflict, "dlq/" + name_ + ": it is removed or replaced whenever it was written"};
}

// The file at hand when nobody else writes to it, else the first of those by this input's name that nobody writes to.
Result<void> DlqFile::take_file() {
  if (file_ != nullptr) {
    KHIPU_TRY_ASSIGN(const bool locked, file_->try_lock(0, 1, os::LockKind::kExclusive));
    if (locked) return catch_up();
  }
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> folder, root_.stat("dlq"));
  if (!folder) {
    KHIPU_TRY(root_.make_directory("dlq"));
    KHIPU_TRY(root_.sync());
  }
  auto opened = root_.open_directory("dlq");
  if (!opened.ok()) return not_ours(std::move(opened).error(), root_, "dlq");
  dlq_ = std::move(opened).value();
  if (!folder && os::effective_user_id() == 0) {
    KHIPU_TRY_ASSIGN(const os::Owner owner, root_.owner());
    KHIPU_TRY(dlq_->set_owner(owner));
  }
  known_.clear();
  for (int number = 1; number <= kFilesMax; ++number) {
    const std::string which = number == 1 ? "" : "-" + std::to_string(number);
    KHIPU_TRY(open("import-" + input_hash_ + which + ".ndjson"));
    KHIPU_TRY_ASSIGN(const bool locked, file_->try_lock(0, 1, os::LockKind::kExclusive));
    if (!locked) continue;
    KHIPU_TRY(read_others());
    return catch_up();
  }
  file_.reset();
  return Error{Code::kLocked, "other processes write to all the files of this input"};
}

// What stands in the other files of this input is not written again either.
Result<void> DlqFile::read_others() {
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, dlq_->list());
  for (const os::Entry& entry : entries) {
    const bool other = entry.kind == os::EntryKind::kFile && entry.name != name_ && entry.name.ends_with(".ndjson") &&
                       entry.name.starts_with("import-" + input_hash_);
    if (!other) continue;
    auto file = dlq_->open_file(entry.name, os::Mode::kRead);
    if (!file.ok() && file.error().code == Code::kNotFound) continue;
    if (!file.ok()) return not_ours(std::move(file).error(), *dlq_, entry.name);
    KHIPU_TRY(know_lines(**file, 0));
  }
  return {};
}

// Calls each whole line from there on known, in bounded memory.
Result<ParkedLines> DlqFile::know_lines(const os::File& file, uint64_t from) {
  return each_parked_line(
      file, UINT64_MAX, [this](std::string_view line) { known_.insert(crypto::sha256(as_bytes(line))); }, from);
}

Result<void> DlqFile::open(const std::string& name) {
  auto opened = make_dlq_file(*dlq_, name);
  if (!opened.ok() && opened.error().code == Code::kConflict) opened = dlq_->open_file(name, os::Mode::kReadWrite);
  // Removed in between: whoever did will look again as well.
  if (!opened.ok() && opened.error().code == Code::kNotFound) opened = make_dlq_file(*dlq_, name);
  if (!opened.ok()) return not_ours(std::move(opened).error(), *dlq_, name);
  file_ = std::move(opened).value();
  name_ = name;
  created_ = true;
  key_at_.reset();
  size_ = 0;
  last_.clear();
  return {};
}

// Who may not open a file or a folder is told whose it is, and what would be right.
Error DlqFile::not_ours(Error error, os::Directory& folder, const std::string& name) const {
  if (error.code != Code::kForbidden) return error;
  const auto user = [](uint32_t uid) { return uid == 0 ? std::string("root") : "user " + std::to_string(uid); };
  const auto root = root_.owner();
  const auto entry = folder.stat(name);
  if (!root.ok() || !entry.ok() || !*entry) {
    error.message += ": the owner of the log's directory and root may set records aside";
    if (root.ok()) error.message += " (" + user(root->uid) + ")";
    return error;
  }
  const uint32_t owner = (*entry)->owner_uid;
  error.message += ": it belongs to " + user(owner) + ", and this process is of " + user(os::effective_user_id());
  if (owner != root->uid) {
    error.message += "; it should belong to the owner of the log's directory: chown " + std::to_string(root->uid) +
                     ":" + std::to_string(root->gid) + " " + folder.path() + "/" + name;
  } else {
    error.message += "; only its owner and root may set records aside";
  }
  return error;
}

// With the lock held: what others have appended. A torn last line (no newline) is of a process that ended while it
// wrote.
Result<void> DlqFile::catch_up() {
  KHIPU_TRY_ASSIGN(const uint64_t end, file_->size());
  KHIPU_TRY_ASSIGN(const bool same, stands(size_ - last_.size(), last_, *file_));
  if (!same) {  // somebody has emptied it
    size_ = 0;
    key_at_.reset();
    known_.clear();
  }
  KHIPU_TRY_ASSIGN(const ParkedLines lines, know_lines(*file_, size_));
  size_ = lines.whole_size;
  if (size_ < end) KHIPU_TRY(file_->truncate(size_));
  last_.resize(std::min<uint64_t>(size_, kLastSize));
  return file_->read_exactly(size_ - last_.size(), last_);
}

// With the lock held. False when the lines do not stand under the file's name afterwards.
Result<bool> DlqFile::write_pending() {
  std::string text;
  std::optional<uint64_t> key_at = key_at_;
  for (const Line& line : pending_) {
    if (line.hash && !known_.insert(*line.hash).second) continue;
    if (!line.hash) {
      const std::string key = parked_key_line(sealer_->key_id(), sealer_->wrapped_key()) + "\n";
      if (key_at && *key_at < size_) {
        KHIPU_TRY_ASSIGN(const bool there, stands(*key_at, as_bytes(key), *file_));
        if (!there) key_at.reset();
      }
      if (!key_at) {
        key_at = size_ + text.size();
        text += key;
      }
    }
    text.append(line.text).append("\n");
  }
  if (!text.empty()) {
    KHIPU_TRY(file_->write_at(size_, as_bytes(text)));
    KHIPU_TRY(file_->sync());
    if (std::exchange(created_, false)) KHIPU_TRY(dlq_->sync());
  }
  auto named = dlq_->open_file(name_, os::Mode::kRead);
  if (!named.ok()) {
    if (named.error().code == Code::kNotFound) return false;
    return std::move(named).error();
  }
  KHIPU_TRY_ASSIGN(const bool same, stands(size_ - last_.size(), last_, **named));
  KHIPU_TRY_ASSIGN(const bool there, stands(size_, as_bytes(text), **named));
  if (!same || !there) return false;
  size_ += text.size();
  append(last_, as_bytes(text));
  if (last_.size() > kLastSize) last_.erase(last_.begin(), last_.end() - static_cast<ptrdiff_t>(kLastSize));
  key_at_ = key_at;
  return true;
}

Result<bool> DlqFile::stands(uint64_t offset, Bytes bytes, const os::File& file) const {
  Buffer piece;
  while (!bytes.empty()) {
    piece.resize(std::min(bytes.size(), kReadBackSize));
    KHIPU_TRY_ASSIGN(const size_t size, file.read_at(offset, piece));
    if (size == 0 || !std::equal(piece.begin(), piece.begin() + static_cast<ptrdiff_t>(size), bytes.begin())) {
      return false;
    }
    bytes = bytes.subspan(size);
    offset += size;
  }
  return true;
}

}  // namespace khipu::import
