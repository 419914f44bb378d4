// `khipu init`: the folders of an empty root, its keys, and commit 1 with GENESIS and the default types.
#include <fmt/format.h>

#include "engine/os/lock_file.h"
#include "engine/registry/schema.h"
#include "engine/writer/checkpoint.h"
#include "engine/writer/committer.h"
#include "engine/writer/publisher.h"
#include "engine/writer/recovery.h"
#include "engine/writer/sequencer.h"
#include "engine/writer/writer.h"

namespace khipu::writer {
namespace {

Result<void> check_origin(std::string_view origin) {
  const bool printable =
      std::all_of(origin.begin(), origin.end(), [](char c) { return c > ' ' && c < 0x7f && c != '+'; });
  if (origin.empty() || origin.size() > 100 || !printable) {
    return Error{Code::kInvalid,
                 "origin: 1 to 100 printable ASCII characters without space and '+', "
                 "such as example.org/audit"};
  }
  return {};
}

Result<void> make_folders(os::Directory& root) {
  for (const TableId table : kTables) {
    KHIPU_TRY(root.make_directory(table_name(table)));
    KHIPU_TRY_ASSIGN(auto directory, root.open_directory(table_name(table)));
    KHIPU_TRY(directory->make_directory(segment::kTreeName));
    KHIPU_TRY_ASSIGN(auto manifest, directory->open_file(segment::kManifestName, os::Mode::kCreate));
    KHIPU_TRY(manifest->sync());
    KHIPU_TRY(directory->sync());
  }
  for (const std::string_view name : {std::string_view("keys"), std::string_view("dlq"), segment::kQuarantineName}) {
    KHIPU_TRY(root.make_directory(name));
  }
  KHIPU_TRY(os::create_reader_slots(root));
  return root.sync();
}

}  // namespace

Result<void> initialize(Environment environment, const InitOptions& options) {
  KHIPU_TRY(check_origin(options.origin));
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, environment.root.list());
  for (const os::Entry& entry : entries) {
    if (entry.name == "LOCK") continue;
    return Error{Code::kConflict, fmt::format("{} is not empty (it holds {}); a log is made in an empty directory",
                                              environment.root.path(), entry.name)};
  }
  KHIPU_TRY_ASSIGN(const os::RootLock lock, os::RootLock::acquire(environment.root, "init", environment.clock.now()));
  const TimeUs now = environment.clock.now();
  KHIPU_TRY_ASSIGN(const Keys keys, create_keys(environment.keys, options.origin, now));
  SignedState state;
  environment.random.fill(state.root_id);
  KHIPU_TRY(save_state(environment.keys, state));
  KHIPU_TRY(make_folders(environment.root));

  KHIPU_TRY_ASSIGN(const Recovered recovered, recover(environment.root, keys, state));
  KHIPU_TRY_ASSIGN(auto committer, Committer::open(environment.root, keys, state.root_id, recovered, 32ULL << 20));
  Sequencer sequencer(keys.index, environment.clock, environment.random, 0);
  Pending pending;
  sequencer.begin({1});
  codec::Genesis genesis;
  genesis.root_id = state.root_id;
  genesis.origin = options.origin;
  genesis.verifier = keys.signing.public_key();
  KHIPU_TRY(sequencer.append_statement(genesis, pending));
  for (codec::TypeSchema& type : registry::default_types()) {
    KHIPU_TRY(sequencer.append_statement(codec::TypeStatement{std::move(type)}, pending));
  }
  KHIPU_TRY(committer->write_rows(pending));
  committer->sign(now);
  KHIPU_TRY_ASSIGN(Job job, committer->place_frame());
  KHIPU_TRY(sync_files(job));
  KHIPU_TRY_ASSIGN(auto head, HeadFile::open(environment.root, 0, 1));
  KHIPU_TRY(head->write(job.head));
  Quarantine quarantine(environment.root);
  KHIPU_TRY(quarantine.open());
  KHIPU_TRY_ASSIGN(auto checkpointer, Checkpointer::open(environment.root, environment.keys, keys, state, quarantine));
  KHIPU_TRY(checkpointer->run({job.commit, job.head, 0, 0}, *head));  // GENESIS and types: meta alone
  return environment.root.sync();
}

}  // namespace khipu::writer
