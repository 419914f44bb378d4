#include "engine/protect/reader_keys.h"

#include "engine/crypto/wipe_freed.h"

namespace khipu::protect {

Result<void> check_no_signing_key(os::Directory& folder) {
  KHIPU_TRY_ASSIGN(const auto signing, folder.stat(crypto::kSigningKeyFileName));
  if (!signing) return {};
  return Error{Code::kForbidden, folder.path() +
                                     " holds the writer's signing key: a reader takes a folder with search or "
                                     "decrypt keys alone"};
}

Result<ReaderKeys> open_reader_keys(const std::vector<std::string>& folders, const RootId& root,
                                    const std::string& origin, std::unique_ptr<os::Directory> wrapped) {
  crypto::wipe_freed_memory();  // from now on plaintext passes through this process
  SearchRing search;
  DecryptRing decrypt;
  for (const std::string& folder : folders) {
    KHIPU_TRY_ASSIGN(const auto directory, os::open_directory(folder));
    KHIPU_TRY(check_no_signing_key(*directory));
    KHIPU_TRY_ASSIGN(SearchRing more, at(folder, load_search_ring(*directory)));
    KHIPU_TRY_ASSIGN(DecryptRing opening, at(folder, load_decrypt_ring(*directory)));
    if (more.empty() && opening.empty()) {
      return Error{Code::kInvalid, folder + " holds no search and no decrypt key; `khipu keys init` makes them"};
    }
    KHIPU_TRY(check_origin(more, folder, origin));
    for (crypto::Key& key : more.token_roots) search.token_roots.push_back(std::move(key));
    for (crypto::Key& key : more.digests) search.digests.push_back(std::move(key));
    for (crypto::Key& key : opening.keys) decrypt.keys.push_back(std::move(key));
  }
  ReaderKeys keys;
  if (!search.empty()) {
    KHIPU_TRY_ASSIGN(Searcher searcher, at("the folders with keys", Searcher::open(std::move(search))));
    keys.searcher = std::move(searcher);
  }
  if (!decrypt.empty() && wrapped) {
    KHIPU_TRY_ASSIGN(keys.opener, Opener::open(std::move(decrypt), root, std::move(wrapped)));
  }
  return keys;
}

}  // namespace khipu::protect
