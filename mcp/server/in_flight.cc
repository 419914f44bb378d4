#include "mcp/server/in_flight.h"

namespace khipu::mcp::server {

InFlight::~InFlight() {
  cancel_all();
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return calls_.empty() && leaving_.empty(); });
}

Call* InFlight::begin(const void* scope, std::unique_ptr<Call>& call) {
  const std::lock_guard lock(mutex_);
  const Key key{scope, call->id()};
  const auto [place, is_new] = calls_.try_emplace(key, nullptr);
  if (!is_new) return nullptr;
  place->second = std::move(call);
  return place->second.get();
}

// A client that has its answer may use the id again at once, and where scopes are outboxes, the next outbox may have
// the address of this one: the key goes before the answer does.
void InFlight::release(const void* scope, const Call& call) {
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find({scope, call.id()});
  leaving_.push_back({scope, std::move(found->second)});
  calls_.erase(found);
}

void InFlight::finish(const Call& call) {
  const std::lock_guard lock(mutex_);
  std::erase_if(leaving_, [&](const Leaving& leaving) { return leaving.call.get() == &call; });
  idle_.notify_all();
}

void InFlight::cancel(const void* scope, const jsonrpc::Id& id) {
  const std::lock_guard lock(mutex_);
  if (const auto found = calls_.find({scope, id}); found != calls_.end()) found->second->cancel();
}

void InFlight::cancel_scope(const void* scope) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, call] : calls_) {
    if (key.first == scope) call->cancel();
  }
  for (const Leaving& leaving : leaving_) {
    if (leaving.scope == scope) leaving.call->cancel();
  }
}

void InFlight::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, call] : calls_) call->cancel();
  for (const Leaving& leaving : leaving_) leaving.call->cancel();
}

void InFlight::end_all(const Failure& failure) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, call] : calls_) call->end(failure);
  for (const Leaving& leaving : leaving_) leaving.call->end(failure);
}

bool InFlight::drain(std::chrono::milliseconds wait_max) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, wait_max, [this] { return calls_.empty() && leaving_.empty(); });
}

}  // namespace khipu::mcp::server
