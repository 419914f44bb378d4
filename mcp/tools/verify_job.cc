#include "mcp/tools/verify_job.h"

#include <chrono>

namespace khipu::mcp::tools {
namespace {

constexpr int64_t kForgottenMs = 60000;  // nobody asked for so long: the verification ends
constexpr auto kTick = std::chrono::milliseconds(50);

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

VerifyJob::~VerifyJob() { stop(); }

void VerifyJob::stop() {
  if (!work_) return;
  work_->cancelled = true;
  work_->thread.join();
  work_.reset();
}

void VerifyJob::start(const std::string& key, const verify::Options& options) {
  work_ = std::make_unique<Work>();
  Work& work = *work_;
  work.key = key;
  work.options = options;
  work.asked_ms = now_ms();
  work.options.cancelled = &work.cancelled;
  work.options.progress = [&work](uint64_t done, uint64_t total) {
    work.done_bytes = done;
    work.total_bytes = total;
    if (now_ms() - work.asked_ms > kForgottenMs) work.cancelled = true;
  };
  work.thread = std::thread([this, &work] {
    Result<verify::Report> report = verify::run(root_, work.options);
    const std::lock_guard lock(mutex_);
    work.report = std::move(report);
    changed_.notify_all();
  });
}

VerifyJob::Outcome VerifyJob::wait(const std::string& key, const verify::Options& options, int64_t wait_ms,
                                   server::CallContext& context) {
  const int64_t until = now_ms() + wait_ms;
  std::unique_lock lock(mutex_);
  // A verdict that nobody fetched for so long is one about the past.
  if (work_ && work_->report && work_->waiting == 0 && now_ms() - work_->asked_ms > kForgottenMs) stop();
  while (work_ && (work_->key != key || work_->cancelled)) {
    if (work_->waiting > 0) return {Outcome::Kind::kBusy, {}, 0, 0};
    work_->cancelled = true;  // it looks at this after every block
    changed_.wait(lock, [&] { return !work_ || work_->report.has_value() || work_->waiting > 0; });
    if (work_ && work_->report && work_->waiting == 0) stop();
  }
  if (!work_) start(key, options);
  Work& work = *work_;
  ++work.waiting;
  while (!work.report && now_ms() < until && !context.stop().stop_requested()) {
    changed_.wait_for(lock, kTick);
    work.asked_ms = now_ms();
    const auto done = static_cast<double>(work.done_bytes), total = static_cast<double>(work.total_bytes);
    lock.unlock();
    context.progress({done, total, "bytes read"});
    lock.lock();
  }
  --work.waiting;
  Outcome outcome;
  if (work.report) {
    outcome.kind = Outcome::Kind::kDone;
    outcome.report = work.report;  // several callers may have waited for it
    if (work.waiting == 0) stop();
    return outcome;
  }
  outcome.done_bytes = work.done_bytes;
  outcome.total_bytes = work.total_bytes;
  if (context.stop().stop_requested() && work.waiting == 0) work.cancelled = true;
  return outcome;
}

}  // namespace khipu::mcp::tools
