// What the writer keeps beside the root, in ROOT.keys: the signing key, the index key, and the last signed state.
// The state is what stops a log that was put back to an older copy from being signed again (no
// laundering). Byte format of `state`: engine/FORMAT.md "Key-side state".
#pragma once

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/record.h"
#include "engine/crypto/secret.h"
#include "engine/crypto/signature.h"
#include "engine/os/clock.h"
#include "engine/os/file.h"

namespace khipu::writer {

inline constexpr std::string_view kStateName = "state";

// The newest commit whose syncs had returned when it was written: (number, hash), and size and root of every table.
struct SignedState {
  RootId root_id{};
  CommitNumber number;
  Hash hash{};
  std::array<codec::TableState, kTableCount> tables{};
  // The publication that is this commit's checkpoints, a function of this state; it may be missing yet.
  uint64_t checkpoint = 0;  // its number; 0: none
  uint64_t log_offset = 0;  // where it begins in checkpoints.log
  uint32_t moved = 0;       // bit i: it has a note of table i; meta's is in each
  bool operator==(const SignedState&) const = default;
};
inline constexpr size_t kStateSize = 248;
std::array<uint8_t, kStateSize> encode_state(const SignedState& state);
Result<SignedState> parse_state(Bytes bytes);

// New file, fsync, rename, directory fsync: whole or not at all.
Result<void> save_state(os::Directory& keys, const SignedState& state);
// kCorrupt when missing or torn: the writer does not start without it.
Result<SignedState> load_state(os::Directory& keys);

struct Keys {
  crypto::SigningKey signing;
  crypto::SecretBytes index;  // keyed hashes of idempotency keys
  std::string name;           // the origin the signing key speaks for
  std::array<uint8_t, 4> key_id{};
};
Result<Keys> load_keys(os::Directory& keys);
// Fresh signing.key and index.key, 0600, O_EXCL; and verifier.pub, the half to hand out.
Result<Keys> create_keys(os::Directory& keys, const std::string& origin, TimeUs now);

// What to do about evidence that an operator may know the reason of: said behind it.
inline constexpr std::string_view kHowToAcceptRollback =
    "; if an older copy was put back on purpose, `khipu recover ROOT --accept-rollback --reason TEXT` signs that and "
    "goes on";

}  // namespace khipu::writer
