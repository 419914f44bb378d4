// A head of this log that somebody kept outside it (a note handed in, an auditor's state), held against the log as it
// is: the log must extend it. A log that is shorter was rolled back; one with another past is a fork, and both signed
// heads together prove it to anybody.
#pragma once

#include <string>
#include <string_view>

#include "engine/codec/record.h"
#include "engine/os/file.h"
#include "engine/verify/report.h"
#include "engine/verify/segment_check.h"

namespace khipu::verify {

struct OutsideHead {
  std::string what;  // "the checkpoint you supplied", "the state you keep"
  TableId table = TableId::kMeta;
  uint64_t size = 0;
  Hash root{};
  std::string note;  // the signed text, when there is one
};

// From a signed note. Findings: it is another log's, or not signed by this one's key (then nullopt). kInvalid: it is no
// checkpoint at all.
Result<std::optional<OutsideHead>> read_note(std::string_view text, std::string_view origin, const CommitKey& key,
                                             Findings& findings);

enum class HeadVerdict { kExtended, kContradicted, kUndecided };
// `now`: the table in the newest signed commit; `own_head`: that commit or a checkpoint of this log as text, the other
// half of the evidence. `there`: the root at the head's size where the caller has walked to it, else the tree files are
// asked. kUndecided: they do not hold together (a finding of its own).
Result<HeadVerdict> check_head(const OutsideHead& head, const codec::TableState& now, std::string_view own_head,
                               std::optional<Hash> there, os::Directory* table, CommitNumber commit,
                               Findings& findings);

}  // namespace khipu::verify
