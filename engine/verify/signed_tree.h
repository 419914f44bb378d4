// Tree files of a table under a signed root, for who reads single rows; and level files for who reads runs of hashes.
// Files that are cut, gone, or no files are evidence as a wrong hash is; what the system would not give is an Error.
// Internal to this room.
#pragma once

#include <memory>
#include <optional>

#include "engine/codec/record.h"
#include "engine/os/file.h"
#include "engine/tree/tree.h"
#include "engine/verify/level_source.h"
#include "engine/verify/report.h"

namespace khipu::verify {

// kNotFound also when something that is no file, or no folder, has the name.
Result<std::unique_ptr<os::File>> open_level(os::Directory& table, size_t level);
// The files are cut, gone, or no files, as `error` of reading them shows.
bool tree_ruined(os::Directory& table, const Error& error);

// Owner: one thread.
class SignedTree {
 public:
  // nullopt: the files do not add up to the root.
  static Result<std::optional<SignedTree>> open(os::Directory& table, const codec::TableState& state);
  // Do they lead from this leaf to the root?
  Result<bool> check(uint64_t row, const Hash& leaf);

 private:
  struct Files {
    explicit Files(segment::LevelFiles opened) : levels(std::move(opened)) {}
    segment::LevelFiles levels;
    LevelSource source{levels};
  };
  SignedTree(os::Directory& table, std::unique_ptr<Files> files, tree::Checker checker)
      : table_(&table), files_(std::move(files)), checker_(std::move(checker)) {}
  os::Directory* table_;
  std::unique_ptr<Files> files_;
  tree::Checker checker_;
};
// What open() gave nullopt for.
Finding not_adding_up(TableId table, Row row, const codec::TableState& state);

}  // namespace khipu::verify
