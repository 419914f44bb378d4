// Carries out retention: the RETENTION statement first, then the files (I8). The order of engine/FORMAT.md
// "Retention order": plan -> records checked against the signed root -> statement committed, synced, published -> tree
// files of the range synced -> HEAD's epoch raised -> older reader slots waited for -> segments unlinked -> directory
// synced. Not here: what may leave (engine/retention), when it is asked (engine/daemon, engine/cli).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "engine/base/result.h"
#include "engine/os/clock.h"
#include "engine/os/file.h"
#include "engine/retention/plan.h"
#include "engine/snapshot/store.h"
#include "engine/writer/writer.h"

namespace khipu::writer {

struct RetainerOptions {
  int64_t wait_us = 600LL * 1000000;  // for older reader slots; then segments go under them, and they answer PURGED
  // Lets so much time pass; false: told to stop, what is left is done at the next start. Tests move their clock here.
  std::function<bool(int64_t us)> pause;
};

// Borrows the writer. Any thread: one decision and one sweep at a time.
class Retainer {
 public:
  static Result<std::unique_ptr<Retainer>> open(std::unique_ptr<os::Directory> root, Writer& writer, os::Clock& clock,
                                                RetainerOptions options);

  void set_wait_us(int64_t wait_us) { wait_us_ = wait_us; }
  Result<retention::Plan> plan(TableId table, const retention::Policy& policy);
  struct Decision {
    retention::Plan plan;
    std::optional<CommitNumber> commit;  // with the RETENTION statement; nullopt when nothing leaves
  };
  // Up to the published statement. kCorrupt when a record that would leave does not match its leaf: evidence is not
  // purged. kConflict when a hold came first.
  Result<Decision> decide(TableId table, const retention::Policy& policy, const std::string& by);

  struct Swept {
    uint64_t segments = 0;
    uint64_t bytes = 0;
    bool waited_out = false;  // readers still held older slots when the wait was over
    bool stopped = false;     // told to stop before the end
  };
  // Unlinks every segment that a RETENTION statement covers and that is still there: what decide() decided, and what an
  // interrupted run left.
  Result<Swept> sweep();

 private:
  Retainer(Writer& writer, os::Clock& clock, RetainerOptions options)
      : writer_(writer), clock_(clock), options_(std::move(options)), wait_us_(options_.wait_us) {}
  struct Doomed;
  Result<codec::Retention> statement_for(const snapshot::Snapshot& snapshot, const retention::Plan& plan);
  Result<std::vector<Doomed>> doomed();
  Result<void> sync_trees(TableId table);
  Result<bool> wait_for_readers(Epoch epoch, Swept& swept);

  Writer& writer_;
  os::Clock& clock_;
  RetainerOptions options_;
  std::atomic<int64_t> wait_us_;
  std::unique_ptr<snapshot::Store> store_;
  std::mutex deciding_, sweeping_;  // a decision does not wait for the readers a sweep waits for
};

}  // namespace khipu::writer
