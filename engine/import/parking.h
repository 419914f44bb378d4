// Records that could not be imported, kept with their place, the reason and their bytes: `dlq/import-<sha8>.ndjson` in
// the root, where sha8 is the first eight hex digits of the SHA-256 of the input's name. One JSON object a line:
//
//   {"schema":"khipu.dlq-import/v1","file":"a.log","format":"jsonl","line":3,"offset":120,"size":17,
//    "reason":"...","raw":"..."}          or "raw_base64" where the bytes are not UTF-8; or "withheld":true in place
//                                        of both, when the import protects fields (P7)
//
// A line that is already there is not written again: a crash before the receipt parks the same records twice.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/os/file.h"

namespace khipu::import {

struct Parked {
  std::string_view file;
  std::string_view format;
  uint64_t line = 0;    // from 1
  uint64_t offset = 0;  // bytes from the start of the (unpacked) input
  std::string_view reason;
  Bytes raw;
  bool withhold = false;  // its bytes hold values that are protected: they stay in the input, found by offset and size
};

class ParkingLot {
 public:
  virtual ~ParkingLot() = default;
  virtual Result<void> park(const Parked& record) = 0;
  virtual Result<void> sync() = 0;  // what was parked survives power loss from here on
};

// Owner: one thread. The file is made when the first record is parked.
class DlqFile : public ParkingLot {
 public:
  explicit DlqFile(os::Directory& root) : root_(root) {}
  Result<void> park(const Parked& record) override;
  Result<void> sync() override;

 private:
  Result<void> open(std::string_view input_name);
  os::Directory& root_;
  std::unique_ptr<os::Directory> dlq_;
  std::unique_ptr<os::File> file_;
  std::string name_;
  std::string tail_;  // lines not yet written
  uint64_t size_ = 0;
  bool created_ = false;  // the directory entry is not synced yet
  std::set<Hash> known_;  // SHA-256 of each line
};

std::string parked_line(const Parked& record);  // without the newline

}  // namespace khipu::import
