#include "mcp/tools/verify_job.h"

#include <algorithm>
#include <chrono>

namespace khipu::mcp::tools {
namespace {

constexpr int64_t kForgottenMs = 60000;  // nobody asked for so long: the verification ends
constexpr size_t kWorksMax = 2;
constexpr auto kTick = std::chrono::milliseconds(50);

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

VerifyJob::~VerifyJob() {
  for (const auto& work : works_) work->cancelled = true;
  for (const auto& work : works_) work->thread.join();
}

// Nobody waits for it, and nobody will ask: its thread has ended or is about to.
bool VerifyJob::is_over(const Work& work) const {
  if (!work.report || work.waiting > 0) return false;
  // A verdict that nobody fetched for so long is one about the past.
  return work.cancelled || work.callers.empty() || now_ms() - work.asked_ms > kForgottenMs;
}

void VerifyJob::clear() {
  std::erase_if(works_, [this](const std::unique_ptr<Work>& work) {
    if (!is_over(*work)) return false;
    work->thread.join();
    return true;
  });
}

VerifyJob::Work& VerifyJob::start(const std::string& key, const verify::Options& options) {
  Work& work = *works_.emplace_back(std::make_unique<Work>());
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
  return work;
}

VerifyJob::Work* VerifyJob::place(std::unique_lock<std::mutex>& lock, const std::string& key,
                                  const verify::Options& options, const std::string& caller) {
  while (true) {
    clear();
    // A report that is there is for those who asked before.
    for (const auto& work : works_) {
      if (work->key == key && !work->cancelled && (!work->report || work->callers.contains(caller))) return work.get();
    }
    for (const auto& work : works_) {
      if (work->waiting == 0 && work->callers == std::set{caller})
        work->cancelled = true;  // looked at after each block
    }
    if (works_.size() < kWorksMax) return &start(key, options);
    if (std::none_of(works_.begin(), works_.end(), [](const auto& work) { return work->cancelled.load(); })) {
      return nullptr;
    }
    changed_.wait(lock, [this] {
      return works_.size() < kWorksMax ||
             std::any_of(works_.begin(), works_.end(), [this](const auto& work) { return is_over(*work); });
    });
  }
}

VerifyJob::Outcome VerifyJob::wait(const std::string& key, const verify::Options& options, int64_t wait_ms,
                                   server::CallContext& context) {
  const int64_t until = now_ms() + wait_ms;
  const std::string caller = context.caller().authority();
  std::unique_lock lock(mutex_);
  if (waiting_ >= waiting_max_) return {Outcome::Kind::kBusy, {}, 0, 0};
  ++waiting_;
  Work* const placed = place(lock, key, options, caller);
  if (placed == nullptr) {
    --waiting_;
    return {Outcome::Kind::kBusy, {}, 0, 0};
  }
  Work& work = *placed;
  work.callers.insert(caller);
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
  --waiting_;
  Outcome outcome;
  if (work.report) {
    outcome.kind = Outcome::Kind::kDone;
    outcome.report = work.report;  // several callers may have waited for it
    work.callers.erase(caller);
    clear();
    changed_.notify_all();
    return outcome;
  }
  outcome.done_bytes = work.done_bytes;
  outcome.total_bytes = work.total_bytes;
  if (context.stop().stop_requested()) {
    if (work.waiting == 0) work.callers.erase(caller);
    if (work.callers.empty()) work.cancelled = true;
  }
  return outcome;
}

}  // namespace khipu::mcp::tools
