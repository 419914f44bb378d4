// The writer's insides: what its threads share and what each owns. Only the files of this room include it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "engine/index/merged.h"
#include "engine/os/lock_file.h"
#include "engine/protect/sealer.h"
#include "engine/writer/checkpoint.h"
#include "engine/writer/committer.h"
#include "engine/writer/indexer.h"
#include "engine/writer/publisher.h"
#include "engine/writer/recovery.h"
#include "engine/writer/registry_rows.h"
#include "engine/writer/sequencer.h"
#include "engine/writer/writer.h"

namespace khipu::writer {

using Steady = std::chrono::steady_clock;

// The wall clock may be corrected by less, as time services do: that moves no record past a limit that counts in days.
inline constexpr int64_t kClockStepUs = 10 * 1000000;

struct Submission {
  ingest::Batch batch;
  Refused refused;
  Answer answer;
  uint64_t events = 0;
  uint64_t size_bytes = 0;
  Steady::time_point since;
};

// Runs of an active segment, as far as they were made.
struct GrowingRuns {
  SegmentNumber segment;
  Row first_row;                                  // of the segment
  std::vector<codec::IndexStatement> made;        // run K is made[K]
  Row next;                                       // behind them
  uint64_t offset = 0;                            // where the rows behind them begin; 0: not known
  bool broken = false;                            // one could not be made: no more of this segment in this life
  std::optional<Steady::time_point> ready_since;  // the next one's rows were all committed then
};

// Three threads beside the callers'. The writer's: queue -> sequence, encode, hash -> rows -> frame. The sync thread:
// fdatasync -> HEAD -> answers. The checkpointer's: tree files, key-side state, checkpoints.log, HEAD sync. So the rows
// of a commit are written while the one before it syncs; its frame only after that sync has returned.
//
// Under policy `always` commits line up for the sync thread, one deep: it writes the frame of the next as soon as it is
// done, and wakes nobody for it. With nothing waiting and nothing syncing there is nothing to overlap, and each
// hand-over between threads costs as much as the commit's own work: then whoever waits for the answer takes both roles
// for one commit (commit_here), and the writer's thread syncs a lone submission itself. "The writer's thread" below is
// whoever has the role; it changes hands under the mutex only.
struct Writer::Impl {
  explicit Impl(Environment environment_) : environment(environment_) {}

  Environment environment;
  Options options;  // guarded by mutex
  std::optional<os::RootLock> lock, keys_lock;
  std::unique_ptr<os::File> held_head;
  std::optional<Keys> keys;
  RootId root_id{};
  RecoveryReport recovery;
  std::unique_ptr<RegistryRows> registry_rows;  // the writer's thread, like what asks it:
  std::unique_ptr<Sequencer> sequencer;         // the writer's thread
  std::unique_ptr<Committer> committer;         // the writer's thread
  std::unique_ptr<HeadFile> head_file;
  std::unique_ptr<IdempotencyLog> idempotency;  // whoever syncs the commit appends; else as checkpointer
  std::unique_ptr<Checkpointer> checkpointer;   // the checkpointer's thread, at the end close()

  // Guarded by protect_mutex, which is taken before `mutex`. key_log: until there is a sealer.
  std::mutex protect_mutex;
  protect::KeyLog key_log;
  std::unique_ptr<os::Directory> wrapped_keys;  // ROOT/keys
  std::unique_ptr<protect::Sealer> sealer;      // from the first protected value on

  mutable std::mutex mutex;
  std::condition_variable queue_moved, sync_moved, checkpoint_moved, checkpoint_made, index_moved;
  // Guarded by mutex:
  std::deque<Submission> queue;
  uint64_t queued_events = 0, queued_size_bytes = 0;
  bool stopping = false;  // no more submissions
  bool writer_done = false, sync_done = false;
  std::string poisoned;
  std::shared_ptr<const registry::Schema> schema;
  std::shared_ptr<const Rules> rules;
  bool writer_commits = false;  // the writer's thread has taken submissions
  bool caller_commits = false;  // a caller has taken the writer's role (commit_here): its thread waits
  std::optional<Job> syncing;   // handed to the sync thread, not taken yet
  bool sync_idle = true;        // none handed to it that it is not done with
  Job published;                // the last commit whose HEAD was written
  Epoch epoch;                  // retention's: of every HEAD from now on
  // Checkpoints: asked for and answered, counted; one at a time is on its way from its commit to its publication.
  uint64_t checkpoints_wanted = 0, checkpoints_done = 0;
  bool checkpoint_at_once = false;  // behind a seal, and at the end
  bool publishing = false;
  std::optional<CheckpointTarget> to_publish;  // handed to the checkpointer
  bool checkpoints_over = false;
  uint64_t checkpoint_number = 0;
  std::string checkpoint_note;
  Steady::time_point checkpoint_next;
  std::array<uint64_t, kTableCount> tree_synced{};
  uint64_t commits = 0, events = 0;
  std::map<std::pair<TableId, SegmentNumber>, codec::IndexStatement> indexes;  // as stated
  std::array<uint64_t, kTableCount> index_next{};                              // sealed segments below it were seen to
  std::map<std::tuple<TableId, SegmentNumber, SegmentNumber>, codec::IndexStatement> merged;  // by first and last
  std::array<std::array<uint64_t, index::kMergeLevels>, kTableCount> merge_next{};  // ranges below it were seen to
  std::array<GrowingRuns, kTableCount> runs;                                        // of the active segments
  bool runs_wanted = false;                                                         // whatever their age
  std::map<std::pair<TableId, SegmentNumber>, std::vector<std::string>> run_files;  // of segments without an index
  std::vector<std::pair<TableId, std::string>> superseded;  // files of runs that an INDEX statement has replaced

  std::string index_error;                       // why the newest one that failed could not be built
  std::atomic<uint64_t> indexes_unanswered = 0;  // INDEX statements queued, not yet durable
  std::thread writer_thread, sync_thread, checkpoint_thread, index_thread;
  bool closed = false;

  Result<void> open(Options opened_with);
  Result<void> replay(const Recovered& recovered);
  Result<void> open_registry(const Recovered& recovered);
  Result<void> replay_versions(const SegmentRows& segment, Row from);
  void note_index(const codec::IndexStatement& stated);
  Result<bool> open_checkpoints(const Recovered& recovered, const SignedState& state, bool state_lost);
  Result<void> first_commit(const SignedState& state, bool rolled_back);
  void start_threads();
  Result<void> open_sealer();
  Result<void> note_keys(const codec::Statement& statement);
  void end_session_when_over();
  Result<void> close();
  Result<void> finish_files();

  void write_loop();
  std::vector<Submission> take();
  enum class Sync { kPipelined, kHere };
  Result<void> commit(std::vector<Submission> taken, Sync sync);
  bool may_commit_here() const;
  void commit_here(Submission submission);
  void fail(const Error& error);
  Result<void> wait_for_sync();
  Result<void> wait_for_turn();
  void sync_loop();
  Result<void> finish(Job job);
  Result<void> make_durable(Job& job);
  void index_loop();
  Result<void> hold_head();
  // The next sealed segment that has not been seen to.
  struct ToIndex {
    TableId table;
    SegmentNumber number;
    std::optional<RunPlace> run;  // absent: all of a sealed segment
  };
  std::optional<ToIndex> to_index() const;
  bool note_runs();
  std::optional<Steady::time_point> run_due() const;
  Result<void> index_one(const ToIndex& what, std::unique_lock<std::mutex>& hold);
  struct ToMerge {
    TableId table = TableId::kLogs;
    index::MergedName name;
  };
  std::optional<ToMerge> to_merge() const;
  Result<void> merge_one(const ToMerge& what, std::unique_lock<std::mutex>& hold);
  void state_index(codec::IndexStatement statement);
  Result<void> look_after_runs(std::unique_lock<std::mutex>& hold);
  Result<void> remove_superseded(std::unique_lock<std::mutex>& hold);
  Result<Epoch> raise_epoch();
  void checkpoint_loop();
  bool checkpoint_due() const;
  Result<void> make_checkpoint();
  Result<void> last_checkpoint();
  void publish_target(CheckpointTarget target);
  Result<void> publish();
  void watch_clock();
  void note_clock_step(int64_t step_us);
  Result<void> seal();
  void poison(const Error& error);
  Error poison_error() const;

  // The writer's thread: what the open commit of policy `os` has gathered.
  Pending pending;
  std::vector<std::function<void(const Error*)>> answers;
  std::vector<Answered> answered;
  uint64_t uncommitted_events = 0;
  Steady::time_point uncommitted_since;
  // The writer's thread: what the next checkpoint will state.
  Spine spine;
  std::vector<codec::Statement> own_statements;
  int64_t clock_offset = 0;  // wall clock less time since boot
  Steady::time_point heartbeat_next;
};

}  // namespace khipu::writer
