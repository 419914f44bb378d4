// LOCK, in the root and in the folder of its keys: who owns it for writing. Byte 96 holds the exclusive OFD lock; bytes
// 0-95 say who holds it, for people only (nothing trusts them). The file is never deleted: its existence means nothing.
//
// LOCK (0600), never synced, any content is valid:
//   offset  size  value
//        0    96  text "pid=N since=YYYY-MM-DDThh:mm:ss.ffffffZ role=WORD host=NAME", cut at 96 bytes, NUL padded;
//                 written by each holder after it has the lock; it stays when the holder is gone
//       96     -  not a byte of the file: the place of the exclusive OFD lock
//
// READERS (0644): written once, when the root is made; 128 zero bytes:
//   offset  size  value
//        0    97  zero
//   97 + k     1  zero; the place of the OFD lock of epoch slot k = epoch % 31. Readers hold it shared, each through a
//                 read-only descriptor of its own; retention asks whether it is held
#pragma once

#include <memory>
#include <string>

#include "engine/base/ids.h"
#include "engine/os/file.h"

namespace khipu::os {

// Held from acquire() to destruction; the kernel drops it when the process dies.
class RootLock {
 public:
  // kLocked at once when another holder exists (also in this process), quoting the holder's diagnostics.
  // `role` is a word such as "serve" or "import"; `now` goes into the diagnostics.
  static Result<RootLock> acquire(Directory& root, std::string_view role, TimeUs now);
  // The same of the folder of its keys: two copies of one root are never signed side by side with one key.
  static Result<RootLock> acquire_keys(Directory& keys, std::string_view role, TimeUs now);

 private:
  static Result<RootLock> acquire(Directory& folder, std::string_view role, TimeUs now, std::string_view refusal);
  explicit RootLock(std::unique_ptr<File> file) : file_(std::move(file)) {}
  std::unique_ptr<File> file_;
};

// What bytes 0-95 of LOCK say, or "" when nobody ever held it; and whether byte 96 is held now, of LOCK or of HEAD:
// LOCK may not be opened by everybody, and may have been removed or replaced under its holder (head_lock.h).
struct LockHolder {
  bool held = false;
  std::string diagnostics;
};
Result<LockHolder> lock_holder(Directory& root);

// READERS: bytes 97-127 are 31 epoch slots, share-locked through read-only descriptors opened afresh for each holder.
inline constexpr uint64_t kReaderSlotCount = 31;
inline constexpr uint64_t kReaderSlotOffset = 97;
class ReaderSlot {
 public:
  // Share-locks slot epoch % 31 of READERS. kBusy if somebody holds it exclusively at this moment.
  static Result<ReaderSlot> acquire(Directory& root, Epoch epoch);

 private:
  explicit ReaderSlot(std::unique_ptr<File> file) : file_(std::move(file)) {}
  std::unique_ptr<File> file_;
};
// Is any reader in slot epoch % 31? Only asks: no reader is ever turned away by the question.
Result<bool> reader_slot_held(Directory& root, Epoch epoch);
// Makes READERS (0644, 128 bytes of zeroes) when absent.
Result<void> create_reader_slots(Directory& root);

}  // namespace khipu::os
