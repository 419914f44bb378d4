#include "engine/os/lock_file.h"

#include <algorithm>

#include "engine/base/time.h"
#include "engine/os/head_lock.h"
#include "engine/os/process.h"

namespace khipu::os {
namespace {

constexpr std::string_view kLockName = "LOCK";
constexpr std::string_view kHeadName = "HEAD";
constexpr std::string_view kReadersName = "READERS";
constexpr uint64_t kLockOffset = kHeadLockOffset;
constexpr size_t kDiagnosticsSize = 96;
constexpr size_t kReadersSize = kReaderSlotOffset + kReaderSlotCount;
static_assert(kReadersSize == 128);

// The bytes are anybody's: only printable ASCII up to the first NUL goes into a message.
Result<std::string> read_diagnostics(const File& file) {
  std::array<uint8_t, kDiagnosticsSize> bytes{};
  KHIPU_TRY_ASSIGN(const size_t got, file.read_at(0, bytes));
  std::string text(as_text(Bytes(bytes).first(got)));
  text.resize(std::min(text.size(), text.find('\0')));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text;
}

uint64_t slot_offset(Epoch epoch) { return kReaderSlotOffset + epoch.value % kReaderSlotCount; }

}  // namespace

Result<RootLock> RootLock::acquire(Directory& root, std::string_view role, TimeUs now) {
  return acquire(root, role, now, "another process owns this root for writing");
}

Result<RootLock> RootLock::acquire_keys(Directory& keys, std::string_view role, TimeUs now) {
  return acquire(keys, role, now, "another process signs with these keys, a root of its own or a copy of this one");
}

Result<RootLock> RootLock::acquire(Directory& folder, std::string_view role, TimeUs now, std::string_view refusal) {
  KHIPU_TRY_ASSIGN(std::unique_ptr<File> file, folder.open_file(kLockName, Mode::kCreate, 0600));
  KHIPU_TRY_ASSIGN(const bool locked, file->try_lock(kLockOffset, 1, LockKind::kExclusive));
  if (!locked) {
    KHIPU_TRY_ASSIGN(const std::string holder, read_diagnostics(*file));
    return Error{Code::kLocked, folder.path() + ": " + std::string(refusal) + " (" +
                                    (holder.empty() ? "it has not said who it is yet" : holder) + ")"};
  }
  // The host comes last: it is the part that may be cut.
  std::string text = "pid=" + std::to_string(process_id()) + " since=" + format_rfc3339(now) + " role=";
  text.append(role);
  text += " host=" + host_name();
  text.resize(kDiagnosticsSize, '\0');
  KHIPU_TRY(file->write_at(0, as_bytes(text)));
  return RootLock(std::move(file));
}

Result<LockHolder> lock_holder(Directory& root) {
  LockHolder holder;
  auto file = root.open_file(kLockName, Mode::kRead);
  const bool there = file.ok() || file.error().code != Code::kNotFound;
  if (file.ok()) {
    KHIPU_TRY_ASSIGN(holder.held, file.value()->lock_refused(kLockOffset, 1, LockKind::kExclusive));
    KHIPU_TRY_ASSIGN(holder.diagnostics, read_diagnostics(*file.value()));
    if (holder.held) return holder;
  } else if (there && file.error().code != Code::kForbidden) {
    return std::move(file).error();
  }
  auto head = root.open_file(kHeadName, Mode::kRead);
  if (!head.ok()) {
    if (!file.ok() && there) return std::move(file).error();  // LOCK is its owner's alone
    return holder;
  }
  KHIPU_TRY_ASSIGN(holder.held, writer_holds(*head.value(), kHeadLockOffset));
  if (holder.held) holder.diagnostics.clear();  // whoever holds it is not the one that LOCK speaks of
  return holder;
}

Result<bool> writer_holds(const File& head, uint64_t byte) { return head.lock_refused(byte, 1, LockKind::kShared); }

Result<bool> head_kept(Directory& root) {
  auto head = root.open_file(kHeadName, Mode::kRead);
  if (!head.ok()) return false;
  return writer_holds(*head.value(), kHeadKeptOffset);
}

// Opened for each holder: an OFD lock belongs to the open file, so closing any other descriptor of READERS, in this
// process or another, leaves it alone. Read-only, so that a reader cannot take the exclusive lock.
Result<ReaderSlot> ReaderSlot::acquire(Directory& root, Epoch epoch) {
  KHIPU_TRY_ASSIGN(std::unique_ptr<File> file, root.open_file(kReadersName, Mode::kRead));
  KHIPU_TRY_ASSIGN(const bool locked, file->try_lock(slot_offset(epoch), 1, LockKind::kShared));
  if (!locked) return Error{Code::kBusy, root.path() + "/READERS: the slot of this epoch is taken: try again"};
  return ReaderSlot(std::move(file));
}

Result<bool> reader_slot_held(Directory& root, Epoch epoch) {
  KHIPU_TRY_ASSIGN(const std::unique_ptr<File> file, root.open_file(kReadersName, Mode::kRead));
  return file->lock_refused(slot_offset(epoch), 1, LockKind::kExclusive);
}

Result<void> create_reader_slots(Directory& root) {
  KHIPU_TRY_ASSIGN(const std::optional<Entry> existing, root.stat(kReadersName));
  if (existing) return {};  // never replaced: readers may hold locks on it, and those work past its end as well
  return root.replace_file(kReadersName, Buffer(kReadersSize), 0644);
}

}  // namespace khipu::os
