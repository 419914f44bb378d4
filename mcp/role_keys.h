// The search and decrypt keys of --role-keys, read again when their folders change: what `khipu keys rotate` puts there
// counts from the next question on. Not here: what keys are used for (engine/query/fields.h).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/query/fields.h"
#include "engine/snapshot/store.h"

namespace khipu::mcp {

// Any thread.
class RoleKeys {
 public:
  // Fails when the keys cannot be had; later, those before stay, and a line says so. `store`: borrowed.
  static Result<std::unique_ptr<RoleKeys>> open(std::vector<std::string> folders, const std::string& root_path,
                                                snapshot::Store& store);
  const std::shared_ptr<query::FieldReader>& fields() const { return fields_; }
  // When the folders' files are others than before, by name and size.
  void refresh();
  // In any case.
  void reload();

 private:
  RoleKeys(std::vector<std::string> folders, std::string wrapped_path)
      : folders_(std::move(folders)), wrapped_path_(std::move(wrapped_path)) {}
  std::string listing() const;
  Result<void> load();
  void load_or_keep();

  const std::vector<std::string> folders_;
  const std::string wrapped_path_;
  RootId root_{};
  std::string origin_;
  std::shared_ptr<query::FieldReader> fields_;
  std::mutex mutex_;  // guards what follows, and replacing
  std::string seen_;
};

}  // namespace khipu::mcp
