#include "mcp/server/changes.h"

namespace khipu::mcp::server {

void Changes::listen(ChangeListener& listener) {
  const std::lock_guard lock(mutex_);
  listeners_.insert(&listener);
}

void Changes::leave(ChangeListener& listener) {
  const std::lock_guard lock(mutex_);
  listeners_.erase(&listener);
}

void Changes::announce(const Change& change) {
  const std::lock_guard lock(mutex_);
  for (ChangeListener* listener : listeners_) listener->changed(change);
}

}  // namespace khipu::mcp::server
