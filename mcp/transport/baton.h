// Who of a few threads does the one job that must always go on (reading a client), so that the others may be busy.
//
// The thread that read a request also runs it: handing it to another one costs two wake-ups, more than a small request
// does. Only when that takes longer than the patience does a waiting thread take the job over. Not here: the job.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace khipu::mcp::transport {

// Thread-safe. One thread at a time holds the baton, and with it whatever the job's state is: taking it sees all that
// earlier holders wrote. It begins free.
class Baton {
 public:
  explicit Baton(std::chrono::microseconds patience) : patience_(patience) {}

  // Waits until the baton is free, or was offered for longer than the patience. False: it has ended.
  bool take();
  // The holder is about to be busy: from now on another may take the baton. 0: nobody waits for it, and nothing has
  // changed. No system call, unless there was no offer for a while.
  uint64_t offer();
  // After an offer: true, and it is ours again; false: another has taken it.
  bool reclaim(uint64_t offer);
  // Every take() returns false.
  void end();

 private:
  static constexpr uint64_t kHeld = 0;
  static constexpr uint64_t kFree = 1;  // offers are numbered from the next on, so that none is taken for another

  const std::chrono::microseconds patience_;
  std::atomic<uint64_t> offer_ = kFree;
  std::atomic<uint64_t> last_ = kFree;  // written by the holder
  std::atomic<int> waiting_ = 0;
  std::atomic<bool> asleep_ = false;  // whoever waits looks again only when it is woken
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;  // guarded by mutex_
};

}  // namespace khipu::mcp::transport
