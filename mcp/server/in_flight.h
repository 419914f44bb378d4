// The calls that were begun and not answered yet, by where they came from and their id.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "mcp/server/call.h"

namespace khipu::mcp::server {

// Owns the calls. Thread-safe. A scope is where ids are unique: nullptr for a client of its own, the outbox where many
// clients share this.
class InFlight {
 public:
  ~InFlight();
  // nullptr if the id is in flight, and the call is where it was: two answers with one id on one connection make hosts
  // close it.
  Call* begin(const void* scope, std::unique_ptr<Call>& call);
  // The call is about to answer: its id is free again. From here on only cancel_all and cancel_scope reach it.
  void release(const void* scope, const Call& call);
  // It has answered, its outbox was told so, and it goes. After release().
  void finish(const Call& call);
  void cancel(const void* scope, const jsonrpc::Id& id);
  void cancel_scope(const void* scope);
  void cancel_all();
  // As cancel_all, but every request is answered with this.
  void end_all(const Failure& failure);
  // True if none is left within the time: all have answered, and no outbox is used any more.
  bool drain(std::chrono::milliseconds wait_max);

 private:
  using Key = std::pair<const void*, jsonrpc::Id>;
  std::mutex mutex_;
  std::condition_variable idle_;
  struct Leaving {
    const void* scope;
    std::unique_ptr<Call> call;
  };
  std::map<Key, std::unique_ptr<Call>> calls_;  // guarded by mutex_, as is the next
  std::vector<Leaving> leaving_;
};

}  // namespace khipu::mcp::server
