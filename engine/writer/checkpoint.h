// What is published: TABLE_HEAD statements, signed checkpoints in checkpoints.log, and the key-side state before them.
// Why, and the bytes: engine/FORMAT.md "Checkpoints". Not here: when one is due (checkpointing.cc).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/codec/statement.h"
#include "engine/os/file.h"
#include "engine/writer/committer.h"
#include "engine/writer/key_side.h"
#include "engine/writer/publisher.h"
#include "engine/writer/quarantine.h"

namespace khipu::writer {

inline constexpr std::string_view kCheckpointLogName = "checkpoints.log";
inline constexpr std::string_view kCheckpointName = "checkpoint";

// What the TABLE_HEADs say, and so what they do not say yet. Owner: the writer's thread.
class Spine {
 public:
  void replay(Row row, const codec::TableHead& head);
  // Behind replay: segments sealed since the last TABLE_HEAD of their table, and how much of meta is published.
  void start(const std::array<segment::Manifest, kTableCount>& manifests, uint64_t meta_published);
  void sealed(TableId table, const segment::ManifestEntry& entry);

  bool moved(const std::array<codec::TableState, kTableCount>& tables) const;
  // One for each table that moved; they are said from now on.
  std::vector<codec::TableHead> take_heads(const std::array<codec::TableState, kTableCount>& tables);
  void published(uint64_t meta_size) { meta_published_ = meta_size; }
  // Tables, as bits, whose TABLE_HEAD a crash left without its publication: the next one holds their notes as well.
  uint32_t take_owed() { return std::exchange(owed_, 0); }

 private:
  struct Said {
    uint64_t size = 0;
    std::optional<Row> row;  // of the newest TABLE_HEAD, where it was replayed
    SegmentNumber next;      // the first segment no TABLE_HEAD names
    std::vector<codec::SealedSegment> sealed;
  };
  std::array<Said, kTableCount> said_;
  uint64_t meta_published_ = 0;
  uint32_t owed_ = 0;
};

// Owner: one thread at a time.
class Checkpointer {
 public:
  // `state` is what the key side last signed; `accepted`: it is contradicted and an operator accepted that, so
  // checkpoints.log goes on from `line`. Sets a torn end of the log aside and issues a publication again that a crash
  // cut off. kCorrupt: the log does not hold what the key side knows was published.
  static Result<std::unique_ptr<Checkpointer>> open(os::Directory& root, os::Directory& keys, const Keys& signing,
                                                    const SignedState& state, Quarantine& quarantine);
  static Result<std::unique_ptr<Checkpointer>> open_accepted(os::Directory& root, os::Directory& keys,
                                                             const Keys& signing, const SignedState& line,
                                                             Quarantine& quarantine);

  // Tree files synced -> what is signed extends what was signed -> key-side state -> notes appended and synced ->
  // `checkpoint` -> HEAD synced. Afterwards the target's sizes may be claimed as tree_synced.
  Result<void> run(const CheckpointTarget& target, HeadFile& head);

  uint64_t number() const { return state_.checkpoint; }  // of the newest publication; 0: none
  const std::string& note() const { return note_; }      // meta's, which closed it

 private:
  Checkpointer(os::Directory& root, os::Directory& keys, const Keys& signing, const SignedState& state)
      : root_(root), keys_(keys), signing_(signing), state_(state) {}
  Result<void> open_files();
  Result<void> resume(Quarantine& quarantine);
  Result<void> sync_trees();
  Result<void> extends_signed(const codec::CommitRecord& commit);
  Result<void> check_front() const;
  Result<void> append(const std::string& notes);

  os::Directory& root_;
  os::Directory& keys_;
  const Keys& signing_;
  SignedState state_;
  std::unique_ptr<os::File> log_;
  uint64_t log_end_ = 0;
  std::string note_;
  // Descriptors of its own: fdatasync on them covers what the writer's thread wrote through others.
  std::array<std::unique_ptr<os::Directory>, kTableCount> tables_, trees_;
};

// The notes that publish `state`, in their order, as they stand in checkpoints.log.
std::vector<std::string> publication(const SignedState& state, const Keys& signing);

}  // namespace khipu::writer
