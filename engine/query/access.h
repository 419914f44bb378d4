// The access log as an answer: who read the log. Rows of access/, each checked leaf to signed root before it is shown.
// Asked with a Filter whose log is kAccess: `from` and `to` count on the time of the call (or recorded_at), `actors`
// are callers, `actions` tools, `outcomes` outcomes, all compared byte by byte; in `where_not` too. Nothing else is
// known of an access. Not here: the record (codec/access.h).
#pragma once

#include "engine/codec/access.h"
#include "engine/query/rows.h"

namespace khipu::query {

struct AccessRow {
  Row row;  // in access/: shown as a:17
  codec::AccessRecord record;
};

struct AccessPage {
  AsOf as_of;  // tree_size and root are access/'s
  TimeUs server_time = 0;
  Filter applied;
  Order order;
  std::vector<AccessRow> rows;
  uint64_t total = 0;
  bool total_is_lower_bound = false;
  uint64_t unshown = 0;
  std::optional<std::string> cursor;
  std::string more_reason;
  Row first_held;  // rows below are not retained
  std::vector<Finding> findings;
  uint64_t findings_total = 0;
  uint64_t scanned = 0;
};

// One JSON object, its seq as "a:17".
void append_access(std::string& to, const AccessRow& access);

}  // namespace khipu::query
