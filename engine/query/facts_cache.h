// The last Facts made, kept while the log does not grow: Engine's own.
#pragma once

#include <mutex>

#include "engine/query/engine.h"

namespace khipu::query {

struct Engine::FactsCache {
  std::mutex mutex;  // guards the member below; held while facts are made, so that two callers make them once
  std::shared_ptr<const Facts> facts;
};

}  // namespace khipu::query
