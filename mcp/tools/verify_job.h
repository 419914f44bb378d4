// One verification at a time, on a thread of its own: a call waits for it as long as it may, and the next call with the
// same arguments waits on. A verification nobody asks for any more ends by itself.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/verify/verify.h"
#include "mcp/server/tool.h"

namespace khipu::mcp::tools {

// Any thread may wait; the verification's own thread only writes its outcome.
class VerifyJob {
 public:
  explicit VerifyJob(os::Directory& root) : root_(root) {}
  ~VerifyJob();
  VerifyJob(const VerifyJob&) = delete;
  VerifyJob& operator=(const VerifyJob&) = delete;

  struct Outcome {
    enum class Kind { kDone, kUnderWay, kBusy } kind = Kind::kUnderWay;
    std::optional<Result<verify::Report>> report;  // kDone
    uint64_t done_bytes = 0, total_bytes = 0;      // kUnderWay
  };
  // Starts it, or goes on waiting for the one with this key. kBusy: another one is under way, and its callers wait.
  Outcome wait(const std::string& key, const verify::Options& options, int64_t wait_ms, server::CallContext& context);

 private:
  struct Work {
    std::string key;
    verify::Options options;
    std::atomic<bool> cancelled{false};
    std::atomic<uint64_t> done_bytes{0}, total_bytes{0};
    std::atomic<int64_t> asked_ms{0};
    std::optional<Result<verify::Report>> report;
    int waiting = 0;
    std::thread thread;
  };
  void start(const std::string& key, const verify::Options& options);
  void stop();

  os::Directory& root_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Work> work_;
};

}  // namespace khipu::mcp::tools
