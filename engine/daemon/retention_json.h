// Retention and holds as JSON: what a request says, what an answer shows. One form for the socket and for `--json`.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/codec/statement.h"
#include "engine/daemon/keeper.h"
#include "engine/retention/plan.h"

namespace khipu::daemon {

// {"table":"logs"|"access","max_age_s":N,"max_bytes":N,"dry_run":true}, or {"clear_clock":true} alone.
struct RetentionRequest {
  TableId table = TableId::kLogs;
  retention::Policy policy;
  bool dry_run = false;
  bool clear_clock = false;
};
Result<RetentionRequest> parse_retention(std::string_view json);
std::string to_json(const RetentionRequest& request);

// {"action":"set"|"lift","name":NAME,"reason":TEXT}
Result<codec::Hold> parse_hold(std::string_view json);
std::string to_json(const codec::Hold& hold);
// NAME is [A-Za-z0-9._-]{1,64}; the reason 1 to 1,024 bytes of UTF-8 without control characters.
Result<void> check_hold(const codec::Hold& hold);

// "khipu.retention/v1": the plan, what was committed, and what was unlinked when that is known already.
std::string plan_json(const retention::Plan& plan, bool dry_run, const std::optional<CommitNumber>& commit,
                      const writer::Retainer::Swept* swept);
// "khipu.stated/v1": {"commit":N}
std::string stated_json(CommitNumber commit);

}  // namespace khipu::daemon
