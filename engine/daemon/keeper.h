// The retention thread of `khipu serve`: finishes what an interrupted run left, enforces the policies on a timer of its
// own that no traffic can hold up, and carries out what operators ask for.
// Not here: the watch on the wall clock (the writer's), what may leave (engine/retention), how it leaves
// (engine/writer/retainer.h), who may ask (api.h).
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "engine/os/clock.h"
#include "engine/writer/retainer.h"

namespace khipu::daemon {

struct RetentionSettings {
  retention::Policy logs, access;
  int64_t interval_us = 300LL * 1000000;
  int64_t wait_us = 600LL * 1000000;  // for readers of older states, before files go under them
};

struct KeeperFacts {
  RetentionSettings settings;
  TimeUs last_run = 0;  // 0: not yet
  std::string last_error;
  uint64_t runs = 0, segments = 0, bytes = 0;  // since start
};

// Any thread; owns one.
class Keeper {
 public:
  // Its thread starts at once, with the sweep that finishes an interrupted run.
  static Result<std::unique_ptr<Keeper>> start(std::unique_ptr<os::Directory> root, writer::Writer& writer,
                                               os::Clock& clock, const RetentionSettings& settings);
  ~Keeper();  // stops the thread; what it has not unlinked yet is unlinked at the next start

  void set(const RetentionSettings& settings);
  KeeperFacts facts() const;

  Result<retention::Plan> plan(TableId table, const retention::Policy& policy) {
    return retainer_->plan(table, policy);
  }
  // Returns with the statement published; the files go on this object's thread.
  Result<writer::Retainer::Decision> decide(TableId table, const retention::Policy& policy, const std::string& by);
  // HOLD and CLOCK statements of operators.
  Result<CommitNumber> state(codec::Statement statement) { return writer_.append_and_publish(std::move(statement)); }

 private:
  Keeper(writer::Writer& writer, os::Clock& clock) : writer_(writer), clock_(clock) {}
  void run();
  void enforce();
  void sweep();
  bool pause(int64_t us);
  void failed(std::string_view what, const Error& error);

  writer::Writer& writer_;
  os::Clock& clock_;
  std::unique_ptr<writer::Retainer> retainer_;
  mutable std::mutex mutex_;  // guards the members below
  std::condition_variable moved_;
  KeeperFacts facts_;
  bool stopping_ = false, sweep_wanted_ = true, settings_new_ = false;
  std::thread thread_;
};

}  // namespace khipu::daemon
