#include "engine/cli/key_access.h"

#include <filesystem>

#include "engine/cli/root.h"
#include "engine/crypto/key_file.h"
#include "engine/protect/reader_keys.h"

namespace khipu::cli {

Result<RolePaths> open_roles(const std::string& writer, const std::string& out) {
  if (out.empty()) return Error{Code::kInvalid, "--out DIR is wanted: where the readers' keys go"};
  KHIPU_TRY(refuse_inside_log(out, "keys"));
  // The writer's own folder, or one in it: who may write must not come to read by it.
  std::error_code ignored;
  const auto real = [&](const std::string& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path), ignored);
  };
  for (std::filesystem::path folder = real(out); folder.has_relative_path(); folder = folder.parent_path()) {
    if (folder != real(writer) && !std::filesystem::is_regular_file(folder / crypto::kSigningKeyFileName, ignored)) {
      continue;
    }
    return Error{Code::kInvalid, out + ": lies in " + folder.string() +
                                     ", a writer's keys: the readers' keys go elsewhere, off this host"};
  }
  RolePaths paths;
  KHIPU_TRY_ASSIGN(paths.writer, os::open_directory(writer));
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> parent, os::create_directory(out, 0700));
  KHIPU_TRY_ASSIGN(paths.search, os::create_directory(out + "/search", 0700));
  KHIPU_TRY_ASSIGN(paths.decrypt, os::create_directory(out + "/decrypt", 0700));
  return paths;
}

Result<KeysOfRoot> keys_of_root(const std::string& root) {
  KeysOfRoot keys;
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> directory, os::open_directory(root));
  KHIPU_TRY_ASSIGN(keys.wrapped, directory->open_directory("keys"));
  KHIPU_TRY_ASSIGN(const std::unique_ptr<snapshot::Store> store, snapshot::Store::open(std::move(directory)));
  KHIPU_TRY_ASSIGN(const std::shared_ptr<const snapshot::Snapshot> snapshot, store->snapshot());
  const codec::Genesis* genesis = snapshot->meta().genesis();
  if (genesis == nullptr) return Error{Code::kCorrupt, root + ": no GENESIS statement"};
  keys.root = genesis->root_id;
  keys.origin = genesis->origin;
  for (const codec::StatementRecord& statement : snapshot->meta().statements()) {
    KHIPU_TRY(keys.log.apply(statement.body));
    if (const auto* shred = std::get_if<codec::Shred>(&statement.body)) keys.shreds.push_back(*shred);
    if (const auto* hold = std::get_if<codec::Hold>(&statement.body)) {
      hold->set ? void(keys.holds.insert(hold->name)) : void(keys.holds.erase(hold->name));
    }
  }
  return keys;
}

Result<uint64_t> count_gone(os::Directory& directory, const std::vector<os::Entry>& before) {
  uint64_t gone = 0;
  for (const os::Entry& entry : before) {
    KHIPU_TRY_ASSIGN(const std::optional<os::Entry> there, directory.stat(entry.name));
    gone += !there;
  }
  return gone;
}

Exit tell_left(Output& output, const std::vector<std::string>& left) {
  for (const std::string& name : left) {
    output.note("keys/" + printable(name) + ": shredded or replaced, and cannot be deleted: remove it");
  }
  return left.empty() ? Exit::kOk : Exit::kIncomplete;
}

Result<std::string> recipient_text_of(const crypto::Key& key) {
  if (key.kind != crypto::KeyKind::kDecrypt && key.kind != crypto::KeyKind::kRecipient) return std::string();
  crypto::Key half;
  if (key.kind == crypto::KeyKind::kDecrypt) {
    KHIPU_TRY_ASSIGN(half, crypto::recipient_of(key));
  }
  const crypto::Key& recipient = key.kind == crypto::KeyKind::kDecrypt ? half : key;
  KHIPU_TRY_ASSIGN(const crypto::BoxPublicKey bytes, crypto::box_public_key(recipient));
  return protect::recipient_label({recipient.name, recipient.version, bytes});
}

Result<protect::DecryptRing> decrypt_ring(const std::string& folder, const std::string& descriptor) {
  if (folder.empty() == descriptor.empty()) {
    return Error{Code::kInvalid, "the decrypt keys come from --decrypt DIR or from --key-fd N, one of the two"};
  }
  if (!folder.empty()) {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> directory, os::open_directory(folder));
    KHIPU_TRY(protect::check_no_signing_key(*directory));
    KHIPU_TRY_ASSIGN(protect::DecryptRing ring, protect::load_decrypt_ring(*directory));
    if (ring.empty()) return Error{Code::kNotFound, folder + ": holds no decrypt-NAME-VERSION.key"};
    return ring;
  }
  KHIPU_TRY_ASSIGN(const crypto::SecretBytes text, protect::read_keys_from_descriptor(descriptor));
  KHIPU_TRY_ASSIGN(protect::ReaderRings rings, protect::parse_reader_rings(text.bytes()));
  if (rings.decrypt.empty()) return Error{Code::kNotFound, "no decrypt key came from --key-fd"};
  return std::move(rings.decrypt);
}

}  // namespace khipu::cli
