// `khipu export-tlog`: a table's tree as files that any static file server can hand out (c2sp.org/tlog-tiles).
#include <nlohmann/json.hpp>

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/query_access.h"
#include "engine/cli/root.h"
#include "engine/os/file.h"
#include "engine/snapshot/checkpoints.h"
#include "engine/tree/checkpoint_log.h"
#include "engine/tree/tile_path.h"
#include "engine/tree/tree.h"

namespace khipu::cli {
namespace {

constexpr size_t kEntrySizeMax = 65535;  // the length in front of an entry has two bytes

// Files below the folder, made with the folders in between. What is there already is compared, never changed.
class TileFiles {
 public:
  explicit TileFiles(os::Directory& top) : top_(top) {}

  Result<void> put(const tree::TilePath& path, Bytes content) {
    const std::string text = tree::format_tile_path(path);
    const size_t slash = text.rfind('/');
    KHIPU_TRY(enter(text.substr(0, slash)));
    const std::string name = text.substr(slash + 1);
    KHIPU_TRY_ASSIGN(const auto entry, folder_->stat(name));
    if (entry && entry->size == content.size()) {
      KHIPU_TRY_ASSIGN(const auto file, folder_->open_file(name, os::Mode::kRead));
      KHIPU_TRY_ASSIGN(const Buffer there, file->read_all(content.size()));
      if (std::equal(there.begin(), there.end(), content.begin(), content.end())) return {};
      return Error{Code::kConflict, text + ": the folder holds another log's, or another past of this one"};
    }
    // A file of another size is what a crash left: tiles never change their size under one name.
    KHIPU_TRY_ASSIGN(const auto file, folder_->open_file(name + ".new", os::Mode::kCreate, 0644));
    KHIPU_TRY(file->truncate(0));
    KHIPU_TRY(file->write_at(0, content));
    KHIPU_TRY(folder_->rename(name + ".new", name));
    ++written_;
    return {};
  }
  uint64_t written() const { return written_; }

 private:
  Result<void> enter(const std::string& path) {
    if (path == path_ && folder_) return {};
    std::unique_ptr<os::Directory> folder;
    for (size_t from = 0; from < path.size();) {
      const size_t end = std::min(path.find('/', from), path.size());
      const std::string name = path.substr(from, end - from);
      os::Directory& parent = folder ? *folder : top_;
      KHIPU_TRY(parent.make_directory(name, 0755));
      KHIPU_TRY_ASSIGN(auto next, parent.open_directory(name));
      folder = std::move(next);
      from = end + 1;
    }
    folder_ = std::move(folder);
    path_ = path;
    return {};
  }
  os::Directory& top_;
  std::string path_;
  std::unique_ptr<os::Directory> folder_;
  uint64_t written_ = 0;
};

// The newest published checkpoint of the table that the snapshot reaches, its signature checked.
Result<tree::PublishedNote> newest_published(snapshot::Store& store, const snapshot::Snapshot& snapshot,
                                             TableId table) {
  const std::string& origin = snapshot.genesis().origin;
  std::optional<tree::PublishedNote> newest;
  const std::string_view wanted = table == TableId::kMeta ? "" : table_name(table);
  const auto take = [&](uint64_t, tree::Publication& publication) {
    for (tree::PublishedNote& note : publication.notes) {
      if (note.table(origin) == wanted && note.checkpoint.size <= snapshot.size(table)) newest = std::move(note);
    }
    return true;
  };
  KHIPU_TRY(snapshot::each_publication(store.root(), origin, snapshot::CheckpointLogPart::kTail, take));
  if (!newest) KHIPU_TRY(snapshot::each_publication(store.root(), origin, snapshot::CheckpointLogPart::kAll, take));
  if (!newest) {
    return Error{Code::kNotFound, std::string("no checkpoint of ") + table_name(table) +
                                      " has been published yet: a running writer publishes within a second"};
  }
  // A table's checkpoints are signed under the table's origin as key name (C2SP tlog-policy).
  tree::VerifierKey key{newest->checkpoint.origin, tree::KeyType::kEd25519, snapshot.genesis().verifier};
  if (store.options().verifier_key) key.key = *store.options().verifier_key;
  if (!tree::verify_note(newest->note, {key}).accepted()) {
    return Error{Code::kCorrupt, std::string("sig-bad: the newest published checkpoint of ") + table_name(table)};
  }
  return *std::move(newest);
}

class ExportTlogCommand final : public Command {
 public:
  std::string name() const override { return "export-tlog"; }
  std::string summary() const override {
    return "Write a table's tree in the C2SP tlog-tiles layout, for any file server";
  }
  std::string details() const override {
    return "DIR gets `checkpoint` (the newest published one of the table), and hashes in tile/L/NNN and "
           "tile/L/NNN.p/W:\n"
           "what tlog clients and witnesses read over HTTP. Hashes tell nothing of the events; --entries adds the "
           "records\n"
           "themselves (tile/entries/NNN), with all their content.\n"
           "Run it again when the log has grown: what is there is compared, and refused when it differs; the "
           "checkpoint\n"
           "is replaced last.\n\n"
           "Examples:\n"
           "  khipu export-tlog /var/lib/khipu/main /srv/www/audit\n"
           "  khipu export-tlog /var/lib/khipu/main /srv/www/audit-meta --table meta --entries\n\n"
           "Exit codes: 0 written, 3 usage, I/O, or nothing is published yet.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "directory of the log");
    arguments.required("DIR", directory_, "where to write; made when absent");
    arguments.choice("--table", table_, {"logs", "meta", "registry", "access"}, "whose tree; default logs");
    arguments.flag("--entries", entries_, "write the records as well: they carry content in clear");
    arguments.text("--key", key_, "KEY", kVerifierKeyHelp);
  }

  Result<Exit> run(Output& output) override {
    KHIPU_TRY(refuse_inside_log(directory_, "the exported tree", root_));
    KHIPU_TRY_ASSIGN(const QueryAccess access, open_query_access(root_, key_));
    KHIPU_TRY_ASSIGN(const auto snapshot, access.store->snapshot());
    TableId table = TableId::kLogs;
    for (const TableId one : kTables) {
      if (table_ == table_name(one)) table = one;
    }
    KHIPU_TRY_ASSIGN(const tree::PublishedNote head, newest_published(*access.store, *snapshot, table));
    const uint64_t size = head.checkpoint.size;
    KHIPU_TRY_ASSIGN(const auto hashes, snapshot->hashes(table));
    KHIPU_TRY_ASSIGN(const Hash root, tree::root_at(size, *hashes));
    if (root != head.checkpoint.root) {
      return Error{Code::kCorrupt, "tile-mismatch: the tree files do not make the published root"};
    }
    KHIPU_TRY_ASSIGN(const auto top, os::create_directory(directory_, 0755));
    TileFiles files(*top);
    KHIPU_TRY(write_hashes(files, *hashes, size));
    if (entries_) KHIPU_TRY(write_entries(files, *snapshot, table, size));
    KHIPU_TRY(top->replace_file("checkpoint", as_bytes(tree::format_note(head.note)), 0644));
    if (output.json()) {
      output.document({{"schema", "khipu.export-tlog/v1"},
                       {"table", table_},
                       {"directory", directory_},
                       {"tree_size", size},
                       {"files_written", files.written()}});
    } else {
      output.note(std::to_string(files.written()) + " files written, tree size " + std::to_string(size));
    }
    return Exit::kOk;
  }

 private:
  // Calls `one(path, first, count)` for the tiles that `count` hashes or entries fill.
  template <typename One>
  static Result<void> each_tile(std::optional<unsigned> level, uint64_t count, One one) {
    for (uint64_t index = 0; index * tree::kTileWidth < count; ++index) {
      const uint64_t first = index * tree::kTileWidth;
      const auto width = static_cast<unsigned>(std::min<uint64_t>(tree::kTileWidth, count - first));
      KHIPU_TRY(one(tree::TilePath{level, index, width}, first, width));
    }
    return {};
  }
  static Result<void> write_hashes(TileFiles& files, tree::HashSource& source, uint64_t size) {
    for (unsigned level = 0; level < tree::kLevelCount; ++level) {
      const auto write = [&](const tree::TilePath& path, uint64_t first, unsigned width) -> Result<void> {
        std::vector<Hash> hashes(width);
        KHIPU_TRY(source.read(level, first, hashes));
        Buffer bytes;
        // The root above it was read, and so was what it is made of: a tile that was changed is not given away.
        if (width == tree::kTileWidth && level + 1 < tree::kLevelCount) {
          Hash above{};
          KHIPU_TRY(source.read(level + 1, path.index, std::span(&above, 1)));
          if (tree::root_of(hashes) != above) {
            return Error{Code::kCorrupt, "tile-mismatch: " + tree::format_tile_path(path) +
                                             " does not make the hash above it: run khipu verify"};
          }
        }
        for (const Hash& hash : hashes) append(bytes, hash);
        return files.put(path, bytes);
      };
      KHIPU_TRY(each_tile(level, tree::Builder::complete(size, level), write));
    }
    return {};
  }
  static Result<void> write_entries(TileFiles& files, const snapshot::Snapshot& snapshot, TableId table,
                                    uint64_t size) {
    Progress progress("exporting");
    return each_tile(
        std::nullopt, size, [&](const tree::TilePath& path, uint64_t first, unsigned width) -> Result<void> {
          Buffer bytes;
          for (uint64_t row = first; row < first + width; ++row) {
            KHIPU_TRY_ASSIGN(const snapshot::CheckedRecord record, snapshot.record(table, {row}));
            if (!record.intact) return Error{Code::kCorrupt, record.where + ": " + record.finding};
            if (record.payload.size() > kEntrySizeMax) {
              return Error{Code::kLimit, record.where + ": over 65,535 bytes, which an entry bundle cannot hold"};
            }
            bytes.push_back(static_cast<uint8_t>(record.payload.size() >> 8));
            bytes.push_back(static_cast<uint8_t>(record.payload.size()));
            append(bytes, record.payload);
          }
          progress.update(first + width, size);
          return files.put(path, bytes);
        });
  }

  std::string root_, directory_, table_ = "logs", key_;
  bool entries_ = false;
};

}  // namespace

std::unique_ptr<Command> make_export_tlog_command() { return std::make_unique<ExportTlogCommand>(); }

}  // namespace khipu::cli
