// Where an import of an input goes on, by the receipts the root holds: what was imported is known by its bytes, not by
// the name of the file (a rotated log keeps its bytes and changes its name).
#pragma once

#include <span>
#include <string>

#include "engine/codec/statement.h"
#include "engine/os/file.h"

namespace khipu::import {

struct Resume {
  bool nothing_new = false;
  bool undecided = false;  // a receipt is keyed, and without the key nobody can tell whether these are its bytes
  uint64_t at = 0;         // records that end at or before this byte, of the unpacked input, were dealt with
  Hash sha256{};           // of the whole input as it lies there; of a plain one with something new, of [0, at)
  uint64_t size = 0;
  std::string earlier;  // the source name of the receipt that matched
  // A receipt under another mapping that holds more of these bytes than those of this one.
  const codec::Import* remapped = nullptr;
};

// Only receipts of the same format and mapping count, for another mapping makes other events of the same bytes: those
// of others are told of.
// `key`: of keyed receipts, empty when it is not held.
Result<Resume> find_resume(const os::File& input, bool gzip, std::string_view format, const Hash& mapping,
                           std::span<const codec::Import> earlier, Bytes key);

}  // namespace khipu::import
