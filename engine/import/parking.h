// Records that could not be imported, kept with their place, the reason and their bytes: `dlq/import-<sha8>.ndjson` in
// the root, where sha8 is the first eight hex digits of the SHA-256 of the input's name; `import-<sha8>-2.ndjson` and
// so on for whoever parks while others write to those before. One JSON object a line:
//
//   {"schema":"khipu.dlq-import/v1","file":"a.log","format":"jsonl","line":3,"offset":120,"size":17,
//    "reason":"...","raw":"..."}          or "raw_base64" where the bytes are not UTF-8; or "key","sealed" in place of
//                                        both, when they may hold what is protected (P7)
//   {"schema":"khipu.dlq-key/v1","id":"...","key":"..."}    what such entries behind it were sealed under
//
// A line that is already there is not written again: a crash before the receipt parks the same records twice. Sealed
// ones never look alike: of these a reader takes out the doubles. Not here: reading them back (parked_entries.h).
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/os/file.h"

namespace khipu::import {

struct ParkedLines;  // parked_entries.h

struct Parked {
  std::string_view file;
  std::string_view format;
  uint64_t line = 0;    // from 1
  uint64_t offset = 0;  // bytes from the start of the (unpacked) input
  std::string_view reason;
  Bytes raw;
  bool sealed = false;  // its bytes may hold values that are protected: they are set aside sealed
};

// Who seals what is set aside: the engine's keys are no business of this room. Bytes: engine/FORMAT.md "dlq".
class EntrySealer {
 public:
  virtual ~EntrySealer() = default;
  // An Error when nothing can be sealed: then nothing is set aside either. Called before the other two.
  virtual Result<void> ready() = 0;
  virtual std::string key_id() = 0;  // in hex
  virtual Buffer wrapped_key() = 0;
  virtual Result<Buffer> seal(const Hash& place, Bytes raw) = 0;
};

class ParkingLot {
 public:
  virtual ~ParkingLot() = default;
  virtual Result<void> park(const Parked& record) = 0;
  virtual Result<void> sync() = 0;  // what was parked survives power loss from here on
};

// Owner: one thread. Lines wait in memory for sync(), which makes the file where there is none. While it writes it
// holds an exclusive lock on the file's first byte, and reads what others have appended; a file that is locked is left
// to who writes to it, and another one is taken. The file may be removed or replaced at any time by others: what was
// written is read back through the file's name, and written again where it is not there.
class DlqFile : public ParkingLot {
 public:
  // `sealer` may be nullptr where nothing is protected, and is borrowed.
  DlqFile(os::Directory& root, EntrySealer* sealer) : root_(root), sealer_(sealer) {}
  Result<void> park(const Parked& record) override;
  Result<void> sync() override;

 private:
  struct Line {
    std::string text;
    std::optional<Hash> hash;  // SHA-256 of the text of one that is not sealed
  };
  Result<void> take_file();
  Result<void> open(const std::string& name);
  Error not_ours(Error error, os::Directory& folder, const std::string& name) const;
  Result<void> read_others();
  Result<void> catch_up();
  Result<ParkedLines> know_lines(const os::File& file, uint64_t from);
  Result<bool> write_pending();
  Result<bool> stands(uint64_t offset, Bytes bytes, const os::File& file) const;
  os::Directory& root_;
  EntrySealer* sealer_;
  std::unique_ptr<os::Directory> dlq_;
  std::unique_ptr<os::File> file_;
  std::string input_hash_;  // of the input's name: eight hex digits
  std::string name_;
  std::vector<Line> pending_;
  uint64_t size_ = 0;               // of the file's lines that known_ has
  Buffer last_;                     // the last bytes of these
  bool created_ = false;            // the directory entry is not synced yet
  std::optional<uint64_t> key_at_;  // where this process wrote its key into this file
  std::set<Hash> known_;            // SHA-256 of each line
};

// A file of the folder that was not there; it belongs to who owns the folder, also when root makes it. kConflict when
// it is there.
Result<std::unique_ptr<os::File>> make_dlq_file(os::Directory& dlq, const std::string& name);

// The lines, without the newline. parked_place(): what an entry says in the clear, where its bytes begin.
std::string parked_place(const Parked& record, uint64_t size);
std::string parked_line(const Parked& record);  // of one that is not sealed
std::string sealed_line(std::string_view place, std::string_view key_id, Bytes sealed);
std::string parked_key_line(std::string_view id, Bytes wrapped);

}  // namespace khipu::import
