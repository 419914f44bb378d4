// What the key commands share: role directories, a root's key statements, statements handed to the writer.
// Not here: what happens to keys (engine/protect).
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/cli/command.h"
#include "engine/cli/output.h"
#include "engine/cli/writer_access.h"
#include "engine/protect/key_admin.h"
#include "engine/snapshot/store.h"

namespace khipu::cli {

// DIR/search and DIR/decrypt, made 0700 when absent, and the writer's keys.
struct RolePaths {
  std::unique_ptr<os::Directory> writer, search, decrypt;
  protect::RoleDirectories roles() const { return {writer.get(), search.get(), decrypt.get()}; }
};
Result<RolePaths> open_roles(const std::string& writer, const std::string& out);
inline constexpr const char* kOutHelp =
    "folder for the readers' keys, search/ and decrypt/ in it (0700, made when absent); move them off this host";

// A root as a reader sees it: its keys/ and what meta/ says of that.
struct KeysOfRoot {
  std::unique_ptr<os::Directory> wrapped;
  RootId root{};
  std::string origin;  // that the names of search keys must be
  protect::KeyLog log;
  std::vector<codec::Shred> shreds;
  std::set<std::string> holds;  // that are set
};
// As HEAD has it. What statements are made from must be read again behind WriterAccess::open(), under the lock: what
// was committed and HEAD did not come to name is known to recovery only.
Result<KeysOfRoot> keys_of_root(const std::string& root);
// How many of these files are no longer there: the writer and a sweep both delete what a statement replaces or shreds.
Result<uint64_t> count_gone(os::Directory& directory, const std::vector<os::Entry>& before);

// What should have gone and cannot be deleted is named; kIncomplete then.
Exit tell_left(Output& output, const std::vector<std::string>& left);

// "auditors/2=FINGERPRINT" of a decrypt key or its public half; "" of the other kinds.
Result<std::string> recipient_text_of(const crypto::Key& key);

// Key files of one role folder, or from a descriptor (--key-fd). kForbidden for a folder with a signing key in it.
Result<protect::DecryptRing> decrypt_ring(const std::string& folder, const std::string& descriptor);

}  // namespace khipu::cli
