// `khipu serve`: one writer, its listeners, its signals, from start to orderly end. Wiring only.
//
// SIGTERM, SIGINT  accept no more, finish what has begun (drain_ms), commit, sync, remove the socket, end with 0.
// SIGHUP           read config file and tokens again: both are good and take effect together, or nothing changes and
//                  stderr says why. The TCP address and the [http] limits want a restart.
// A poisoned writer (a failed write or sync) can only be cured by opening the root again, which recovers. So it answers
// 503 "poisoned" while requests drain and then the process ends with 3: its supervisor starts it anew, and readers,
// which are other processes, never notice.
#pragma once

#include <string>

#include "engine/base/result.h"

namespace khipu::daemon {

struct ServeOptions {
  std::string root;
  std::string keys;    // folder
  std::string http;    // flags win over the config file, also after a reload
  std::string config;  // path, or ""
  std::string sync;
  std::string retention_max_age, retention_max_bytes, retention_interval;  // of logs; "" as the config file has it
  bool insecure_http = false;
};

// Returns when told to end; an Error is why it could not start or had to stop.
Result<void> serve(const ServeOptions& options);

}  // namespace khipu::daemon
