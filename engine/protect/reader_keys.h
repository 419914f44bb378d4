// What a reading process holds of protected fields: the keys of search and decrypt folders, made ready.
// Not here: which of its callers may see what (grants).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/protect/opener.h"
#include "engine/protect/searcher.h"

namespace khipu::protect {

struct ReaderKeys {
  std::optional<Searcher> searcher;
  std::unique_ptr<Opener> opener;
};
// `origin`: the log's, by its GENESIS. `wrapped`: ROOT/keys; nullptr when the root has none. kForbidden for a folder
// that holds a writer's keys. kInvalid for a folder without any key of a reader. kConflict for search keys of another
// log, and for two different ones of one version.
Result<ReaderKeys> open_reader_keys(const std::vector<std::string>& folders, const RootId& root,
                                    const std::string& origin, std::unique_ptr<os::Directory> wrapped);

// One process never holds the signing seed and a key that reads: kForbidden for a folder that holds the seed.
Result<void> check_no_signing_key(os::Directory& folder);

}  // namespace khipu::protect
