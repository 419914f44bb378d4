// Access records: one for each read of the log that was reported, rows of access/ (engine/FORMAT.md "Access records").
// Not here: who reports them (engine/access), who may (engine/daemon).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/codec/record.h"

namespace khipu::codec {

// Names of arguments, never their values: the access log must not become a second copy of what is sought.
struct AccessRecord {
  Uid uid{};
  TimeUs recorded_at = 0;
  TimeUs time = 0;        // when the call was answered or refused, by the reporter's clock
  uint64_t reporter = 0;  // user id of the process that reported it, by the kernel's word (SO_PEERCRED)
  std::string caller;     // whom the reporter answered: "uid:1000", "token:auditor-1"
  std::string tool;       // "audit_query", "resource", "khipu query"
  Outcome outcome = Outcome::kUnknown;
  std::vector<std::string> arguments;  // ascending, each once: "from", "not.actor"
  std::optional<uint64_t> results;     // how many the answer held
  struct State {
    CommitNumber commit;
    uint64_t size = 0;
    bool operator==(const State&) const = default;
  };
  std::optional<State> as_of;  // what was read: the commit, and the rows of the log read
  std::string code;            // of the refusal: "FORBIDDEN"
  std::string client;          // the host's own name and version: told, not proven
  bool operator==(const AccessRecord&) const = default;
};
inline constexpr size_t kAccessSizeBytesMax = 16384;  // of one encoded record

void encode_access(Buffer& to, const AccessRecord& record);
Result<AccessRecord> decode_access(Bytes payload);

}  // namespace khipu::codec
