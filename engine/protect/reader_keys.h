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
// `wrapped`: ROOT/keys; nullptr when the root has none. kForbidden for a folder that holds a writer's keys: one process
// never holds the signing seed and a key that reads. kInvalid for a folder without any key of a reader.
Result<ReaderKeys> open_reader_keys(const std::vector<std::string>& folders, const RootId& root,
                                    std::unique_ptr<os::Directory> wrapped);

}  // namespace khipu::protect
