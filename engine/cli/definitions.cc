#include "engine/cli/definitions.h"

#include "engine/cli/writer_access.h"
#include "engine/snapshot/store.h"

namespace khipu::cli {

Result<registry::Schema> current_schema(const std::string& root) {
  KHIPU_TRY_ASSIGN(std::unique_ptr<os::Directory> directory, os::open_directory(root));
  KHIPU_TRY_ASSIGN(const std::unique_ptr<snapshot::Store> store, snapshot::Store::open(std::move(directory)));
  KHIPU_TRY_ASSIGN(const std::shared_ptr<const snapshot::Snapshot> snapshot, store->snapshot());
  return snapshot->schema();
}

Result<void> commit_statements(const std::string& root, const std::string& keys, const std::string& network_filesystem,
                               std::vector<codec::Statement> statements, std::vector<codec::Statement> changes) {
  if (statements.empty() && changes.empty()) return {};
  KHIPU_TRY_ASSIGN(const std::unique_ptr<WriterAccess> writer,
                   WriterAccess::open(root, keys, "types", network_filesystem));
  for (std::vector<codec::Statement>* const some : {&statements, &changes}) {
    if (some->empty()) continue;
    ingest::Batch batch;
    batch.changes_rules = some == &changes;
    batch.adds_fields = true;
    batch.statements = std::move(*some);
    KHIPU_TRY(writer->commit(std::move(batch)));
  }
  return writer->close();
}

}  // namespace khipu::cli
