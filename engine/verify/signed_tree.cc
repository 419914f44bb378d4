#include "engine/verify/signed_tree.h"

#include "engine/base/system_error.h"
#include "engine/segment/format.h"

namespace khipu::verify {
namespace {

bool is_other(os::Directory& folder, std::string_view name, os::EntryKind wanted) {
  const Result<std::optional<os::Entry>> entry = folder.stat(name);
  return entry.ok() && *entry && (*entry)->kind != wanted;
}

}  // namespace

bool tree_ruined(os::Directory& table, const Error& error) {
  if (error.code == Code::kNotFound || error.code == Code::kCorrupt) return true;
  if (!of_system(error)) return false;
  if (is_other(table, segment::kTreeName, os::EntryKind::kDirectory)) return true;
  const auto tree = table.open_directory(segment::kTreeName);
  if (!tree.ok()) return false;
  for (size_t level = 0; level < segment::kLevelFileCount; ++level) {
    if (is_other(**tree, segment::level_name(level), os::EntryKind::kFile)) return true;
  }
  return false;
}

Result<std::unique_ptr<os::File>> open_level(os::Directory& table, size_t level) {
  const auto open = [&]() -> Result<std::unique_ptr<os::File>> {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> tree, table.open_directory(segment::kTreeName));
    return tree->open_file(segment::level_name(level), os::Mode::kRead);
  };
  auto file = open();
  if (file.ok() || !tree_ruined(table, file.error())) return file;
  return Error{Code::kNotFound, std::move(file).error().message};
}

Result<std::optional<SignedTree>> SignedTree::open(os::Directory& table, const codec::TableState& state) {
  const auto open = [&]() -> Result<std::optional<SignedTree>> {
    KHIPU_TRY_ASSIGN(segment::LevelFiles levels, segment::LevelFiles::open(table, false));
    auto files = std::make_unique<Files>(std::move(levels));
    KHIPU_TRY_ASSIGN(std::optional<tree::Checker> checker, tree::Checker::open(state.size, state.root, files->source));
    if (!checker) return std::optional<SignedTree>();
    return std::optional(SignedTree(table, std::move(files), std::move(*checker)));
  };
  auto opened = open();
  if (opened.ok() || !tree_ruined(table, opened.error())) return opened;
  return std::optional<SignedTree>();
}

Result<bool> SignedTree::check(uint64_t row, const Hash& leaf) {
  const Result<bool> good = checker_.check(row, leaf, files_->source);
  if (good.ok() || !tree_ruined(*table_, good.error())) return good;
  return false;
}

Finding not_adding_up(TableId table, Row row, const codec::TableState& state) {
  Finding found;
  found.code = code::kTileMismatch;
  found.table = table;
  found.row = row;
  found.file = std::string(table_name(table)) + "/tree";
  found.expected = short_hash(state.root);
  found.detail = "the tree files do not add up to the signed root";
  return found;
}

}  // namespace khipu::verify
