// Two verifications at a time, each on a thread of its own: a call waits for one as long as it may, and the next call
// with the same arguments waits on. A verification nobody asks for any more ends by itself; one that other callers
// asked for is ended by nobody else. Waiting keeps a thread, so only so many may.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/verify/verify.h"
#include "mcp/server/tool.h"

namespace khipu::mcp::tools {

// Any thread may wait; the verification's own thread only writes its outcome.
class VerifyJob {
 public:
  explicit VerifyJob(os::Directory& root, size_t waiting_max = 2) : root_(root), waiting_max_(waiting_max) {}
  ~VerifyJob();
  VerifyJob(const VerifyJob&) = delete;
  VerifyJob& operator=(const VerifyJob&) = delete;

  struct Outcome {
    enum class Kind { kDone, kUnderWay, kBusy } kind = Kind::kUnderWay;
    std::optional<Result<verify::Report>> report;  // kDone
    uint64_t done_bytes = 0, total_bytes = 0;      // kUnderWay
  };
  // Starts it, or goes on waiting for the one with this key; one that this caller alone asked for before is given up.
  // kBusy: those of others are under way, or as many calls wait as may.
  Outcome wait(const std::string& key, const verify::Options& options, int64_t wait_ms, server::CallContext& context);

 private:
  struct Work {
    std::string key;
    verify::Options options;
    std::atomic<bool> cancelled{false};
    std::atomic<uint64_t> done_bytes{0}, total_bytes{0};
    std::atomic<int64_t> asked_ms{0};
    std::optional<Result<verify::Report>> report;
    std::set<std::string> callers;  // who has not had the report yet
    int waiting = 0;
    std::thread thread;
  };
  // All with mutex_ held.
  Work* place(std::unique_lock<std::mutex>& lock, const std::string& key, const verify::Options& options,
              const std::string& caller);
  Work& start(const std::string& key, const verify::Options& options);
  bool is_over(const Work& work) const;
  void clear();

  os::Directory& root_;
  const size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t waiting_ = 0;
  std::vector<std::unique_ptr<Work>> works_;
};

}  // namespace khipu::mcp::tools
