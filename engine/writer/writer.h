// The one owner that appends: holds LOCK, orders events, signs commits, publishes HEAD, answers when durable.
// The commit protocol is engine/FORMAT.md "Commit order" and "Recovery".
// Not here: who may submit (engine/daemon), formats (engine/import).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/statement.h"
#include "engine/crypto/signature.h"
#include "engine/ingest/event.h"
#include "engine/os/clock.h"
#include "engine/os/file.h"
#include "engine/registry/schema.h"
#include "engine/segment/format.h"

namespace khipu::writer {

enum class SyncPolicy {
  kAlways,  // a commit for each submission, synced before it is answered
  kGroup,   // a commit when `group_events` wait or the oldest has waited `group_interval_us`
  kOs,      // answered at once with durable = false; synced and published every second
};

struct Options {
  SyncPolicy sync = SyncPolicy::kGroup;
  uint32_t group_events = 1000;
  int64_t group_interval_us = 5000;
  uint64_t segment_size_bytes = 32ULL << 20;  // a segment is sealed behind the first commit that reaches this
  uint64_t queue_events_max = 65536;          // waiting events; more are kBusy
  uint64_t queue_size_bytes_max = 256ULL << 20;
  uint64_t idempotency_keys_max = 1ULL << 20;
  int64_t idempotency_window_us = 24LL * 3600 * 1000000;
  // For who has no configuration: of these two and what was configured last (kept in idempotency.log) the larger one
  // counts, and what was configured stays kept.
  bool keeps_idempotency_bounds = false;
  int64_t checkpoint_interval_us = 1000000;          // between checkpoints while something moves
  int64_t heartbeat_interval_us = 3600LL * 1000000;  // silence is signed after so long
  ingest::Limits limits;
  bool index_segments = true;      // sealed segments get an index, in the background, and what still grows gets runs
  uint32_t index_run_rows = 8192;  // of logs/ and registry/: a run whenever so many rows more are committed
  int64_t index_run_age_us = 1000000;  // and this old: what is sealed sooner has no use for one
  std::string role = "serve";          // said in LOCK
  // `khipu recover --accept-rollback`: what the key side remembers is lost, an operator says why, and a ROLLBACK
  // statement says it for ever. kInvalid when there is nothing to accept.
  struct AcceptRollback {
    std::string reason, by;
  };
  std::optional<AcceptRollback> accept_rollback;
};

// What the writer needs from outside; borrowed, outlives it.
struct Environment {
  os::Directory& root;
  os::Directory& keys;  // ROOT.keys: signing seed, index key, last signed state
  os::Clock& clock;
  os::Random& random;
};

// `khipu init`: makes an empty root, its keys folder's files, and commit 1 (GENESIS and the default types).
// kConflict when the root already holds a log. Directories exist and are empty (keys may hold earlier keys: refused).
struct InitOptions {
  std::string origin;
};
Result<void> initialize(Environment environment, const InitOptions& options);

struct Receipt {
  Row first_seq;           // of the batch's first event
  uint64_t count = 0;      // events: seqs [first_seq, first_seq + count)
  std::vector<Row> seqs;   // only when events of the batch carry keys of their own; one an event
  bool durable = true;     // false under policy os
  bool duplicate = false;  // answered from the idempotency window: nothing was added
  CommitNumber commit;
};
using Answer = std::function<void(Result<Receipt>)>;  // called once, on a thread of the writer; must not block

struct RecoveryReport {
  CommitNumber line;                     // the last valid commit
  uint64_t rewritten_bytes = 0;          // made durable again
  std::vector<std::string> quarantined;  // files under quarantine/
};

struct Status {
  segment::Head head;  // last published
  uint64_t queued_events = 0;
  uint64_t commits = 0, events = 0;  // since open
  std::string poisoned;              // why, or empty
  RecoveryReport recovery;
  uint64_t checkpoint = 0;      // number of the newest published one
  std::string checkpoint_note;  // meta's: a C2SP signed note
  std::string index_error;      // why a segment has no index, or empty: it is scanned, and the next start tries again
};

struct Refused;

// Owner: whoever opened it; submit(), status() and schema() from any thread.
class Writer {
 public:
  // Takes the lock, recovers, replays. kLocked, kCorrupt (evidence: refuses and says where), kUnsupported.
  static Result<std::unique_ptr<Writer>> open(Environment environment, Options options);
  ~Writer();  // close() without its Result

  // Validates on the caller's thread, queues, and later calls `answer`. Errors of validation, kBusy, kPoisoned and
  // kConflict (idempotency) arrive through `answer` as well, possibly before submit returns.
  void submit(ingest::Batch batch, Answer answer);
  Result<Receipt> submit_and_wait(ingest::Batch batch);  // under policy `always` it may commit on the caller's thread

  // One statement of the log's own, in a commit and then in a published checkpoint when this returns; gives the commit.
  // kConflict, kNotFound: what came before forbids it (rules.h). Not for producers: their statements come with
  // submit().
  Result<CommitNumber> append_and_publish(codec::Statement statement);
  // Until a published checkpoint covers all that is committed now. Waits for a commit and six syncs, not for the
  // timer.
  Result<void> publish();

  // Until every sealed segment has its index, every run is made whatever its age, and the statements about them are
  // durable, or the writer ends.
  void wait_until_indexed();
  // Commits what waits, syncs, writes the key-side state and lets go of LOCK; later submissions are kPoisoned.
  Result<void> close();
  // Changes of settings that need no reopening: sync policy, group, queue, limits, idempotency window.
  void reconfigure(const Options& options);

  std::shared_ptr<const registry::Schema> schema() const;
  Status status() const;
  const RootId& root_id() const;

  // For retention (retainer.h): from now on HEAD names a greater retention epoch whose reader slot nobody holds (when
  // one of the 31 is free): who holds another slot may need what was committed before. Synced.
  Result<Epoch> raise_epoch();

 private:
  Writer();
  Result<void> prepare(ingest::Batch& batch, Refused& refused);
  Result<void> protect(ingest::Batch& batch, const registry::Schema& schema);
  enum class Entry { kQueue, kMayBlock, kOwn };  // kOwn: the log's own statements, which no limit refuses
  void enter(ingest::Batch batch, Refused refused, Answer answer, Entry entry);
  Result<Receipt> wait_for_answer(ingest::Batch batch, Refused refused);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace khipu::writer
