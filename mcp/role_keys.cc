#include "mcp/role_keys.h"

#include "engine/crypto/wipe_freed.h"
#include "engine/protect/reader_keys.h"
#include "mcp/serve.h"

namespace khipu::mcp {

Result<std::unique_ptr<RoleKeys>> RoleKeys::open(std::vector<std::string> folders, const std::string& root_path,
                                                 snapshot::Store& store) {
  std::unique_ptr<RoleKeys> keys(new RoleKeys(std::move(folders), root_path + "/keys"));
  KHIPU_TRY_ASSIGN(const auto snapshot, store.snapshot());
  keys->root_ = snapshot->genesis().root_id;
  keys->origin_ = snapshot->genesis().origin;
  keys->fields_ = std::make_shared<query::FieldReader>(std::nullopt, nullptr, &store);
  keys->seen_ = keys->listing();
  KHIPU_TRY(keys->load());
  return keys;
}

std::string RoleKeys::listing() const {
  std::string text;
  for (const std::string& folder : folders_) {
    text += folder + "\n";
    const auto directory = os::open_directory(folder);
    if (!directory.ok()) continue;
    const auto entries = (*directory)->list();
    if (!entries.ok()) continue;
    for (const os::Entry& entry : *entries) text += entry.name + "/" + std::to_string(entry.size) + "\n";
  }
  return text;
}

Result<void> RoleKeys::load() {
  KHIPU_TRY_ASSIGN(auto wrapped, os::open_directory(wrapped_path_));
  KHIPU_TRY_ASSIGN(protect::ReaderKeys held, protect::open_reader_keys(folders_, root_, origin_, std::move(wrapped)));
  fields_->replace(std::move(held.searcher), std::move(held.opener));
  return {};
}

void RoleKeys::load_or_keep() {
  const Result<void> loaded = load();
  log_line(loaded.ok() ? "the role keys were read again" : "the old role keys stay: " + loaded.error().message);
}

void RoleKeys::refresh() {
  const std::lock_guard lock(mutex_);
  std::string there = listing();
  if (there == seen_) return;
  seen_ = std::move(there);  // also when it fails: said once
  load_or_keep();
  crypto::wipe_stack();  // key files passed over it
}

void RoleKeys::reload() {
  const std::lock_guard lock(mutex_);
  seen_ = listing();
  load_or_keep();
  crypto::wipe_stack();  // key files passed over it
}

}  // namespace khipu::mcp
