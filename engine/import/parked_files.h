// The files of ROOT/dlq changed as a whole: keys of sealed entries sealed anew, sealed entries destroyed. Each file is
// replaced by a new one: what a killed run left of such a one (NAME.new) is deleted first, then it is made (O_EXCL),
// synced, renamed, and the folder synced. Whoever calls holds LOCK, so no other does the same; a file that a process
// sets lines aside in at this moment is kLocked. Not here: what is in a key (engine/protect).
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/import/parked_entries.h"

namespace khipu::import {

// What of the DLQ is sealed: nothing where nothing is, or there is no DLQ. Lines that cannot be read are passed over.
struct SealedLines {
  uint64_t keys = 0;
  uint64_t entries = 0;
  std::set<std::string> ids;           // short_key_id() of each key, and of what entries name as theirs
  uint64_t unfinished = 0;             // NAME.new, which may hold the same
  std::vector<std::string> strangers;  // what is no file: nobody here looks into it
};
// What a statement names a run's key by: the first 16 digits of its id.
std::string short_key_id(std::string_view id);
Result<SealedLines> sealed_lines(os::Directory& root);

// Each key line: the file's name and the wrapped bytes. Changes nothing.
Result<void> each_parked_key(os::Directory& root, const std::function<void(const std::string&, Bytes)>& visit);

// Asks for each key line's wrapped bytes anew; nullopt: it stays as it is. How many were replaced. The first error ends
// it, before the file it is about is touched. A torn last line goes where the file holds something sealed, or where it
// may be half a key; else it stays.
using SealAnew = std::function<Result<std::optional<Buffer>>(Bytes wrapped)>;
Result<uint64_t> replace_parked_keys(os::Directory& root, const SealAnew& anew);

// Takes the sealed entries and all keys out, damaged lines and what is left of unfinished replacements with them; a
// file of which nothing is left goes. How many entries went. `only`: keys of these short ids, and what names one of
// them, and no damaged lines.
Result<uint64_t> destroy_sealed(os::Directory& root, const std::set<std::string>* only = nullptr);

}  // namespace khipu::import
