// The reader's side of the access log: each read of the log is told to the writer over the root's `access.sock`, which
// answers when the record is durable. Not here: what is reported (mcp/tools, engine/cli), who may report
// (engine/daemon), the record (codec/access.h).
//
// One request a record, HTTP/1.1 with one connection kept alive: POST /v1/access, the encoded record as
// application/cbor with uid, recorded_at and reporter zero. 200: durable. Anything else: not recorded.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/codec/access.h"
#include "engine/os/local_socket.h"

namespace khipu::access {

inline constexpr std::string_view kSocketName = "access.sock";
inline constexpr int kReportTimeoutMs = 2000;  // then the read counts as not recorded

// Any thread.
class Reporter {
 public:
  explicit Reporter(std::string root_path, int timeout_ms = kReportTimeoutMs)
      : root_path_(std::move(root_path)), timeout_ms_(timeout_ms) {}
  // Returns when the record is durable. kNotFound: no writer runs. Every other Error means as well that nobody can say
  // that it was recorded.
  Result<void> report(codec::AccessRecord record);

 private:
  Result<os::LocalStream> take();
  Result<void> post(os::LocalStream& stream, std::string_view body) const;

  const std::string root_path_;
  const int timeout_ms_;
  std::mutex mutex_;
  std::vector<os::LocalStream> idle_;
};

}  // namespace khipu::access
