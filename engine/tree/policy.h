// Trust policies (c2sp.org/tlog-policy): which logs and witnesses are known, and which witnesses must have cosigned a
// checkpoint for it to count. Not here: signatures (note.h), where a policy file is kept.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/tree/note.h"

namespace khipu::tree {

inline constexpr size_t kPolicySizeMax = 256U << 10;
inline constexpr size_t kPolicyEntryCountMax = 1024;  // logs, witnesses and groups together

class Policy {
 public:
  // kInvalid, with the line: unknown words, repeated names or keys, a name used before it is defined or twice as a
  // member, a threshold outside 1..members, not exactly one quorum, control characters.
  static Result<Policy> parse(std::string_view text);
  // One log, no witnesses asked for.
  static Policy of(VerifierKey log);

  // Signed by a known log under the key whose name is the checkpoint's origin, cosigned as the quorum demands, and no
  // known key's signature is wrong.
  bool accepts(const Note& checkpoint_note, std::string_view origin) const;

  const std::vector<VerifierKey>& logs() const { return logs_; }

 private:
  // A witness (no members) or a group of earlier ones.
  struct Member {
    std::string name;
    VerifierKey key;
    std::vector<size_t> members;
    size_t threshold = 0;
    bool taken = false;  // is a member of some group
  };
  struct Reader;

  std::vector<VerifierKey> logs_;
  std::vector<Member> members_;  // in the order of definition: a group comes behind its members
  static constexpr size_t kNone = SIZE_MAX;
  size_t quorum_ = kNone;
};

}  // namespace khipu::tree
