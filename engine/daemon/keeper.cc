#include "engine/daemon/keeper.h"

#include <chrono>
#include <utility>

#include "engine/daemon/log.h"

namespace khipu::daemon {

Result<std::unique_ptr<Keeper>> Keeper::start(std::unique_ptr<os::Directory> root, writer::Writer& writer,
                                              os::Clock& clock, const RetentionSettings& settings) {
  std::unique_ptr<Keeper> keeper(new Keeper(writer, clock));
  keeper->facts_.settings = settings;
  writer::RetainerOptions options;
  options.wait_us = settings.wait_us;
  options.pause = [raw = keeper.get()](int64_t us) { return raw->pause(us); };
  KHIPU_TRY_ASSIGN(keeper->retainer_, writer::Retainer::open(std::move(root), writer, clock, options));
  keeper->thread_ = std::thread([raw = keeper.get()] { raw->run(); });
  return keeper;
}

Keeper::~Keeper() {
  {
    const std::lock_guard hold(mutex_);
    stopping_ = true;
  }
  moved_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Keeper::set(const RetentionSettings& settings) {
  {
    const std::lock_guard hold(mutex_);
    facts_.settings = settings;
    settings_new_ = true;
  }
  retainer_->set_wait_us(settings.wait_us);
  moved_.notify_all();
}

KeeperFacts Keeper::facts() const {
  const std::lock_guard hold(mutex_);
  return facts_;
}

bool Keeper::pause(int64_t us) {
  std::unique_lock hold(mutex_);
  moved_.wait_for(hold, std::chrono::microseconds(us), [&] { return stopping_; });
  return !stopping_;
}

Result<writer::Retainer::Decision> Keeper::decide(TableId table, const retention::Policy& policy,
                                                  const std::string& by) {
  KHIPU_TRY_ASSIGN(writer::Retainer::Decision decision, retainer_->decide(table, policy, by));
  if (decision.commit) {
    const std::lock_guard hold(mutex_);
    sweep_wanted_ = true;
    moved_.notify_all();
  }
  return decision;
}

void Keeper::run() {
  using Steady = std::chrono::steady_clock;
  Steady::time_point next = Steady::now();
  std::unique_lock hold(mutex_);
  while (!stopping_) {
    moved_.wait_until(hold, next, [&] { return stopping_ || sweep_wanted_ || settings_new_; });
    if (stopping_) break;
    const bool due = settings_new_ || Steady::now() >= next;
    const bool sweeping = std::exchange(sweep_wanted_, false);
    settings_new_ = false;
    hold.unlock();
    if (sweeping) sweep();
    if (due) enforce();
    hold.lock();
    if (due) next = Steady::now() + std::chrono::microseconds(facts_.settings.interval_us);
  }
}

void Keeper::enforce() {
  const RetentionSettings settings = facts().settings;
  bool decided = false;
  for (const TableId table : {TableId::kLogs, TableId::kAccess}) {
    const retention::Policy& policy = table == TableId::kLogs ? settings.logs : settings.access;
    if (policy.empty()) continue;
    const Result<writer::Retainer::Decision> decision = retainer_->decide(table, policy, "policy of khipu serve");
    if (!decision.ok()) {
      failed(table_name(table), decision.error());
    } else if (decision->commit) {
      decided = true;
      log(Level::kInfo, "retention decided",
          {{"table", table_name(table)},
           {"rows", std::to_string(decision->plan.rows)},
           {"bytes", std::to_string(decision->plan.bytes)},
           {"policy", retention::text(policy)},
           {"commit", std::to_string(decision->commit->value)}});
    }
  }
  {
    const std::lock_guard hold(mutex_);
    ++facts_.runs;
    facts_.last_run = clock_.now();
  }
  if (decided) sweep();
}

void Keeper::sweep() {
  const Result<writer::Retainer::Swept> swept = retainer_->sweep();
  if (!swept.ok()) return failed("unlinking", swept.error());
  if (swept->segments > 0 || swept->waited_out) {
    log(swept->waited_out ? Level::kWarning : Level::kInfo, "retention unlinked segments",
        {{"segments", std::to_string(swept->segments)},
         {"bytes", std::to_string(swept->bytes)},
         {"readers", swept->waited_out ? "still there when the wait was over" : "gone"}});
  }
  const std::lock_guard hold(mutex_);
  facts_.segments += swept->segments;
  facts_.bytes += swept->bytes;
}

void Keeper::failed(std::string_view what, const Error& error) {
  log(Level::kError, "retention failed", {{"what", std::string(what)}, {"reason", error.message}});
  const std::lock_guard hold(mutex_);
  facts_.last_error = std::string(what) + ": " + error.message;
}

}  // namespace khipu::daemon
